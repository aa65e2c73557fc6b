import { join } from "node:path";
import { QuerymillError } from "../errors.ts";
import type { Absorbed, JobState, Settlement, Spend, Unmarking } from "../outcome.ts";
import type { AppendFile, FileSystem } from "./files.ts";
import { decodeFrames, encodeFrame } from "./frame.ts";
import { unwritable } from "./guarded-files.ts";
import { refuseForeign, STATE_FORMAT, type StateIdentity } from "./identity.ts";

/**
 * What a journal holds, one framed record each:
 * `header` opens a segment · `start` before a call is sent (not synced) · `settled` the outcome of an item, with the
 * whole record · `released` an item that goes back unsettled, with what it cost · `sunk` outcomes that store and source
 * confirmed (not synced) · `reopened` an item that changed in flight · `requeued` dead letters sent to a retry queue ·
 * `absorbed` what others did of a range · `crash` what was in flight when an earlier process died.
 */
export type JournalEntry =
  | JournalHeader
  | { readonly kind: "start"; readonly key: string }
  | { readonly kind: "settled"; readonly settlement: Settlement }
  | { readonly kind: "released"; readonly key: string; readonly spend: Spend; readonly atMs: number }
  | { readonly kind: "sunk"; readonly seqs: readonly (readonly [from: number, to: number])[] }
  | { readonly kind: "reopened"; readonly key: string; readonly outcome: "classified" | "skipped" | "deadLetter" }
  | { readonly kind: "requeued"; readonly items: number }
  | (Unmarking & { readonly kind: "unmarked" })
  | (Absorbed & { readonly kind: "absorbed" })
  | { readonly kind: "crash"; readonly keys: readonly string[]; readonly spend: Spend; readonly atMs: number };

export interface JournalHeader extends StateIdentity {
  readonly kind: "header";
  readonly format: 1;
  readonly segment: number;
  /** Last record of the segment before, so that a tail lost there is noticed. */
  readonly previousSeq: number;
  /** The job's state before this segment: the journal alone rebuilds it. */
  readonly state: JobState;
}

export interface JournalRecord {
  readonly seq: number;
  readonly entry: JournalEntry;
}

/** Segments are closed at this size, so that what is stored can go. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
const NAME = /^(\d{10})\.journal$/;

interface Waiter {
  readonly seq: number;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The one truth of a job: an append-only log with group commit. All records that arrive while a write is under way go
 * out together with the next write and share its fdatasync, so 50 waiting slots cost one sync.
 *
 * States: open → (write or sync fails) → broken; open → closed. A broken journal accepts nothing more: after a failed
 * fsync the kernel may have dropped the pages, so retrying would acknowledge what is not on disk.
 */
export class Journal {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #identity: StateIdentity;
  readonly #stateOf: () => JobState;
  #file: AppendFile;
  #segment: number;
  /** Last seq of each closed segment, by segment number. */
  readonly #closed = new Map<number, number>();
  #position: number;
  #seq: number;
  #durableSeq: number;
  #lines: string[] = [];
  #waiters: Waiter[] = [];
  #writing: Promise<void> | null = null;
  #failure: QuerymillError | null = null;

  private constructor(
    files: FileSystem,
    folder: string,
    identity: StateIdentity,
    stateOf: () => JobState,
    open: { file: AppendFile; segment: number; position: number; seq: number },
  ) {
    this.#files = files;
    this.#folder = folder;
    this.#identity = identity;
    this.#stateOf = stateOf;
    this.#file = open.file;
    this.#segment = open.segment;
    this.#position = open.position;
    this.#seq = open.seq;
    this.#durableSeq = open.seq;
  }

  /**
   * Opens a new segment behind what is there.
   * @param stateOf the job's state at this moment: must have every acknowledged record applied, in order
   * @throws QuerymillError STATE_UNWRITABLE
   */
  static async open(
    files: FileSystem,
    folder: string,
    identity: StateIdentity,
    stateOf: () => JobState,
    after: { seq: number; segments: ReadonlyMap<number, number> },
  ): Promise<Journal> {
    try {
      await files.makeFolder(folder);
      // A process that died may have written what it never synced: it was read, so it has to be as safe as the rest.
      for (const number of after.segments.keys()) await files.syncFile(join(folder, segmentName(number)));
      const segment = Math.max(0, ...after.segments.keys()) + 1;
      const opened = await createSegment(files, folder, segment, identity, after.seq, stateOf());
      const journal = new Journal(files, folder, identity, stateOf, { ...opened, segment });
      for (const [number, lastSeq] of after.segments) journal.#closed.set(number, lastSeq);
      return journal;
    } catch (error) {
      throw unwritable(`The journal in ${folder}`, error);
    }
  }

  /** Last record that is on disk for good. */
  get durableSeq(): number {
    return this.#durableSeq;
  }

  /** Set once writing failed: nothing more will be accepted. */
  get failure(): QuerymillError | null {
    return this.#failure;
  }

  /** Appends without waiting: written with the next group, lost if the power goes before. @returns its seq */
  note(entry: JournalEntry): number {
    if (this.#failure !== null) throw this.#failure;
    const seq = this.#push(entry);
    this.#writing ??= this.#writeLoop();
    return seq;
  }

  /**
   * Appends and waits until the record is synced to disk.
   * @returns its seq; promises resolve in the order of their seqs
   * @throws QuerymillError STATE_UNWRITABLE when the disk refuses: the record may or may not be there
   */
  append(entry: JournalEntry): Promise<number> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const seq = this.#push(entry);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ seq, resolve, reject });
      this.#writing ??= this.#writeLoop();
    });
  }

  /** Waits until everything appended so far is synced. @throws QuerymillError STATE_UNWRITABLE */
  async flush(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#durableSeq === this.#seq) return;
    await new Promise<number>((resolve, reject) => {
      this.#waiters.push({ seq: this.#seq, resolve, reject });
      this.#writing ??= this.#writeLoop();
    });
  }

  /** Removes closed segments whose records are all at or below `seq`. */
  async release(seq: number): Promise<void> {
    for (const [segment, lastSeq] of this.#closed) {
      if (lastSeq > seq) continue;
      await this.#files.removeFile(join(this.#folder, segmentName(segment)));
      this.#closed.delete(segment);
    }
  }

  /** Syncs what was appended and closes. @throws QuerymillError STATE_UNWRITABLE when that last sync fails */
  async close(): Promise<void> {
    try {
      if (this.#failure === null) await this.flush();
      this.#failure ??= new QuerymillError("STATE_UNWRITABLE", "The journal is closed.");
    } finally {
      while (this.#writing !== null) await this.#writing;
      await this.#file.close();
    }
  }

  #push(entry: JournalEntry): number {
    this.#seq += 1;
    this.#lines.push(encodeFrame(this.#seq, JSON.stringify(entry)));
    return this.#seq;
  }

  async #writeLoop(): Promise<void> {
    // One turn of the event loop gathers what all slots have ready now.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#lines.length + this.#waiters.length > 0) {
      const data = Buffer.from(this.#lines.join(""));
      const to = this.#seq;
      const waiters = this.#waiters;
      this.#lines = [];
      this.#waiters = [];
      try {
        if (data.length > 0) await this.#file.write(data, this.#position);
        if (waiters.length > 0) await this.#file.sync();
      } catch (error) {
        await this.#break(error, waiters);
        break;
      }
      this.#position += data.length;
      if (waiters.length > 0) this.#durableSeq = to;
      for (const waiter of waiters) waiter.resolve(waiter.seq);
      if (this.#position >= SEGMENT_BYTES && waiters.length > 0) {
        // The state in the next header must have this group applied: its waiters run before the next macrotask.
        await new Promise<void>((resolve) => setImmediate(resolve));
        await this.#rotate().catch((error) => this.#break(error, []));
      }
    }
    this.#writing = null;
  }

  async #rotate(): Promise<void> {
    if (this.#durableSeq < this.#seq - this.#lines.length) await this.#file.sync();
    const lastSeq = this.#seq - this.#lines.length;
    // Records that arrived meanwhile have seqs already: the header takes none of its own.
    const opened = await createSegment(
      this.#files,
      this.#folder,
      this.#segment + 1,
      this.#identity,
      lastSeq,
      this.#stateOf(),
    );
    await this.#file.close();
    this.#closed.set(this.#segment, lastSeq);
    this.#segment += 1;
    this.#file = opened.file;
    this.#position = opened.position;
  }

  async #break(error: unknown, waiters: readonly Waiter[]): Promise<void> {
    this.#failure = unwritable(`The journal in ${this.#folder}`, error);
    // A short write may have left part of a record: cut it, so that the tail is whole if the disk still lets us.
    await this.#file.truncate(this.#position).catch(() => {});
    const failed = [...waiters, ...this.#waiters];
    this.#waiters = [];
    this.#lines = [];
    for (const waiter of failed) waiter.reject(this.#failure);
  }
}

export interface JournalScan {
  /** Last seq of each segment by its number. */
  readonly segments: ReadonlyMap<number, number>;
  readonly lastSeq: number;
  /** Damaged places that are not the torn end of an interrupted write. */
  readonly damaged: readonly { readonly segment: number; readonly bytes: Buffer }[];
  /** State in the oldest header, and the seq it stands behind. */
  readonly base: { readonly state: JobState; readonly seq: number } | null;
}

/**
 * Reads a journal, one segment in memory at a time, and hands each good record to `visit` in order.
 * @throws QuerymillError STATE_NEWER (written by a newer version), STATE_DAMAGED (another job's or a restored mix of files)
 */
export async function readJournal(
  files: FileSystem,
  folder: string,
  identity: StateIdentity,
  visit: (record: JournalRecord) => void | Promise<void>,
): Promise<JournalScan> {
  const segments = new Map<number, number>();
  const damaged: { segment: number; bytes: Buffer }[] = [];
  let base: { state: JobState; seq: number } | null = null;
  let lastSeq = 0;
  for (const name of await files.list(folder)) {
    const match = NAME.exec(name);
    if (match === null) continue;
    const segment = Number(match[1]);
    const data = await files.read(join(folder, name));
    if (data === null) continue;
    for (const frame of decodeFrames(data)) {
      if (frame.kind === "torn") continue;
      if (frame.kind === "damage") {
        damaged.push({ segment, bytes: data.subarray(frame.offset, frame.offset + frame.length) });
        continue;
      }
      const entry = JSON.parse(frame.json) as JournalEntry;
      if (entry.kind === "header") {
        refuseForeign(join(folder, name), entry, identity);
        base ??= { state: entry.state, seq: entry.previousSeq };
        if (segments.size > 0 && entry.previousSeq > lastSeq) {
          damaged.push({
            segment: segment - 1,
            bytes: Buffer.from(`records ${lastSeq + 1} to ${entry.previousSeq} are missing`),
          });
        }
        lastSeq = Math.max(lastSeq, entry.previousSeq);
        continue;
      }
      // A doubled record (copied by hand or by a bad disk) is read once.
      if (frame.seq <= lastSeq) continue;
      lastSeq = frame.seq;
      await visit({ seq: frame.seq, entry });
    }
    segments.set(segment, lastSeq);
  }
  return { segments, lastSeq, damaged, base };
}

async function createSegment(
  files: FileSystem,
  folder: string,
  segment: number,
  identity: StateIdentity,
  previousSeq: number,
  state: JobState,
): Promise<{ file: AppendFile; position: number; seq: number }> {
  const path = join(folder, segmentName(segment));
  await files.removeFile(path);
  const file = await files.create(path);
  const header: JournalHeader = { kind: "header", format: STATE_FORMAT, ...identity, segment, previousSeq, state };
  const data = Buffer.from(encodeFrame(previousSeq, JSON.stringify(header)));
  await file.write(data, 0);
  await file.sync();
  await files.syncFolder(folder);
  return { file, position: data.length, seq: previousSeq };
}

const segmentName = (segment: number): string => `${String(segment).padStart(10, "0")}.journal`;
