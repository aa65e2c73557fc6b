import { closeSync, constants, openSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { access, type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { messageOf, QuerymillError } from "../errors.ts";

/** What local state needs of a file system: everything durable goes through here, so that a test can record and replay it. */
export interface FileSystem {
  /** Creates a folder and its parents for this user only (0700). @returns the first one that was not there */
  makeFolder(path: string): Promise<string | undefined>;
  /** Creates a new file (0600); an existing one is an error. */
  create(path: string): Promise<AppendFile>;
  /** @returns null when it does not exist */
  read(path: string): Promise<Buffer | null>;
  /** Writes a whole file (0600) without any sync: for what can be rebuilt. */
  write(path: string, data: string | Uint8Array): Promise<void>;
  /**
   * Writes over the beginning of a file (0600), which keeps its length if it was longer; no sync. Much cheaper than a new
   * file on a disk that others wait for: no name and no room has to be noted down.
   */
  overwrite(path: string, data: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a folder with all it holds; fine when it is not there. */
  remove(path: string): Promise<void>;
  /** Removes one file, cheaply; fine when it is not there. */
  removeFile(path: string): Promise<void>;
  /** Names in a folder, sorted; empty when there is no such folder. */
  list(path: string): Promise<string[]>;
  /** Makes creations, renames and removals inside a folder durable. */
  syncFolder(path: string): Promise<void>;
  /** Makes what another process wrote to a file durable. */
  syncFile(path: string): Promise<void>;
}

export interface AppendFile {
  /** Writes all bytes at `position`, looping over short writes. */
  write(data: Buffer, position: number): Promise<void>;
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  read(length: number, position: number): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * Small writes go to the page cache on the calling thread: some microseconds, where a hop to the thread pool and back
 * costs some hundred on a busy machine. What waits for a disk (sync) goes to the thread pool.
 */
export const nodeFileSystem: FileSystem = {
  async makeFolder(path) {
    return await makeFolders(resolve(path));
  },
  async create(path) {
    return appendFile(await open(path, "wx+", 0o600));
  },
  async read(path) {
    try {
      return await readFile(path);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return null;
      throw error;
    }
  },
  async write(path, data) {
    writeFileSync(path, data, { mode: 0o600 });
  },
  async overwrite(path, data) {
    const file = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
    try {
      writeAll(file, Buffer.from(data), 0);
    } finally {
      closeSync(file);
    }
  },
  rename,
  async remove(path) {
    await rm(path, { recursive: true, force: true });
  },
  async removeFile(path) {
    try {
      unlinkSync(path);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
  },
  async list(path) {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      // A stray file where a folder is expected (a desktop's .DS_Store) holds nothing of ours.
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return [];
      throw error;
    }
  },
  async syncFolder(path) {
    const folder = await open(path, constants.O_RDONLY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  async syncFile(path) {
    const file = await open(path, constants.O_RDWR);
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  },
};

/**
 * Replaces a file so that after a power cut either the old or the new content is there, whole:
 * temporary file, fdatasync, rename, fsync of the folder.
 */
export async function replaceFile(files: FileSystem, path: string, data: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await files.removeFile(temporary);
  const file = await files.create(temporary);
  try {
    await file.write(Buffer.from(data), 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncFolder(dirname(path));
}

/**
 * Makes the state folder ready and durable, and proves that it can be written, before anything is spent.
 * @throws QuerymillError STATE_UNWRITABLE
 */
export async function openStateFolder(files: FileSystem, folder: string): Promise<void> {
  try {
    await syncNames(files, folder, await files.makeFolder(folder));
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    const probe = join(folder, `.probe-${process.pid}`);
    await files.write(probe, "x");
    await files.remove(probe);
  } catch (error) {
    const cause = error instanceof QuerymillError ? error.cause : error;
    throw new QuerymillError(
      "STATE_UNWRITABLE",
      `The state folder ${folder} cannot be written: ${messageOf(cause)}. Name another with --batch-dir, or give this user the right to write there.`,
      { cause },
    );
  }
}

/** @returns the `code` of a Node system error, or null */
export function codeOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}

/**
 * One folder at a time: mkdir's own recursion never ends in places such as /proc, where nothing can be made.
 * @returns the first one that was not there
 */
async function makeFolders(path: string): Promise<string | undefined> {
  try {
    await mkdir(path, { mode: 0o700 });
    return path;
  } catch (error) {
    if (codeOf(error) === "EEXIST" && (await stat(path)).isDirectory()) return undefined;
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    const first = await makeFolders(dirname(path));
    await mkdir(path, { mode: 0o700 }).catch((again) => {
      if (codeOf(again) !== "EEXIST") throw again;
    });
    return first ?? path;
  }
}

/** A folder is only as durable as its name in the folder above it: syncs the names of `path` and its parents up to `first`. */
async function syncNames(files: FileSystem, path: string, first: string | undefined): Promise<void> {
  for (let at = resolve(path); first !== undefined && at.startsWith(first); at = dirname(at)) {
    await files.syncFolder(dirname(at)).catch((error) => {
      // A folder in which one may write and not read cannot be synced; its file system does it in its own time.
      if (codeOf(error instanceof QuerymillError ? error.cause : error) !== "EACCES") throw error;
    });
  }
}

/** Loops over short writes. */
function writeAll(file: number, data: Buffer, position: number): void {
  for (let done = 0; done < data.length; ) done += writeSync(file, data, done, data.length - done, position + done);
}

function appendFile(handle: FileHandle): AppendFile {
  return {
    async write(data, position) {
      writeAll(handle.fd, data, position);
    },
    async sync() {
      await handle.datasync();
    },
    async truncate(length) {
      await handle.truncate(length);
    },
    async read(length, position) {
      const buffer = Buffer.allocUnsafe(length);
      const { bytesRead } = await handle.read(buffer, 0, length, position);
      return buffer.subarray(0, bytesRead);
    },
    async close() {
      await handle.close();
    },
  };
}
