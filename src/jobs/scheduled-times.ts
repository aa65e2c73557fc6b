import type { JobSettings } from "../job.ts";
import type { ScheduleSettings, ScheduleSnapshot } from "../scheduling/schedule.ts";
import { Timetable } from "../scheduling/timetable.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { StateIdentity } from "../state/identity.ts";
import { loadScheduleState, type ScheduleProgress } from "../state/schedule-state.ts";

/**
 * When the next scheduled runs of a job begin, whether it runs or not: by the settings when they have schedules, else as
 * it was last started. Changes nothing.
 * @returns empty for a job that has no schedule
 */
export async function scheduledTimes(
  settings: Pick<JobSettings, "batchDir" | "job" | "schedules">,
  identity: StateIdentity,
  nowMs: number,
): Promise<readonly ScheduleSnapshot[]> {
  const { files, folder } = new BatchFileManager(settings.batchDir, identity);
  const state = await loadScheduleState(files, folder, identity);
  const own = identity.job === settings.job ? (settings.schedules ?? []) : [];
  const schedules = own.length > 0 ? own : (state?.schedules ?? []).map(asStarted);
  return new Timetable(schedules, state?.seed ?? "", nowMs).snapshot(nowMs);
}

function asStarted({ name, cron, timezone, jitterSeconds }: ScheduleProgress): ScheduleSettings {
  return { name, cron, timezone, jitterSeconds, catchUp: "none", changes: {} };
}
