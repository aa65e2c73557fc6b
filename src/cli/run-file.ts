import type { InputSettings } from "../config/input.ts";
import type { LoadedSettings } from "../config/load.ts";
import type { JobSettings } from "../job.ts";
import { storeFlags } from "./read-input.ts";
import { showProgress } from "./row-progress.ts";
import type { SuperviseOptions } from "./supervise.ts";

/** What a run over a file says differently. */
type FileRun = Pick<SuperviseOptions, "notes" | "write" | "stream"> & Partial<Pick<SuperviseOptions, "jobFlags">>;

/**
 * A run whose items are the rows of a file.
 * @param start runs the job that the file makes
 * @returns the exit code
 */
export async function runFile(
  { settings, files: { output: file }, output, notes }: LoadedSettings,
  input: InputSettings,
  start: (settings: JobSettings, more: FileRun) => Promise<number>,
): Promise<number> {
  const { checkOutput, writeOutput } = await import("./output-file.ts");
  if (file !== null) await checkOutput(file, input, output.json);
  const { openInput } = await import("../jobs/input.ts");
  const progress = showProgress(output.json || output.quiet);
  const open = await openInput(settings, input, progress.tell).finally(progress.end);
  try {
    return await start(open.settings, {
      notes: [...notes, ...open.notes],
      ...(file === null ? {} : { write: (end) => writeOutput(file, open, end) }),
      ...(file?.path === "-" ? { stream: process.stderr } : {}),
      ...(input.path === "-" ? { jobFlags: storeFlags(open.settings) } : {}),
    });
  } finally {
    await open.close();
  }
}
