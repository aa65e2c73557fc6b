import { join } from "node:path";
import { type FileSystem, replaceFile } from "./files.ts";
import { decodeFrames, encodeFrame } from "./frame.ts";
import { refuseForeign, type StateIdentity } from "./identity.ts";

/**
 * Reads a file of a job's folder that holds one framed record.
 * @returns null when there is none, or it is damaged
 * @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's)
 */
export async function loadStateRecord<T extends StateIdentity & { readonly format: number }>(
  files: FileSystem,
  folder: string,
  name: string,
  identity: StateIdentity,
): Promise<T | null> {
  const path = join(folder, name);
  const data = await files.read(path);
  const frame = data === null ? undefined : decodeFrames(data).next().value;
  if (frame === undefined || frame.kind !== "record") return null;
  const found = JSON.parse(frame.json) as T;
  refuseForeign(path, found, identity);
  return found;
}

/** Replaces such a file: temp, fdatasync, rename, folder. Durable when it returns. */
export async function saveStateRecord(
  files: FileSystem,
  folder: string,
  name: string,
  record: StateIdentity & { readonly format: number },
): Promise<void> {
  await replaceFile(files, join(folder, name), encodeFrame(1, JSON.stringify(record)));
}
