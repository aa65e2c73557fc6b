import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf, QuerymillError } from "../errors.ts";

export interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly executionId: string;
  readonly since: string;
}

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
   * @throws QuerymillError JOB_HELD, naming the process that holds it
   */
  static take(folder: string, owner: Owner, job: string): OwnerLock {
    const path = join(folder, "owner.lock");
    closeSync(openSync(path, "a", 0o600));
    const database = new DatabaseSync(path);
    try {
      database.exec("PRAGMA busy_timeout = 250; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      const holder = readOwner(folder);
      const who =
        holder === null
          ? "another process"
          : `process ${holder.pid} on ${holder.host} (execution ${holder.executionId}, since ${holder.since})`;
      throw new QuerymillError(
        "JOB_HELD",
        `Job ${job} is held by ${who}. Wait for it to end or stop it, or run another job with --job NAME.${/locked/.test(messageOf(error)) ? "" : ` (${messageOf(error)})`}`,
        { cause: error },
      );
    }
    writeFileSync(join(folder, "owner.json"), JSON.stringify(owner), { mode: 0o600 });
    return new OwnerLock(database);
  }

  release(): void {
    this.#database.close();
  }
}

/** @returns who holds the folder now, or null when nobody does */
export function currentOwner(folder: string): Owner | null {
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(join(folder, "owner.lock"));
  } catch {
    return null;
  }
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    return null;
  } catch {
    return readOwner(folder);
  } finally {
    database.close();
  }
}

function readOwner(folder: string): Owner | null {
  try {
    return JSON.parse(readFileSync(join(folder, "owner.json"), "utf8")) as Owner;
  } catch {
    return null;
  }
}
