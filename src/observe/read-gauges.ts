import type { EndpointSnapshot, RunSnapshot } from "../events.ts";
import type { WorkerReport } from "../fleet.ts";
import type { ObservedName } from "./metric-table.ts";

/** Labels of one dimension that are told at most; the most frequent ones. */
const MOST_LABELS = 100;
const STATES = ["starting", "recovering", "running", "waiting", "paused", "draining", "ended"] as const;
const ENDPOINT_STATES: readonly EndpointSnapshot["state"][] = ["open", "resting", "draining", "out"];
const WORKER_STATES: readonly WorkerReport["state"][] = ["starting", "idle", "running", "paused", "draining"];
const LIMITS = {
  requestsPerMinute: "requests_per_minute",
  tokensPerMinute: "tokens_per_minute",
  requestsPerDay: "requests_per_day",
  tokensPerDay: "tokens_per_day",
} as const;

/** Moments that no snapshot has, by the wall clock. */
export interface Told {
  checkpointAtMs: number | null;
  lastSuccessMs: number | null;
  /** Retry queues that had items. */
  readonly queues: Set<string>;
}

type Tell = (name: ObservedName, value: number, attributes?: Readonly<Record<string, string>>) => void;

/** Tells each gauge its value at this moment; one whose value is not known is not told. */
export function readGauges(snapshot: RunSnapshot, { checkpointAtMs, lastSuccessMs, queues }: Told, tell: Tell): void {
  const { counters, slots, backoff, budget, jobTotals, journal, lag, state, total, startedAtMs } = snapshot;
  for (const each of STATES) tell("state", each === state ? 1 : 0, { state: each });
  tell("started", startedAtMs / 1000);
  if (total !== null) tell("expected", total);
  tell("inFlight", counters.inFlight);
  tell("pending", counters.pending);
  tell("backoff", backoff.count);
  tellRetryQueues(snapshot, queues, tell);
  if (jobTotals !== null) {
    tell("deadLetters", jobTotals.deadLetters);
    for (const [name, outcome] of Object.entries(OUTCOMES))
      tell("jobItems", jobTotals[name as keyof typeof OUTCOMES], { outcome });
  }
  tellLabels(snapshot, tell);
  if (lag.ms !== null) tell("lag", lag.ms / 1000);
  tell("slotLimit", slots.limit);
  tell("slotCeiling", slots.ceiling);
  tell("slotsBusy", slots.busy);
  tell("utilization", slots.utilization);
  tell("oldestCall", (snapshot.oldestInFlightMs ?? 0) / 1000);
  for (const endpoint of snapshot.endpoints) tellEndpoint(endpoint, snapshot.nowMs, tell);
  tellFleet(snapshot, tell);
  if (budget !== null) {
    tell("budget", budget.usd);
    tell("budgetSpent", budget.spentUsd);
  }
  if (counters.savedUsd !== null) tell("saved", counters.savedUsd);
  tell("held", snapshot.held === null ? 0 : 1);
  tell("waiting", snapshot.waiting === null ? 0 : 1);
  tell("unstored", journal.unstored);
  tell("journal", journal.records);
  if (checkpointAtMs !== null) tell("checkpointAt", checkpointAtMs / 1000);
  if (lastSuccessMs !== null) tell("lastSuccess", lastSuccessMs / 1000);
  tellSchedules(snapshot, tell);
}

const OUTCOMES = {
  classified: "classified",
  skipped: "skipped",
  retryQueued: "retryQueued",
  deadLetters: "deadLetter",
} as const;

/** One that had items is told also when it is empty: an SDK may keep what it was told last. */
function tellRetryQueues({ retryQueues }: RunSnapshot, seen: Set<string>, tell: Tell): void {
  for (const queue of seen) if (retryQueues.every((one) => one.queue !== queue)) tell("retryQueue", 0, { queue });
  for (const { queue, count, nextDueMs } of retryQueues) {
    seen.add(queue);
    tell("retryQueue", count, { queue });
    if (nextDueMs !== null) tell("retryDue", nextDueMs / 1000, { queue });
  }
}

function tellLabels({ labels }: RunSnapshot, tell: Tell): void {
  for (const [dimension, counts] of Object.entries(labels)) {
    const frequent = Object.entries(counts).sort(([, a], [, b]) => b - a);
    for (const [label, count] of frequent.slice(0, MOST_LABELS)) tell("labels", count, { dimension, label });
  }
}

function tellEndpoint(endpoint: EndpointSnapshot, nowMs: number, tell: Tell): void {
  const { name, model, limit, inFlight, pausedUntilMs, limits } = endpoint;
  for (const state of ENDPOINT_STATES)
    tell("endpointState", state === endpoint.state ? 1 : 0, { endpoint: name, model, state });
  tell("endpointLimit", limit, { endpoint: name });
  tell("endpointInFlight", inFlight, { endpoint: name });
  const { shared } = endpoint;
  if (shared !== undefined && shared.inFlight > 0)
    tell("endpointShare", inFlight / shared.inFlight, { endpoint: name });
  tell("endpointPause", Math.max(0, (pausedUntilMs ?? nowMs) - nowMs) / 1000, { endpoint: name });
  for (const [key, word] of Object.entries(LIMITS)) {
    const known = limits[key as keyof typeof LIMITS];
    if (known === null) continue;
    tell("rateLimit", known.limit, { endpoint: name, limit: word });
    tell("rateRemaining", known.remaining, { endpoint: name, limit: word });
  }
}

/** A state that nobody is in is told too, so that it can be seen to end. */
function tellFleet({ fleet }: RunSnapshot, tell: Tell): void {
  if (fleet === undefined) return;
  for (const state of WORKER_STATES)
    tell("fleetWorkers", fleet.workers.filter((one) => one.state === state).length, { state });
  for (const [state, ranges] of Object.entries(fleet.ranges)) tell("fleetRanges", ranges, { state });
  tell("fleetRate", fleet.itemsPerSecond);
}

function tellSchedules({ schedules }: RunSnapshot, tell: Tell): void {
  for (const { name, nextMs } of schedules)
    if (nextMs[0] !== undefined) tell("scheduleNext", nextMs[0] / 1000, { schedule: name });
}
