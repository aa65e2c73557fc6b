import type { RunSnapshot } from "../events.ts";
import { withoutPassword } from "../redact.ts";
import { shownId } from "../results/item-row.ts";
import type { Waiting } from "./api.ts";
import { whoHolds } from "./event-words.ts";

/** Everything that waits in a run, with its reason and its end; the longest first. */
export function waitingOf(snapshot: RunSnapshot | null): Waiting[] {
  if (snapshot === null || snapshot.state === "ended") return [];
  const { nowMs } = snapshot;
  return [...whole(snapshot), ...inFlight(snapshot), ...later(snapshot), ...endpoints(snapshot)].sort(
    (a, b) => (a.sinceMs ?? nowMs) - (b.sinceMs ?? nowMs) || (b.untilMs ?? 0) - (a.untilMs ?? 0),
  );
}

function whole({ paused, waiting, held, lag }: RunSnapshot): Waiting[] {
  const found: Waiting[] = [];
  if (paused !== null)
    found.push({
      what: "The whole run is paused",
      reason: paused.reason ?? `by ${paused.by ?? whoHolds(paused.holder)}`,
      items: null,
      sinceMs: paused.sinceMs,
      untilMs: null,
    });
  if (waiting !== null)
    found.push({
      what: "The whole run",
      reason: withoutPassword(waiting.reason),
      items: waiting.items > 0 ? waiting.items : null,
      sinceMs: null,
      untilMs: waiting.untilMs,
    });
  if (held !== null && held !== waiting?.reason)
    found.push({ what: "New calls", reason: withoutPassword(held), items: null, sinceMs: null, untilMs: null });
  if (lag.sinceMs !== null)
    found.push({
      what: "The oldest item that is not read",
      reason: "lag",
      items: null,
      sinceMs: lag.sinceMs,
      untilMs: null,
    });
  return found;
}

function inFlight({ oldestInFlightMs, oldestCalls = [], attemptTimeoutMs, nowMs, slots }: RunSnapshot): Waiting[] {
  if (oldestCalls.length > 0)
    return oldestCalls.map(({ key, attempt, ageMs }) => ({
      what: `${shownId(key)} in flight`,
      key,
      reason: `the model has not answered${attempt > 1 ? ` attempt ${attempt}` : ""}`,
      items: 1,
      sinceMs: nowMs - ageMs,
      untilMs: nowMs - ageMs + attemptTimeoutMs,
    }));
  if (oldestInFlightMs === null) return [];
  const sinceMs = nowMs - oldestInFlightMs;
  return [
    {
      what: "The oldest call in flight",
      reason: "the model has not answered",
      items: slots.busy,
      sinceMs,
      untilMs: sinceMs + attemptTimeoutMs,
    },
  ];
}

function later({ backoff, retryQueues, quiet }: RunSnapshot): Waiting[] {
  const found: Waiting[] = [];
  if (backoff.count > 0)
    found.push({
      what: "Items between two attempts",
      reason: withoutPassword(backoff.reason ?? "backoff"),
      items: backoff.count,
      sinceMs: null,
      untilMs: backoff.nextAtMs,
    });
  for (const { queue, count, nextDueMs } of retryQueues)
    if (count > 0)
      found.push({
        what: `Retry queue ${queue}`,
        reason: WORK[queue] ?? "to be done again",
        items: count,
        sinceMs: null,
        untilMs: nextDueMs,
      });
  if (quiet.items > 0)
    found.push({
      what: "Conversations that are not quiet yet",
      reason: "somebody may still write",
      items: quiet.items,
      sinceMs: null,
      untilMs: quiet.nextMs,
    });
  return found;
}

const WORK: Readonly<Record<string, string>> = {
  model: "the model is asked again",
  store: "the record is stored again",
  mark: "the source is marked again",
};

function endpoints({ endpoints: all }: RunSnapshot): Waiting[] {
  return all
    .filter(({ state }) => state !== "open")
    .map(({ name, state, stateReason, pausedUntilMs, pauseReason }) => ({
      what: `Endpoint ${name} ${state === "resting" ? "rests" : state === "out" ? "is out" : "drains"}`,
      reason: withoutPassword(pauseReason ?? stateReason ?? "it takes no calls"),
      items: null,
      sinceMs: null,
      untilMs: pausedUntilMs,
    }));
}
