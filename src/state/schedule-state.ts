import type { FileSystem } from "./files.ts";
import type { StateIdentity } from "./identity.ts";
import { loadStateRecord, saveStateRecord } from "./state-record.ts";

/** How far the schedules of a job have come. */
export interface ScheduleState extends StateIdentity {
  readonly format: 1;
  /** Made once: delays by jitter are drawn from it, so that they are the same after a restart. */
  readonly seed: string;
  /** In their order. */
  readonly schedules: readonly ScheduleProgress[];
}

export interface ScheduleProgress {
  readonly name: string;
  readonly cron: string;
  readonly timezone: string;
  readonly jitterSeconds: number;
  /** Times up to here have run or are said to be missed, epoch ms. */
  readonly settledMs: number;
  /** A run is under way, or was cut off. */
  readonly underWay: boolean;
}

/** In the job's folder, once it was started in scheduled mode. */
export const SCHEDULE_FILE = "schedule.json";

/** @returns null when there is none @throws QuerymillError STATE_NEWER, STATE_DAMAGED (another job's) */
export async function loadScheduleState(
  files: FileSystem,
  folder: string,
  identity: StateIdentity,
): Promise<ScheduleState | null> {
  return await loadStateRecord<ScheduleState>(files, folder, SCHEDULE_FILE, identity);
}

/** Durable when it returns. */
export async function saveScheduleState(files: FileSystem, folder: string, state: ScheduleState): Promise<void> {
  await saveStateRecord(files, folder, SCHEDULE_FILE, state);
}
