import { type ControlClient, findControl } from "../control/client.ts";
import { QuerymillError } from "../errors.ts";
import type { JobSettings, Share } from "../job.ts";
import { openExistingStore } from "../jobs/existing-store.ts";
import { readStatus } from "../jobs/status.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import type { ListedTenant } from "./list.ts";
import { tenantUsage } from "./usage.ts";

/** How a tenant stands, whether a process runs it or not. */
export interface TenantStatus {
  readonly name: string;
  /**
   * `running` and `waiting`: process `pid` has it; `paused`: by its settings, or by somebody; `idle`: nobody runs it;
   * `unclean`: its last process died; `unusable`: see `problem`.
   */
  readonly state: "running" | "waiting" | "paused" | "idle" | "unclean" | "unusable";
  readonly pid: number | null;
  /** null when its settings cannot be used. */
  readonly mode: JobSettings["mode"] | null;
  readonly share: Share | null;
  /** Unprocessed items; null when that could not be counted in time. */
  readonly left: number | null;
  /** Settled so far, over all its runs. */
  readonly settled: number;
  readonly retryQueued: number;
  readonly deadLetters: number;
  /** USD of this UTC month; null when the price of a call is unknown. */
  readonly monthUsd: number | null;
  readonly lastEnd: { readonly endedAt: string; readonly exitCode: number } | null;
  readonly problem: string | null;
}

/** A store that is away holds a list of others up no longer than this, in ms. */
const COUNT_MS = 3_000;

const UNUSABLE = { pid: null, mode: null, share: null, left: null, settled: 0, retryQueued: 0, deadLetters: 0 };

/** Reads local state, asks a running process, and counts what is unprocessed. Changes nothing. */
export async function tenantStatus(one: ListedTenant, nowMs: number): Promise<TenantStatus> {
  const { name } = one;
  if (!("loaded" in one))
    return { name, ...UNUSABLE, state: "unusable", monthUsd: null, lastEnd: null, problem: one.problem };
  const { settings, tenant } = one.loaded;
  const { batchDir, mode } = settings;
  const identity = { ...settings, range: WHOLE_RANGE };
  const status = await readStatus(batchDir, identity);
  const control = controlOf(jobFolder(batchDir, identity));
  const live = control === null ? null : await control.status().catch(() => null);
  const totals = status.jobTotals;
  const base = {
    name,
    mode,
    share: settings.share ?? null,
    pid: control?.record.pid ?? status.owner?.pid ?? null,
    settled: totals === null ? 0 : totals.classified + totals.skipped + totals.deadLetters,
    retryQueued: totals?.retryQueued ?? 0,
    deadLetters: totals?.deadLetters ?? 0,
    lastEnd: status.lastEnd && { endedAt: status.lastEnd.endedAt, exitCode: status.lastEnd.exitCode },
    problem: status.problem,
  };
  const snapshot = live?.snapshot;
  // A run says it itself: a person may have told it another thing than its section says.
  const isPaused = snapshot === undefined ? tenant?.paused === true : snapshot.state === "paused";
  const idle = status.state === "running" || status.state === "unreadable" ? "idle" : status.state;
  const state = isPaused
    ? "paused"
    : snapshot !== undefined
      ? snapshot.state === "waiting"
        ? "waiting"
        : "running"
      : status.owner !== null
        ? "running"
        : status.state === "unreadable"
          ? "unusable"
          : idle;
  return { ...base, state, left: await leftOf(settings), monthUsd: await monthUsd(batchDir, name, nowMs) };
}

/** @returns null also when its folder cannot be read, which is said in `problem` */
function controlOf(folder: string): ControlClient | null {
  try {
    return findControl(folder);
  } catch (error) {
    if (!(error instanceof QuerymillError)) throw error;
    return null;
  }
}

/** @returns null when the store is away, or counting takes too long */
async function leftOf(settings: JobSettings): Promise<number | null> {
  const { sourceCollection, mark, filter } = settings;
  try {
    const deadlines = { ...settings.deadlines, connectMs: Math.min(COUNT_MS, settings.deadlines.connectMs) };
    const store = await openExistingStore({ ...settings, deadlines });
    try {
      return await store.source({ collection: sourceCollection, mark, filter, fields: [] }).countUnprocessed(COUNT_MS);
    } finally {
      await store.close();
    }
  } catch {
    return null;
  }
}

async function monthUsd(batchDir: string, name: string, nowMs: number): Promise<number | null> {
  const month = new Date(nowMs).toISOString().slice(0, 7);
  // What is wrong with the state is said in `problem`.
  const rows = await tenantUsage(batchDir, name).catch(() => null);
  if (rows === null) return null;
  const own = rows.filter((row) => row.month === month);
  if (own.some(({ unpricedCalls }) => unpricedCalls > 0)) return null;
  return own.reduce((sum, { costUsd }) => sum + costUsd, 0);
}
