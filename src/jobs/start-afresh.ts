import type { QuerymillError } from "../errors.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { OpenJob } from "./open-job.ts";
import { openRecording, type RecordingOptions, storeJournaled } from "./recording.ts";
import { archive, freshLeftover, type Leftover } from "./recovery.ts";

/**
 * `--fresh`: what is journaled is stored, the rest archived; ledger and dead letters stay.
 * @throws QuerymillError when it cannot be stored
 */
export async function startAfresh(
  manager: BatchFileManager,
  open: OpenJob,
  leftover: Leftover,
  signal: AbortSignal,
  options: (onStored: RecordingOptions["onStored"], onFatal: RecordingOptions["onFatal"]) => RecordingOptions,
): Promise<Leftover> {
  const failed: QuerymillError[] = [];
  const recording = options(
    () => {},
    (_, error) => failed.push(error),
  );
  const { journal, sink } = await openRecording(open, leftover, recording);
  await storeJournaled(manager, leftover, sink, signal);
  await journal.close();
  if (failed[0] !== undefined) throw failed[0];
  await archive(manager, recording.executionId);
  return freshLeftover(leftover);
}
