/** What is in flight, since when, and how much of the slots' time was used. */
export class CallMeter {
  readonly #slots: () => number;
  readonly #now: () => number;
  readonly #calls = new Map<object, number>();
  #area = 0;
  /** What the area would be with a call in every slot. */
  #whole = 0;
  #atMs: number;

  /** @param slots how many calls may be in flight, now */
  constructor(slots: () => number, now: () => number) {
    this.#slots = slots;
    this.#now = now;
    this.#atMs = now();
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  /** Age of the oldest call in flight, in ms; null when there is none. */
  get oldestMs(): number | null {
    const [oldest] = this.#calls.values();
    return oldest === undefined ? null : this.#now() - oldest;
  }

  /** Mean share of the slots with a call in flight since the start, 0..1. */
  get utilization(): number {
    this.#measure();
    return this.#area / Math.max(1, this.#whole);
  }

  begin(call: object): void {
    this.#measure();
    this.#calls.set(call, this.#atMs);
  }

  end(call: object): void {
    this.#measure();
    this.#calls.delete(call);
  }

  #measure(): void {
    const now = this.#now();
    if (now === this.#atMs) return;
    this.#area += this.#calls.size * (now - this.#atMs);
    this.#whole += Math.max(this.#calls.size, this.#slots()) * (now - this.#atMs);
    this.#atMs = now;
  }
}
