import { loadSettings } from "../config/load.ts";
import { didYouMean } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import { type EventMap, Events, type ExecutionEnd, type RunSnapshot } from "../events.ts";
import type { Balance, Deadlines, JobSettings, MarkFields, Mode, Price, RetryOptions, TextMapping } from "../job.ts";
import type { ModelProvider } from "../llm/provider.ts";
import type { RateLimits } from "../rate-limits.ts";
import type { Store } from "../store.ts";
import type { Taxonomy } from "../taxonomy.ts";
import type { Execution } from "./execution.ts";
import { prepareExecution } from "./wiring.ts";

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
  timezone?: string;
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
  fresh?: boolean;
  acceptChanges?: boolean;
  /** Wait at the end for retry queues to come due. @default true */
  wait?: boolean;
  taxonomy?: Taxonomy;
  mapping?: Partial<TextMapping>;
  /** Names of the fields, or `"target"` for a source that is only read. */
  mark?: Partial<MarkFields> | "target";
  /** Where the documents are, when that is not `mongodbUri` and `dbName`. */
  source?: StorePlace;
  /** Where the records go, when that is not `mongodbUri` and `dbName`. */
  target?: StorePlace;
  prices?: Record<string, Price>;
  retry?: Partial<RetryOptions>;
  deadlines?: Partial<Deadlines>;
  /** A connected store of your own (`openMongoStore` with your client, `openSqliteStore`); left open. */
  store?: Store;
  /** Who answers instead of `model`; closed at the end of the run. */
  provider?: ModelProvider;
}

/** One database of a store. */
export interface StorePlace {
  /** `mongodb://…`, or the path of a file for the embedded store. */
  uri?: string;
  db?: string;
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

/**
 * One job from a program. Installs no signal handlers, writes nothing to stdout.
 *
 * ```ts
 * const processor = new BatchProcessor({ mongodbUri, model: "openai/gpt-5-mini", apiKey, maxConcurrent: 50 });
 * processor.on("item:settled", ({ key, outcome }) => console.log(key, outcome));
 * const end = await processor.run();
 * ```
 */
export class BatchProcessor {
  readonly #options: BatchProcessorOptions;
  readonly #events = new Events();
  #execution: Execution | null = null;
  #stopped = false;

  constructor(options: BatchProcessorOptions = {}) {
    refuseUnknown(options);
    this.#options = options;
  }

  /** Listens to one kind of event. A listener that throws cannot stop the run. */
  on<K extends keyof EventMap>(name: K, listener: (payload: EventMap[K]) => void): this {
    this.#events.on(name, listener);
    return this;
  }

  off<K extends keyof EventMap>(name: K, listener: (payload: EventMap[K]) => void): this {
    this.#events.off(name, listener);
    return this;
  }

  /**
   * Runs to the end of its mode: batch returns when all is settled, continuous and scheduled when they are stopped.
   * One run at a time.
   * @throws QuerymillError for what is refused before anything was spent
   */
  async run(): Promise<ExecutionEnd> {
    if (this.#execution !== null)
      throw new QuerymillError(
        "USAGE",
        "This BatchProcessor is running already. Await its run(), or make another one.",
      );
    const { store, provider } = this.#options;
    const execution = await prepareExecution(await resolveSettings(this.#options), {
      ...(store ? { store } : {}),
      ...(provider ? { provider } : {}),
    });
    execution.events.onAny((name, payload) => this.#events.emit(name, payload as never));
    this.#execution = execution;
    try {
      if (this.#stopped) execution.stop("stop-requested");
      return await execution.run();
    } finally {
      this.#execution = null;
      this.#stopped = false;
    }
  }

  /** Drains: no new calls, those in flight come home. `run` then returns. */
  stop(): void {
    this.#stopped = true;
    this.#execution?.stop("stop-requested");
  }

  /**
   * An endpoint takes no new calls; those in flight come home. Its state is in {@link snapshot}.
   * @throws QuerymillError USAGE when it does not run, or has none of that name
   */
  drainEndpoint(name: string): void {
    this.#running().drainEndpoint(name);
  }

  /** It takes calls again: after a drain, or after it refused us and was left out. @throws QuerymillError USAGE */
  resumeEndpoint(name: string): void {
    this.#running().resumeEndpoint(name);
  }

  #running(): Execution {
    if (this.#execution !== null) return this.#execution;
    throw new QuerymillError(
      "USAGE",
      "This BatchProcessor does not run, so there is no endpoint to drain or resume now.",
    );
  }

  /** Everything at this moment, or null when it does not run. */
  snapshot(): RunSnapshot | null {
    return this.#execution?.snapshot() ?? null;
  }
}

/** Each option with the flag that means the same, which messages of the command line name. */
const FLAGS: Readonly<Record<keyof BatchProcessorOptions, string | null>> = {
  mongodbUri: "--store",
  dbName: "--db",
  sourceCollection: "--source-collection",
  targetCollection: "--target-collection",
  batchSize: "--batch-size",
  maxConcurrent: "--concurrent",
  concurrentMax: "--concurrent-max",
  batchDir: "--batch-dir",
  checkpointInterval: "--checkpoint-interval",
  mode: "--mode",
  continuousInterval: "--interval",
  maxRetries: "--retries",
  schedule: "--schedule",
  timezone: "--timezone",
  model: "--model",
  baseUrl: "--base-url",
  apiKey: null,
  endpoints: null,
  balance: null,
  hedge: null,
  limits: null,
  job: "--job",
  limit: "--limit",
  budget: "--budget",
  filter: "--filter",
  recover: "--recover",
  fresh: "--fresh",
  acceptChanges: "--accept-changes",
  wait: "--no-wait",
  taxonomy: null,
  mapping: null,
  mark: null,
  source: null,
  target: null,
  prices: null,
  retry: null,
  deadlines: null,
  store: null,
  provider: null,
};

function refuseUnknown(options: object): void {
  const names = Object.keys(FLAGS);
  for (const name of Object.keys(options))
    if (!Object.hasOwn(FLAGS, name))
      throw new QuerymillError("USAGE", `BatchProcessor has no option ${name}.${didYouMean(name, names)}`);
}

/** A refusal in the words of this interface: `maxConcurrent` for `--concurrent`. */
function inOptions(error: unknown): unknown {
  if (!(error instanceof QuerymillError)) return error;
  const optionOf = new Map(Object.entries(FLAGS).map(([name, flag]) => [flag, name]));
  const message = error.message
    .replace(/--[a-z]+(?:-[a-z]+)*/g, (flag) => optionOf.get(flag) ?? flag)
    .replace(/ENDPOINT_(\d+)_KEY/g, "endpoints[$1].apiKey")
    .replaceAll("keyVariable", "apiKey");
  return new QuerymillError(error.code, message, { cause: error.cause });
}

/** Settings name the variable that holds a key: here each key gets a variable of its own that only the settings see. */
function withKeyVariables({ endpoints, provider }: BatchProcessorOptions) {
  const keys: Record<string, string> = {};
  if (!Array.isArray(endpoints)) return { keys, endpoints };
  if (provider !== undefined)
    throw new QuerymillError(
      "USAGE",
      "endpoints and provider exclude each other: a provider of your own answers everything. Leave one out.",
    );
  return {
    keys,
    endpoints: endpoints.map((endpoint, at) => {
      const { apiKey, ...rest } = endpoint;
      if ("keyVariable" in rest)
        throw new QuerymillError(
          "USAGE",
          `endpoints[${at}].keyVariable is for files: a program gives the key itself, as apiKey.`,
        );
      if (apiKey === undefined) return rest;
      keys[`ENDPOINT_${at}_KEY`] = apiKey;
      return { ...rest, keyVariable: `ENDPOINT_${at}_KEY` };
    }),
  };
}

async function resolveSettings(options: BatchProcessorOptions): Promise<JobSettings> {
  const { taxonomy, mapping, mark, prices, retry, deadlines, provider } = options;
  const flags = {
    store: options.mongodbUri,
    db: options.dbName,
    sourceCollection: options.sourceCollection,
    targetCollection: options.targetCollection,
    batchSize: options.batchSize,
    concurrent: options.maxConcurrent,
    concurrentMax: options.concurrentMax,
    batchDir: options.batchDir,
    checkpointInterval: options.checkpointInterval,
    mode: options.mode,
    interval: options.continuousInterval,
    retries: options.maxRetries,
    schedule: options.schedule,
    timezone: options.timezone,
    model: options.model ?? (provider ? `${provider.provider}/${provider.model}` : undefined),
    baseUrl: options.baseUrl ?? (provider ? "http://127.0.0.1/v1" : undefined),
    job: options.job,
    limit: options.limit,
    budget: options.budget,
    filter: options.filter === undefined ? undefined : JSON.stringify(options.filter),
    recover: options.recover ?? options.fresh !== true,
    fresh: options.fresh,
    acceptChanges: options.acceptChanges,
    wait: options.wait,
  };
  const given = Object.entries(flags).filter(([, value]) => value !== undefined && value !== false);
  const typed = given.map(([name, value]) => [name, typeof value === "number" ? String(value) : value]);
  const { keys, endpoints } = withKeyVariables(options);
  const env = { ...keys, ...(options.apiKey === undefined ? {} : { QUERYMILL_API_KEY: options.apiKey }) };
  const { balance, hedge, limits, source, target } = options;
  if (options.store !== undefined && (source ?? target) !== undefined)
    throw new QuerymillError("USAGE", "store excludes source and target: it is both sides. Leave one of them out.");
  const config = { endpoints, balance, hedge, limits, source, target, ...(mark === "target" ? { mark } : {}) };
  const input = { flags: Object.fromEntries(typed), env, cwd: process.cwd(), files: false, config };
  const { settings } = await loadSettings(input).catch((error: unknown) => {
    throw inOptions(error);
  });
  return {
    ...settings,
    wait: options.wait ?? settings.wait,
    taxonomy: taxonomy ?? settings.taxonomy,
    mapping: { ...settings.mapping, ...mapping },
    mark: { ...settings.mark, ...(mark === "target" ? {} : mark) },
    prices: { ...settings.prices, ...prices },
    retry: { ...settings.retry, ...retry },
    deadlines: { ...settings.deadlines, ...deadlines },
  };
}
