import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, QuerymillError } from "../errors.ts";
import { codeOf } from "./files.ts";
import { unwritable } from "./guarded-files.ts";

export interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly executionId: string;
  readonly since: string;
}

const LOCK_FILE = "owner.lock";
/** How long a start waits for a process that only looks, or is just ending, in ms. */
const TAKE_MS = 250;
/** How long {@link exclusively} waits for others, and how often it looks, in ms. */
const EXCLUSIVE_WAIT_MS = 10_000;
const EXCLUSIVE_LOOK_MS = 20;

/**
 * Exclusive hold on a job's folder by a lock of the operating system (SQLite's), which dies with the process: no stale
 * lock after SIGKILL, no trust in process ids.
 */
export class OwnerLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * @throws QuerymillError JOB_HELD, naming the process that holds it; STATE_UNWRITABLE when the lock file is unusable
   */
  static take(folder: string, owner: Owner, job: string): OwnerLock {
    const path = join(folder, LOCK_FILE);
    try {
      makePrivate(path);
    } catch (error) {
      throw unwritable(path, error);
    }
    const database = new DatabaseSync(path, { timeout: TAKE_MS });
    try {
      database.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      if (!isLocked(error)) {
        throw new QuerymillError(
          "STATE_UNWRITABLE",
          `The lock file ${path} cannot be used: ${messageOf(error)}. Remove it when no other process works on job ${job}, then run again.`,
          { cause: error },
        );
      }
      const holder = readOwner(folder);
      const who =
        holder === null
          ? "another process"
          : `process ${holder.pid} on ${holder.host} (execution ${holder.executionId}, since ${holder.since})`;
      throw new QuerymillError(
        "JOB_HELD",
        `Job ${job} is held by ${who}. Wait for it to end or stop it, or run another job with --job NAME.`,
        { cause: error },
      );
    }
    try {
      writeFileSync(join(folder, "owner.json"), JSON.stringify(owner), { mode: 0o600 });
    } catch (error) {
      database.close();
      throw unwritable(join(folder, "owner.json"), error);
    }
    return new OwnerLock(database);
  }

  release(): void {
    this.#database.close();
  }
}

/**
 * Does something that no other process does at the same time. The lock dies with the process; its file goes with it where it
 * can.
 * @param path of the lock file @param what is changed, for the message
 * @throws QuerymillError STATE_UNWRITABLE when others do not come to an end, or the lock file is unusable
 */
export async function exclusively<T>(path: string, what: string, action: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + EXCLUSIVE_WAIT_MS;
  for (;;) {
    const database = tryLock(path, what);
    if (database !== null)
      try {
        return await action();
      } finally {
        // While it is held: who waits for this file finds that it is no longer the one that others lock.
        removeLock(path);
        database.close();
      }
    if (performance.now() > untilMs)
      throw new QuerymillError(
        "STATE_UNWRITABLE",
        `Another process has been changing ${what} for ${EXCLUSIVE_WAIT_MS / 1_000} s, so nothing was changed. Try again when it has ended.`,
      );
    await delay(EXCLUSIVE_LOOK_MS);
  }
}

/** @returns null while another process has it @throws QuerymillError STATE_UNWRITABLE */
function tryLock(path: string, what: string): DatabaseSync | null {
  try {
    makePrivate(path);
  } catch (error) {
    throw unwritable(path, error);
  }
  let database: DatabaseSync | null = null;
  try {
    const before = markOf(path);
    database = new DatabaseSync(path, { timeout: 0 });
    // A journal beside the lock would outlive it by a moment, and be taken for that of the next one.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    if (before !== null && markOf(path) === before) return database;
    database.close();
    return null;
  } catch (error) {
    database?.close();
    if (isLocked(error)) return null;
    throw new QuerymillError(
      "STATE_UNWRITABLE",
      `The lock file ${path} cannot be used: ${messageOf(error)}. Remove it when no other process is changing ${what}, then try again.`,
      { cause: error },
    );
  }
}

/** Another one for each file that has the name; null: there is none. */
function markOf(path: string): string | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev} ${found.ino} ${found.birthtimeNs}`;
}

function removeLock(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Where an open file cannot be removed it stays, and is used again.
  }
}

/** @returns who holds the folder now, or null when nobody does */
export function currentOwner(folder: string): Owner | null {
  const path = join(folder, LOCK_FILE);
  if (!existsSync(path)) return null;
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path);
    database.exec("BEGIN EXCLUSIVE");
    return null;
  } catch (error) {
    return isLocked(error) ? readOwner(folder) : null;
  } finally {
    database?.close();
  }
}

/**
 * Makes the lock file for this user only. One that exists is not touched: closing any descriptor of a file gives up all
 * POSIX locks that this process has on it, the one being held included.
 */
function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

/** SQLITE_BUSY, SQLITE_LOCKED. */
function isLocked(error: unknown): boolean {
  const result = Number((error as { errcode?: number }).errcode ?? 0) & 0xff;
  return result === 5 || result === 6;
}

function readOwner(folder: string): Owner | null {
  try {
    return JSON.parse(readFileSync(join(folder, "owner.json"), "utf8")) as Owner;
  } catch {
    return null;
  }
}
