import type { PauseHolder } from "./events.ts";

/** One reason to hold a run up, and who gave it. */
export interface Paused {
  readonly holder: PauseHolder;
  readonly reason: string | null;
  readonly by: string | null;
  /** By the steady clock. */
  readonly sinceMs: number;
}

/**
 * Whether a run makes no new calls on purpose. A person and a window of hours hold it apart from each other: it goes on
 * when neither does, so that the morning does not undo what a person said.
 */
export class Pause {
  readonly #steadyNow: () => number;
  readonly #held = new Map<PauseHolder, Paused>();
  #sinceMs: number | null = null;
  #earlierMs = 0;
  #endedMs: number | null = null;

  constructor(steadyNow: () => number) {
    this.#steadyNow = steadyNow;
  }

  /** A person's before a window's; null while the run goes on. */
  get current(): Paused | null {
    return this.#held.get("operator") ?? this.#held.get("window") ?? null;
  }

  /** Everybody who holds it up. */
  get all(): readonly Paused[] {
    return [...this.#held.values()];
  }

  /** Since when nothing is begun, by the steady clock; null while the run goes on. */
  get sinceMs(): number | null {
    return this.#sinceMs;
  }

  /** When the last pause ended, by the steady clock; null before the first. */
  get endedMs(): number | null {
    return this.#endedMs;
  }

  /** How long the run was held up in all, the present pause included, in ms. */
  get totalMs(): number {
    return this.#earlierMs + (this.#sinceMs === null ? 0 : this.#steadyNow() - this.#sinceMs);
  }

  /** Holds the run up; said twice, the later reason counts and the first time. @returns false when this holder did already */
  begin(holder: PauseHolder, reason: string | null, by: string | null): boolean {
    const nowMs = this.#steadyNow();
    const before = this.#held.get(holder);
    this.#held.set(holder, { holder, reason: reason ?? before?.reason ?? null, by, sinceMs: before?.sinceMs ?? nowMs });
    this.#sinceMs ??= nowMs;
    return before === undefined;
  }

  /** @returns false when this holder did not hold it */
  end(holder: PauseHolder): boolean {
    if (!this.#held.delete(holder)) return false;
    if (this.#held.size === 0) {
      this.#endedMs = this.#steadyNow();
      this.#earlierMs += this.#endedMs - this.#sinceMs!;
      this.#sinceMs = null;
    }
    return true;
  }
}
