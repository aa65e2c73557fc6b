import { createHash } from "node:crypto";
import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { fileInvalid } from "./file-fault.ts";

const CHUNK_BYTES = 256 * 1024;

/** A file of fixed length that can be read more than once, from any place. What is appended meanwhile is not seen. */
export class FileBytes {
  readonly path: string;
  readonly size: number;
  readonly #handle: FileHandle;

  /** Made by {@link openBytes}. */
  constructor(path: string, size: number, handle: FileHandle) {
    this.path = path;
    this.size = size;
    this.#handle = handle;
  }

  /** @returns the bytes from `start` on, at most `length`, fewer only at the end */
  async read(start: number, length: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.size - start));
    const buffer = Buffer.allocUnsafe(wanted);
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await this.#handle.read(buffer, filled, wanted - filled, start + filled);
      if (bytesRead === 0) throw fileInvalid(this.path, "it became shorter while it was read", "Run again.");
      filled += bytesRead;
    }
    return buffer;
  }

  async *chunks(start = 0): AsyncGenerator<Buffer> {
    for (let at = start; at < this.size; at += CHUNK_BYTES) yield await this.read(at, CHUNK_BYTES);
  }

  /** @returns the SHA-256 of all bytes, in hex */
  async digest(): Promise<string> {
    const hash = createHash("sha256");
    for await (const chunk of this.chunks()) hash.update(chunk);
    return hash.digest("hex");
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/**
 * Opens a file, or stdin (`-`), which is first copied to a temporary file without a name.
 * @throws QuerymillError FILE_INVALID: not there, not readable, a folder, empty
 */
export async function openBytes(path: string): Promise<FileBytes> {
  const handle = path === "-" ? await spoolStdin() : await openFile(path);
  try {
    const status = await handle.stat();
    if (status.isDirectory()) throw fileInvalid(path, "it is a folder", "Name the file in it.");
    if (!status.isFile()) throw fileInvalid(path, "it is not a plain file", "Pipe it into --input - instead.");
    if (status.size === 0) throw fileInvalid(path, "it is empty", "Check what should have written it.");
    return new FileBytes(path, status.size, handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR")
      throw fileInvalid(path, "there is no such file", "Check the path; a relative one begins at the current folder.");
    if (code === "EACCES" || code === "EPERM")
      throw fileInvalid(path, "this user may not read it", "Change its rights (chmod u+r), or copy it.");
    throw fileInvalid(path, `it cannot be opened (${messageOf(error)})`, "Check the path.");
  }
}

async function spoolStdin(): Promise<FileHandle> {
  if (process.stdin.isTTY)
    throw fileInvalid("-", "nothing is piped into it", "Pipe a file into it: cat tickets.csv | querymill … -");
  const folder = await mkdtemp(join(tmpdir(), "querymill-stdin-"));
  try {
    const handle = await open(join(folder, "input"), "wx+", 0o600);
    // Without a name it goes with the process, whatever ends it.
    await rm(folder, { recursive: true, force: true });
    for await (const chunk of process.stdin) await handle.write(chunk as Buffer);
    return handle;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw fileInvalid(
      "-",
      `it could not be read (${messageOf(error)})`,
      `It is copied to ${tmpdir()} first: is there room?`,
    );
  }
}
