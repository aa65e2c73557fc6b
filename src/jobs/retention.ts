import { lstat, rm } from "node:fs/promises";
import { join } from "node:path";
import { systemClocks } from "../clocks.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { forgetExecutions } from "../state/execution-log.ts";
import { nodeFileSystem } from "../state/files.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;
/** A run of months looks again so often, in ms. */
const EVERY_MS = 60 * 60 * 1_000;

/** Folders of what nobody works with any more, each entry with the age of its file. */
const LEFT_BEHIND = ["archive", "quarantine"] as const;

/**
 * Removes what is older than a job's retention, now and every hour, for who holds the job: dead letters with their texts,
 * archives of `--fresh`, damaged records that were set aside, the log of executions. Kept answers are not used any longer
 * than that (`open-answers.ts`). Records, their history and the marks of the source are the user's, and stay.
 * @returns stops that
 */
export async function keepRetention(
  manager: BatchFileManager,
  retention: { readonly days: number } | null,
  now: () => number = systemClocks.now,
): Promise<() => void> {
  if (retention === null) return () => {};
  const look = (): Promise<void> => removeOlder(manager, now() - retention.days * DAY_MS);
  await look();
  // What could not be removed now is looked at again in an hour.
  const timer = setInterval(() => void look().catch(() => {}), EVERY_MS).unref();
  return () => clearInterval(timer);
}

/** @param beforeMs epoch ms */
async function removeOlder(manager: BatchFileManager, beforeMs: number): Promise<void> {
  const { deadLetters, folder, files, identity } = manager;
  const expired = deadLetters.list({ dueMs: beforeMs }).map(({ key }) => key);
  if (expired.length > 0) {
    await deadLetters.remove(expired);
    // Their texts leave the disk only when the file is written anew.
    await deadLetters.compact();
  }
  for (const name of LEFT_BEHIND)
    for (const entry of await nodeFileSystem.list(join(folder, name))) {
      const path = join(folder, name, entry);
      const { mtimeMs } = await lstat(path);
      if (mtimeMs < beforeMs) await rm(path, { recursive: true, force: true });
    }
  await forgetExecutions(files, folder, identity, beforeMs);
}
