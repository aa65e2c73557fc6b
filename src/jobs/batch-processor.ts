import { type LoadedSettings, loadSettings } from "../config/load.ts";
import { didYouMean } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import { type EventMap, Events, type ExecutionEnd, type RunSnapshot } from "../events.ts";
import { attachTelemetry } from "../observe/attach.ts";
import type { BatchProcessorOptions } from "./batch-processor-options.ts";
import type { Execution } from "./execution.ts";
import type { Requeued, RetrySelection } from "./requeue.ts";
import { watchForProgram } from "./watch-for-program.ts";
import { prepareExecution } from "./wiring.ts";

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
  /** A pause that was told before the run began. */
  #paused: { readonly reason: string | null } | null = null;

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
    const { store, provider, redactor } = this.#options;
    const { settings, service } = await resolveSettings(this.#options);
    const execution = await prepareExecution(settings, {
      ...(store ? { store } : {}),
      ...(provider ? { provider } : {}),
      ...(redactor ? { redactor } : {}),
    });
    execution.events.pipeTo(this.#events);
    this.#execution = execution;
    const detach = await attachTelemetry(execution);
    let watch: Awaited<ReturnType<typeof watchForProgram>> = null;
    try {
      watch = await watchForProgram(execution, settings, service, this.#options.onNotification);
      if (this.#stopped) execution.stop("stop-requested");
      if (this.#paused !== null) execution.pause(this.#paused.reason);
      return await execution.run();
    } catch (error) {
      watch?.failed(error);
      throw error;
    } finally {
      await watch?.close();
      detach();
      this.#execution = null;
      this.#stopped = false;
      this.#paused = null;
    }
  }

  /** Drains: no new calls, those in flight come home. `run` then returns. */
  stop(): void {
    this.#stopped = true;
    this.#execution?.stop("stop-requested");
  }

  /**
   * No new calls until {@link resume}; those in flight come home and are stored, and the job stays held. Nothing is read
   * or retried meanwhile, and no deadline counts the time. Told before `run`, it begins paused.
   */
  pause(reason: string | null = null): void {
    if (this.#execution === null) this.#paused = { reason };
    else this.#execution.pause(reason);
  }

  /** Goes on after {@link pause}; nothing when it is not paused. */
  resume(): void {
    this.#paused = null;
    this.#execution?.resume();
  }

  /** Most calls at once from now on. @throws QuerymillError USAGE for what is no number of calls, or when it does not run */
  async setConcurrency(calls: number | "auto"): Promise<void> {
    await this.#running().setConcurrency(calls);
  }

  /**
   * USD that the run may spend, what it spent included; null: no budget. Lower than that, the run stops.
   * @throws QuerymillError USAGE; MODEL_UNPRICED: nothing was changed
   */
  async setBudget(usd: number | null): Promise<void> {
    await this.#running().setBudget(usd);
  }

  /**
   * Dead letters and waiting retries, all or some, are tried again now.
   * @returns their keys; what is worked on just now is not among them
   * @throws QuerymillError USAGE when it does not run
   */
  async requeue(selection: RetrySelection = {}): Promise<Requeued> {
    return await this.#running().requeue(selection);
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
      "This BatchProcessor does not run, so there is nothing to drain, resume, set or requeue now. Call run() first.",
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
  schedules: null,
  catchUp: "--catch-up",
  jitterSeconds: "--jitter",
  window: "--window",
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
  reclassify: "--reclassify",
  fresh: "--fresh",
  acceptChanges: "--accept-changes",
  wait: "--no-wait",
  taxonomy: null,
  mapping: null,
  redact: "--redact",
  redactor: null,
  cache: "--no-cache",
  mark: null,
  source: null,
  target: null,
  prices: null,
  retry: null,
  deadlines: null,
  store: null,
  provider: null,
  onNotification: null,
  notify: null,
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

async function resolveSettings(options: BatchProcessorOptions): Promise<Pick<LoadedSettings, "settings" | "service">> {
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
    catchUp: options.catchUp,
    jitter: options.jitterSeconds,
    model: options.model ?? (provider ? `${provider.provider}/${provider.model}` : undefined),
    baseUrl: options.baseUrl ?? (provider ? "http://127.0.0.1/v1" : undefined),
    job: options.job,
    limit: options.limit,
    budget: options.budget,
    filter: options.filter === undefined ? undefined : JSON.stringify(options.filter),
    recover: options.recover ?? options.fresh !== true,
    reclassify: options.reclassify,
    fresh: options.fresh,
    acceptChanges: options.acceptChanges,
    wait: options.wait,
  };
  const given = Object.entries(flags).filter(([, value]) => value !== undefined && value !== false);
  const typed = given.map(([name, value]) => [name, typeof value === "number" ? String(value) : value]);
  const { keys, endpoints } = withKeyVariables(options);
  const env = { ...keys, ...(options.apiKey === undefined ? {} : { QUERYMILL_API_KEY: options.apiKey }) };
  const cache = options.cache === false ? { enabled: false } : options.cache;
  const { balance, hedge, limits, redact, source, target, schedules, window, onNotification } = options;
  if (options.notify !== undefined && onNotification === undefined)
    throw new QuerymillError("USAGE", "notify says what onNotification is told, which is missing. Add it.");
  if (options.store !== undefined && (source?.uri ?? source?.db ?? target) !== undefined)
    throw new QuerymillError("USAGE", "store excludes source and target: it is both sides. Leave one of them out.");
  const config = {
    endpoints,
    balance,
    hedge,
    limits,
    redact,
    cache,
    source,
    target,
    schedules,
    window,
    // Saying the rules has them resolved where there is no channel.
    ...(onNotification === undefined ? {} : { notify: { rules: {}, ...options.notify } }),
    ...(mark === "target" ? { mark } : {}),
  };
  const input = { flags: Object.fromEntries(typed), env, cwd: process.cwd(), files: false, config };
  const { settings, service } = await loadSettings(input).catch((error: unknown) => {
    throw inOptions(error);
  });
  const changed = {
    ...settings,
    wait: options.wait ?? settings.wait,
    taxonomy: taxonomy ?? settings.taxonomy,
    mapping: { ...settings.mapping, ...mapping },
    redaction: { ...settings.redaction, hooked: options.redactor !== undefined },
    mark: { ...settings.mark, ...(mark === "target" ? {} : mark) },
    prices: { ...settings.prices, ...prices },
    retry: { ...settings.retry, ...retry },
    deadlines: { ...settings.deadlines, ...deadlines },
  };
  return { settings: changed, service };
}
