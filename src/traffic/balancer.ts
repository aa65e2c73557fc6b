import type { Balance } from "../job.ts";

/** An endpoint that could take the next call, as far as choosing goes. */
export interface Candidate {
  readonly weight: number;
  readonly inFlight: number;
  /** Smoothed, in ms; null before the first answer. */
  readonly latencyMs: number | null;
  /** Smoothed share of failed calls, 0..1. */
  readonly errorShare: number;
}

/** How much worse an endpoint looks whose every call fails. */
const ERROR_PENALTY = 9;

/**
 * Which endpoint takes the next call.
 * - `latency`: the better of two drawn at random, by the time its calls in flight and this one will take, its errors and
 *   its weight ("The Power of Two Choices in Randomized Load Balancing", Mitzenmacher, 2001). With `soonest` the best of
 *   all: for the last items of a run, each of which is waited for.
 * - `cost`: the cheapest; between equal ones as by `latency`.
 * - `weight`: the one that got least in proportion to its weight.
 * @param candidates at least one
 * @param costOf USD of a typical call; null: unknown, the dearest
 * @param servedOf calls so far divided by weight, see {@link Shares}
 * @param random uniform in [0, 1)
 */
export function choose<T extends Candidate>(
  candidates: readonly T[],
  balance: Balance,
  by: {
    readonly costOf: (candidate: T) => number | null;
    readonly servedOf: (candidate: T) => number;
    readonly random: () => number;
    readonly soonest: boolean;
  },
): T {
  if (candidates.length === 1) return candidates[0]!;
  if (balance === "weight") return least(candidates, by.servedOf);
  if (balance === "latency") return byLatency(candidates, by);
  const cost = (candidate: T): number => by.costOf(candidate) ?? Number.POSITIVE_INFINITY;
  const lowest = Math.min(...candidates.map(cost));
  return byLatency(
    candidates.filter((candidate) => cost(candidate) === lowest),
    by,
  );
}

/** Counts what each endpoint got in proportion to its weight. One that was away does not make up for it. */
export class Shares<T extends Pick<Candidate, "weight">> {
  readonly #served = new Map<T, number>();
  /** What the one that was served last had got: nobody is owed more than what lies behind it. */
  #level = 0;

  of(candidate: T): number {
    return Math.max(this.#served.get(candidate) ?? 0, this.#level - 1 / candidate.weight);
  }

  serve(candidate: T): void {
    const before = this.of(candidate);
    this.#level = Math.max(this.#level, before);
    this.#served.set(candidate, before + 1 / candidate.weight);
  }
}

function byLatency<T extends Candidate>(
  candidates: readonly T[],
  { random, soonest }: { readonly random: () => number; readonly soonest: boolean },
): T {
  const bestMs = Math.min(...candidates.map(({ latencyMs }) => latencyMs ?? Number.POSITIVE_INFINITY));
  const assumedMs = Number.isFinite(bestMs) ? bestMs : 1;
  const score = (candidate: T): number => scoreOf(candidate, assumedMs);
  if (soonest || candidates.length <= 2) return least(candidates, score);
  const first = Math.floor(random() * candidates.length);
  const other = Math.floor(random() * (candidates.length - 1));
  return least([candidates[first]!, candidates[other < first ? other : other + 1]!], score);
}

/**
 * Expected time until what it has and one more call are answered. One that was never asked looks as good as can be, and
 * until its first answer like the fastest: all calls at once would wait for one that never answers.
 */
function scoreOf({ latencyMs, inFlight, errorShare, weight }: Candidate, assumedMs: number): number {
  const eachMs = latencyMs ?? (inFlight === 0 ? 0 : assumedMs);
  return (eachMs * (inFlight + 1) * (1 + ERROR_PENALTY * errorShare)) / weight;
}

function least<T>(candidates: readonly T[], measure: (candidate: T) => number): T {
  return candidates.reduce((best, candidate) => (measure(candidate) < measure(best) ? candidate : best));
}
