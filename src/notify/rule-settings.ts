import type { Mode } from "../job.ts";
import type { Notification } from "./notification.ts";
import type { QuietHours } from "./quiet-hours.ts";

export type Severity = Notification["severity"];

/** What every rule has. */
export interface RuleBasics {
  readonly severity: Severity;
  /** What is wrong has to stay so for this long before it is told, in minutes. */
  readonly forMinutes: number;
  /** No second message of the same subject within this, in minutes; a recovery is none. */
  readonly cooldownMinutes: number;
  /** Names of channels; null: all there are. */
  readonly channels: readonly string[] | null;
}

/** The thresholds of each rule, beside what every rule has. */
export interface RuleThresholds {
  readonly finished: {
    /** One summary a day instead of a message at each end; null: in continuous mode. */
    readonly daily: boolean | null;
    /** `HH:MM` */
    readonly dailyAt: string;
    readonly timezone: string;
  };
  readonly stopped: object;
  /** `share` of the items settled in the window that failed; fewer than `minItems` prove nothing. */
  readonly "error-share": { readonly share: number; readonly windowMinutes: number; readonly minItems: number };
  /** So many in the window, or in all (`total`, null: never). */
  readonly "dead-letters": { readonly count: number; readonly windowMinutes: number; readonly total: number | null };
  readonly lag: { readonly lagMinutes: number };
  /** Shares of the budget, ascending; each is told once a period. */
  readonly budget: { readonly shares: readonly number[] };
  readonly "label-mix": {
    readonly hours: number;
    readonly minItems: number;
    /** Least share of the items that would need another label for the two mixes to be equal. */
    readonly movedShare: number;
    /** null: all that are counted. */
    readonly dimensions: readonly string[] | null;
  };
  readonly "endpoint-down": object;
  readonly idle: { readonly idleMinutes: number };
  readonly "store-away": object;
  readonly "worker-gone": object;
  readonly "range-dead": { readonly windowMinutes: number };
  readonly "missed-schedule": object;
}

export type RuleName = keyof RuleThresholds;
/** null: the rule is off. */
export type Rules = { readonly [K in RuleName]: (RuleBasics & RuleThresholds[K]) | null };

/** When what the rules found is handed to the channels. */
export interface PacingSettings {
  readonly quietHours: readonly QuietHours[];
  /** What comes within this is one message, in s. */
  readonly groupSeconds: number;
  /** Most messages to one channel in an hour; critical ones have as many of their own. */
  readonly maxPerHour: number;
}

/** Says when a notification is made, and when it is handed on. */
export interface NotifyRulesSettings {
  readonly rules: Rules;
  readonly pacing: PacingSettings;
}

/** What is true of a rule whatever its settings. */
export interface RuleDescription {
  /** Completes "looks at …". */
  readonly looksAt: string;
  /** What a recovery message waits for; null when there is none. */
  readonly recovery: string | null;
  /** In which modes it is on when nothing is said. */
  readonly modes: readonly Mode[];
}

const ALWAYS: readonly Mode[] = ["batch", "continuous", "scheduled"];

export const RULES: Readonly<Record<RuleName, RuleDescription>> = {
  finished: { looksAt: "a run that came to its end, or each day of a continuous one", recovery: null, modes: ALWAYS },
  stopped: {
    looksAt: "a run that stopped itself or could not start",
    recovery: "a later run has ended well, or has gone on for 10 minutes",
    modes: ALWAYS,
  },
  "error-share": {
    looksAt: "the share of items that failed",
    recovery: "enough items were settled and the share is below",
    modes: ALWAYS,
  },
  "dead-letters": { looksAt: "items given up", recovery: "fewer in the window than the count", modes: ALWAYS },
  lag: { looksAt: "the age of the oldest unprocessed item", recovery: "it is younger again", modes: ["continuous"] },
  budget: { looksAt: "what was spent of the budget", recovery: null, modes: ALWAYS },
  "label-mix": {
    looksAt: "whether labels are distributed as in the same hours a week before",
    recovery: "the mix is near last week's again",
    modes: ["continuous", "scheduled"],
  },
  "endpoint-down": { looksAt: "endpoints that rest or are out", recovery: "it takes calls again", modes: ALWAYS },
  idle: { looksAt: "work that is there while nothing is settled", recovery: "an item was settled", modes: ALWAYS },
  "store-away": {
    looksAt: "waits for the store, and a start that waits for store or model",
    recovery: "it answers",
    modes: ALWAYS,
  },
  "worker-gone": {
    looksAt: "workers of a fleet that are not heard of while they have ranges",
    recovery: "it is heard of again, or others have what it had",
    modes: ALWAYS,
  },
  "range-dead": {
    looksAt: "ranges of a fleet that ended their workers",
    recovery: "none in the window",
    modes: ALWAYS,
  },
  "missed-schedule": {
    looksAt: "scheduled times at which nothing could run",
    recovery: null,
    modes: ["scheduled", "continuous"],
  },
};

export const RULE_NAMES = Object.keys(RULES) as readonly RuleName[];

const HOUR = 60;
const DAY = 24 * HOUR;

/** Every rule as it is when nothing is said of it. @param timezone of the daily summary */
export function defaultRules(timezone: string): { readonly [K in RuleName]: RuleBasics & RuleThresholds[K] } {
  const basics = (severity: Severity, forMinutes: number, cooldownMinutes: number): RuleBasics => ({
    severity,
    forMinutes,
    cooldownMinutes,
    channels: null,
  });
  return {
    finished: { ...basics("info", 0, 0), daily: null, dailyAt: "09:00", timezone },
    stopped: basics("critical", 0, 0),
    "error-share": { ...basics("warning", 0, HOUR), share: 0.2, windowMinutes: 10, minItems: 20 },
    "dead-letters": { ...basics("warning", 0, HOUR), count: 10, windowMinutes: HOUR, total: null },
    lag: { ...basics("warning", 5, HOUR), lagMinutes: HOUR },
    budget: { ...basics("warning", 0, 0), shares: [0.5, 0.8, 1] },
    "label-mix": { ...basics("warning", 0, DAY), hours: 24, minItems: 200, movedShare: 0.15, dimensions: null },
    "endpoint-down": { ...basics("warning", 5, HOUR / 2) },
    idle: { ...basics("warning", 0, HOUR), idleMinutes: 15 },
    "store-away": { ...basics("critical", 2, HOUR / 2) },
    "worker-gone": basics("warning", 0, HOUR / 2),
    "range-dead": { ...basics("warning", 0, HOUR), windowMinutes: HOUR },
    "missed-schedule": basics("warning", 0, HOUR),
  };
}
