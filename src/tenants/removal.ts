import { lstat, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { type FleetLeft, planFleetRemoval, removeFleet } from "../cluster/fleet-removal.ts";
import { findControl } from "../control/client.ts";
import { TokenFile } from "../dashboard/token-file.ts";
import { QuerymillError } from "../errors.ts";
import { historyOf } from "../history.ts";
import { keyOf } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { openExistingStore, openExistingTarget } from "../jobs/existing-store.ts";
import { readStatus } from "../jobs/status.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { nodeFileSystem, replaceFile } from "../state/files.ts";
import { OwnerLock } from "../state/owner.ts";
import { outcomesOf } from "../stores/target-marks.ts";
import { tenantFolder, tenantJobs } from "./list.ts";

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
  readonly begunAt: string;
}

export interface RemovalOptions {
  readonly batchDir: string;
  readonly name: string;
  /** Whether the settings tell of it. */
  readonly hasSection: boolean;
  /** As its section says; null without one, or when it cannot be used. */
  readonly settings: JobSettings | null;
  /** Records, their history, notes and the marks in the source too. */
  readonly data: boolean;
}

const COUNTED = ["classified", "skipped", "deadLetter"] as const;
const PAGE = 500;

/**
 * Looks what would go; changes nothing.
 * @throws QuerymillError JOB_HELD while a fleet runs it; USAGE when nothing is known of it; STORE_UNREACHABLE with `data` or `workersAt`
 */
export async function planRemoval({
  batchDir,
  name,
  hasSection,
  settings,
  data,
}: RemovalOptions): Promise<RemovalPlan> {
  const begun = await readRemoval(batchDir, name);
  const jobs = await tenantJobs(batchDir, name);
  const folder = tenantFolder(batchDir, name);
  if (!hasSection && jobs.length === 0 && begun === null && (await bytesOf(folder)) === 0)
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
  const withData = data || begun?.data === true;
  if (withData && settings === null && begun === null)
    throw new QuerymillError(
      "USAGE",
      `Tenant ${name} has no section in the settings, so nobody knows where its records are. Leave --data out, or put the section back.`,
    );
  const collections = withData && settings !== null ? await collectionsOf(settings) : [];
  return {
    ...{ name, goesOn: begun !== null, data: withData, folder, bytes: await bytesOf(folder), heldBy },
    ...{ jobs: told, collections },
    fleet: settings === null ? null : await planFleetRemoval(settings),
    marksIn: withData && settings !== null && settings.markIn !== "target" ? settings.sourceCollection : null,
  };
}

/**
 * Removes what was planned: first it is written down that it goes, so that a removal that is cut off is gone on with, and
 * nobody runs the tenant meanwhile.
 * @param forget takes its section out of the settings file
 * @throws QuerymillError JOB_HELD when a process began to run it
 */
export async function removeTenant(options: RemovalOptions, forget: () => Promise<void>): Promise<void> {
  const { batchDir, name, settings } = options;
  const begun = await readRemoval(batchDir, name);
  const data = options.data || begun?.data === true;
  const removal: Removal = { format: 1, name, data, begunAt: begun?.begunAt ?? new Date().toISOString() };
  await nodeFileSystem.makeFolder(join(batchDir, FOLDER));
  await replaceFile(nodeFileSystem, recordOf(batchDir, name), JSON.stringify(removal));
  await new TokenFile(batchDir).remove(({ tenant }) => tenant === name);
  const jobs = await tenantJobs(batchDir, name);
  const locks = jobs.map((identity) => {
    const { folder } = new BatchFileManager(batchDir, identity);
    const owner = { pid: process.pid, host: hostname(), executionId: "remove", since: new Date().toISOString() };
    return OwnerLock.take(folder, owner, identity.job);
  });
  try {
    if (settings !== null) await removeFleet(settings, await planFleetRemoval(settings));
    if (data && settings !== null) await removeData(settings);
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
  if ((await nodeFileSystem.list(join(batchDir, FOLDER))).length === 0)
    await rm(join(batchDir, FOLDER), { recursive: true, force: true });
}

/** @throws QuerymillError USAGE: the tenant is being removed, and does not run any more */
export async function refuseRemoved(batchDir: string, name: string): Promise<void> {
  const begun = await readRemoval(batchDir, name);
  if (begun === null) return;
  throw new QuerymillError(
    "USAGE",
    `Tenant ${name} is being removed since ${begun.begunAt}, and that was cut off. Go on with it:  querymill tenants remove ${name}`,
  );
}

const FOLDER = ".removals";

function recordOf(batchDir: string, name: string): string {
  return join(batchDir, FOLDER, `${name}.json`);
}

async function readRemoval(batchDir: string, name: string): Promise<Removal | null> {
  const data = await nodeFileSystem.read(recordOf(batchDir, name));
  return data === null ? null : (JSON.parse(data.toString()) as Removal);
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
  for (const name of await nodeFileSystem.list(path)) bytes += await bytesOf(join(path, name));
  return bytes;
}

const sum = (all: readonly { readonly count: number }[]): number => all.reduce((whole, { count }) => whole + count, 0);
