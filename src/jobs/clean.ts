import { lstat, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { QuerymillError } from "../errors.ts";
import { jobFlagOf } from "../job.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { nodeFileSystem } from "../state/files.ts";
import type { StateIdentity } from "../state/identity.ts";
import { OwnerLock } from "../state/owner.ts";
import { answersFolder } from "./answers-folder.ts";
import { inspectLeftover } from "./recovery.ts";
import { ownerOf } from "./status.ts";

export interface CleanOptions {
  /** Epoch ms: archives and set-aside records from before go, and dead letters too. null: archives of any age, no dead letter. */
  readonly beforeMs: number | null;
  /** The job's whole local state, ledger and dead letters included. */
  readonly all: boolean;
  /** The answers kept for equal texts too: those texts are asked again. @default false */
  readonly cache?: boolean;
}

/** What can go of one job's local state. */
export interface CleanPlan {
  readonly identity: StateIdentity;
  readonly folder: string;
  /** Paths to remove with all they hold, and what they are. */
  readonly paths: readonly { readonly path: string; readonly what: CleanKind; readonly bytes: number }[];
  /** Dead letters to forget. */
  readonly deadLetters: readonly string[];
}
export type CleanKind = "archive of --fresh" | "damaged records set aside" | "answers for equal texts" | "whole state";

/**
 * Looks what is no longer needed; changes nothing.
 * @throws QuerymillError JOB_HELD, STATE_UNCLEAN (answers that are journaled and not stored would be lost)
 */
export async function planClean(batchDir: string, identity: StateIdentity, options: CleanOptions): Promise<CleanPlan> {
  const manager = new BatchFileManager(batchDir, identity);
  const { folder } = manager;
  const owner = await ownerOf(manager);
  if (owner !== null)
    throw new QuerymillError(
      "JOB_HELD",
      `Job ${identity.job} is held by process ${owner.pid} on ${owner.host} (execution ${owner.executionId}). Nothing of it is removed while it runs: wait for it to end or stop it.`,
    );
  if (options.all) {
    const { unsunk, inFlight, unclean } = await inspectLeftover(manager);
    if (unsunk.size > 0 || unclean)
      throw new QuerymillError(
        "STATE_UNCLEAN",
        `Job ${identity.job} has ${unsunk.size} answers that are journaled and not stored, and ${inFlight.length} calls that were under way: removing its state would lose what was paid. Store them first:  querymill run ${jobFlagOf(identity)} --recover --limit 1`,
      );
    const whole = { path: folder, what: "whole state" as const, bytes: await bytesOf(folder) };
    return { identity, folder, paths: [whole], deadLetters: [] };
  }
  const paths = [
    ...(await oldOnes(join(folder, "archive"), "archive of --fresh", options.beforeMs)),
    ...(await oldOnes(join(folder, "quarantine"), "damaged records set aside", options.beforeMs)),
    ...(options.cache ? await oldOnes(answersFolder(manager), "answers for equal texts", options.beforeMs) : []),
  ];
  if (options.beforeMs === null) return { identity, folder, paths, deadLetters: [] };
  await manager.deadLetters.open({ readOnly: true });
  const expired = manager.deadLetters.list({ dueMs: options.beforeMs }).map(({ key }) => key);
  return { identity, folder, paths, deadLetters: expired };
}

/**
 * Does what was planned, holding the job's lock. Dead letters leave no trace in the file.
 * @throws QuerymillError JOB_HELD
 */
export async function clean(
  batchDir: string,
  { identity, folder, paths, deadLetters }: CleanPlan,
  owner: { pid: number; host: string },
): Promise<void> {
  const lock = OwnerLock.take(
    folder,
    { ...owner, executionId: "clean", since: new Date().toISOString() },
    identity.job,
  );
  try {
    if (deadLetters.length > 0) await forgetDeadLetters(batchDir, identity, deadLetters);
    for (const { path, what } of paths) if (what !== "whole state") await rm(path, { recursive: true, force: true });
    for (const { path, what } of paths) {
      if (what !== "whole state") continue;
      // The lock's own file stays until the lock is given back.
      for (const name of await nodeFileSystem.list(path))
        if (name !== "owner.lock") await rm(join(path, name), { recursive: true, force: true });
    }
  } finally {
    lock.release();
  }
  if (paths.some(({ what }) => what === "whole state")) await removeFolder(folder);
}

async function forgetDeadLetters(batchDir: string, identity: StateIdentity, keys: readonly string[]): Promise<void> {
  const manager = new BatchFileManager(batchDir, identity);
  await manager.deadLetters.open();
  await manager.deadLetters.remove(keys);
  await manager.deadLetters.close();
  // Opening rewrites the file with its live entries only: the removed ones are gone from the disk.
  const { deadLetters } = new BatchFileManager(batchDir, identity);
  await deadLetters.open();
  await deadLetters.close();
}

/** The range's folder, and the job's when it held nothing else. */
async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const job = dirname(folder);
  if ((await nodeFileSystem.list(job)).length === 0) await rm(job, { recursive: true, force: true });
}

async function oldOnes(
  folder: string,
  what: CleanKind,
  beforeMs: number | null,
): Promise<CleanPlan["paths"][number][]> {
  const found: CleanPlan["paths"][number][] = [];
  for (const name of await nodeFileSystem.list(folder)) {
    const path = join(folder, name);
    const { mtimeMs } = await lstat(path);
    if (beforeMs === null || mtimeMs < beforeMs) found.push({ path, what, bytes: await bytesOf(path) });
  }
  return found;
}

async function bytesOf(path: string): Promise<number> {
  const found = await lstat(path);
  if (!found.isDirectory()) return found.size;
  let bytes = 0;
  for (const name of await nodeFileSystem.list(path)) bytes += await bytesOf(join(path, name));
  return bytes;
}
