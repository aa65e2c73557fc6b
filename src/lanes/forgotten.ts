import { join } from "node:path";
import type { ItemKey } from "../item.ts";
import type { FileSystem } from "../state/files.ts";

/** Stands for all items where a key would. */
export const EVERY_ITEM = "*";

const NAME = /^(\d{13,15})-[\w-]{1,40}\.forget$/;

/**
 * Answers that came from these items are used no more from the next run on: a person has decided otherwise. Works while a
 * run holds the job, since it only adds a file to the cache's folder.
 * @param items keys of the items that were asked about: a corrected record's own, and the `cachedFrom` it carries
 */
export async function forgetAnswers(
  files: FileSystem,
  folder: string,
  items: readonly ItemKey[],
  by: { readonly nowMs: number; readonly name: string },
): Promise<void> {
  if (items.length === 0) return;
  await files.makeFolder(folder);
  await files.write(join(folder, `${by.nowMs}-${by.name}.forget`), JSON.stringify(items));
}

/**
 * What was asked to be forgotten: until when (epoch ms), by item.
 * @param expiredMs such files from before go: every answer of their time is too old anyway
 */
export async function readForgotten(
  files: FileSystem,
  folder: string,
  names: readonly string[],
  expiredMs: number,
): Promise<ReadonlyMap<ItemKey, number>> {
  const forgotten = new Map<ItemKey, number>();
  for (const name of names) {
    const atMs = Number(NAME.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(atMs)) continue;
    if (atMs < expiredMs) await files.removeFile(join(folder, name));
    else for (const key of parsed(await files.read(join(folder, name)))) forgotten.set(key, atMs);
  }
  return forgotten;
}

function parsed(data: Buffer | null): ItemKey[] {
  try {
    const items: unknown = JSON.parse(String(data));
    return Array.isArray(items) ? items.filter((item) => typeof item === "string") : [];
  } catch {
    return [];
  }
}
