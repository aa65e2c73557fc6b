/** How old a count may become, ms. */
const COUNT_MS = 30_000;

/** Something that is counted in the store now and then, while somebody asks for it; nobody waits for it. */
export class Counted<T> {
  readonly #count: () => Promise<T | null>;
  readonly #steadyNow: () => number;
  #value: T | null = null;
  #dueMs = Number.NEGATIVE_INFINITY;
  #counting: Promise<void> | null = null;

  /** @param count null, or rejects: it is not known */
  constructor(count: () => Promise<T | null>, steadyNow: () => number) {
    this.#count = count;
    this.#steadyNow = steadyNow;
  }

  /** As it was counted last; null while it is not known. */
  get value(): T | null {
    return this.#value;
  }

  /** Counts again, when it is time. */
  look(): void {
    const nowMs = this.#steadyNow();
    if (this.#counting !== null || nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + COUNT_MS;
    this.#counting = this.#count()
      .catch(() => null)
      .then((value) => {
        this.#value = value;
        this.#counting = null;
      });
  }

  /** It is another one now: what is being counted at this moment may have missed it. */
  forget(): void {
    this.#dueMs = Number.NEGATIVE_INFINITY;
  }
}
