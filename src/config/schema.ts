import { z } from "zod";
import type { Price } from "../job.ts";
import { CONFIRMATION_OPTIONS } from "./confirmation.ts";
import { CONTINUOUS_OPTIONS } from "./continuous-options.ts";
import { CONTROL_OPTIONS } from "./control-options.ts";
import { DASHBOARD_OPTIONS } from "./dashboard-options.ts";
import { baseUrl, ENDPOINT_FIELDS, type EndpointOptions, limit } from "./endpoint-fields.ts";
import { EXAMPLE_FIELDS } from "./example-fields.ts";
import { FILE_OPTIONS } from "./file-options.ts";
import { FLEET_OPTIONS } from "./fleet-options.ts";
import { GROWING_OPTIONS } from "./growing-options.ts";
import { LANE_OPTIONS } from "./lane-options.ts";
import { METRICS_OPTIONS } from "./metrics-options.ts";
import { NOTIFY_CHANNEL_OPTIONS } from "./notify-channels.ts";
import { NOTIFY_RULE_OPTIONS } from "./notify-rule-options.ts";
import {
  choice,
  decimal,
  integer,
  integerOrAuto,
  list,
  type OptionDefinition,
  shaped,
  shapeOf,
  text,
  toggle,
} from "./option.ts";
import { SCHEDULE_OPTIONS } from "./schedule-options.ts";
import { DATABASE, SOURCE_OPTIONS, STORE } from "./source-options.ts";
import { TENANT_OPTIONS } from "./tenant-options.ts";

const COLLECTION = /^(?!system\.)[^$\0]{1,200}$/;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const price = z.strictObject({
  input: z.number().nonnegative(),
  cachedInput: z.number().nonnegative().optional(),
  cacheWrite: z.number().nonnegative().optional(),
  output: z.number().nonnegative(),
});

/**
 * Every setting of `run`, keyed by its place in `querymill.yaml` (`retry.baseDelayMs` is `baseDelayMs` in the group
 * `retry`). Flags, variables, help, defaults, checks and the reference page all come from this table.
 */
export const OPTIONS = {
  batchSize: integer({
    flag: "--batch-size <n>",
    help: "items per batch file",
    min: 1,
    max: 10_000,
    unit: "items",
    default: 10,
  }),
  concurrent: integerOrAuto({
    live: true,
    flag: "--concurrent <n|auto>",
    help: "maximum concurrent model calls; auto finds out how many the endpoints take",
    min: 1,
    max: 10_000,
    unit: "calls",
    default: 5,
  }),
  concurrentMax: integer({
    live: true,
    flag: "--concurrent-max <n>",
    help: "ceiling of --concurrent auto",
    min: 1,
    max: 10_000,
    unit: "calls",
    default: 1_000,
  }),
  mode: choice({
    flag: "--mode <mode>",
    help: "batch: once; continuous: keep polling; scheduled: at cron times",
    choices: ["batch", "continuous", "scheduled"],
    default: "batch",
  }),
  interval: integer({
    live: true,
    flag: "--interval <s>",
    help: "seconds between polls of continuous mode",
    min: 1,
    max: 86_400,
    unit: "s",
    default: 60,
  }),
  batchDir: text({
    flag: "--batch-dir <path>",
    help: "local state: batch files, journal, checkpoints, retry queues",
    expected: "a folder",
    default: "batch_files",
  }),
  checkpointInterval: integer({
    flag: "--checkpoint-interval <n>",
    help: "items settled between checkpoints",
    min: 1,
    max: 1_000_000,
    unit: "items",
    default: 50,
  }),
  recover: toggle({ flag: "--recover", inFile: false, help: "go on after an unclean end", default: false }),
  "retry.retries": integer({
    live: true,
    flag: "--retries <n>",
    help: "retries per failed operation",
    min: 0,
    max: 20,
    unit: "retries",
    default: 3,
  }),
  ...SCHEDULE_OPTIONS,
  ...FLEET_OPTIONS,
  store: text({
    flag: "--store <uri>",
    help: "mongodb://…, mongodb+srv://… or a file; default: MONGODB_URI, else a file in the batch directory",
    expected: STORE,
    default: null,
  }),
  db: text({
    flag: "--db <name>",
    help: "database; default: the one in the URI, else querymill",
    ...DATABASE,
    default: null,
  }),
  sourceCollection: text({
    flag: "--source-collection <name>",
    help: "where the queries are",
    expected: "a collection name",
    pattern: COLLECTION,
    default: "conversation_set",
  }),
  targetCollection: text({
    flag: "--target-collection <name>",
    help: "where the classifications go",
    expected: "a collection name",
    pattern: COLLECTION,
    default: "sentimental_analysis",
  }),
  ...FILE_OPTIONS,
  model: text({
    flag: "--model <provider/name>",
    help: "which model answers; offline needs neither key nor network",
    expected: "PROVIDER/NAME or offline",
    default: null,
  }),
  baseUrl: baseUrl({
    flag: "--base-url <url>",
    help: "where the model server is: any that speaks OpenAI's protocol, or that of the provider in --model",
  }),
  endpoints: list<EndpointOptions>({
    live: true,
    help: "several endpoints instead of the one of --model and --base-url",
    expected: "a list of 1 to 100 endpoints, each with settings such as model: openai/gpt-5-mini",
    fields: ENDPOINT_FIELDS,
    max: 100,
  }),
  "limits.requestsPerMinute": limit("calls per minute that the provider grants", "--rpm <n>"),
  "limits.tokensPerMinute": limit("tokens per minute that the provider grants, in and out", "--tpm <n>"),
  "limits.requestsPerDay": limit("calls in 24 hours that the provider grants"),
  "limits.tokensPerDay": limit("tokens in 24 hours that the provider grants, in and out"),
  balance: choice({
    live: true,
    help: "which of several endpoints is asked: the one that answers soonest, the cheapest, or each by its weight",
    choices: ["latency", "cost", "weight"],
    default: "latency",
  }),
  "hedge.afterMs": integer({
    live: true,
    help: "a call that takes longer is sent a second time to another endpoint, and both are paid, in ms; default: never",
    min: 1,
    max: DAY_MS,
    unit: "ms",
    default: null,
  }),
  taxonomy: text({
    flag: "--taxonomy <file>",
    help: "YAML or JSON with your categories; default: the built-in 13",
    expected: "a file",
    default: null,
  }),
  ...EXAMPLE_FIELDS,
  limit: integer({
    flag: "--limit <n>",
    help: "stop after n items",
    min: 1,
    max: 1_000_000_000,
    unit: "items",
    default: null,
  }),
  "budget.usd": decimal({
    live: true,
    flag: "--budget <usd>",
    help: "stop before spending more, over all runs of the job (budget.per in the file changes that)",
    above: 0,
    max: 1e9,
    unit: "USD",
    default: null,
  }),
  "budget.per": choice({
    live: true,
    help: "what the budget covers",
    choices: ["run", "day", "month", "job"],
    default: "job",
  }),
  dryRun: toggle({ flag: "--dry-run", inFile: false, help: "say what would happen, for nothing", default: false }),
  filter: shaped<unknown>({
    flag: "--filter <json>",
    help: `which items, as in MongoDB: '{"channel": "email"}'`,
    expected: 'a JSON object such as {"channel": "email"}',
    schema: z.record(z.string(), z.unknown()),
    default: null,
  }),
  reclassify: choice({
    flag: "--reclassify <which>",
    env: null,
    help: "classify settled items again: stale (other taxonomy, prompt or model), changed (other text) or all; changed may stand in the file, for every run",
    choices: ["all", "changed", "stale"],
    default: null,
  }),
  job: text({
    flag: "--job <name>",
    help: "name of the job; default: made from store, source and target",
    expected: "letters, digits, . _ - (at most 80, the first one a letter or digit)",
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/,
    default: null,
  }),
  fresh: toggle({
    flag: "--fresh",
    inFile: false,
    help: "start over: archives local state, keeps ledger and dead letters",
    default: false,
  }),
  acceptChanges: toggle({
    flag: "--accept-changes",
    inFile: false,
    help: "go on although taxonomy, prompt, model or mapping changed",
    default: false,
  }),
  ...CONFIRMATION_OPTIONS,
  wait: toggle({ flag: "--no-wait", help: "leave without waiting for retry queues", default: true }),
  config: text({
    flag: "--config <file>",
    inFile: false,
    env: "QUERYMILL_CONFIG",
    help: "settings; default: querymill.yaml when it is there",
    expected: "a file",
    default: null,
  }),
  json: toggle({ flag: "--json", help: "NDJSON events on stdout instead of the panel", default: false }),
  quiet: toggle({ flag: "--quiet", help: "only the last line and errors", default: false }),
  logLevel: choice({
    live: true,
    flag: "--log-level <level>",
    help: "of the log; default: warn, or info with both --json and --log-file",
    choices: ["debug", "info", "warn", "error", "silent"],
    default: null,
  }),
  logFile: text({
    flag: "--log-file <file>",
    help: "the log goes there instead of stderr",
    expected: "a file",
    default: null,
  }),
  ...SOURCE_OPTIONS,
  ...GROWING_OPTIONS,
  ...LANE_OPTIONS,
  ...CONTROL_OPTIONS,
  ...DASHBOARD_OPTIONS,
  ...METRICS_OPTIONS,
  ...CONTINUOUS_OPTIONS,
  ...NOTIFY_RULE_OPTIONS,
  ...NOTIFY_CHANNEL_OPTIONS,
  ...TENANT_OPTIONS,
  prices: shaped<Readonly<Record<string, Price>>>({
    live: true,
    help: "USD per million tokens by model name; beats the built-in list",
    expected: "a price {input, output, and optionally cachedInput, cacheWrite} in USD per million tokens",
    schema: z.record(z.string().min(1), price),
    unit: "USD per million tokens",
    default: {},
  }),
  "retry.baseDelayMs": {
    ...milliseconds("before the first retry; doubles after each failure, full jitter", 1_000, 1),
    live: true,
  },
  "retry.maxDelayMs": { ...milliseconds("ceiling of one delay", MINUTE_MS, 1), live: true },
  "retry.rounds": shaped<readonly number[]>({
    live: true,
    help: "waits before each round of the retry queue; after the last one: dead letter",
    expected: "a list of up to 10 waits in ms",
    schema: z.array(z.int().min(0).max(DAY_MS)).max(10),
    unit: "ms",
    default: [MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS],
  }),
  "deadlines.connectMs": milliseconds("to connect to store or model", 5_000, 1),
  "deadlines.attemptMs": milliseconds("one call, from sending to the last byte", MINUTE_MS, 1),
  "deadlines.itemMs": milliseconds("one item over all its attempts", 10 * MINUTE_MS, 1),
  "deadlines.idleMs": milliseconds("without any settled item before an alarm", 2 * MINUTE_MS, 1),
  "deadlines.drainMs": milliseconds("a drain waits for calls in flight", MINUTE_MS, 0),
  "deadlines.retryWaitMs": milliseconds("batch mode waits at its end for retry queues", 10 * MINUTE_MS, 0),
  "deadlines.storeMs": milliseconds("the store may be away before the run stops", 10 * MINUTE_MS, 0),
  maxOutputTokens: integer({
    help: "limit of one answer",
    min: 16,
    max: 1_000_000,
    unit: "tokens",
    default: 1_024,
  }),
  "breaker.share": decimal({
    help: "the run stops when this share of the last items failed",
    above: 0,
    max: 1,
    unit: "share",
    default: 0.5,
  }),
  "breaker.window": integer({
    help: "over how many items the share is taken",
    min: 5,
    max: 100_000,
    unit: "items",
    default: 50,
  }),
} as const;

export type OptionKey = keyof typeof OPTIONS;
export type OptionValue<K extends OptionKey> = (typeof OPTIONS)[K] extends OptionDefinition<infer T> ? T : never;

/** The keys in the order of the table, which is the order of `--help`. */
export const OPTION_KEYS = Object.keys(OPTIONS) as OptionKey[];

/** @returns the definition behind a key, without its value's type */
export function optionOf(key: OptionKey): OptionDefinition<unknown> {
  return OPTIONS[key];
}

/** The shape of `querymill.yaml`. */
export const FILE_SCHEMA = shapeOf(OPTIONS);

function milliseconds(help: string, fallback: number, min: number): OptionDefinition<number> {
  return integer({ help: `${help}, in ms`, min, max: DAY_MS, unit: "ms", default: fallback });
}
