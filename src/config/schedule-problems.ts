import type { ResolvedOptions } from "./sources.ts";

/** What is wrong with the times of scheduled mode. */
export async function scheduleProblems({ get, name }: ResolvedOptions): Promise<string[]> {
  const zone = get("timezone");
  const schedule = get("schedule");
  if (zone !== null && !isTimezone(zone))
    return [`${name("timezone")}: expected a time zone such as Europe/Berlin; got "${zone}".`];
  if (schedule === null) return [];
  const { Cron } = await import("croner");
  try {
    new Cron(schedule, { paused: true });
    return [];
  } catch {
    return [
      `${name("schedule")}: expected a cron expression such as "30 2 * * *" (minute hour day month weekday); got "${schedule}".`,
    ];
  }
}

function isTimezone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
