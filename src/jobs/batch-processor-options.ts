import type { ScheduleOption, WindowOption } from "../config/schedule-options.ts";
import type { Balance, Deadlines, MarkFields, Mode, Price, Reclassify, RetryOptions, TextMapping } from "../job.ts";
import type { ModelProvider } from "../llm/provider.ts";
import type { Notification } from "../notify/notification.ts";
import type { RateLimits } from "../rate-limits.ts";
import type { RedactionKind, Redactor } from "../redaction/kinds.ts";
import type { CatchUp } from "../scheduling/schedule.ts";
import type { Store } from "../store.ts";
import type { Taxonomy } from "../taxonomy.ts";

/** What a program says; everything has the default of the command line, and nothing is read from files or environment. */
export interface BatchProcessorOptions {
  /** `mongodb://…` or `mongodb+srv://…`. Without it, and without `store`, an embedded file in `batchDir`. */
  mongodbUri?: string;
  /** @default the database in the URI, else "querymill" */
  dbName?: string;
  /** @default "conversation_set" */
  sourceCollection?: string;
  /** @default "sentimental_analysis" */
  targetCollection?: string;
  /** Items per batch file, integer >= 1. @default 10 */
  batchSize?: number;
  /** Model calls at once, integer >= 1; "auto" finds out how many the endpoints take. @default 5 */
  maxConcurrent?: number | "auto";
  /** Ceiling of `maxConcurrent: "auto"`, integer from 1 to 10,000. @default 1_000 */
  concurrentMax?: number;
  /** Where local state is kept. @default "batch_files" */
  batchDir?: string;
  /** Items settled between checkpoints. @default 50 */
  checkpointInterval?: number;
  /** @default "batch" */
  mode?: Mode;
  /** Seconds between polls of continuous mode. @default 60 */
  continuousInterval?: number;
  /** Retries of a failed call, integer >= 0. @default 3 */
  maxRetries?: number;
  /** Cron expression of scheduled mode. */
  schedule?: string;
  /** Of schedule and window, IANA name. @default this machine's */
  timezone?: string;
  /** Several schedules instead of `schedule`. */
  schedules?: readonly ProcessorSchedule[];
  /** Scheduled times that passed while nobody ran: one run at the start for all of them, or none. @default "none" */
  catchUp?: CatchUp;
  /** Each scheduled time begins later by a delay of its own, at most so many seconds. @default 0 */
  jitterSeconds?: number;
  /** When calls may go out: `"22:00-06:00"`, in every mode; `days` are those on which it opens. @default at all hours */
  window?: WindowOption;
  /** `openai/NAME`, `ollama/NAME`, …, or `offline`; a bare name together with `baseUrl`. */
  model?: string;
  /** Of an OpenAI-compatible server. */
  baseUrl?: string;
  apiKey?: string;
  /** Several endpoints instead of the one of `model` and `baseUrl`. */
  endpoints?: readonly ProcessorEndpoint[];
  /** Which of several endpoints is asked: the one that answers soonest, the cheapest, or each by its weight. @default "latency" */
  balance?: Balance;
  /** A call that takes longer than `afterMs` ms is sent a second time to another endpoint; both are paid. @default never */
  hedge?: { afterMs: number };
  /** What the provider of `model` grants. With `endpoints` each has its own. @default not known */
  limits?: Partial<RateLimits>;
  job?: string;
  /** Stop after this many items. */
  limit?: number;
  /** Stop before spending more, in USD. Needs a model with a known price. */
  budget?: number;
  /** In MongoDB's form, restricted to comparisons and logic. */
  filter?: Record<string, unknown>;
  /** Go on after an unclean end. @default true: a program has nobody to ask */
  recover?: boolean;
  /** Classify settled items again: stale (other taxonomy, prompt or model), changed (other text) or all. */
  reclassify?: Reclassify;
  fresh?: boolean;
  acceptChanges?: boolean;
  /** Wait at the end for retry queues to come due. @default true */
  wait?: boolean;
  taxonomy?: Taxonomy;
  mapping?: Partial<TextMapping>;
  /** What is masked in every text before it is sent or written to local state. @default nothing */
  redact?: "all" | readonly RedactionKind[] | { kinds?: "all" | readonly RedactionKind[]; restore?: boolean };
  /** Masks more: names, addresses. Gets the text as `redact` left it; an item whose text it throws at is not sent. */
  redactor?: Redactor;
  /** Answers kept for equal texts; false asks every item. @default { maxMb: 64, ttlDays: 30 } */
  cache?: false | { maxMb?: number; ttlDays?: number };
  /** Names of the fields, or `"target"` for a source that is only read. */
  mark?: Partial<MarkFields> | "target";
  /** Where the documents are, when that is not `mongodbUri` and `dbName`. */
  source?: StorePlace & {
    watch?: "auto" | "off";
    /** Path to when a document was last changed. */
    updatedAt?: string;
    /** An item is read only after so much silence, in s. @default 0 */
    quietFor?: number;
    /** With `reclassify: "changed"` in continuous mode, all settled items are compared so often, in hours. @default never */
    sweepEvery?: number;
  };
  /** Where the records go, when that is not `mongodbUri` and `dbName`. */
  target?: StorePlace;
  prices?: Record<string, Price>;
  retry?: Partial<RetryOptions>;
  deadlines?: Partial<Deadlines>;
  /** A connected store of your own (`openMongoStore` with your client, `openSqliteStore`); left open. */
  store?: Store;
  /** Who answers instead of `model`; closed at the end of the run. */
  provider?: ModelProvider;
  /**
   * Gets each notification that the rules make, by itself, also those of problems that a later run sees the end of. What
   * it throws changes nothing, and the notification does not come again.
   */
  onNotification?: (notification: Notification) => void | Promise<void>;
  /** What is told to `onNotification` and when, as in the file. @default the default rules */
  notify?: {
    rules?: Record<string, boolean | Record<string, unknown>>;
    quietHours?: Record<string, unknown> | readonly Record<string, unknown>[];
    /** Most in an hour; critical ones have as many of their own. @default 20 */
    maxPerHour?: number;
  };
}

/** One database of a store. */
export interface StorePlace {
  /** `mongodb://…`, or the path of a file for the embedded store. */
  uri?: string;
  db?: string;
}

/** One schedule: when its runs begin, and what they have instead of the processor's. */
export interface ProcessorSchedule extends Omit<ScheduleOption, "name" | "cron"> {
  /** Unique: letters, digits, . _ -. */
  name: string;
  cron: string;
}

/** One URL with one key. */
export interface ProcessorEndpoint {
  /** Unique, in records and reports: letters, digits, . _ -. @default the provider, or the host of `baseUrl` */
  name?: string;
  /** @default that of the processor */
  model?: string;
  /** Of an OpenAI-compatible server. @default the provider's own */
  baseUrl?: string;
  /** Sent to this endpoint only. @default that of the processor, when all endpoints without a key are at one host */
  apiKey?: string;
  /** Its share relative to the weights of the others, > 0. @default 1 */
  weight?: number;
  /** Most calls at once here, integer >= 1. @default as many as the run has */
  concurrent?: number;
  /** What its provider grants. @default not known */
  limits?: Partial<RateLimits>;
  /** 0 to 9; it answers only while no endpoint with a smaller number can. @default 0 */
  fallback?: number;
}
