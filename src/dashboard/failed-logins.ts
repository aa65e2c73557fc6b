import { setTimeout as delay } from "node:timers/promises";

/** Wrong tokens that wait for their answer at a time; more are refused at once. */
const MOST_WAITING = 8;
const FIRST_MS = 250;
const LONGEST_MS = 4_000;
/** So long after the last one the next waits as little as the first, in ms. */
const FORGET_MS = 60_000;
/** They are told of this seldom: whoever tries tokens fills no log, and drives nothing out of the activity. */
const TELL_MS = 60_000;

/** Makes wrong tokens slow, each more than the one before. Right ones never wait, so nobody can be locked out. */
export class FailedLogins {
  readonly #steadyNow: () => number;
  #recent = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  #waiting = 0;
  #untold = 0;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(steadyNow: () => number) {
    this.#steadyNow = steadyNow;
  }

  /** Counts one. @returns how many came since they were told of last; null: that was a moment ago */
  count(): number | null {
    this.#untold += 1;
    const nowMs = this.#steadyNow();
    if (nowMs - this.#toldMs < TELL_MS) return null;
    this.#toldMs = nowMs;
    const untold = this.#untold;
    this.#untold = 0;
    return untold;
  }

  /** Waits as long as this failure has to. @returns false when too many wait already */
  async slow(): Promise<boolean> {
    const nowMs = this.#steadyNow();
    this.#recent = nowMs - this.#lastMs > FORGET_MS ? 0 : this.#recent;
    this.#lastMs = nowMs;
    if (this.#waiting >= MOST_WAITING) return false;
    const waitMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#recent);
    this.#recent += 1;
    this.#waiting += 1;
    await delay(waitMs, undefined, { ref: false });
    this.#waiting -= 1;
    return true;
  }
}
