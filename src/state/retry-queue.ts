import { dirname, join } from "node:path";
import type { QuerymillError } from "../errors.ts";
import type { ItemKey } from "../item.ts";
import type { AppendFile, FileSystem } from "./files.ts";
import { decodeFrames, encodeFrame } from "./frame.ts";
import { unwritable } from "./guarded-files.ts";
import { refuseForeign, STATE_FORMAT, type StateIdentity } from "./identity.ts";

/** One item that waits for another try, or a dead letter that waits for a person. */
export interface QueueEntry {
  readonly key: ItemKey;
  /** What has to be done again: `model`, `store`, `mark`; any name in the library. */
  readonly queue: string;
  /** Epoch ms from which it may be tried; for dead letters when it died. */
  readonly dueMs: number;
  /** Rounds behind it when it comes due. */
  readonly round: number;
  /** Class of the failure. */
  readonly failure: string;
  /** For people, without customer text. */
  readonly message: string;
  /** How often in a row it failed with this very failure. */
  readonly alike: number;
  /** Of the text it failed with; a document that changed since deserves another try. */
  readonly contentHash: string | null;
  /** Anything else that is needed to do it again: the raw answer, the record. Kept on disk only. */
  readonly payload?: unknown;
}

/** What is kept in memory of an entry: all but its payload. */
interface Indexed extends Omit<QueueEntry, "payload"> {
  readonly offset: number;
  readonly length: number;
}

type Header = StateIdentity & { readonly op: "header"; readonly format: number };
type Line =
  | { readonly op: "add"; readonly entry: QueueEntry }
  | { readonly op: "remove"; readonly keys: readonly ItemKey[] };

/** Compacted at open and when this many bytes are garbage. */
const COMPACT_BYTES = 8 * 1024 * 1024;

/**
 * Durable queues of one job in one framed log. An item is in at most one queue: adding it again replaces the entry.
 * Memory holds the index (about 300 bytes an entry), never the payloads. Single writer; calls are serialised. After a
 * failed write it takes nothing more, like the journal, and what it holds can still be read.
 */
export class RetryQueue {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #header: Header;
  #index = new Map<ItemKey, Indexed>();
  #file: AppendFile | null = null;
  #position = 0;
  #liveBytes = 0;
  #seq = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #failure: QuerymillError | null = null;
  /** The whole log, when opened read-only. */
  #data: Buffer | null = null;

  constructor(files: FileSystem, folder: string, name: string, identity: StateIdentity) {
    this.#files = files;
    this.#header = { op: "header", format: STATE_FORMAT, ...identity };
    this.#path = join(folder, `${name}.queue`);
  }

  /**
   * Reads the log; what an earlier opening knew is forgotten. Damaged records are passed over and counted.
   * @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's file), STATE_UNWRITABLE
   * @param options `readOnly` leaves the file as it is: for looking on while another process works on it
   */
  async open(options: { readOnly?: boolean } = {}): Promise<{ damaged: number }> {
    await this.close();
    this.#index = new Map();
    this.#position = this.#liveBytes = this.#seq = 0;
    this.#failure = null;
    let damaged = 0;
    const data = (await this.#files.read(this.#path)) ?? Buffer.alloc(0);
    for (const frame of decodeFrames(data)) {
      if (frame.kind === "damage") damaged += 1;
      if (frame.kind !== "record") continue;
      const line = JSON.parse(frame.json) as Line | Header;
      if (line.op === "header") {
        refuseForeign(this.#path, line, this.#header);
        continue;
      }
      // A doubled record is read once: a copied addition must not bring back what was removed.
      if (frame.seq <= this.#seq) continue;
      this.#seq = frame.seq;
      this.#apply(line, frame.offset, frame.length);
    }
    this.#data = options.readOnly ? data : null;
    if (!options.readOnly && data.length > 0) await this.#compact(data).catch((error) => this.#break(error));
    if (this.#failure !== null) throw this.#failure;
    return { damaged };
  }

  get size(): number {
    return this.#index.size;
  }

  /** The entry of an item without its payload, from memory. */
  get(key: ItemKey): Omit<QueueEntry, "payload"> | null {
    return this.#index.get(key) ?? null;
  }

  keys(): IterableIterator<ItemKey> {
    return this.#index.keys();
  }

  /** Adds or replaces entries; durable when it returns. @throws QuerymillError STATE_UNWRITABLE */
  async add(entries: readonly QueueEntry[]): Promise<void> {
    if (entries.length > 0) await this.#write(() => entries.map((entry) => ({ op: "add", entry })));
  }

  /** Durable when it returns; keys that are not there are ignored. @throws QuerymillError STATE_UNWRITABLE */
  async remove(keys: readonly ItemKey[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#write(() => {
      const present = keys.filter((key) => this.#index.has(key));
      return present.length === 0 ? [] : [{ op: "remove", keys: present }];
    });
  }

  /** Writes the file anew with what is live: what was removed is gone from the disk then. @throws QuerymillError STATE_UNWRITABLE */
  async compact(): Promise<void> {
    const done = this.#turn.then(async () => {
      if (this.#failure !== null) throw this.#failure;
      if (this.#file === null) return;
      await this.#compact(await this.#file.read(this.#position, 0)).catch((error) => {
        throw this.#break(error);
      });
    });
    this.#turn = done.catch(() => {});
    return await done;
  }

  /** Entries in the order they come due, without payloads. */
  list(filter: { queue?: string; failure?: string; dueMs?: number } = {}): Omit<QueueEntry, "payload">[] {
    const found: Indexed[] = [];
    for (const entry of this.#index.values()) {
      if (filter.queue !== undefined && entry.queue !== filter.queue) continue;
      if (filter.failure !== undefined && entry.failure !== filter.failure) continue;
      if (filter.dueMs !== undefined && entry.dueMs > filter.dueMs) continue;
      found.push(entry);
    }
    return found.sort((a, b) => a.dueMs - b.dueMs);
  }

  /** When the first entry comes due (epoch ms), or null when empty. */
  nextDueMs(): number | null {
    let next: number | null = null;
    for (const entry of this.#index.values()) if (next === null || entry.dueMs < next) next = entry.dueMs;
    return next;
  }

  /** One entry with its payload; null when it is not there or damaged. @throws QuerymillError STATE_UNWRITABLE while its file cannot be read */
  async read(key: ItemKey): Promise<QueueEntry | null> {
    await this.#turn;
    const at = this.#index.get(key);
    if (at === undefined) return null;
    if (this.#failure !== null && this.#file === null && this.#data === null) throw this.#failure;
    const bytes =
      this.#data?.subarray(at.offset, at.offset + at.length) ?? (await this.#file?.read(at.length, at.offset));
    const frame = bytes === undefined ? undefined : decodeFrames(bytes).next().value;
    if (frame === undefined || frame.kind !== "record") return null;
    const line = JSON.parse(frame.json) as Line;
    return line.op === "add" ? line.entry : null;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#file?.close();
    this.#file = null;
  }

  /** @param make called when it is this write's turn, so that it sees what those before it did */
  #write(make: () => readonly Line[]): Promise<void> {
    const done = this.#turn.then(async () => {
      if (this.#failure !== null) throw this.#failure;
      const lines = make();
      if (lines.length === 0) return;
      try {
        await this.#append(lines);
      } catch (error) {
        // A short write may have left part of a record: cut it, if the disk still lets us.
        await this.#file?.truncate(this.#position).catch(() => {});
        throw this.#break(error);
      }
      // These lines are safe, whatever becomes of the rewriting.
      if (this.#position - this.#liveBytes > COMPACT_BYTES)
        await this.#compact(await this.#file!.read(this.#position, 0)).catch((error) => this.#break(error));
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  async #append(lines: readonly Line[]): Promise<void> {
    if (this.#file === null) await this.#compact(Buffer.alloc(0));
    const file = this.#file!;
    const parts: Buffer[] = [];
    const placed: { line: Line; offset: number; length: number }[] = [];
    let position = this.#position;
    for (const line of lines) {
      this.#seq += 1;
      const bytes = Buffer.from(encodeFrame(this.#seq, JSON.stringify(line)));
      parts.push(bytes);
      placed.push({ line, offset: position, length: bytes.length });
      position += bytes.length;
    }
    await file.write(Buffer.concat(parts), this.#position);
    await file.sync();
    this.#position = position;
    for (const { line, offset, length } of placed) this.#apply(line, offset, length);
  }

  #break(error: unknown): QuerymillError {
    this.#failure = unwritable(this.#path, error);
    return this.#failure;
  }

  #apply(line: Line, offset: number, length: number): void {
    for (const key of line.op === "add" ? [line.entry.key] : line.keys) {
      this.#liveBytes -= this.#index.get(key)?.length ?? 0;
      this.#index.delete(key);
    }
    if (line.op === "add") {
      const { payload: _, ...rest } = line.entry;
      this.#index.set(line.entry.key, { ...rest, offset, length });
      this.#liveBytes += length;
    }
  }

  /** Rewrites the log with its live entries only, and opens it for appending. */
  async #compact(data: Buffer): Promise<void> {
    const live = [...this.#index.values()].sort((a, b) => a.offset - b.offset);
    const temporary = `${this.#path}.tmp`;
    await this.#files.removeFile(temporary);
    const file = await this.#files.create(temporary);
    const parts: Buffer[] = [Buffer.from(encodeFrame(0, JSON.stringify(this.#header)))];
    let position = parts[0]!.length;
    const index = new Map<ItemKey, Indexed>();
    for (const entry of live) {
      parts.push(data.subarray(entry.offset, entry.offset + entry.length));
      index.set(entry.key, { ...entry, offset: position });
      position += entry.length;
    }
    try {
      await file.write(Buffer.concat(parts), 0);
      await file.sync();
      await this.#files.rename(temporary, this.#path);
      await this.#files.syncFolder(dirname(this.#path));
    } catch (error) {
      await file.close();
      throw error;
    }
    const before = this.#file;
    this.#file = file;
    this.#index = index;
    this.#position = position;
    this.#liveBytes = position;
    await before?.close();
  }
}
