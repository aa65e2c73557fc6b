import { join } from "node:path";
import type { ItemKey } from "../item.ts";
import type { ClassificationRecord } from "../record.ts";
import type { AppendFile } from "../state/files.ts";
import { decodeFrames, encodeFrame } from "../state/frame.ts";
import {
  type CacheFilesOptions,
  loadCacheFiles,
  SEGMENT_ROOM,
  SEGMENTS,
  segmentHeader,
  segmentName,
} from "./cache-files.ts";
import { EVERY_ITEM, forgetAnswers } from "./forgotten.ts";

export type AnswerCacheOptions = CacheFilesOptions;

export interface CachedAnswer {
  /** The item that was asked about. */
  readonly from: ItemKey;
  /** Epoch ms. */
  readonly atMs: number;
  /** As it was journaled; what of it belongs to the item alone is of no use to another. */
  readonly record: ClassificationRecord;
}

/** Answers written together at most; and how long the first of them waits, in ms. */
const GROUP = 128;
const GROUP_MS = 250;

/** What a file holds of an answer. */
interface Line {
  readonly k: string;
  readonly t: number;
  readonly f: ItemKey;
  readonly a: ClassificationRecord;
}

/** Larger ones are not kept. */
const LONGEST_ANSWER = 64 * 1024;
/** Read at once: nearly every answer is shorter. */
const READ_BYTES = 2_048;
/** The last used answers, in memory. */
const RECENT = 1_000;

/**
 * Answers by the key of their text: append-only files of framed records, with an index in memory (about 100 bytes an
 * answer). Nothing here is a truth: the journal is, and what is lost costs a call. So nothing is synced, damage is set
 * aside, and after a failed write it only reads. Single writer.
 */
export class AnswerCache {
  readonly #options: AnswerCacheOptions;
  #index = new Map<string, number>();
  #sizes = new Map<number, number>();
  readonly #readers = new Map<number, AppendFile | Buffer>();
  readonly #recent = new Map<string, CachedAnswer>();
  #pending = new Map<string, CachedAnswer>();
  /** Keys to be written: with an answer in `pending`, else forgotten. */
  #unwritten: string[] = [];
  /** Those that are being written. */
  #leaving = new Map<string, CachedAnswer>();
  #segment = 0;
  #file: AppendFile | null = null;
  #position = 0;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  #broken = false;
  #sinceMs = 0;
  /** Files that were damaged, or not ours. */
  setAside = 0;

  private constructor(options: AnswerCacheOptions) {
    this.#options = options;
  }

  /** Never throws for what lies in its folder. */
  static async open(options: AnswerCacheOptions): Promise<AnswerCache> {
    const cache = new AnswerCache(options);
    try {
      const { index, sizes, last, setAside, sinceMs } = await loadCacheFiles(options);
      cache.#index = index;
      cache.#sinceMs = sinceMs;
      cache.#sizes = sizes;
      cache.#segment = last;
      cache.setAside = setAside;
      await cache.#makeRoom();
    } catch {
      cache.#broken = true;
    }
    return cache;
  }

  /** Answers from before (epoch ms) are used no more, in later runs neither. */
  async useOnlySince(ms: number): Promise<void> {
    this.#sinceMs = ms;
    const { files, folder } = this.#options;
    await forgetAnswers(files, folder, [EVERY_ITEM], { nowMs: ms, name: "anew" });
  }

  get quarantine(): string {
    return this.#options.quarantine;
  }

  get size(): number {
    return this.#index.size + this.#pending.size + this.#leaving.size;
  }

  /** Answers that are in memory are found without waiting. */
  inMemory(key: string): CachedAnswer | undefined {
    const found = this.#pending.get(key) ?? this.#leaving.get(key) ?? this.#recent.get(key);
    return found !== undefined && this.#isUsable(found.atMs) ? found : undefined;
  }

  /** Those of these keys that have an answer. */
  async find(keys: readonly string[]): Promise<Map<string, CachedAnswer>> {
    const found = new Map<string, CachedAnswer>();
    for (const key of keys) {
      const known = this.inMemory(key);
      const place = this.#index.get(key);
      const answer = known ?? (place === undefined ? undefined : await this.#read(key, place));
      if (answer === undefined) continue;
      found.set(key, answer);
      this.#touch(key, answer, place);
    }
    return found;
  }

  /** Keeps an answer; on disk within {@link GROUP_MS}. */
  put(key: string, cached: CachedAnswer): void {
    if (this.#broken) return;
    this.#pending.set(key, cached);
    this.#write(key);
  }

  /** Forgets answers, for good. */
  forget(keys: readonly string[]): void {
    for (const key of keys) {
      this.#recent.delete(key);
      const isKnown = this.has(key);
      this.#pending.delete(key);
      this.#leaving.delete(key);
      this.#index.delete(key);
      if (isKnown) this.#write(key);
    }
  }

  has(key: string): boolean {
    return this.#pending.has(key) || this.#leaving.has(key) || this.#index.has(key);
  }

  /** Writes what was put so far. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    this.#writing = this.#writing.then(() => this.#writeGroup()).catch(() => this.#giveUp());
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file?.close().catch(() => {});
    for (const reader of this.#readers.values()) if (!Buffer.isBuffer(reader)) await reader.close().catch(() => {});
    this.#readers.clear();
    this.#file = null;
    this.#broken = true;
  }

  #write(key: string): void {
    if (this.#broken) return;
    this.#unwritten.push(key);
    if (this.#unwritten.length >= GROUP) void this.flush();
    else
      this.#timer ??= setTimeout(() => {
        void this.flush();
      }, GROUP_MS).unref();
  }

  async #writeGroup(): Promise<void> {
    const keys = this.#unwritten;
    if (keys.length === 0 || this.#broken) return;
    this.#unwritten = [];
    const group = this.#pending;
    this.#pending = new Map();
    this.#leaving = group;
    const file = this.#file ?? (await this.#newSegment());
    const frames: string[] = [];
    const places: [string, number][] = [];
    let position = this.#position;
    for (const key of keys) {
      const cached = group.get(key);
      const json = cached === undefined ? `{"k":"${key}","t":${this.#options.now()}}` : jsonOf(key, cached);
      if (json.length > LONGEST_ANSWER) continue;
      const frame = encodeFrame(1, json);
      if (cached === undefined) this.#index.delete(key);
      else places.push([key, this.#segment * SEGMENT_ROOM + position]);
      frames.push(frame);
      position += Buffer.byteLength(frame);
    }
    await file.write(Buffer.from(frames.join("")), this.#position);
    this.#position = position;
    this.#sizes.set(this.#segment, position);
    // What was forgotten meanwhile is not there any more.
    for (const [key, place] of places) if (this.#leaving.has(key)) this.#index.set(key, place);
    this.#leaving = new Map();
    if (position >= this.#options.maxBytes / SEGMENTS) this.#file = null;
    await this.#makeRoom();
  }

  async #newSegment(): Promise<AppendFile> {
    const { files, folder, identity } = this.#options;
    await files.makeFolder(folder);
    this.#segment += 1;
    const file = await files.create(join(folder, segmentName(this.#segment)));
    const header = segmentHeader(identity);
    await file.write(header, 0);
    this.#position = header.length;
    this.#sizes.set(this.#segment, header.length);
    this.#readers.set(this.#segment, file);
    this.#file = file;
    return file;
  }

  /** The oldest files go; what of them was used lately stands in a newer one too. */
  async #makeRoom(): Promise<void> {
    while (this.bytes > this.#options.maxBytes && this.#sizes.size > 1) {
      const oldest = Math.min(...this.#sizes.keys());
      for (const [key, place] of this.#index) if (Math.floor(place / SEGMENT_ROOM) === oldest) this.#index.delete(key);
      await this.#drop(oldest);
    }
  }

  /** Of all its files. */
  get bytes(): number {
    let bytes = 0;
    for (const size of this.#sizes.values()) bytes += size;
    return bytes;
  }

  async #drop(segment: number): Promise<void> {
    const reader = this.#readers.get(segment);
    this.#readers.delete(segment);
    this.#sizes.delete(segment);
    if (reader !== undefined && !Buffer.isBuffer(reader)) await reader.close();
    await this.#options.files.removeFile(join(this.#options.folder, segmentName(segment)));
  }

  /** A used answer of the older half is written again, so that it is not among those that go next. */
  #touch(key: string, answer: CachedAnswer, place: number | undefined): void {
    this.#remember(key, answer);
    if (place === undefined) return;
    const newer = [...this.#sizes.keys()].filter((segment) => segment > place / SEGMENT_ROOM).length;
    if (newer >= SEGMENTS / 2) this.put(key, answer);
  }

  #remember(key: string, answer: CachedAnswer): void {
    this.#recent.delete(key);
    this.#recent.set(key, answer);
    if (this.#recent.size > RECENT) this.#recent.delete(this.#recent.keys().next().value!);
  }

  async #read(key: string, place: number): Promise<CachedAnswer | undefined> {
    const segment = Math.floor(place / SEGMENT_ROOM);
    const offset = place % SEGMENT_ROOM;
    try {
      const reader = this.#readers.get(segment) ?? (await this.#openReader(segment));
      for (const length of [READ_BYTES, 4 * LONGEST_ANSWER]) {
        const bytes = Buffer.isBuffer(reader)
          ? reader.subarray(offset, offset + length)
          : await reader.read(length, offset);
        const frame = decodeFrames(bytes).next().value;
        if (frame?.kind !== "record") continue;
        const { k, t, f, a } = JSON.parse(frame.json) as Line;
        if (k !== key || !this.#isUsable(t)) break;
        return { from: f, atMs: t, record: a };
      }
    } catch {
      // Not readable: as if it was never there.
    }
    this.#index.delete(key);
    return undefined;
  }

  /** A file of an earlier process: at most an eighth of the cache, and one at a time. */
  async #openReader(segment: number): Promise<Buffer> {
    const { files, folder } = this.#options;
    const data = await files.read(join(folder, segmentName(segment)));
    if (data === null) throw new Error("gone");
    for (const [other, reader] of this.#readers) if (Buffer.isBuffer(reader)) this.#readers.delete(other);
    this.#readers.set(segment, data);
    return data;
  }

  #isUsable(atMs: number): boolean {
    const { ttlMs, now } = this.#options;
    return atMs > now() - ttlMs && atMs >= this.#sinceMs;
  }

  #giveUp(): void {
    this.#broken = true;
    this.#unwritten = [];
    this.#pending = new Map();
    this.#leaving = new Map();
  }
}

/** Key, time and item come first: they are found without reading the rest. What belongs to the item alone is left out. */
function jsonOf(key: string, { from, atMs, record }: CachedAnswer): string {
  const {
    job: _job,
    decidedBy: _decidedBy,
    contentHash: _contentHash,
    redacted: _redacted,
    usage: _usage,
    latencyMs: _latencyMs,
    attempts: _attempts,
    executionId: _executionId,
    fence: _fence,
    classifiedAt: _classifiedAt,
    ...answer
  } = record;
  return `{"k":"${key}","t":${atMs},"f":${JSON.stringify(from)},"a":${JSON.stringify(answer)}}`;
}
