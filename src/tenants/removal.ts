import { lstat, rm, rmdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { type FleetLeft, planFleetRemoval, refuseLeased, removeFleet } from "../cluster/fleet-removal.ts";
import { findControl } from "../control/client.ts";
import { TokenFile } from "../dashboard/token-file.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import { historyOf } from "../history.ts";
import { keyOf } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { openExistingStore, openExistingTarget } from "../jobs/existing-store.ts";
import { readStatus, tenantJobs } from "../jobs/status.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { nodeFileSystem, openStateFolder, replaceFile } from "../state/files.ts";
import { unreadable } from "../state/guarded-files.ts";
import { OwnerLock } from "../state/owner.ts";
import { outcomesOf } from "../stores/target-marks.ts";
import { tenantFolder } from "./list.ts";

/** What goes with a tenant. */
export interface RemovalPlan {
  readonly name: string;
  /** An earlier removal was cut off: this one goes on with it. */
  readonly goesOn: boolean;
  readonly data: boolean;
  readonly folder: string;
  readonly bytes: number;
  /** Process id of who runs it: it is not removed meanwhile. */
  readonly heldBy: number | null;
  readonly jobs: readonly {
    readonly job: string;
    /** Answers that were paid and are not stored yet. */
    readonly journaled: number;
    readonly retryQueued: number;
    /** With the texts that they failed with. */
    readonly deadLetters: number;
    readonly callsMade: number;
    readonly costUsd: number | null;
  }[];
  /** Collections that go with `data`; empty without. */
  readonly collections: readonly { readonly name: string; readonly documents: number | null }[];
  /** What a fleet keeps of it; null without settings. */
  readonly fleet: FleetLeft | null;
  /** The collection whose marks go with `data`; null when there are none. */
  readonly marksIn: string | null;
}

/** Written before anything is removed, and removed last. */
interface Removal {
  readonly format: 1;
  readonly name: string;
  readonly data: boolean;
  /** Records, history, notes and marks are gone; where they were is not asked again. */
  readonly dataGone: boolean;
  readonly begunAt: string;
}

export interface RemovalOptions {
  readonly batchDir: string;
  readonly name: string;
  /** As its section says, or why that cannot be used; null without one. */
  readonly section: JobSettings | QuerymillError | null;
  /** Records, their history, notes and the marks in the source too. */
  readonly data: boolean;
}

const COUNTED = ["classified", "skipped", "deadLetter"] as const;
const PAGE = 500;

/**
 * Looks what would go; changes nothing.
 * @throws QuerymillError JOB_HELD while a fleet runs it; USAGE when nothing is known of it; STATE_DAMAGED for the record of
 * an earlier removal; STORE_UNREACHABLE with `data` or `workersAt`; with `data` also what is wrong with its section
 */
export async function planRemoval(options: RemovalOptions): Promise<RemovalPlan> {
  const { batchDir, name, section } = options;
  const begun = await readRemoval(batchDir, name);
  const jobs = await tenantJobs(batchDir, name);
  const folder = tenantFolder(batchDir, name);
  if (section === null && jobs.length === 0 && begun === null && (await bytesOf(folder)) === 0)
    throw new QuerymillError(
      "USAGE",
      `There is no tenant ${name}: no section in the settings, no state in ${batchDir}.`,
    );
  const told: RemovalPlan["jobs"][number][] = [];
  let heldBy: number | null = null;
  for (const identity of jobs) {
    const { owner, journaled, retryQueues, deadLetters, jobTotals, folder: own } = await readStatus(batchDir, identity);
    heldBy ??= owner?.pid ?? findControl(own)?.record.pid ?? null;
    told.push({
      job: identity.job,
      journaled,
      retryQueued: sum(retryQueues),
      deadLetters: sum(deadLetters),
      callsMade: jobTotals?.modelCalls ?? 0,
      costUsd: jobTotals === null ? 0 : jobTotals.costUsd,
    });
  }
  const from = dataToRemove(options, begun);
  const settings = settingsOf(section);
  return {
    ...{ name, goesOn: begun !== null, data: options.data || begun?.data === true },
    ...{ folder, bytes: await bytesOf(folder), heldBy, jobs: told },
    collections: from === null ? [] : await collectionsOf(from),
    fleet: settings === null ? null : await planFleetRemoval(settings),
    marksIn: from !== null && from.markIn !== "target" ? from.sourceCollection : null,
  };
}

/**
 * Removes what was planned: first it is written down that it goes, so that a removal that is cut off is gone on with, and
 * nobody runs the tenant meanwhile. What refuses is asked before that, and changes nothing.
 * @param forget takes its section out of the settings file
 * @throws QuerymillError JOB_HELD when a process began to run it; STATE_DAMAGED for the tokens of the dashboard or the record
 * of an earlier removal; STATE_UNWRITABLE; with `data` what is wrong with its section
 */
export async function removeTenant(options: RemovalOptions, forget: () => Promise<void>): Promise<void> {
  const { batchDir, name, section } = options;
  const begun = await readRemoval(batchDir, name);
  const from = dataToRemove(options, begun);
  const settings = settingsOf(section);
  const tokens = new TokenFile(batchDir);
  tokens.list();
  const fleet = settings === null ? null : await planFleetRemoval(settings);
  if (settings !== null && fleet?.trouble === null && !settings.storeUri.startsWith("sqlite:"))
    await refuseLeased(settings);
  const jobs = await tenantJobs(batchDir, name);
  const locks: OwnerLock[] = [];
  try {
    for (const identity of jobs) {
      const { folder } = new BatchFileManager(batchDir, identity);
      const owner = { pid: process.pid, host: hostname(), executionId: "remove", since: new Date().toISOString() };
      locks.push(OwnerLock.take(folder, owner, identity.job));
    }
    const removal: Removal = {
      ...{ format: 1, name, data: options.data || begun?.data === true, dataGone: begun?.dataGone === true },
      begunAt: begun?.begunAt ?? new Date().toISOString(),
    };
    await openStateFolder(nodeFileSystem, join(batchDir, FOLDER));
    await writeRemoval(batchDir, removal);
    await tokens.remove(({ tenant }) => tenant === name);
    if (settings !== null && fleet !== null) await removeFleet(settings, fleet);
    if (from !== null) {
      await removeData(from);
      await writeRemoval(batchDir, { ...removal, dataGone: true });
    }
    for (const identity of jobs) {
      const { folder } = new BatchFileManager(batchDir, identity);
      // The lock's own file stays until the lock is given back.
      for (const entry of await nodeFileSystem.list(folder))
        if (entry !== "owner.lock") await rm(join(folder, entry), { recursive: true, force: true });
    }
  } finally {
    for (const lock of locks) lock.release();
  }
  await rm(tenantFolder(batchDir, name), { recursive: true, force: true });
  await forget();
  await nodeFileSystem.removeFile(recordOf(batchDir, name));
  // Another removal may have begun.
  await rmdir(join(batchDir, FOLDER)).catch(() => {});
}

/** @throws QuerymillError USAGE: the tenant is being removed, and does not run any more; STATE_DAMAGED: that may be so */
export async function refuseRemoved(batchDir: string, name: string): Promise<void> {
  const begun = await readRemoval(batchDir, name);
  if (begun === null) return;
  throw new QuerymillError(
    "USAGE",
    `Tenant ${name} is being removed since ${begun.begunAt}, and that was cut off. Go on with it:  querymill tenants remove ${name}${begun.data ? " --data" : ""}`,
  );
}

const FOLDER = ".removals";

function recordOf(batchDir: string, name: string): string {
  return join(batchDir, FOLDER, `${name}.json`);
}

/** @throws QuerymillError STATE_DAMAGED */
async function readRemoval(batchDir: string, name: string): Promise<Removal | null> {
  const path = recordOf(batchDir, name);
  try {
    const content = await nodeFileSystem.read(path);
    if (content === null) return null;
    const removal = JSON.parse(content.toString()) as Removal;
    if (removal.format !== 1 || removal.name !== name) throw new Error("it is no such record");
    return removal;
  } catch (error) {
    throw new QuerymillError(
      "STATE_DAMAGED",
      `The removal of tenant ${name} was begun, and its record ${path} cannot be read: ${messageOf(error)}. Repair that, or remove the record and begin again, with --data where the records are to go:  querymill tenants remove ${name}`,
      { cause: error },
    );
  }
}

async function writeRemoval(batchDir: string, removal: Removal): Promise<void> {
  await replaceFile(nodeFileSystem, recordOf(batchDir, removal.name), JSON.stringify(removal));
}

/** Null without a section, and when it cannot be used. */
function settingsOf(section: RemovalOptions["section"]): JobSettings | null {
  return section instanceof QuerymillError ? null : section;
}

/**
 * The settings that say where the records are that go; null: they stay, or are gone.
 * @throws QuerymillError when they are to go, and nobody knows where they are
 */
function dataToRemove({ batchDir, name, section, data }: RemovalOptions, begun: Removal | null): JobSettings | null {
  if ((!data && begun?.data !== true) || begun?.dataGone === true) return null;
  if (section instanceof QuerymillError) throw section;
  if (section !== null) return section;
  const whatToDo =
    begun?.data === true
      ? `Its removal was begun with --data: put the section back, or remove ${recordOf(batchDir, name)} and let them stay.`
      : "Leave --data out, or put the section back.";
  throw new QuerymillError(
    "USAGE",
    `Tenant ${name} has no section in the settings, so nobody knows where its records are. ${whatToDo}`,
  );
}

function collectionNames({ targetCollection }: JobSettings): string[] {
  return [targetCollection, outcomesOf(targetCollection), historyOf(targetCollection)];
}

async function collectionsOf(settings: JobSettings): Promise<RemovalPlan["collections"]> {
  const store = await openExistingTarget(settings);
  try {
    const names = collectionNames(settings);
    return (await store.collections()).filter(({ name }) => names.includes(name));
  } finally {
    await store.close();
  }
}

/** Marks first: while the records are there, it can be told whose they are. */
async function removeData(settings: JobSettings): Promise<void> {
  const { sourceCollection, mark, job, markIn, targetCollection } = settings;
  if (markIn !== "target") {
    const store = await openExistingStore(settings);
    try {
      const source = store.source({ collection: sourceCollection, mark, filter: null, fields: [] });
      for (const outcome of COUNTED) {
        let page = await source.readMarked({ job, outcome }, null, PAGE);
        while (page.documents.length > 0) {
          await source.unmark(page.documents.map(({ _id }) => keyOf(_id)));
          if (page.last) break;
          page = await source.readMarked({ job, outcome }, page.cursor, PAGE);
        }
      }
    } finally {
      await store.close();
    }
  }
  const store = await openExistingTarget(settings);
  try {
    for (const name of collectionNames(settings)) await store.drop(name);
    await store.lease.remove(targetCollection);
  } finally {
    await store.close();
  }
}

async function bytesOf(path: string): Promise<number> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return 0;
  if (!found.isDirectory()) return found.size;
  let bytes = 0;
  const names = await nodeFileSystem.list(path).catch((error) => {
    throw unreadable(path, error);
  });
  for (const name of names) bytes += await bytesOf(join(path, name));
  return bytes;
}

const sum = (all: readonly { readonly count: number }[]): number => all.reduce((whole, { count }) => whole + count, 0);
