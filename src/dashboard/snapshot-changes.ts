import type { EventMap, RunSnapshot } from "../events.ts";
import type { ToldEvent } from "./event-words.ts";

/** An event that can be told from two snapshots of a process whose events nobody hears here. */
export type Change = {
  readonly [Name in ToldEvent | "limit:change"]: { readonly name: Name; readonly payload: EventMap[Name] };
}[ToldEvent | "limit:change"];

/** What happened between two snapshots of a job. @param before null: nobody worked on it */
export function changesBetween(before: RunSnapshot | null, after: RunSnapshot | null): Change[] {
  if (after === null) return [];
  const { executionId } = after;
  if (before === null || before.executionId !== executionId) return [startOf(after)];
  return [...pauses(before, after), ...waits(before, after), ...drains(before, after), ...endpoints(before, after)];
}

function startOf(snapshot: RunSnapshot): Change {
  const { executionId, job, mode, total, store, source, target, model, taxonomyVersion, promptVersion } = snapshot;
  const payload = { executionId, job, mode, total, store, source, target, model, taxonomyVersion, promptVersion };
  return { name: "execution:start", payload: { ...payload, notes: [] } };
}

function pauses({ paused: before }: RunSnapshot, { executionId, paused, nowMs }: RunSnapshot): Change[] {
  if (before === null && paused !== null) {
    const { reason, by, holder } = paused;
    return [{ name: "execution:pause", payload: { executionId, reason, by, holder } }];
  }
  if (before === null || paused !== null) return [];
  return [{ name: "execution:unpause", payload: { executionId, by: null, pausedMs: nowMs - before.sinceMs } }];
}

function waits({ waiting: before }: RunSnapshot, { executionId, waiting }: RunSnapshot): Change[] {
  if (waiting === null || waiting.reason === before?.reason) return [];
  return [{ name: "execution:wait", payload: { executionId, ...waiting } }];
}

function drains(before: RunSnapshot, { executionId, state, counters }: RunSnapshot): Change[] {
  if (state !== "draining" || before.state === "draining") return [];
  return [{ name: "execution:drain", payload: { executionId, inFlight: counters.inFlight, reason: "stop-requested" } }];
}

function endpoints(before: RunSnapshot, { executionId, endpoints: all }: RunSnapshot): Change[] {
  return all.flatMap((now): Change[] => {
    const then = before.endpoints.find(({ name }) => name === now.name);
    if (then === undefined) return [];
    const endpoint = now.name;
    const changes: Change[] = [];
    if (now.lastChange !== null && now.lastChange.to !== then.limit && now.limit !== then.limit)
      changes.push({
        name: "limit:change",
        payload: { executionId, endpoint, from: then.limit, to: now.limit, reason: now.lastChange.reason },
      });
    if (now.state === then.state) return changes;
    if (now.state === "resting")
      changes.push({
        name: "endpoint:pause",
        payload: {
          executionId,
          endpoint,
          reason: now.pauseReason ?? "limited",
          untilMs: now.pausedUntilMs ?? now.lastChange?.atMs ?? 0,
        },
      });
    else if (now.state === "open" && then.state === "resting")
      changes.push({ name: "endpoint:resume", payload: { executionId, endpoint } });
    else
      changes.push({
        name: "endpoint:state",
        payload: { executionId, endpoint, state: now.state === "open" ? "in" : now.state, reason: now.stateReason },
      });
    return changes;
  });
}
