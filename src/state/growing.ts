import { join } from "node:path";
import type { ItemKey } from "../item.ts";
import type { Cursor, MarkGroup } from "../store.ts";
import { type FileSystem, replaceFile } from "./files.ts";
import { decodeFrames, encodeFrame } from "./frame.ts";
import { refuseForeign, type StateIdentity } from "./identity.ts";

/** A group of settled items whose marks are being taken away, since their texts changed. */
export interface GrownPage {
  /** Tells whether the journal has counted it; null for dead letters, which are counted when they are read again. */
  readonly number: number | null;
  readonly outcome: MarkGroup["by"]["outcome"];
  readonly keys: readonly ItemKey[];
  /** When it was written down, epoch ms: a mark from later is that of the new text. */
  readonly atMs: number;
}

/** How far looking for conversations that grew has come. */
export interface GrowingState extends StateIdentity {
  readonly format: 1;
  /** Hash of the text mapping. */
  readonly mapping: string;
  /** Items settled before this had their texts from another mapping: a sweep cannot compare them. Epoch ms; 0 for none. */
  readonly comparableMs: number;
  /** The latest time a document said it was changed at, among those that were looked at; epoch ms, 0 for none. */
  readonly lookedMs: number;
  /** A comparison of all settled items that is under way: since when (epoch ms), at which marks, behind which document. */
  readonly sweep: {
    readonly sinceMs: number;
    readonly outcome: MarkGroup["by"]["outcome"];
    readonly cursor: Cursor | null;
  } | null;
  /** When the last whole comparison began, epoch ms; null before the first. */
  readonly sweptMs: number | null;
  readonly page: GrownPage | null;
}

/** In the job's folder, once conversations that grow were looked for. */
export const GROWING_FILE = "growing.json";

/** @returns null when there is none @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's) */
export async function loadGrowing(
  files: FileSystem,
  folder: string,
  identity: StateIdentity,
): Promise<GrowingState | null> {
  const path = join(folder, GROWING_FILE);
  const data = await files.read(path);
  const frame = data === null ? undefined : decodeFrames(data).next().value;
  if (frame === undefined || frame.kind !== "record") return null;
  const found = JSON.parse(frame.json) as GrowingState;
  refuseForeign(path, found, identity);
  return found;
}

/** Durable when it returns. */
export async function saveGrowing(files: FileSystem, folder: string, state: GrowingState): Promise<void> {
  await replaceFile(files, join(folder, GROWING_FILE), encodeFrame(1, JSON.stringify(state)));
}
