import type { RunSnapshot } from "../events.ts";

/** What a probe is told. */
export interface Verdict {
  readonly ok: boolean;
  /** Sentences: why not. */
  readonly reasons: readonly string[];
}

export interface HealthFacts {
  readonly snapshot: RunSnapshot;
  /** Since something last happened (a call or an item ended, something was stored, a wait began or ended), or had to. */
  readonly quietMs: number;
  readonly deadlines: { readonly attemptMs: number; readonly itemMs: number; readonly idleMs: number };
}

/** Longer than its deadline a call may be in flight, in ms: a process that did not get to run has late timers. */
const CALL_GRACE_MS = 5_000;

/** Whether something has to happen by itself: items are in flight, and nothing is there that they wait for. */
export function isAtWork({ counters, state, waiting, held, endpoints, backoff }: RunSnapshot): boolean {
  const couldCall = endpoints.length === 0 || endpoints.some((endpoint) => endpoint.state === "open");
  const isFree = state === "running" && waiting === null && held === null;
  return isFree && couldCall && counters.inFlight > backoff.count;
}

/**
 * Whether the process still works, so that a restart would help it: not whether anything it needs is there. What it waits
 * for (a provider, a store, a schedule, a person) is no fault of its own.
 */
export function liveness({ snapshot, quietMs, deadlines }: HealthFacts): Verdict {
  const { oldestInFlightMs, counters } = snapshot;
  const reasons: string[] = [];
  const longestCallMs = 2 * deadlines.attemptMs + CALL_GRACE_MS;
  if (oldestInFlightMs !== null && oldestInFlightMs > longestCallMs)
    reasons.push(
      `A call has been in flight for ${seconds(oldestInFlightMs)}; it should have been given up after ${seconds(deadlines.attemptMs)}.`,
    );
  const longestQuietMs = deadlines.itemMs + deadlines.idleMs;
  if (isAtWork(snapshot) && quietMs > longestQuietMs)
    reasons.push(
      `${counters.inFlight} items are in flight and nothing has happened for ${seconds(quietMs)}, with nothing to wait for.`,
    );
  return { ok: reasons.length === 0, reasons };
}

/** Waits for what should be there. Waiting for work, or for a time that somebody set, is being ready. */
const HINDRANCES = /^(the store|the rate limit|every endpoint)/;
/** Free bytes below which a run stops soon: the journal has a segment of 4 MB, and its checkpoints. */
const LEAST_FREE_BYTES = 16 * 1024 * 1024;

/** Whether it can work now. @param freeBytes where the state is; null when that cannot be told */
export function readiness(facts: HealthFacts, freeBytes: number | null): Verdict {
  const { snapshot } = facts;
  const { state, held, waiting, endpoints, mode } = snapshot;
  const reasons = [...liveness(facts).reasons];
  const states: Readonly<Record<string, string>> = {
    starting: "It is starting.",
    recovering: "It recovers what an earlier run left.",
    draining: "It is draining: nothing new is begun.",
    paused: "It is paused.",
    ended: "It has ended.",
  };
  const told = states[state];
  const isAway = (state === "starting" || state === "recovering") && waiting !== null;
  if (told !== undefined) reasons.push(isAway ? `${told} It waits: ${sentence(waiting.reason)}` : told);
  const isBetweenRuns = mode === "scheduled" && state === "waiting" && waiting?.reason === "next scheduled time";
  if (waiting !== null && !isAway && !isBetweenRuns && HINDRANCES.test(waiting.reason))
    reasons.push(`It waits: ${sentence(waiting.reason)}`);
  if (held !== null) reasons.push(`No call may go out: ${held}.`);
  if (!isBetweenRuns && endpoints.length > 0 && endpoints.every((endpoint) => endpoint.state !== "open")) {
    const each = endpoints.map((one) => `${one.name} is ${one.state}${detail(one.stateReason ?? one.pauseReason)}`);
    reasons.push(`No endpoint takes calls: ${each.join("; ")}.`);
  }
  if (freeBytes !== null && freeBytes < LEAST_FREE_BYTES)
    reasons.push(`The disk of the batch directory has ${(freeBytes / 1_048_576).toFixed(1)} MB left.`);
  return { ok: reasons.length === 0, reasons };
}

const sentence = (text: string): string => (text.endsWith(".") ? text : `${text}.`);
const detail = (reason: string | null): string => (reason === null ? "" : ` (${reason})`);
const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
