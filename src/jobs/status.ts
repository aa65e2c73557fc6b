import { stat } from "node:fs/promises";
import { join } from "node:path";
import { controlFolder, readRecord } from "../control/place.ts";
import type { JobTotals } from "../counters.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import { type Lag, lagNow } from "../lag.ts";
import type { DaySpend } from "../outcome.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Checkpoint } from "../state/checkpoint.ts";
import { loadContinuous } from "../state/continuous-file.ts";
import { nodeFileSystem } from "../state/files.ts";
import { decodeFrames } from "../state/frame.ts";
import { unreadable } from "../state/guarded-files.ts";
import type { StateIdentity } from "../state/identity.ts";
import { currentOwner, type Owner } from "../state/owner.ts";
import type { QueueEntry } from "../state/retry-queue.ts";
import { SCHEDULE_FILE } from "../state/schedule-state.ts";
import { answersFolder } from "./answers-folder.ts";
import { inspectLeftover, type Leftover } from "./recovery.ts";

/** What the local state of a job says, read without changing it and without asking store or model. */
export interface JobStatus extends StateIdentity {
  readonly folder: string;
  /** `unclean`: the last process died. `unreadable`: see `problem`. */
  readonly state: "running" | "idle" | "unclean" | "unreadable";
  /** Who holds the job now. */
  readonly owner: Owner | null;
  /** Of the last execution; null before the first. */
  readonly executionId: string | null;
  readonly startedAt: string | null;
  readonly checkpoint: { readonly generation: number; readonly settled: number; readonly savedAt: string } | null;
  readonly jobTotals: JobTotals | null;
  /** Which model was asked last: `openai/NAME at HOST`. */
  readonly model: string | null;
  /** Spend per UTC day. */
  readonly ledger: Readonly<Record<string, DaySpend>>;
  /** Outcomes in the journal that the store has not confirmed. */
  readonly journaled: number;
  /** Calls under way, or that were at an unclean death. */
  readonly callsUnderWay: number;
  readonly retryQueues: readonly { readonly queue: string; readonly count: number; readonly nextDueMs: number }[];
  /** Kept ones by cause, most frequent first. */
  readonly deadLetters: readonly CauseCount[];
  readonly lastEnd: Checkpoint["lastEnd"];
  /** How far a run of continuous mode is behind; null when none is under way. */
  readonly lag: Lag | null;
  /** Size of the answers kept for equal texts. */
  readonly cacheBytes: number;
  /** Why the state could not be read. */
  readonly problem: string | null;
}

export interface CauseCount {
  readonly failure: string;
  readonly queue: string;
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * The jobs that have state in a batch directory, or a process that waits to begin their first run, by name. Folders in it
 * that cannot be read have none: {@link tenantJobs} tells what is wrong with them.
 * @throws QuerymillError STATE_UNWRITABLE when the directory itself cannot be read
 */
export async function findJobs(batchDir: string): Promise<StateIdentity[]> {
  const found: StateIdentity[] = [];
  for (const tenant of await pathsIn(batchDir))
    found.push(...(await jobsIn(tenant, (folder) => pathsIn(folder).catch(() => []))));
  return found.sort(byName);
}

/**
 * Those of one tenant, also those of which the settings no longer tell.
 * @throws QuerymillError STATE_UNWRITABLE when one of its folders cannot be read
 */
export async function tenantJobs(batchDir: string, tenant: string): Promise<StateIdentity[]> {
  const found = await jobsIn(join(batchDir, tenant), pathsIn);
  // A folder that somebody copied tells of another one.
  return found.filter((identity) => identity.tenant === tenant).sort(byName);
}

/** Works while a run holds the job. What cannot be read is said in `problem`, not thrown. */
export async function readStatus(batchDir: string, identity: StateIdentity): Promise<JobStatus> {
  const manager = new BatchFileManager(batchDir, identity);
  const base = { ...manager.identity, folder: manager.folder };
  let owner: Owner | null = null;
  let leftover: Leftover;
  try {
    owner = await ownerOf(manager);
    leftover = await inspectLeftover(manager);
    await manager.retryQueue.open({ readOnly: true });
    await manager.deadLetters.open({ readOnly: true });
  } catch (error) {
    if (!(error instanceof QuerymillError)) throw error;
    return { ...base, owner, ...NOTHING, state: "unreadable", problem: messageOf(error) };
  }
  const { checkpoint, state } = leftover;
  return {
    ...base,
    owner,
    state: owner !== null ? "running" : leftover.unclean ? "unclean" : "idle",
    executionId: owner?.executionId ?? checkpoint?.executionId ?? null,
    startedAt: checkpoint?.startedAt ?? null,
    checkpoint: checkpoint && {
      generation: checkpoint.generation,
      settled: checkpoint.settled,
      savedAt: checkpoint.savedAt,
    },
    jobTotals: state.totals,
    model: checkpoint?.fingerprint.model ?? null,
    ledger: state.ledger,
    journaled: leftover.unsunk.size,
    callsUnderWay: leftover.inFlight.length,
    retryQueues: queuesOf(manager.retryQueue.list()),
    deadLetters: countCauses(manager.deadLetters.list()),
    lastEnd: checkpoint?.lastEnd ?? null,
    lag: owner === null ? null : await lagOf(manager, owner),
    cacheBytes: await cacheBytes(manager),
    problem: null,
  };
}

/** Who holds a job now, without leaving a trace where there is no job. */
export async function ownerOf({ files, folder }: Pick<BatchFileManager, "files" | "folder">): Promise<Owner | null> {
  return (await files.list(folder)).includes("owner.lock") ? currentOwner(folder) : null;
}

/** Entries of a queue by what happened, most frequent first. */
export function countCauses(entries: readonly Omit<QueueEntry, "payload">[]): CauseCount[] {
  const causes = new Map<string, CauseCount>();
  for (const { failure, queue, dueMs } of entries) {
    const name = `${queue} ${failure}`;
    const before = causes.get(name) ?? { failure, queue, count: 0, firstMs: dueMs, lastMs: dueMs };
    causes.set(name, {
      ...before,
      count: before.count + 1,
      firstMs: Math.min(before.firstMs, dueMs),
      lastMs: Math.max(before.lastMs, dueMs),
    });
  }
  return [...causes.values()].sort((a, b) => b.count - a.count);
}

const NOTHING = {
  executionId: null,
  startedAt: null,
  checkpoint: null,
  jobTotals: null,
  model: null,
  ledger: {},
  journaled: 0,
  callsUnderWay: 0,
  retryQueues: [],
  deadLetters: [],
  lastEnd: null,
  lag: null,
  cacheBytes: 0,
} as const;

function queuesOf(entries: readonly Omit<QueueEntry, "payload">[]): JobStatus["retryQueues"] {
  const queues = new Map<string, { queue: string; count: number; nextDueMs: number }>();
  for (const { queue, dueMs } of entries) {
    const { count, nextDueMs } = queues.get(queue) ?? { count: 0, nextDueMs: dueMs };
    queues.set(queue, { queue, count: count + 1, nextDueMs: Math.min(nextDueMs, dueMs) });
  }
  return [...queues.values()];
}

/** Paths of what lies in a folder. */
type List = (folder: string) => Promise<string[]>;

/** The jobs below the folder of a tenant. @throws what `list` throws */
async function jobsIn(folder: string, list: List): Promise<StateIdentity[]> {
  const found: StateIdentity[] = [];
  for (const job of await list(folder))
    for (const range of await list(job)) {
      const identity = (await identityOf(range, list)) ?? answeredFor(range);
      if (identity !== null) found.push(identity);
    }
  return found;
}

const byName = (a: StateIdentity, b: StateIdentity): number =>
  a.job < b.job ? -1 : a.job > b.job ? 1 : a.range < b.range ? -1 : 1;

/** Every checkpoint, every journal segment and the file of the schedules begins with whose it is. */
async function identityOf(folder: string, list: List): Promise<StateIdentity | null> {
  const segments = await list(join(folder, "journal"));
  const checkpoints = ["checkpoint-0.json", "checkpoint-1.json", SCHEDULE_FILE].map((name) => join(folder, name));
  for (const path of [...checkpoints, ...segments]) {
    const data = await nodeFileSystem.read(path).catch(() => null);
    const frame = data === null ? undefined : decodeFrames(data).next().value;
    if (frame === undefined || frame.kind !== "record") continue;
    const { tenant, job, range } = JSON.parse(frame.json) as Partial<StateIdentity>;
    if (tenant !== undefined && job !== undefined && range !== undefined) return { tenant, job, range };
  }
  return null;
}

/** The job of which nothing is written down yet, and for which a process answers. */
function answeredFor(folder: string): StateIdentity | null {
  try {
    const record = readRecord(folder);
    if (record === null || currentOwner(controlFolder(folder)) === null) return null;
    const { tenant, job, range } = record;
    return { tenant, job, range };
  } catch {
    // The folder of another user.
    return null;
  }
}

async function lagOf({ files, folder, identity }: BatchFileManager, owner: Owner): Promise<Lag | null> {
  const kept = await loadContinuous(files, folder, identity).catch(() => null);
  return kept?.executionId === owner.executionId ? lagNow(kept.lag, Date.now()) : null;
}

async function cacheBytes(manager: BatchFileManager): Promise<number> {
  const folder = answersFolder(manager);
  const names = await manager.files.list(folder).catch(() => []);
  const sizes = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => ({ size: 0 }))));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

/** None when it is no folder. @throws QuerymillError STATE_UNWRITABLE when it cannot be read */
async function pathsIn(folder: string): Promise<string[]> {
  const names = await nodeFileSystem.list(folder).catch((error) => {
    throw unreadable(folder, error);
  });
  return names.map((name) => join(folder, name));
}
