import type { LoadedSettings } from "../config/load.ts";
import { QuerymillError } from "../errors.ts";
import type { JobSettings } from "../job.ts";
import { shellWord } from "./program.ts";
import { showProgress } from "./row-progress.ts";

/**
 * Settings for a look at a job before it runs. Where its items are the rows of a file, that is read into the job's store
 * first, as a run does; while another process holds the job, what is there already is looked at.
 * @returns the same when there is no `--input`
 * @throws QuerymillError as `openInput`, but not JOB_HELD
 */
export async function readInput<T extends LoadedSettings & { readonly jobFlags: string }>(loaded: T): Promise<T> {
  const { settings, files, output, notes } = loaded;
  const { input } = files;
  if (input === null) return loaded;
  const { openInput } = await import("../jobs/input.ts");
  const progress = showProgress(output.json || output.quiet);
  try {
    const open = await openInput(settings, input, progress.tell).finally(progress.end);
    await open.close();
    const jobFlags = input.path === "-" ? storeFlags(open.settings) : loaded.jobFlags;
    return { ...loaded, settings: open.settings, notes: [...notes, ...open.notes], jobFlags };
  } catch (error) {
    if (!(error instanceof QuerymillError) || error.code !== "JOB_HELD" || input.path === "-") throw error;
    const { recallReading } = await import("../jobs/recall.ts");
    return { ...loaded, settings: await recallReading(settings, input) };
  }
}

/** A pipe cannot be named again, but the job can that it made. */
export function storeFlags({ storeUri, job }: Pick<JobSettings, "storeUri" | "job">): string {
  return `--store ${shellWord(storeUri.slice("sqlite:".length))} --job ${shellWord(job)}`;
}
