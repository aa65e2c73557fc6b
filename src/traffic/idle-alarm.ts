/** Tells once when nothing was settled for too long. Times by a clock that is never set, in ms. */
export class IdleAlarm {
  readonly #idleMs: number;
  readonly #now: () => number;
  #sinceMs: number;
  #told = false;

  constructor(idleMs: number, now: () => number) {
    this.#idleMs = idleMs;
    this.#now = now;
    this.#sinceMs = now();
  }

  /** An item was settled, or what went before does not count. */
  reset(): void {
    this.#sinceMs = this.#now();
    this.#told = false;
  }

  /** @returns true the first time that nothing was settled for so long */
  rings(): boolean {
    if (this.#told || this.#now() - this.#sinceMs <= this.#idleMs) return false;
    this.#told = true;
    return true;
  }
}
