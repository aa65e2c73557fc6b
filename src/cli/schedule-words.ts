import type { EventMap, RunSnapshot } from "../events.ts";
import { withoutPassword } from "../redact.ts";
import type { ScheduleSnapshot } from "../scheduling/schedule.ts";
import { count, left, momentRange } from "./format.ts";

/** Schedules whose times are shown in the panel. */
const MOST_SHOWN = 3;

/** @returns one sentence about times that passed without a run */
export function missedWords(
  { name, times, reason, firstMs, lastMs }: EventMap["schedule:missed"],
  nowMs: number,
): string {
  const many = times >= 1_000 ? "1,000 times or more" : times === 1 ? "one time" : `${count(times)} times`;
  const why = reason === "running" ? "a run was still under way" : "nobody ran, or the machine slept";
  return `Schedule ${name} missed ${many}, ${momentRange(firstMs, lastMs, nowMs, "to")}: ${why}.`;
}

/** @returns one sentence about a run that could not begin */
export function failedWords({ name, message }: EventMap["schedule:failed"]): string {
  return `A run of schedule ${name} could not begin; the next one comes at its next time. ${withoutPassword(message)}`;
}

/** @returns the next times of a schedule in a line, as many as fit: `02:30   Fri 02:30` */
export function timesLine({ nextMs }: Pick<ScheduleSnapshot, "nextMs">, nowMs: number, columns: number): string {
  let line = "";
  for (const ms of nextMs) {
    const more = `${line === "" ? "" : "   "}${momentRange(ms, ms, nowMs, "-")}`;
    if (line.length + more.length > columns) break;
    line += more;
  }
  return line;
}

/** When runs begin, for the panel while it waits for that; none in other modes. */
export function nextRuns({ schedules, state, nowMs }: RunSnapshot, columns: number): string[] {
  if (state !== "waiting") return [];
  const shown = schedules.slice(0, MOST_SHOWN);
  const width = Math.max(...shown.map(({ name }) => name.length));
  return shown.map((schedule, at) => {
    const start = `  ${left(at === 0 ? "Next" : "", 12)}${shown.length > 1 ? `${left(schedule.name, width)}  ` : ""}`;
    return start + timesLine(schedule, nowMs, columns - start.length);
  });
}
