import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { messageOf, QuerymillError } from "../errors.ts";
import { type AppendFile, codeOf, type FileSystem } from "./files.ts";

/** Room kept for what has to be written when the disk is full: the outcomes of the calls in flight, a last checkpoint. */
const RESERVE_BYTES = 256 * 1024;

/**
 * A file system for local state that says in one way what failed, and gives a full disk a second chance: the reserve is
 * removed, `onFull` is told to end the work, and the write is done again.
 */
export class GuardedFiles implements FileSystem {
  readonly #files: FileSystem;
  readonly #reservePath: string;
  #reserved = false;
  /** Called once when the reserve was needed: take no new work. */
  onFull: ((error: QuerymillError) => void) | null = null;

  constructor(files: FileSystem, folder: string) {
    this.#files = files;
    this.#reservePath = join(folder, "reserve");
  }

  /** Takes the reserve's room on the disk, really: it can neither be sparse nor compressed. @throws QuerymillError STATE_UNWRITABLE */
  async makeReserve(): Promise<void> {
    await this.removeFile(this.#reservePath);
    try {
      const file = await this.create(this.#reservePath);
      try {
        await file.write(randomBytes(RESERVE_BYTES), 0);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      await this.#files.removeFile(this.#reservePath).catch(() => {});
      throw error;
    }
    this.#reserved = true;
  }

  /** Gives the reserve's room back; fine when there is none. */
  async removeReserve(): Promise<void> {
    this.#reserved = false;
    await this.removeFile(this.#reservePath);
  }

  makeFolder(path: string): Promise<string | undefined> {
    return this.#try(path, () => this.#files.makeFolder(path));
  }
  async create(path: string): Promise<AppendFile> {
    const file = await this.#try(path, () => this.#files.create(path));
    return {
      write: (data, position) => this.#try(path, () => file.write(data, position)),
      sync: () => this.#try(path, () => file.sync()),
      truncate: (length) => this.#try(path, () => file.truncate(length)),
      read: (length, position) => this.#try(path, () => file.read(length, position), unreadable),
      close: () => file.close(),
    };
  }
  read(path: string): Promise<Buffer | null> {
    return this.#try(path, () => this.#files.read(path), unreadable);
  }
  write(path: string, data: string | Uint8Array): Promise<void> {
    return this.#try(path, () => this.#files.write(path, data));
  }
  overwrite(path: string, data: string): Promise<void> {
    return this.#try(path, () => this.#files.overwrite(path, data));
  }
  rename(from: string, to: string): Promise<void> {
    return this.#try(to, () => this.#files.rename(from, to));
  }
  remove(path: string): Promise<void> {
    return this.#try(path, () => this.#files.remove(path));
  }
  removeFile(path: string): Promise<void> {
    return this.#try(path, () => this.#files.removeFile(path));
  }
  list(path: string): Promise<string[]> {
    return this.#try(path, () => this.#files.list(path), unreadable);
  }
  syncFolder(path: string): Promise<void> {
    return this.#try(path, () => this.#files.syncFolder(path));
  }
  syncFile(path: string): Promise<void> {
    return this.#try(path, () => this.#files.syncFile(path));
  }

  async #try<T>(path: string, action: () => Promise<T>, told = unwritable): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      const error = told(path, cause);
      // Never after a failed sync: what it dropped is not written again.
      const isSync = (cause as NodeJS.ErrnoException).syscall?.endsWith("sync") === true;
      if (!this.#reserved || isSync || !isFull(cause)) throw error;
      this.#reserved = false;
      await this.#files.removeFile(this.#reservePath);
      this.onFull?.(error);
      return await action();
    }
  }
}

const isFull = (error: unknown): boolean => codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";

/** @returns what to tell of a state file that cannot be written; an error that says so already stays as it is */
export function unwritable(path: string, cause: unknown): QuerymillError {
  if (cause instanceof QuerymillError) return cause;
  return new QuerymillError(
    "STATE_UNWRITABLE",
    `${path} cannot be written: ${reasonOf(cause)}. Everything acknowledged before is safe. Free space or repair the disk, then run again.`,
    { cause },
  );
}

/** @returns the same of one that cannot be read */
export function unreadable(path: string, cause: unknown): QuerymillError {
  if (cause instanceof QuerymillError) return cause;
  return new QuerymillError(
    "STATE_UNWRITABLE",
    `${path} cannot be read: ${reasonOf(cause)}. Give this user the right to read it, or repair the disk, then run again.`,
    { cause },
  );
}

/** Node repeats the path behind the reason. */
function reasonOf(cause: unknown): string {
  return messageOf(cause).replace(/, \w+( '.*')?$/, "");
}
