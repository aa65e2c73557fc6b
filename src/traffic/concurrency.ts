import type { LimitReason } from "../rate-limits.ts";

/**
 * How many calls may be in flight at one endpoint at once.
 *
 * States: slow start → careful, after the first push-back (`trouble` is then known), never back. Moves, with reasons:
 * - answers to a limit that is in use make it grow: in slow start it doubles per round (`slow-start`), later it grows by
 *   half per round up to near the place of trouble and by a twentieth beyond (`clean-round`). A round is as many answers
 *   as the limit; fast growth comes in quarters of a round, so that no crowd of calls leaves at once.
 * - 429 shrinks it once per episode (`rate-limited`): those of calls sent before the last shrink change nothing.
 * - 5xx and timeouts: no growth for a round.
 * - answers that are slow compared with the best time: no growth; very slow: it shrinks a little per round (`latency`).
 *   Where shrinking does not make them faster the limit was not the cause, and the slower time becomes the usual one.
 * - little headroom in the endpoint's rate limits: no growth, since more calls at once would not bring more answers.
 * - the ceiling was reached, or changed (`ceiling`).
 */
export interface ConcurrencyState {
  /** Calls that may be in flight, integer in 1..max. */
  readonly limit: number;
  /** Answers to a limit in use since it changed last. */
  readonly clean: number;
  /** Answers that do not count, because something failed. */
  readonly frozen: number;
  /** The limit that last met push-back; null: slow start. */
  readonly trouble: number | null;
  /** When a refusal last shrank it. */
  readonly refusedAtMs: number;
  readonly latency: LatencyState;
}

/** Latencies as natural logarithms of ms: heavy tails then weigh no more than they should. */
interface LatencyState {
  /** Answers so far, as far as that matters. */
  readonly answers: number;
  /** Smoothed over about a round. */
  readonly recent: number;
  /** The lowest that `recent` has been. */
  readonly best: number;
  /** The limit at which shrinking began, and the highest latency since; null: not shrinking. */
  readonly shrinking: { readonly limit: number; readonly recent: number } | null;
}

export interface ConcurrencyOptions {
  /** Where `auto` begins, integer >= 1. */
  readonly start: number;
  /** Ceiling, integer >= 1. `fixed` begins here. */
  readonly max: number;
  /** `fixed`: the ceiling is the limit, unless the provider pushes back. `auto`: finds its way from `start`. */
  readonly mode: "auto" | "fixed";
}

export type Seen =
  | {
      readonly what: "answer";
      /** null: it says nothing of how slow the endpoint is. */
      readonly latencyMs: number | null;
      /** Calls in flight when it came, itself included. */
      readonly inFlight: number;
      /** Smallest share left of the endpoint's rate limits, 0..1; null: not known. */
      readonly headroom: number | null;
    }
  /** Both in monotonic ms. */
  | { readonly what: "refused"; readonly sentMs: number; readonly nowMs: number }
  | { readonly what: "failed" };

export interface LimitChange {
  readonly from: number;
  readonly to: number;
  readonly reason: LimitReason;
}

export interface LimitStep {
  readonly state: ConcurrencyState;
  readonly change: LimitChange | null;
}

/** A limit of which less is in flight says nothing of the endpoint. */
const IN_USE = 0.9;
const SHRINK_REFUSED = 0.7;
const SHRINK_SLOW = 0.85;
/** Rounds after a change until latencies show it. */
const SETTLED_ROUNDS = 2;
/**
 * Growth per answer in slow start, up to near the place of trouble, and beyond it. Four steps of a quarter of a round
 * double the limit, or make it half as large again. Faster, the quick ones of many new answers look like better times.
 */
const DOUBLE = 0.75;
const HALF = 0.43;
const TWENTIETH = 0.05;
const NEAR_TROUBLE = 0.9;
/** Below this share of a rate limit growth stops. */
const LEAST_HEADROOM = 0.1;
/** Latencies beyond these multiples of the best one stop growth, and shrink. */
const SLOW = Math.log(1.7);
const VERY_SLOW = Math.log(2.3);
/** Answers before latencies are judged, and the fewest over which they are smoothed. */
const LEAST_ANSWERS = 32;
const LEAST_SPAN = 64;

export function firstLimit({ start, max, mode }: ConcurrencyOptions): ConcurrencyState {
  return {
    limit: mode === "fixed" ? max : Math.min(start, max),
    clean: 0,
    frozen: 0,
    trouble: null,
    refusedAtMs: Number.NEGATIVE_INFINITY,
    latency: { answers: 0, recent: 0, best: Number.POSITIVE_INFINITY, shrinking: null },
  };
}

/** The ceiling or the mode was changed from outside. */
export function retunedLimit(state: ConcurrencyState, { max, mode }: ConcurrencyOptions): LimitStep {
  // A limit that met push-back finds its way up again by itself.
  const isFree = mode === "fixed" && state.trouble === null;
  return state.limit > max || isFree ? move(state, max, "ceiling") : stay(state);
}

/** One move. `options.max` may change between moves. */
export function nextLimit(state: ConcurrencyState, seen: Seen, options: ConcurrencyOptions): LimitStep {
  if (state.limit > options.max) return move(state, options.max, "ceiling");
  switch (seen.what) {
    case "failed":
      return stay({ ...state, clean: 0, frozen: state.limit });
    case "refused": {
      if (seen.sentMs <= state.refusedAtMs) return stay(state);
      const refused = { ...state, clean: 0, frozen: 0, trouble: state.limit, refusedAtMs: seen.nowMs };
      return move(refused, shrunk(state.limit, SHRINK_REFUSED), "rate-limited");
    }
    case "answer": {
      const latency = seen.latencyMs === null ? state.latency : measured(state, seen.latencyMs);
      if (state.frozen > 0) return stay({ ...state, latency, frozen: state.frozen - 1 });
      if (seen.inFlight < IN_USE * state.limit) return stay({ ...state, latency });
      return afterAnswer({ ...state, latency, clean: state.clean + 1 }, seen.headroom, options);
    }
  }
}

function afterAnswer(state: ConcurrencyState, headroom: number | null, { max, mode }: ConcurrencyOptions): LimitStep {
  const { limit, clean, trouble, latency } = state;
  const slowness = mode === "auto" && latency.answers >= LEAST_ANSWERS ? latency.recent - latency.best : 0;
  if (slowness > VERY_SLOW) return clean < SETTLED_ROUNDS * limit ? stay(state) : shrinkSlow(state);
  if (slowness > SLOW || limit >= max || (headroom !== null && headroom < LEAST_HEADROOM)) return stay(state);
  const beyond = trouble !== null && limit >= NEAR_TROUBLE * trouble;
  const step = beyond ? limit : Math.ceil(limit / 4);
  if (clean < step) return stay(state);
  const to = limit + Math.max(1, Math.floor(step * (trouble === null ? DOUBLE : beyond ? TWENTIETH : HALF)));
  const eased = { ...state, latency: { ...latency, shrinking: null } };
  if (to >= max) return move(eased, max, "ceiling");
  return move(eased, to, trouble === null ? "slow-start" : "clean-round");
}

/** Shrinks because answers are very slow, or finds out that shrinking has not helped. */
function shrinkSlow(state: ConcurrencyState): LimitStep {
  const { limit, latency } = state;
  const { recent } = latency;
  const from = latency.shrinking ?? { limit, recent };
  const shrinking = { limit: from.limit, recent: Math.max(from.recent, recent) };
  const to = shrunk(limit, SHRINK_SLOW);
  if (limit > shrinking.limit / 3 && to < limit)
    return move({ ...state, trouble: to, latency: { ...latency, shrinking } }, to, "latency");
  const best = shrinking.recent - recent > Math.log(1.5) ? latency.best : recent;
  return stay({ ...state, clean: 0, latency: { ...latency, best, shrinking: null } });
}

function measured({ limit, latency }: ConcurrencyState, latencyMs: number): LatencyState {
  const value = Math.log(Math.max(1, latencyMs));
  const span = Math.max(LEAST_SPAN, limit);
  const answers = Math.min(latency.answers + 1, span);
  const recent = latency.recent + (value - latency.recent) / answers;
  if (answers < LEAST_ANSWERS) return { ...latency, answers, recent };
  return { ...latency, answers, recent, best: Math.min(recent, latency.best) };
}

function shrunk(limit: number, factor: number): number {
  return Math.max(1, Math.floor(limit * factor));
}

function stay(state: ConcurrencyState): LimitStep {
  return { state, change: null };
}

function move(state: ConcurrencyState, to: number, reason: LimitReason): LimitStep {
  if (to === state.limit) return stay(state);
  return { state: { ...state, limit: to, clean: 0 }, change: { from: state.limit, to, reason } };
}
