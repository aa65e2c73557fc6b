import { momentOf, wallOf } from "../scheduling/zone.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const UNITS: Readonly<Record<string, number>> = { min: 60_000, h: HOUR_MS, d: DAY_MS, w: 7 * DAY_MS };

export const TIMES = "2026-11-01, 2026-11-01T14:30, today, yesterday, 30min, 24h, 7d or 4w";

/**
 * A time as it is typed: a day, a moment, or how long ago.
 * @param end of a day its end is meant, not its beginning
 * @returns epoch ms; null when it is none
 */
export function momentIn(text: string, end: boolean, nowMs: number, zone: string): number | null {
  const [, amount, unit] = /^(\d{1,5})(min|h|d|w)$/.exec(text) ?? [];
  if (unit !== undefined) return nowMs - Number(amount) * UNITS[unit]!;
  if (text === "today" || text === "yesterday")
    return dayBefore(nowMs, (text === "today" ? 0 : 1) - (end ? 1 : 0), zone);
  const [, date, time, offset] =
    /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}:\d{2})?)?$/.exec(text) ?? [];
  if (date === undefined) return null;
  const wall = Date.parse(`${date}T${time ?? "00:00"}Z`);
  // 30 February is no day, though Date takes it for one in March.
  if (Number.isNaN(wall) || !new Date(wall).toISOString().startsWith(date)) return null;
  if (offset !== undefined) return Date.parse(text);
  return momentOf(time === undefined && end ? wall + DAY_MS : wall, zone);
}

/** The beginning of the day so many days ago. */
export function dayBefore(nowMs: number, days: number, zone: string): number {
  const wall = wallOf(nowMs, zone);
  return momentOf(wall - (((wall % DAY_MS) + DAY_MS) % DAY_MS) - days * DAY_MS, zone);
}
