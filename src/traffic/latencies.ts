/** Calls that percentiles look back on, and the span of the rate, in ms. */
const WINDOW_CALLS = 512;
const RATE_MS = 10_000;
/** Weight of the newest call in the smoothed figures. */
const WEIGHT = 1 / 16;

/** How fast and how well an endpoint has answered lately. */
export class Latencies {
  readonly #now: () => number;
  readonly #madeMs: number;
  readonly #latencies = new Float64Array(WINDOW_CALLS);
  #calls = 0;
  /** Answers of the seconds that the rate looks back on. */
  readonly #perSecond = new Map<number, number>();
  #smoothedMs: number | null = null;
  #errorShare = 0;

  /** @param now a clock that is never set, in ms */
  constructor(now: () => number) {
    this.#now = now;
    this.#madeMs = now();
  }

  /** ms, null before the first answer. */
  get smoothedMs(): number | null {
    return this.#smoothedMs;
  }
  /** Of the calls lately, 0..1. */
  get errorShare(): number {
    return this.#errorShare;
  }

  /** Calls that were answered. */
  get answers(): number {
    return this.#calls;
  }

  answered(latencyMs: number): void {
    this.#latencies[this.#calls % WINDOW_CALLS] = latencyMs;
    this.#calls += 1;
    this.#smoothedMs =
      this.#smoothedMs === null ? latencyMs : this.#smoothedMs + WEIGHT * (latencyMs - this.#smoothedMs);
    this.#errorShare -= WEIGHT * this.#errorShare;
    const second = Math.floor(this.#now() / 1_000);
    const before = this.#perSecond.get(second);
    this.#perSecond.set(second, (before ?? 0) + 1);
    if (before !== undefined) return;
    for (const old of this.#perSecond.keys())
      if (old * 1_000 <= this.#now() - RATE_MS - 1_000) this.#perSecond.delete(old);
  }

  /** It was given up before it was answered: it would have taken longer than this, in ms. */
  outlasted(ms: number): void {
    if (this.#smoothedMs === null) this.#smoothedMs = ms;
    else if (ms > this.#smoothedMs) this.#smoothedMs += WEIGHT * (ms - this.#smoothedMs);
  }

  failed(): void {
    this.#errorShare += WEIGHT * (1 - this.#errorShare);
  }

  snapshot(): { callsPerSecond: number; p50Ms: number | null; p95Ms: number | null } {
    const sorted = this.#latencies.slice(0, Math.min(this.#calls, WINDOW_CALLS)).sort();
    const at = (share: number): number | null =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
    const now = this.#now();
    let answered = 0;
    for (const [second, count] of this.#perSecond) if (second * 1_000 > now - RATE_MS) answered += count;
    const callsPerSecond = answered / (Math.min(RATE_MS, Math.max(1_000, now - this.#madeMs)) / 1_000);
    return { callsPerSecond, p50Ms: at(0.5), p95Ms: at(0.95) };
  }
}
