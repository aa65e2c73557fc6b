/** How often the store is asked for its time, in ms. */
const AGAIN_MS = 300_000;
const LOOKS = 3;

/** The clock of a store that several processes share, read from afar: whole ms, off by less than half a round trip. */
export class StoreClock {
  readonly #now: () => number;
  readonly #ask: () => Promise<number>;
  readonly #timer: NodeJS.Timeout;
  #offsetMs = 0;

  /** @param now a clock that is never set, in ms @param ask the store's time, epoch ms */
  constructor(now: () => number, ask: () => Promise<number>) {
    this.#now = now;
    this.#ask = ask;
    // What was known holds on while the store is away.
    this.#timer = setInterval(() => void this.look().catch(() => {}), AGAIN_MS);
    this.#timer.unref();
  }

  /** Asks the store. The answer that took the shortest way counts. */
  async look(): Promise<void> {
    let shortestMs = Number.POSITIVE_INFINITY;
    let offsetMs = 0;
    for (let look = 0; look < LOOKS; look += 1) {
      const beforeMs = this.#now();
      const toldMs = await this.#ask();
      const tookMs = this.#now() - beforeMs;
      if (tookMs >= shortestMs) continue;
      shortestMs = tookMs;
      offsetMs = toldMs - beforeMs - tookMs / 2;
    }
    this.#offsetMs = offsetMs;
  }

  nowMs(): number {
    return this.#now() + this.#offsetMs;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
