import type { EventMap, RunSnapshot } from "../events.ts";
import type { LimitReason } from "../rate-limits.ts";
import type { History, LimitStep, Sample } from "./api.ts";

/** How long samples of each distance are kept: every second for ten minutes, every 10 s for two hours, every minute for a day. */
const RINGS = [
  { everyMs: 1_000, most: 600 },
  { everyMs: 10_000, most: 720 },
  { everyMs: 60_000, most: 1_440 },
] as const;
const MOST_LIMITS = 500;
/** A timer is not on time to the millisecond. */
const EARLY_MS = 250;

/** What a run did so far, in bounded memory: 2,760 samples and 500 steps at most. */
export class RunHistory {
  readonly #rings: readonly Sample[][] = RINGS.map(() => []);
  readonly #limits: LimitStep[] = [];

  add(sample: Sample): void {
    // A clock that was set back: what was measured after that moment came before.
    for (const ring of this.#rings) while (ring.length > 0 && ring.at(-1)!.atMs > sample.atMs) ring.pop();
    for (const [at, { everyMs, most }] of RINGS.entries()) {
      const ring = this.#rings[at]!;
      const last = ring.at(-1);
      if (last !== undefined && sample.atMs - last.atMs < everyMs - EARLY_MS) continue;
      ring.push(sample);
      if (ring.length > most) ring.shift();
    }
  }

  addLimit(step: LimitStep): void {
    this.#limits.push(step);
    if (this.#limits.length > MOST_LIMITS) this.#limits.shift();
  }

  /** Oldest first, each moment once. */
  get all(): History {
    let samples: Sample[] = [];
    for (const ring of this.#rings) {
      const firstMs = samples[0]?.atMs ?? Number.POSITIVE_INFINITY;
      samples = [...ring.filter(({ atMs }) => atMs < firstMs), ...samples];
    }
    return { samples, limits: [...this.#limits] };
  }
}

/** @returns one second of a run */
export function sampleOf(snapshot: RunSnapshot): Sample {
  const { nowMs, itemsPerSecond, slots, counters, endpoints, fleet } = snapshot;
  // Those of a fleet are its workers'.
  const places = fleet?.workers ?? [{ inFlight: slots.busy, limit: slots.limit }];
  const known = endpoints.filter(({ p50Ms }) => p50Ms !== null);
  const weight = (callsPerSecond: number): number => Math.max(callsPerSecond, 1e-3);
  const whole = known.reduce((sum, { callsPerSecond }) => sum + weight(callsPerSecond), 0);
  const middle = known.reduce((sum, { p50Ms, callsPerSecond }) => sum + p50Ms! * weight(callsPerSecond), 0);
  return {
    atMs: nowMs,
    itemsPerSecond,
    p50Ms: known.length === 0 ? null : Math.round(middle / whole),
    p95Ms: known.length === 0 ? null : Math.max(...known.map(({ p95Ms }) => p95Ms ?? 0)),
    inFlight: places.reduce((sum, { inFlight }) => sum + inFlight, 0),
    limit: places.reduce((sum, { limit }) => sum + limit, 0),
    settled: counters.read - counters.inFlight,
    costUsd: counters.costUsd,
  };
}

const REASONS: Readonly<Record<LimitReason, string>> = {
  "slow-start": "it starts slowly and answers well",
  "clean-round": "a round of answers came clean",
  "rate-limited": "it said that it is asked too often",
  latency: "its answers became slow",
  ceiling: "the ceiling was set to that",
};

/** @returns why an endpoint takes another number of calls */
export function limitStep({ endpoint, from, to, reason }: EventMap["limit:change"], atMs: number): LimitStep {
  return {
    atMs,
    endpoint,
    from,
    to,
    reason,
    words: `${endpoint}: ${from} to ${to} calls at once, ${REASONS[reason]}.`,
  };
}
