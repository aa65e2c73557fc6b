/** What was settled in one minute. */
export interface MinuteCount {
  readonly minute: number;
  classified: number;
  retryQueued: number;
  deadLetters: number;
}

const MINUTE_MS = 60_000;

/** Settled items by the minute, as far back as the longest window: a few numbers a minute, whatever comes. */
export class MinuteCounts {
  readonly #keptMinutes: number;
  #minutes: MinuteCount[];

  /** @param keptMinutes the longest window */
  constructor(keptMinutes: number, saved: readonly MinuteCount[] = []) {
    this.#keptMinutes = keptMinutes;
    this.#minutes = saved.map((count) => ({ ...count }));
  }

  add(outcome: "classified" | "retryQueued" | "deadLetter", atMs: number, items = 1): void {
    const minute = Math.floor(atMs / MINUTE_MS);
    let last = this.#minutes.at(-1);
    if (last === undefined || last.minute < minute) {
      last = { minute, classified: 0, retryQueued: 0, deadLetters: 0 };
      this.#minutes.push(last);
      this.#minutes = this.#minutes.filter((count) => count.minute > minute - this.#keptMinutes);
    }
    last[outcome === "deadLetter" ? "deadLetters" : outcome] += items;
  }

  /** Sums over the last minutes, the present one included. */
  sum(windowMinutes: number, nowMs: number): Omit<MinuteCount, "minute"> {
    const from = Math.floor(nowMs / MINUTE_MS) - windowMinutes;
    const sum = { classified: 0, retryQueued: 0, deadLetters: 0 };
    for (const count of this.#minutes) {
      if (count.minute <= from) continue;
      sum.classified += count.classified;
      sum.retryQueued += count.retryQueued;
      sum.deadLetters += count.deadLetters;
    }
    return sum;
  }

  saved(): readonly MinuteCount[] {
    return this.#minutes.map((count) => ({ ...count }));
  }
}
