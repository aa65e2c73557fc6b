import { join } from "node:path";
import type { ItemKey } from "../item.ts";
import { forgetAnswers } from "../lanes/forgotten.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";

/** @returns where a job keeps answers for equal texts */
export function answersFolder({ folder }: Pick<BatchFileManager, "folder">): string {
  return join(folder, "cache");
}

/**
 * A person has corrected these records: what the model said to their texts answers no other item from the next run on.
 * Works while a run holds the job; that run looks by itself whether the item it has an answer from was corrected.
 * @param corrected keys of the records, with the `cachedFrom` of those that have one
 */
export async function forgetCorrected(
  manager: BatchFileManager,
  corrected: readonly { readonly key: ItemKey; readonly cachedFrom?: ItemKey | undefined }[],
  nowMs: number,
): Promise<void> {
  const items = new Set(
    corrected.flatMap(({ key, cachedFrom }) => (cachedFrom === undefined ? [key] : [key, cachedFrom])),
  );
  await forgetAnswers(manager.files, answersFolder(manager), [...items], { nowMs, name: "corrected" });
}
