/** How often the store is asked for its time, in ms. */
const AGAIN_MS = 300_000;
const LOOKS = 3;
/** The clock of this machine is ahead by so much: it slept, and what it measures with stood still. In ms. */
const SLEPT_MS = 1_000;

/** The clock of a store that several processes share, read from afar: whole ms, off by less than half a round trip. */
export class StoreClock {
  readonly #now: () => number;
  readonly #ask: () => Promise<number>;
  readonly #wallNow: () => number;
  readonly #timer: NodeJS.Timeout;
  #offsetMs = 0;
  /** What the clock of this machine is ahead of the other one, in ms, when it was looked at last. */
  #aheadMs: number;

  /**
   * @param now a clock that is never set, in ms @param ask the store's time, epoch ms
   * @param wallNow the clock of this machine, epoch ms: it goes on while the machine sleeps
   */
  constructor(now: () => number, ask: () => Promise<number>, wallNow: () => number = Date.now) {
    this.#now = now;
    this.#ask = ask;
    this.#wallNow = wallNow;
    this.#aheadMs = wallNow() - now();
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
    const nowMs = this.#now();
    const aheadMs = this.#wallNow() - nowMs;
    const sleptMs = aheadMs - this.#aheadMs;
    this.#aheadMs = aheadMs;
    if (sleptMs > SLEPT_MS) {
      // What is leased is over. If the clock was set instead, the store says so.
      this.#offsetMs += sleptMs;
      void this.look().catch(() => {});
    }
    return nowMs + this.#offsetMs;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
