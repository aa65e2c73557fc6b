interface Pace {
  answers: number;
  /** Smoothed, as the natural logarithm of ms. */
  recent: number;
  /** The lowest that `recent` has been. */
  best: number;
}

/** Answers before a run's usual time is known, and over how many it is smoothed. */
const LEAST_ANSWERS = 32;
const SPAN = 64;

/**
 * Makes the latencies of several runs at one place comparable: the texts of each take their own usual time, and a run with
 * longer ones that joins does not make the place slow.
 */
export class Paces<P> {
  readonly #usual: number;
  readonly #paces = new Map<P, Pace>();

  /** @param usualMs what {@link judge} makes of an answer that took a run's best time */
  constructor(usualMs: number) {
    this.#usual = Math.log(usualMs);
  }

  /** The run's best time is known already. */
  know(party: P, bestMs: number): void {
    const best = Math.log(bestMs);
    this.#paces.set(party, { answers: LEAST_ANSWERS, recent: best, best });
  }

  /** @returns ms, as if all runs had the same texts; null while the run's usual time is not known */
  judge(party: P, latencyMs: number): number | null {
    const pace = this.#paces.get(party) ?? { answers: 0, recent: 0, best: Number.POSITIVE_INFINITY };
    this.#paces.set(party, pace);
    const value = Math.log(Math.max(1, latencyMs));
    pace.answers = Math.min(SPAN, pace.answers + 1);
    pace.recent += (value - pace.recent) / pace.answers;
    if (pace.answers < LEAST_ANSWERS) return null;
    pace.best = Math.min(pace.best, pace.recent);
    return Math.exp(this.#usual + value - pace.best);
  }

  leave(party: P): void {
    this.#paces.delete(party);
  }
}
