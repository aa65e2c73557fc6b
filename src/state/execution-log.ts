import { join } from "node:path";
import type { ExecutionEnd } from "../events.ts";
import type { Mode } from "../job.ts";
import { type FileSystem, replaceFile } from "./files.ts";
import { decodeFrames, encodeFrame } from "./frame.ts";
import { refuseForeign, STATE_FORMAT, type StateIdentity } from "./identity.ts";

/** How an execution ended, and when it was. Times are epoch ms. */
export interface LoggedExecution extends ExecutionEnd {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly mode: Mode;
}

/** In the job's folder: a header that says whose it is, then a frame for each execution, the oldest first. */
export const EXECUTION_LOG = "executions.log";
/** The oldest ones beyond these go. */
export const MOST_EXECUTIONS = 1_000;

/**
 * @returns the executions of a job, oldest first; empty where none has ended yet, or the file is from before it was kept.
 * What is damaged is passed over
 * @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's)
 */
export async function readExecutions(
  files: FileSystem,
  folder: string,
  identity: StateIdentity,
): Promise<LoggedExecution[]> {
  const path = join(folder, EXECUTION_LOG);
  const data = await files.read(path);
  const executions: LoggedExecution[] = [];
  for (const frame of data === null ? [] : decodeFrames(data)) {
    if (frame.kind !== "record") continue;
    const read = JSON.parse(frame.json) as LoggedExecution | (StateIdentity & { readonly format: number });
    if ("format" in read) refuseForeign(path, read, identity);
    else executions.push(read);
  }
  return executions;
}

/** Adds one; durable when it returns. Only who holds the job may. @throws QuerymillError STATE_UNWRITABLE, as {@link readExecutions} */
export async function logExecution(
  files: FileSystem,
  folder: string,
  identity: StateIdentity,
  execution: LoggedExecution,
): Promise<void> {
  const before = await readExecutions(files, folder, identity);
  await write(files, folder, identity, [...before, execution].slice(-MOST_EXECUTIONS));
}

/** Removes those that ended before (epoch ms). Only who holds the job may. @throws QuerymillError STATE_UNWRITABLE, as {@link readExecutions} */
export async function forgetExecutions(
  files: FileSystem,
  folder: string,
  identity: StateIdentity,
  beforeMs: number,
): Promise<void> {
  const all = await readExecutions(files, folder, identity);
  const kept = all.filter(({ endedAtMs }) => endedAtMs >= beforeMs);
  if (kept.length < all.length) await write(files, folder, identity, kept);
}

async function write(
  files: FileSystem,
  folder: string,
  identity: StateIdentity,
  executions: readonly LoggedExecution[],
): Promise<void> {
  const frames = [{ format: STATE_FORMAT, ...identity }, ...executions].map((one, at) =>
    encodeFrame(at, JSON.stringify(one)),
  );
  await replaceFile(files, join(folder, EXECUTION_LOG), frames.join(""));
}
