import type { ItemKey } from "../item.ts";
import type { FileSystem } from "./files.ts";
import type { StateIdentity } from "./identity.ts";
import { loadStateRecord, saveStateRecord } from "./state-record.ts";

/** The random items that a job's pilots asked. What they took stands in their records. */
export interface Pilot extends StateIdentity {
  readonly format: 1;
  /** Of the last one. */
  readonly executionId: string;
  /** ISO time of its end. */
  readonly at: string;
  /** Of the prompt that was asked with: with another one these items tell nothing. */
  readonly promptVersion: string;
  /** Of all pilots of the job. */
  readonly modelCalls: number;
  readonly answered: readonly ItemKey[];
  /** Asked and paid for without an answer that could be used. */
  readonly failed: readonly { readonly chars: number; readonly costUsd: number | null }[];
}

/** In the job's folder, after the first pilot. */
const PILOT_FILE = "pilot.json";

/** @returns null when there was none @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's) */
export async function loadPilot(files: FileSystem, folder: string, identity: StateIdentity): Promise<Pilot | null> {
  return await loadStateRecord<Pilot>(files, folder, PILOT_FILE, identity);
}

/** Durable when it returns. */
export async function savePilot(files: FileSystem, folder: string, pilot: Pilot): Promise<void> {
  await saveStateRecord(files, folder, PILOT_FILE, pilot);
}
