import { readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { JobSettings } from "../job.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import { currentOwner } from "../state/owner.ts";
import type { PlannedRange, RangeBook } from "./ports.ts";

const RANGE = /^r\d{9,}$/;

/**
 * Removes the state folders of ranges that are finished, when nobody works there.
 * @param only this range; all when not given
 * @returns the ranges that are not finished and were worked on here: their journals are here
 */
export async function sweepFolders(
  { batchDir, tenant, job }: JobSettings,
  book: Pick<RangeBook, "find">,
  only: string | null = null,
): Promise<string[]> {
  const parent = dirname(jobFolder(batchDir, { tenant, job, range: WHOLE_RANGE }));
  const names = only === null ? (await readdir(parent).catch(() => [])).filter((name) => RANGE.test(name)) : [only];
  const left: string[] = [];
  for (const name of names) {
    const folder = join(parent, name);
    if (currentOwner(folder) !== null) continue;
    const range = await book.find(name);
    if (range === null || range.state === "done" || range.state === "dead" || (await isOfBefore(folder, range)))
      await rm(folder, { recursive: true });
    else left.push(name);
  }
  return left;
}

/** It was worked on here, but under another plan that had a range of this name. */
async function isOfBefore(folder: string, { ownerId, work }: PlannedRange): Promise<boolean> {
  const own = (await readFile(join(folder, "owner-id"), "utf8").catch(() => "")).trim();
  return own !== "" && own !== ownerId && !(own in work);
}
