import { join } from "node:path";
import type { ItemKey } from "../item.ts";
import { type FileSystem, replaceFile } from "./files.ts";
import { decodeFrames, encodeFrame } from "./frame.ts";
import { refuseForeign, type StateIdentity } from "./identity.ts";

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
  const path = join(folder, PILOT_FILE);
  const data = await files.read(path);
  const frame = data === null ? undefined : decodeFrames(data).next().value;
  if (frame === undefined || frame.kind !== "record") return null;
  const found = JSON.parse(frame.json) as Pilot;
  refuseForeign(path, found, identity);
  return found;
}

/** Durable when it returns. */
export async function savePilot(files: FileSystem, folder: string, pilot: Pilot): Promise<void> {
  await replaceFile(files, join(folder, PILOT_FILE), encodeFrame(1, JSON.stringify(pilot)));
}
