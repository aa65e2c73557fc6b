export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** A time of day at which only what is critical is told. */
export interface QuietHours {
  /** `HH:MM`; the same as `to`: the whole day. */
  readonly from: string;
  /** `HH:MM`; before `from`: on the next day. */
  readonly to: string;
  readonly timezone: string;
  /** Days on which it begins. */
  readonly days: readonly Weekday[];
}

/** A moment as a clock on the wall of that zone shows it. */
export interface WallTime {
  /** `YYYY-MM-DD` */
  readonly date: string;
  readonly weekday: Weekday;
  /** Since midnight, by the hands of the clock: an hour that is skipped or doubled does not shift what follows. */
  readonly minutes: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** @param timezone an IANA name */
export function wallTime(atMs: number, timezone: string): WallTime {
  let format = formats.get(timezone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: timezone,
      hourCycle: "h23",
      weekday: "short",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
    });
    formats.set(timezone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
  return {
    date: `${parts.year}-${parts.month}-${parts.day}`,
    weekday: parts.weekday!.toLowerCase() as Weekday,
    minutes: Number(parts.hour) * 60 + Number(parts.minute),
  };
}

/** @returns minutes since midnight of `HH:MM` */
export function minutesOf(time: string): number {
  const [hours, minutes] = time.split(":").map(Number);
  return hours! * 60 + minutes!;
}

export function isQuiet(quietHours: readonly QuietHours[], atMs: number): boolean {
  return quietHours.some(({ from, to, timezone, days }) => {
    const { weekday, minutes } = wallTime(atMs, timezone);
    const [begins, ends] = [minutesOf(from), minutesOf(to)];
    const before = WEEKDAYS[(WEEKDAYS.indexOf(weekday) + 6) % 7]!;
    if (begins < ends) return days.includes(weekday) && minutes >= begins && minutes < ends;
    return (days.includes(weekday) && minutes >= begins) || (days.includes(before) && minutes < ends);
  });
}
