import type { Lag } from "../lag.ts";
import type { FileSystem } from "./files.ts";
import type { StateIdentity } from "./identity.ts";
import { loadStateRecord, saveStateRecord } from "./state-record.ts";

/** What continuous mode keeps between processes, and shows to others: in the job's folder. */
export interface ContinuousState extends StateIdentity {
  readonly format: 1;
  readonly executionId: string;
  /** Which source the token belongs to: address and collection. */
  readonly source: string;
  /** Where a change stream goes on: everything before it was dealt with. null: none yet. */
  readonly resumeToken: string | null;
  readonly lag: Lag;
  /** ISO time. */
  readonly savedAt: string;
}

const NAME = "continuous.json";

/** @returns null when there is none, or it is damaged: all of it can be found out again @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's) */
export async function loadContinuous(
  files: FileSystem,
  folder: string,
  identity: StateIdentity,
): Promise<ContinuousState | null> {
  return await loadStateRecord<ContinuousState>(files, folder, NAME, identity);
}

/** Durable when it returns. */
export async function saveContinuous(files: FileSystem, folder: string, state: ContinuousState): Promise<void> {
  await saveStateRecord(files, folder, NAME, state);
}
