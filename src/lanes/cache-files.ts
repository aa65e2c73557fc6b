import { join } from "node:path";
import type { ItemKey } from "../item.ts";
import type { FileSystem } from "../state/files.ts";
import { decodeFrames, encodeFrame } from "../state/frame.ts";
import { refuseForeign, STATE_FORMAT, type StateIdentity } from "../state/identity.ts";
import { EVERY_ITEM, readForgotten } from "./forgotten.ts";

/** Files of the cache: eight of them make its room, so that an eighth goes at a time. */
export const SEGMENTS = 8;
/** Position of an answer: its segment's number times this, and the offset in it. */
export const SEGMENT_ROOM = 2 ** 28;
/** More small files than this are put together. */
const SMALL_SEGMENTS = 8;
const NAME = /^(\d{8})\.answers$/;
/** What is looked at of a record while loading: `{"k":KEY,"t":EPOCH MS,"f":ITEM`; without an item the key is forgotten. */
const HEAD = /^\{"k":"([\w-]{22})","t":(\d{1,15})(?:,"f":("(?:[^"\\]|\\.)*"))?/;

export interface CacheFilesOptions {
  readonly files: FileSystem;
  /** Of the cache alone. */
  readonly folder: string;
  /** Where what is damaged is put. */
  readonly quarantine: string;
  readonly identity: StateIdentity;
  readonly maxBytes: number;
  readonly ttlMs: number;
  readonly now: () => number;
}

/** What lies on the disk. */
export interface CacheFiles {
  /** Place by key: see {@link SEGMENT_ROOM}. */
  readonly index: Map<string, number>;
  /** Bytes by segment. */
  readonly sizes: Map<number, number>;
  readonly last: number;
  /** Older answers are not used (epoch ms). */
  readonly sinceMs: number;
  /** Files that were damaged, or not ours. */
  readonly setAside: number;
}

export const segmentName = (segment: number): string => `${String(segment).padStart(8, "0")}.answers`;
export const segmentHeader = (identity: StateIdentity): Buffer =>
  Buffer.from(encodeFrame(0, JSON.stringify({ op: "header", format: STATE_FORMAT, ...identity })));

/** Reads the files of an earlier process: removes those without a usable answer, sets damaged ones aside, joins small ones. */
export async function loadCacheFiles(options: CacheFilesOptions): Promise<CacheFiles> {
  const { files, folder, quarantine, now, ttlMs, maxBytes } = options;
  const names = await files.list(folder);
  const forgotten = await readForgotten(files, folder, names, now() - ttlMs);
  const sinceMs = forgotten.get(EVERY_ITEM) ?? 0;
  const usableFromMs = Math.max(now() - ttlMs, sinceMs - 1);
  const index = new Map<string, number>();
  const sizes = new Map<number, number>();
  const small = new Map<number, Buffer>();
  let last = 0;
  let setAside = 0;
  for (const name of names) {
    const segment = Number(NAME.exec(name)?.[1] ?? 0);
    const data = segment === 0 ? null : await files.read(join(folder, name));
    if (data === null) continue;
    last = Math.max(last, segment);
    const found = readSegment(data, options.identity);
    if (found === null) {
      setAside += 1;
      await files.makeFolder(quarantine);
      await files.rename(join(folder, name), join(quarantine, `${now()}-${name}`));
      continue;
    }
    let live = 0;
    for (const { key, atMs, item, offset } of found) {
      index.delete(key);
      if (item === null || atMs <= usableFromMs) continue;
      if (forgotten.size > 0 && atMs <= (forgotten.get(JSON.parse(item) as ItemKey) ?? -1)) continue;
      index.set(key, segment * SEGMENT_ROOM + offset);
      live += 1;
    }
    if (live === 0) await files.removeFile(join(folder, name));
    else sizes.set(segment, data.length);
    if (live > 0 && data.length < maxBytes / SEGMENTS / 2) small.set(segment, data);
  }
  if (small.size <= SMALL_SEGMENTS) return { index, sizes, last, setAside, sinceMs };
  await joinSegments(options, small, last + 1, index, sizes);
  return { index, sizes, last: last + 1, setAside, sinceMs };
}

interface FoundAnswer {
  readonly key: string;
  readonly atMs: number;
  /** JSON of the key of the item that was asked about; null: the key is forgotten. */
  readonly item: string | null;
  readonly offset: number;
}

/** @returns null for a file that is damaged or not ours; what a crash cut off at its end is no damage */
function readSegment(data: Buffer, identity: StateIdentity): FoundAnswer[] | null {
  const found: FoundAnswer[] = [];
  let isHeader = true;
  for (const frame of decodeFrames(data)) {
    if (frame.kind === "torn" && !isHeader) break;
    if (frame.kind !== "record") return null;
    if (isHeader) {
      try {
        refuseForeign("", JSON.parse(frame.json), identity);
      } catch {
        return null;
      }
      isHeader = false;
      continue;
    }
    const head = HEAD.exec(frame.json);
    if (head === null) return null;
    found.push({ key: head[1]!, atMs: Number(head[2]), item: head[3] ?? null, offset: frame.offset });
  }
  return found;
}

/** Many short runs leave many short files. */
async function joinSegments(
  { files, folder, identity }: CacheFilesOptions,
  small: ReadonlyMap<number, Buffer>,
  segment: number,
  index: Map<string, number>,
  sizes: Map<number, number>,
): Promise<void> {
  const parts: Buffer[] = [segmentHeader(identity)];
  let position = parts[0]!.length;
  for (const [key, place] of index) {
    const data = small.get(Math.floor(place / SEGMENT_ROOM));
    const bytes = data?.subarray(place % SEGMENT_ROOM);
    const frame = bytes === undefined ? undefined : decodeFrames(bytes).next().value;
    if (bytes === undefined || frame?.kind !== "record") continue;
    parts.push(bytes.subarray(0, frame.length));
    index.set(key, segment * SEGMENT_ROOM + position);
    position += frame.length;
  }
  await files.write(join(folder, segmentName(segment)), Buffer.concat(parts));
  sizes.set(segment, position);
  for (const old of small.keys()) {
    sizes.delete(old);
    await files.removeFile(join(folder, segmentName(old)));
  }
}
