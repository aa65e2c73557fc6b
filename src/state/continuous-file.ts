import { join } from "node:path";
import type { Lag } from "../lag.ts";
import { type FileSystem, replaceFile } from "./files.ts";
import { decodeFrames, encodeFrame } from "./frame.ts";
import { refuseForeign, type StateIdentity } from "./identity.ts";

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
  const path = join(folder, NAME);
  const data = await files.read(path);
  const frame = data === null ? undefined : decodeFrames(data).next().value;
  if (frame === undefined || frame.kind !== "record") return null;
  const found = JSON.parse(frame.json) as ContinuousState;
  refuseForeign(path, found, identity);
  return found;
}

/** Durable when it returns. */
export async function saveContinuous(files: FileSystem, folder: string, state: ContinuousState): Promise<void> {
  await replaceFile(files, join(folder, NAME), encodeFrame(1, JSON.stringify(state)));
}
