import { access, constants, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf } from "../errors.ts";

/** Looks whether local state could be written in a folder, which need not exist yet. @returns why not, or null */
export async function whyNotWritable(batchDir: string): Promise<string | null> {
  for (let folder = batchDir; ; folder = dirname(folder)) {
    const found = await stat(folder).catch((error: NodeJS.ErrnoException) => (error.code === "ENOENT" ? null : error));
    if (found === null) continue;
    const problem =
      found instanceof Error ? found : found.isDirectory() ? await refusal(folder) : `${folder} is no folder`;
    if (problem === null) return null;
    return `${batchDir} cannot be written: ${messageOf(problem)}. Name another with --batch-dir.`;
  }
}

async function refusal(folder: string): Promise<unknown> {
  return await access(folder, constants.W_OK | constants.X_OK).then(
    () => null,
    (error) => error,
  );
}
