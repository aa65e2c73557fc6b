import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "./files.ts";
import { decodeFrames } from "./frame.ts";
import type { JournalRecord } from "./journal.ts";

const READ_BYTES = 1024 * 1024;

/**
 * Reads a job's journal while another process writes it: what is there, then what comes. A segment that is let go of
 * meanwhile is read to its end. Damage is passed over: it is the job's own affair.
 */
export class JournalFollower {
  readonly #folder: string;
  #segment: { readonly name: string; readonly file: FileHandle } | null = null;
  #position = 0;
  /** Bytes behind the last whole record. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns the records that came since the last call; none when there are no more yet */
  async next(): Promise<JournalRecord[]> {
    for (;;) {
      const records = await this.#read();
      if (records.length > 0) return records;
      const name = await this.#newer();
      if (name === null) return [];
      // A segment is whole when there is a newer one: what came to it since the last look is still read.
      const last = await this.#read();
      if (last.length > 0) return last;
      await this.#turnTo(name);
    }
  }

  async close(): Promise<void> {
    await this.#segment?.file.close();
    this.#segment = null;
  }

  async #read(): Promise<JournalRecord[]> {
    if (this.#segment === null) return [];
    const { file } = this.#segment;
    const buffer = Buffer.alloc(READ_BYTES);
    const { bytesRead } = await file.read(buffer, 0, READ_BYTES, this.#position);
    this.#position += bytesRead;
    if (bytesRead === 0) return [];
    const data = Buffer.concat([this.#rest, buffer.subarray(0, bytesRead)]);
    const records: JournalRecord[] = [];
    let end = data.length;
    for (const frame of decodeFrames(data)) {
      if (frame.kind === "record") records.push({ seq: frame.seq, entry: JSON.parse(frame.json) });
      if (frame.kind === "torn") end = frame.offset;
    }
    this.#rest = Buffer.from(data.subarray(end));
    return records.length > 0 ? records : await this.#read();
  }

  /** @returns the name of the segment behind the present one, or null */
  async #newer(): Promise<string | null> {
    const names = (await readdir(this.#folder).catch(whenMissing([]))).filter((name) => name.endsWith(".journal"));
    const before = this.#segment?.name ?? "";
    return names.sort().find((name) => name > before) ?? null;
  }

  async #turnTo(name: string): Promise<void> {
    const file = await open(join(this.#folder, name), "r").catch(whenMissing(null));
    // It was let go of just now: another one is behind it.
    if (file === null) return;
    await this.#segment?.file.close();
    this.#segment = { name, file };
    this.#position = 0;
    this.#rest = Buffer.alloc(0);
  }
}

function whenMissing<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === "ENOENT") return instead;
    throw error;
  };
}
