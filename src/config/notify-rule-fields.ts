import { z } from "zod";
import { WEEKDAYS, type Weekday } from "../notify/quiet-hours.ts";
import { defaultRules, type RuleName } from "../notify/rule-settings.ts";
import { choice, decimal, integer, type OptionDefinition, type OptionTable, shaped, shapeOf, text } from "./option.ts";

const DAY_MINUTES = 24 * 60;
const DEFAULTS = defaultRules("");
const SHARE = { above: 0, max: 1, unit: "share" };

/** What every rule may say, by the place in the rule. */
const BASICS = {
  severity: choice({
    help: "how urgent it is: critical goes through quiet hours",
    choices: ["info", "warning", "critical"],
    default: null,
  }),
  channels: shaped<readonly string[] | null>({
    help: "which channels are told; default: all",
    expected: "a list of names of notify.channels",
    schema: z.array(z.string().min(1)).min(1),
    default: null,
  }),
  cooldownMinutes: minutes("no second message of the same subject within", 0),
} as const;
const LASTING = { forMinutes: minutes("how long it has to be so before it is told", 0) };

/** The settings of each rule, beside `true` and `false`. A default of null is that of the rule, in the table of rules. */
export const RULE_FIELDS: Readonly<Record<RuleName, OptionTable>> = {
  finished: {
    ...BASICS,
    daily: shaped<boolean | null>({
      help: "one summary a day instead; default: in continuous mode",
      expected: "true or false",
      schema: z.boolean(),
      default: null,
    }),
    dailyAt: clockTime("when the summary of the day is made", DEFAULTS.finished.dailyAt),
    timezone: zone("of dailyAt; default: that of the first quiet hours, else this machine's"),
  },
  stopped: BASICS,
  "error-share": {
    ...BASICS,
    ...LASTING,
    share: decimal({ help: "of the settled items that failed", ...SHARE, default: DEFAULTS["error-share"].share }),
    windowMinutes: minutes("over which it is taken", 1, DEFAULTS["error-share"].windowMinutes),
    minItems: items("fewer prove nothing", DEFAULTS["error-share"].minItems),
  },
  "dead-letters": {
    ...BASICS,
    ...LASTING,
    count: items("dead letters within the window", DEFAULTS["dead-letters"].count),
    windowMinutes: minutes("over which they are counted", 1, DEFAULTS["dead-letters"].windowMinutes),
    total: integer({
      help: "dead letters of the job in all; default: never",
      min: 1,
      max: 1_000_000_000,
      unit: "items",
      default: null,
    }),
  },
  lag: {
    ...BASICS,
    ...LASTING,
    lagMinutes: minutes("age of the oldest unprocessed item", 1, DEFAULTS.lag.lagMinutes, 365 * DAY_MINUTES),
  },
  budget: {
    ...BASICS,
    shares: shaped<readonly number[]>({
      help: "of the budget, each told once in its period",
      expected: "a list of 1 to 10 numbers above 0, at most 1, such as [0.5, 0.8, 1]",
      schema: z.array(z.number().gt(0).max(1)).min(1).max(10),
      unit: "share",
      default: DEFAULTS.budget.shares,
    }),
  },
  "label-mix": {
    ...BASICS,
    hours: integer({
      help: "the last hours that are compared with the same ones a week before",
      min: 1,
      max: 168,
      unit: "hours",
      default: DEFAULTS["label-mix"].hours,
    }),
    minItems: items("fewer on either side prove nothing", DEFAULTS["label-mix"].minItems, 50),
    movedShare: decimal({
      help: "of the items that would need another label for the mixes to be equal",
      ...SHARE,
      default: DEFAULTS["label-mix"].movedShare,
    }),
    dimensions: shaped<readonly string[] | null>({
      help: "which are compared; default: all",
      expected: "a list of category, sentiment, urgency, language",
      schema: z.array(z.enum(["category", "sentiment", "urgency", "language"])).min(1),
      default: null,
    }),
  },
  "endpoint-down": { ...BASICS, ...LASTING },
  idle: {
    ...BASICS,
    ...LASTING,
    idleMinutes: minutes("without a settled item although there is work", 1, DEFAULTS.idle.idleMinutes),
  },
  "store-away": { ...BASICS, ...LASTING },
  "worker-gone": { ...BASICS, ...LASTING },
  "range-dead": {
    ...BASICS,
    windowMinutes: minutes("in which one ended its workers", 1, DEFAULTS["range-dead"].windowMinutes),
  },
  "missed-schedule": BASICS,
};

/** The shape of `notify.rules`, for editors. */
export function rulesShape(): z.ZodType {
  const rules = Object.entries(RULE_FIELDS).map(([name, fields]) => [
    name,
    z.union([z.boolean(), shapeOf(fields)]).optional(),
  ]);
  return z.strictObject(Object.fromEntries(rules) as Record<string, z.ZodType>);
}

/** The shape of `notify.quietHours`, for editors. */
export function quietHoursShape(): z.ZodType {
  const one = shapeOf(QUIET_FIELDS);
  return z.union([one, z.array(one).min(1).max(10)]);
}

/** The settings of quiet hours. */
export const QUIET_FIELDS = {
  from: clockTime("when they begin", null),
  to: clockTime("when they end; before from: on the next day; the same: a whole day", null),
  timezone: zone("of both; default: this machine's"),
  days: shaped<readonly Weekday[] | null>({
    help: "days on which they begin; default: all",
    expected: `a list of ${WEEKDAYS.join(", ")}`,
    schema: z.array(z.enum(WEEKDAYS)).min(1),
    default: null,
  }),
} satisfies OptionTable;

/** `HH:MM` */
function clockTime<T extends string | null>(help: string, fallback: T): OptionDefinition<string | T> {
  return text({
    help,
    expected: 'a time such as "22:00", in quotes',
    pattern: /^([01]\d|2[0-3]):[0-5]\d$/,
    default: fallback,
  });
}

/** An IANA name. */
function zone(help: string): OptionDefinition<string | null> {
  const definition = text({ help, expected: "a time zone such as Europe/Berlin", default: null });
  return { ...definition, schema: z.string().refine(isTimezone) };
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

function minutes<T extends number | null = null>(
  help: string,
  min: number,
  fallback: T = null as T,
  max = 7 * DAY_MINUTES,
): OptionDefinition<number | T> {
  return integer({ help, min, max, unit: "minutes", default: fallback });
}

function items(help: string, fallback: number, min = 1): OptionDefinition<number> {
  return integer({ help, min, max: 1_000_000_000, unit: "items", default: fallback });
}
