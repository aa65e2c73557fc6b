import { join } from "node:path";
import type { ItemKey } from "../item.ts";
import type { Fingerprint, Reclassify } from "../job.ts";
import type { Cursor, MarkGroup } from "../store.ts";
import type { FileSystem } from "./files.ts";
import type { StateIdentity } from "./identity.ts";
import { loadStateRecord, saveStateRecord } from "./state-record.ts";

/** What is classified again, and how far taking its marks away has come. */
export interface Reclassification extends StateIdentity {
  readonly format: 1;
  readonly which: Reclassify;
  /** Of the settings it began with: with others, another one begins. */
  readonly fingerprint: Fingerprint;
  /** When it began, epoch ms. */
  readonly sinceMs: number;
  /** Ids of the executions that worked on it, the last 500: what they wrote is not asked again. */
  readonly executions: readonly string[];
  /**
   * Marks are being taken away, before anything is asked (`unmarking`); all of them are, and the items are asked
   * (`asking`); or as many as the run's limit allowed, and the next one with the same wish goes on (`limited`).
   */
  readonly phase: "unmarking" | "asking" | "limited";
  /** Marks that may still be taken away, by the limit of the run that asked for it; null for no limit. */
  readonly left: number | null;
  /** Which of the job's marks are looked at, and behind which document. */
  readonly outcome: MarkGroup["by"]["outcome"];
  readonly cursor: Cursor | null;
  /** A page whose marks are being taken away; its number tells whether the journal has counted it. */
  readonly page: { readonly number: number; readonly keys: readonly ItemKey[] } | null;
}

/** In the job's folder, while a reclassification is under way. */
export const RECLASSIFICATION_FILE = "reclassification.json";

/** @returns null when none is under way @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's) */
export async function loadReclassification(
  files: FileSystem,
  folder: string,
  identity: StateIdentity,
): Promise<Reclassification | null> {
  return await loadStateRecord<Reclassification>(files, folder, RECLASSIFICATION_FILE, identity);
}

/** Durable when it returns. */
export async function saveReclassification(files: FileSystem, folder: string, state: Reclassification): Promise<void> {
  await saveStateRecord(files, folder, RECLASSIFICATION_FILE, state);
}

export async function removeReclassification(files: FileSystem, folder: string): Promise<void> {
  await files.removeFile(join(folder, RECLASSIFICATION_FILE));
}
