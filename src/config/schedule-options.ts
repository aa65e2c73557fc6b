import { z } from "zod";
import type { CatchUp } from "../scheduling/schedule.ts";
import { choice, decimal, integer, integerOrAuto, list, type OptionDefinition, shaped, text } from "./option.ts";

/** Names of weekdays, in the order of their numbers. */
export const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

/** A run window as it was written. */
export type WindowOption =
  | string
  | {
      readonly from: string;
      readonly to: string;
      readonly days?: readonly (typeof WEEKDAYS)[number][];
      readonly timezone?: string;
    };

/** One of `schedules` as it was written, checked value by value. */
export interface ScheduleOption {
  readonly name?: string;
  readonly cron?: string;
  readonly timezone?: string;
  readonly jitterSeconds?: number;
  readonly catchUp?: CatchUp;
  readonly limit?: number;
  readonly concurrent?: number | "auto";
  readonly filter?: Readonly<Record<string, unknown>>;
  readonly reclassify?: "changed" | "stale";
  readonly budget?: number;
}

const CLOCK = "([01]\\d|2[0-3]):[0-5]\\d";
const MAX_SCHEDULES = 20;

/** The settings of each schedule, by their place in it. */
const SCHEDULE_FIELDS = {
  name: text({
    help: "in status, events and reports, unique",
    expected: "letters, digits, . _ - (at most 40, the first one a letter or digit)",
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/,
    default: null,
  }),
  cron: cron({ help: "when its runs begin" }),
  timezone: timezone({ help: "whose clock is meant; default: that of timezone" }),
  jitterSeconds: jitter({
    help: "each time begins later by a delay of its own, at most so long; default: that of jitterSeconds",
  }),
  catchUp: choice({
    help: "at the start, one run for the times that passed while nobody ran; default: that of catchUp",
    choices: ["none", "once"],
    default: null,
  }),
  limit: integer({ help: "its runs stop after n items", min: 1, max: 1_000_000_000, unit: "items", default: null }),
  concurrent: integerOrAuto({
    help: "maximum concurrent model calls of its runs",
    min: 1,
    max: 10_000,
    unit: "calls",
    default: 5,
  }),
  filter: shaped<unknown>({
    help: "which items its runs take, instead of filter",
    expected: "a filter such as {channel: email}",
    schema: z.record(z.string(), z.unknown()),
    default: null,
  }),
  reclassify: choice({
    help: "its runs classify settled items again: stale (other taxonomy, prompt or model) or changed (other text)",
    choices: ["changed", "stale"],
    default: null,
  }),
  budget: decimal({
    help: "its runs stop before spending more, as budget.per says",
    above: 0,
    max: 1e9,
    unit: "USD",
    default: null,
  }),
} as const;

const windowText = z.string().regex(new RegExp(`^(off|${CLOCK}-(${CLOCK}|24:00))$`));
const windowShape = z.strictObject({
  from: z.string().regex(new RegExp(`^${CLOCK}$`)),
  to: z.string().regex(new RegExp(`^(${CLOCK}|24:00)$`)),
  days: z.array(z.enum(WEEKDAYS)).min(1).max(7).optional(),
  timezone: z.string().min(1).optional(),
});

/** When runs begin, and when calls may go out: part of the table in `schema.ts`. */
export const SCHEDULE_OPTIONS = {
  schedule: cron({
    flag: "--schedule <cron>",
    help: 'when scheduled mode runs: "30 2 * * *" is every night at 2:30',
  }),
  timezone: timezone({
    flag: "--timezone <zone>",
    help: "of the schedule and the window, of the days of a query, and of times in the dashboard, such as Europe/Berlin; default: this machine's",
  }),
  schedules: list<ScheduleOption>({
    help: "several schedules instead of the one of --schedule",
    expected: `a list of 1 to ${MAX_SCHEDULES} schedules, each with name and cron`,
    fields: SCHEDULE_FIELDS,
    max: MAX_SCHEDULES,
  }),
  catchUp: choice({
    flag: "--catch-up <which>",
    help: "scheduled times that passed while nobody ran: none, or once, one run at the start for all of them",
    choices: ["none", "once"],
    default: "none",
  }),
  jitterSeconds: jitter({
    flag: "--jitter <s>",
    help: "each scheduled time begins later by a delay of its own, at most so long",
  }),
  window: {
    ...shaped<WindowOption | null>({
      flag: "--window <from-to>",
      help: "calls go out only in these hours, such as 22:00-06:00, in every mode; off: at all hours",
      expected:
        "hours such as 22:00-06:00, off, or a group {from: 22:00, to: 06:00, days: [mon, tue], timezone: Europe/Berlin}",
      schema: z.union([windowText, windowShape]),
      default: null,
    }),
    advise: windowAdvice,
    fromText: (given: string) => given,
  },
} as const;

/** @returns which part of a group is wrong, as a sentence with a leading blank */
function windowAdvice(given: unknown): string {
  if (typeof given !== "object" || given === null) return "";
  const { days, ...rest } = given as Record<string, unknown>;
  const parts = Object.keys(rest).filter((name) => !["from", "to", "timezone"].includes(name));
  if (parts[0] !== undefined) return ` There is no ${parts[0]} in it.`;
  const unknown = Array.isArray(days) ? days.find((day) => !WEEKDAYS.includes(day as never)) : days;
  if (unknown !== undefined)
    return ` days is a list of ${WEEKDAYS.join(", ")}; ${JSON.stringify(unknown)?.slice(0, 40)} is none of them.`;
  const wrong = (["from", "to"] as const).find((name) => !windowShape.shape[name].safeParse(rest[name]).success);
  return wrong === undefined ? "" : ` ${wrong} is a time of day such as 06:00.`;
}

function cron(place: { flag?: string; help: string }): OptionDefinition<string | null> {
  return text({ ...place, expected: 'a cron expression such as "30 2 * * *", or @daily', default: null });
}

function timezone(place: { flag?: string; help: string }): OptionDefinition<string | null> {
  return text({ ...place, expected: "a time zone such as Europe/Berlin", default: null });
}

function jitter(place: { flag?: string; help: string }): OptionDefinition<number> {
  return integer({ ...place, min: 0, max: 86_400, unit: "s", default: 0 });
}
