import { QuerymillError } from "../errors.ts";
import { type Filter, parseFilter } from "../filter.ts";
import type { RunWindow, ScheduleSettings } from "../scheduling/schedule.ts";
import { windowAt, windowLabel } from "../scheduling/window.ts";
import { isTimezone, machineTimezone } from "../scheduling/zone.ts";
import { type ScheduleOption, WEEKDAYS, type WindowOption } from "./schedule-options.ts";
import type { ResolvedOptions } from "./sources.ts";

/** When runs begin, and when calls may go out. */
export interface ResolvedSchedules {
  /** Empty but in scheduled mode. */
  readonly schedules: readonly ScheduleSettings[];
  readonly window: RunWindow | null;
  readonly problems: readonly string[];
}

const EXAMPLE = '"30 2 * * *" is every night at 2:30';
/** So many times of a schedule are looked at: whether the window is open then, and how close together they are. */
const LOOKED_TIMES = 60;
/** More than a year of nights, so that a day of the year meets one. */
const LOOKED_OPENINGS = 800;

/** @param nowMs epoch ms: a schedule without a time to come is refused */
export async function resolveSchedules(options: ResolvedOptions, nowMs: number): Promise<ResolvedSchedules> {
  const { get, name } = options;
  const problems = scheduleConflicts(options);
  const zone = get("timezone");
  if (zone !== null && !isTimezone(zone)) problems.push(wrongZone(name("timezone"), zone));
  const window = resolveWindow(options, problems);
  const found = { schedules: [], window, problems };
  if (problems.length > 0) return found;
  const entries = entriesOf(options);
  if (entries.length === 0) return found;
  const isUsed = get("mode") === "scheduled";
  const schedules: ScheduleSettings[] = [];
  for (const [at, entry] of entries.entries()) {
    const nameOf = (field: keyof ScheduleOption): string =>
      entry === ONE ? name("schedule") : name("schedules", [at, field]);
    const twin = entries.findIndex((other) => other.name === entry.name);
    if (entry !== ONE && entry.name === undefined)
      problems.push(`${name("schedules", [at])} has no name. Add one, such as name: nightly.`);
    else if (twin < at)
      problems.push(`${nameOf("name")}: schedules[${twin}] is called "${entry.name}" too. Choose another name.`);
    const schedule = await resolveOne(entry, options, nameOf, problems, nowMs);
    if (schedule === null) continue;
    schedules.push(schedule);
    if (isUsed) problems.push(...(await timesProblems(schedule, window, nameOf, nowMs)));
  }
  return { schedules: isUsed ? schedules : [], window, problems };
}

/** Stands for what --schedule says. */
const ONE: ScheduleOption = { name: "main" };

function entriesOf({ get, atLeast }: ResolvedOptions): readonly ScheduleOption[] {
  if (get("schedule") !== null && (get("schedules") === null || atLeast("schedule", "schedules"))) return [ONE];
  return get("schedules") ?? [];
}

function scheduleConflicts({ get, name, origin, atLeast }: ResolvedOptions): string[] {
  const problems: string[] = [];
  const mode = get("mode");
  const given = (["schedule", "schedules"] as const).filter((key) => get(key) !== null);
  if (given.length === 2 && origin("schedule") === origin("schedules"))
    problems.push(
      `${name("schedule")} and ${name("schedules")} exclude each other: one is short for a list of one. Leave one out.`,
    );
  if (mode === "scheduled" && given.length === 0)
    problems.push(
      `${name("mode")} scheduled needs a time: add --schedule, such as --schedule "30 2 * * *" for every night.`,
    );
  for (const key of given)
    if (mode !== "scheduled" && atLeast(key, "mode"))
      problems.push(
        `${name(key)} has no effect in mode ${mode}, which does not look at the clock. Add --mode scheduled.`,
      );
  for (const key of ["catchUp", "jitterSeconds"] as const)
    if (origin(key) !== "default" && given.length === 0)
      problems.push(
        `${name(key)} is about the times of a schedule, and there is none. Add --schedule, or leave it out.`,
      );
  return problems;
}

/** One entry with what the settings beside the list add to it. @returns null when that is not possible */
async function resolveOne(
  entry: ScheduleOption,
  { get }: ResolvedOptions,
  nameOf: (field: keyof ScheduleOption) => string,
  problems: string[],
  nowMs: number,
): Promise<ScheduleSettings | null> {
  const cron = entry === ONE ? get("schedule")! : entry.cron;
  const timezone = entry.timezone ?? get("timezone") ?? machineTimezone();
  const before = problems.length;
  if (cron === undefined) problems.push(`${nameOf("cron")}: there is no time. Add one, such as cron: "30 2 * * *".`);
  else {
    const { cronProblem } = await import("../scheduling/cron.ts");
    const problem = cronProblem(cron, nowMs);
    if (problem !== null)
      problems.push(`${nameOf("cron")}: expected a cron expression; got "${cron}". ${problem} Example: ${EXAMPLE}.`);
  }
  if (!isTimezone(timezone)) problems.push(wrongZone(nameOf("timezone"), timezone));
  const filter = entry.filter === undefined ? null : filterOf(entry.filter, nameOf("filter"), problems);
  if (problems.length > before) return null;
  const { limit, concurrent, reclassify, budget } = entry;
  return {
    name: entry.name ?? "",
    cron: cron!.trim(),
    timezone,
    jitterSeconds: entry.jitterSeconds ?? get("jitterSeconds"),
    catchUp: entry.catchUp ?? get("catchUp"),
    changes: {
      ...(limit === undefined ? {} : { limit }),
      ...(concurrent === undefined ? {} : { concurrent }),
      ...(filter === null ? {} : { filter }),
      ...(reclassify === undefined ? {} : { reclassify }),
      ...(budget === undefined ? {} : { budget: { usd: budget, per: get("budget.per") } }),
    },
  };
}

function filterOf(given: unknown, name: string, problems: string[]): Filter | null {
  try {
    return parseFilter(given);
  } catch (error) {
    if (!(error instanceof QuerymillError)) throw error;
    problems.push(`${name}: ${error.message}`);
    return null;
  }
}

/** What is wrong with the times of a schedule that can be read. */
async function timesProblems(
  schedule: ScheduleSettings,
  window: RunWindow | null,
  nameOf: (field: keyof ScheduleOption) => string,
  nowMs: number,
): Promise<string[]> {
  const { CronTimes } = await import("../scheduling/cron.ts");
  const cron = new CronTimes(schedule.cron, schedule.timezone);
  const times = cron.next(LOOKED_TIMES, nowMs);
  const problems: string[] = [];
  const gapMs = Math.min(...times.slice(1).map((time, at) => time - times[at]!));
  if (schedule.jitterSeconds * 1_000 >= gapMs)
    problems.push(
      `${nameOf("jitterSeconds")}: a delay of up to ${schedule.jitterSeconds} s reaches the next time of "${schedule.cron}", ${gapMs / 1_000} s later. Lower it.`,
    );
  if (window !== null && !meets(cron, window, nowMs))
    problems.push(
      `${nameOf("cron")}: "${schedule.cron}" never begins in the window ${windowLabel(window)} (${window.timezone}), outside of which no call goes out. Change one of them.`,
    );
  return problems;
}

/** Whether a run begins while the window is open, within the next openings that are looked at. */
function meets(cron: { after(ms: number): number | null }, window: RunWindow, nowMs: number): boolean {
  let fromMs = nowMs;
  for (let looked = 0; looked < LOOKED_OPENINGS; looked += 1) {
    const time = cron.after(fromMs);
    if (time === null) return false;
    const { open, untilMs } = windowAt(window, time);
    if (open) return true;
    // A time at the very moment of opening counts.
    fromMs = untilMs - 1;
  }
  return false;
}

function resolveWindow({ get, name }: ResolvedOptions, problems: string[]): RunWindow | null {
  const given = get("window");
  if (given === null || given === "off") return null;
  const { from, to, days, timezone: own } = partsOf(given);
  const timezone = own ?? get("timezone") ?? machineTimezone();
  if (own !== undefined && !isTimezone(own)) problems.push(wrongZone(name("window"), timezone));
  const fromMinute = minuteOf(from);
  const toMinute = minuteOf(to);
  if (fromMinute === toMinute)
    problems.push(
      `${name("window")}: it opens and closes at ${from}. For all day leave it out; else choose another end.`,
    );
  return {
    fromMinute,
    toMinute,
    days: days === undefined ? null : days.map((day) => WEEKDAYS.indexOf(day)),
    timezone,
  };
}

function partsOf(given: WindowOption): Exclude<WindowOption, string> {
  if (typeof given !== "string") return given;
  const [from = "", to = ""] = given.split("-");
  return { from, to };
}

function minuteOf(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(":").map(Number);
  return hours * 60 + minutes;
}

function wrongZone(name: string, zone: string): string {
  return `${name}: expected a time zone such as Europe/Berlin; got "${zone}".`;
}
