import { Cron } from "croner";
import { didYouMean } from "../config/nearest.ts";
import { messageOf } from "../errors.ts";
import { momentOf, wallOf } from "./zone.ts";

const NICKNAMES = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
/** Five fields, or six with seconds: a year would make a schedule that ends. */
const FORM = { mode: "5-or-6-parts", paused: true } as const;
const NAMES: Readonly<Record<string, string>> = { dayOfWeek: "weekday", day: "day of the month" };

/**
 * The times of a cron expression by the clocks of a zone.
 *
 * Clocks that are set forward: a time that is left out comes once, when they are set. Clocks that are set back: a time
 * that is shown twice comes the first time only. An expression for every hour goes on hour by hour through both.
 */
export class CronTimes {
  readonly #cron: Cron;
  readonly #timezone: string;
  readonly #isHourly: boolean;

  /** @throws RangeError, TypeError for what {@link cronProblem} says */
  constructor(cron: string, timezone: string) {
    this.#isHourly = isHourly(cron);
    this.#timezone = timezone;
    this.#cron = new Cron(cron, { ...FORM, timezone: this.#isHourly ? timezone : "UTC" });
  }

  /** @returns the first time after a moment, epoch ms; null when there is none any more */
  after(ms: number): number | null {
    if (this.#isHourly) return this.#cron.nextRun(new Date(ms))?.getTime() ?? null;
    let wall: Date | null = new Date(wallOf(ms, this.#timezone));
    for (;;) {
      wall = this.#cron.nextRun(wall);
      if (wall === null) return null;
      const moment = momentOf(wall.getTime(), this.#timezone);
      if (moment > ms) return moment;
    }
  }

  /** @returns the first `count` times after a moment, fewer when there are no more */
  next(count: number, afterMs: number): number[] {
    const times: number[] = [];
    for (let ms: number | null = afterMs; times.length < count; times.push(ms)) {
      ms = this.after(ms);
      if (ms === null) break;
    }
    return times;
  }
}

/** @returns what is wrong with a cron expression, as a sentence; null for one that can be used */
export function cronProblem(cron: string, nowMs: number): string | null {
  const text = cron.trim();
  if (text.startsWith("@")) {
    if (NICKNAMES.includes(text.toLowerCase())) return null;
    return `There is no ${text.slice(0, 40)}.${didYouMean(text.toLowerCase(), NICKNAMES) || ` Known are ${NICKNAMES.join(", ")}.`}`;
  }
  const fields = text === "" ? 0 : text.split(/\s+/).length;
  if (fields !== 5 && fields !== 6)
    return `It has ${fields} field${fields === 1 ? "" : "s"}; there are five (minute, hour, day of the month, month, weekday), or six with the second first.`;
  try {
    if (new CronTimes(text, "UTC").after(nowMs) !== null) return null;
  } catch (error) {
    return `${reasonOf(error, text)}.`;
  }
  return "It never comes: no month that it names has such a day.";
}

/** croner's reason in the words of this interface: `minute cannot be 61`. @param cron five fields or six */
function reasonOf(error: unknown, cron: string): string {
  const reason = messageOf(error)
    .replace(/^.*Configuration entry (\d) \(.*\) contains illegal characters\.?$/i, (all, place: string) => {
      const [name, names = ""] = FIELDS[Number(place)] ?? [all];
      return `${name} cannot be ${cron.split(/\s+/).at(Number(place) - FIELDS.length)}${names}`;
    })
    .replace(/^CronPattern: /, "")
    .replace(/^Syntax error, /, "")
    .replace(
      /^a month or day name has to stand alone \('(.*)'\)\.?$/,
      "$1 is no name of a month or a weekday; they have three letters, such as jan or mon",
    )
    .replace(
      /^Invalid value for (\w+): (.*)$/,
      (_, field: string, value: string) => `${NAMES[field] ?? field} cannot be ${value}`,
    );
  return (reason.charAt(0).toUpperCase() + reason.slice(1)).replace(/\.+$/, "");
}

/** The fields of an expression, the seconds first, with the names that a field takes. */
const FIELDS: readonly (readonly [name: string, names?: string])[] = [
  ["second"],
  ["minute"],
  ["hour"],
  ["day of the month"],
  ["month", "; months are 1 to 12, or jan, feb, mar, apr, may, jun, jul, aug, sep, oct, nov, dec"],
  ["weekday", "; weekdays are 0 to 7 (0 and 7: Sunday), or sun, mon, tue, wed, thu, fri, sat"],
];

/** True for an expression that comes in every hour of the day. */
function isHourly(cron: string): boolean {
  const text = cron.trim().toLowerCase();
  return text === "@hourly" || /^(\*|\?|\*\/1|0-23)$/.test(text.split(/\s+/).at(-4) ?? "");
}
