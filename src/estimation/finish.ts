import type { RunSnapshot } from "../events.ts";
import { isBounded, limitNote } from "./run-limit.ts";

/** What the panel remembers from one frame to the next, so that its ranges do not jump. */
export interface PanelHistory {
  /** When it will be finished, epoch ms; null while that cannot be told. */
  readonly finish: { readonly fromMs: number; readonly toMs: number } | null;
  /** When `finish` was last renewed, epoch ms. */
  readonly finishAtMs: number;
  /** Since when all slots have been busy without an endpoint limiting, epoch ms; null while they are not. */
  readonly busySinceMs: number | null;
  /** What bounds the run other than its slots, as a sentence, and when that was so last (epoch ms); null: nothing does. */
  readonly limit: { readonly note: string; readonly atMs: number } | null;
}

export const NO_HISTORY: PanelHistory = { finish: null, finishAtMs: 0, busySinceMs: null, limit: null };

/** Data before advice is given. */
const ENOUGH_MS = 30_000;
/** Data before a forecast, which is wide until there is three times as much. */
const EARLY_MS = 10_000;
const RENEW_MS = 5_000;
const FULL = 0.95;
const LIMITING = new Set(["throttled", "daily-quota", "transient", "unknown-outcome"]);

/** Items of this execution with an outcome. */
export function settled({ counters }: RunSnapshot): number {
  return counters.read - counters.inFlight;
}

/** History after one more snapshot. The range of the finish is renewed at most every 5 s and narrows by half steps. */
export function nextHistory(before: PanelHistory, snapshot: RunSnapshot): PanelHistory {
  const { nowMs } = snapshot;
  // A clock that was set back: what was told by it before is of no use.
  const history = nowMs < before.finishAtMs ? NO_HISTORY : before;
  const busySinceMs = slotsLimit(snapshot) ? (history.busySinceMs ?? nowMs) : null;
  const fresh = finishRange(snapshot);
  const limit = nextLimit(history.limit, snapshot);
  if (fresh === null || history.finish === null) return { finish: fresh, finishAtMs: nowMs, busySinceMs, limit };
  if (nowMs - history.finishAtMs < RENEW_MS) return { ...history, busySinceMs, limit };
  const { fromMs, toMs } = history.finish;
  const finish = {
    fromMs: fresh.fromMs > fromMs ? (fromMs + fresh.fromMs) / 2 : fresh.fromMs,
    toMs: fresh.toMs < toMs ? (toMs + fresh.toMs) / 2 : fresh.toMs,
  };
  return { finish, finishAtMs: nowMs, busySinceMs, limit };
}

/** What bounds a run may be away for a moment between two calls: it is told for some seconds more. */
function nextLimit(before: PanelHistory["limit"], snapshot: RunSnapshot): PanelHistory["limit"] {
  const note = limitNote(snapshot);
  if (note !== null) return { note, atMs: snapshot.nowMs };
  const isRecent = before !== null && snapshot.nowMs - before.atMs < RENEW_MS;
  return isRecent && snapshot.state === "running" ? before : null;
}

/** Between the recent and the mean rate, some percent wider; twice as wide early on; null before 10 s of data or without a total. */
export function finishRange(snapshot: RunSnapshot): PanelHistory["finish"] {
  const { total, nowMs, startedAtMs, itemsPerSecond, itemsPerSecondMean, state } = snapshot;
  if (total === null || state !== "running" || snapshot.mode === "continuous" || nowMs - startedAtMs < EARLY_MS)
    return null;
  const open = total - settled(snapshot);
  if (open <= 0 || itemsPerSecondMean <= 0) return null;
  const fast = Math.max(itemsPerSecond, itemsPerSecondMean);
  const slow = Math.max(Math.min(itemsPerSecond, itemsPerSecondMean), itemsPerSecondMean / 4);
  const early = nowMs - startedAtMs < ENOUGH_MS ? 2 : 1.03;
  return { fromMs: nowMs + (open / fast / early) * 1_000, toMs: nowMs + (open / slow) * 1_000 * early };
}

/** What it will have cost at the end, USD; null while that cannot be told. Narrows with the root of what is done. */
export function costRange(snapshot: RunSnapshot): { fromUsd: number; toUsd: number } | null {
  const { total, counters, nowMs, startedAtMs } = snapshot;
  const paid = counters.classified - counters.recovered + counters.deadLetters;
  if (total === null || counters.costUsd === null || paid < 30 || nowMs - startedAtMs < EARLY_MS) return null;
  const open = Math.max(0, total - settled(snapshot)) * (counters.costUsd / paid);
  const spread = Math.max(0.01, 1 / Math.sqrt(paid));
  // The run stops when the budget is spent: more is never paid.
  const most =
    snapshot.budget === null ? Number.POSITIVE_INFINITY : Math.max(0, snapshot.budget.usd - snapshot.budget.spentUsd);
  const capped = (usd: number): number => counters.costUsd! + Math.min(usd, most);
  return { fromUsd: capped(open * (1 - spread)), toUsd: capped(open * (1 + spread)) };
}

/** The advice to allow ten times the calls, when it is true: slots full for 30 s, nobody limiting, minutes to go. */
export function slotAdvice(
  snapshot: RunSnapshot,
  history: PanelHistory,
): { slots: number; instead: number; restMs: number; insteadMs: number } | null {
  const { total, nowMs, slots, itemsPerSecond } = snapshot;
  if (history.busySinceMs === null || nowMs - history.busySinceMs < ENOUGH_MS || total === null) return null;
  const open = total - settled(snapshot);
  const instead = Math.min(slots.limit * 10, 10_000, open);
  if (itemsPerSecond <= 0 || instead < slots.limit * 2) return null;
  const restMs = (open / itemsPerSecond) * 1_000;
  return restMs < 60_000 ? null : { slots: slots.limit, instead, restMs, insteadMs: (restMs * slots.limit) / instead };
}

function slotsLimit(snapshot: RunSnapshot): boolean {
  const { slots, endpoints, errors, state, nowMs } = snapshot;
  const full = Math.max(slots.utilization, slots.busy / Math.max(1, slots.limit)) >= FULL;
  const remote = endpoints.some(({ name }) => name !== "offline");
  const resting = endpoints.some(({ pausedUntilMs }) => pausedUntilMs !== null && pausedUntilMs > nowMs);
  const refused = errors.some(({ failure, lastMs }) => LIMITING.has(failure) && nowMs - lastMs < ENOUGH_MS);
  return state === "running" && full && remote && !resting && !refused && !slots.automatic && !isBounded(snapshot);
}
