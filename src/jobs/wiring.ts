import { systemClocks } from "../clocks.ts";
import { QuerymillError } from "../errors.ts";
import { type EndpointSettings, type JobSettings, type ModelSettings, shortHash } from "../job.ts";
import { compileAnswer } from "../llm/answer.ts";
import { type ExampleSet, withExamples } from "../llm/examples.ts";
import { offlineCaveat } from "../llm/offline-notes.ts";
import { buildPrompt } from "../llm/prompt.ts";
import type { ModelProvider, Prompt } from "../llm/provider.ts";
import { MODEL_PROVIDERS, sdkPackageOf } from "../llm/providers.ts";
import { estimateUsage, loadPricing, type Pricing } from "../llm/usage.ts";
import type { Usage } from "../record.ts";
import type { Redactor } from "../redaction/kinds.ts";
import { Privacy } from "../redaction/privacy.ts";
import type { Store } from "../store.ts";
import { fieldsNeeded, makeItem } from "../stores/mapping.ts";
import { quietInMs } from "../stores/updated-at.ts";
import type { EndpointPool } from "../traffic/endpoint-pool.ts";
import type { Adapters, EndpointPricing } from "./adapters.ts";
import type { Execution } from "./execution.ts";
import { JobExecution } from "./job-execution.ts";

/** What a program that embeds Querymill brings itself. */
export interface Own {
  /** A connected store, left open at the end. */
  readonly store?: Store;
  /** Who answers instead of the one that `model` names; closed at the end. */
  readonly provider?: ModelProvider;
  /** Takes out of each text what only the program knows. */
  readonly redactor?: Redactor;
}

/** What the runs of one process have in common. */
export interface Common {
  /** Endpoints that several of them name are shared, each by its `settings.share`. */
  readonly pool?: EndpointPool;
}

/**
 * Chooses the adapters for checked settings: the only place that names them. Drivers load when they are chosen.
 * Nothing is opened before `run`.
 */
export async function prepareExecution(
  settings: JobSettings,
  own: Own = {},
  { pool }: Common = {},
): Promise<Execution> {
  const chosen = await chooseAdapters(settings, own);
  // Who answers in place of the model that is named is not at that model's place, and what a fleet shares goes by its leases.
  const isApart = own.provider !== undefined || (settings.workersAt ?? null) !== null;
  const adapters = pool === undefined || isApart ? chosen : { ...chosen, pool };
  const make = await executionOf(settings);
  if (settings.mode === "scheduled") {
    const { ScheduledExecution } = await import("./schedule.ts");
    return new ScheduledExecution(settings, adapters, systemClocks, make);
  }
  return new make(settings, adapters);
}

/** With workers it shares the job out; a retry is one process's, and needs the job for itself. */
async function executionOf({ workersAt = null, retryOnly }: JobSettings): Promise<typeof JobExecution> {
  if (workersAt === null || retryOnly !== null) return JobExecution;
  const { CoordinatorExecution } = await import("../cluster/coordinator.ts");
  return CoordinatorExecution;
}

export async function chooseAdapters(settings: JobSettings, own: Own = {}): Promise<Adapters> {
  const { mapping, prices, taxonomy, redaction, growing = null } = settings;
  const privacy = Privacy.of(redaction, own.redactor);
  const { examples, prompt } = await learn(settings, privacy);
  const offline = settings.endpoints.some(({ model }) => model.provider === "offline");
  const caveat = offline ? offlineCaveat(taxonomy, examples) : null;
  const pricingWith: Adapters["pricingWith"] = async (own) => {
    const pricing = await loadPricing(own);
    return ({ model }) => pricingOf(model, pricing);
  };
  return {
    openStore: async () => (own.store ? await asOwn(own.store, settings) : await openStore(settings)),
    openProvider: async (endpoint, connections) =>
      own.provider ?? (await openProvider(endpoint, { ...settings, connections }, examples)),
    pool: null,
    prompt,
    notes: [...(examples?.notes ?? []), ...(caveat === null ? [] : [caveat])],
    checkAnswer: compileAnswer(taxonomy),
    estimateUsage,
    pricingOf: await pricingWith(prices),
    pricingWith,
    makeItem: (document) => makeItem(document, mapping, privacy),
    privacy,
    quietInMs:
      growing === null || growing.quietForMs === 0 ? null : (document, nowMs) => quietInMs(document, growing, nowMs),
    fields: fieldsOf(settings),
  };
}

function fieldsOf({ mapping, growing }: JobSettings): string[] | null {
  const needed = fieldsNeeded(mapping);
  const changed = growing?.updatedAt?.split(".")[0] ?? null;
  return needed === null || changed === null ? needed : [...new Set([...needed, changed])];
}

/**
 * Reads the examples. Whatever answers by them has another prompt version, so that changed examples are noticed.
 * @throws QuerymillError FILE_INVALID
 */
async function learn(
  settings: JobSettings,
  privacy: Privacy | null,
): Promise<{ examples: ExampleSet | null; prompt: Prompt }> {
  const { taxonomy, endpoints } = settings;
  if (settings.examples === null) return { examples: null, prompt: buildPrompt(taxonomy) };
  const { readExamples } = await import("./read-examples.ts");
  const examples = await readExamples(settings.examples, taxonomy, privacy);
  const shown = buildPrompt(withExamples(taxonomy, examples, settings.examples.inPrompt));
  const prompt = { ...shown, taxonomy };
  if (endpoints.every(({ model }) => model.provider !== "offline")) return { examples, prompt };
  return { examples, prompt: { ...prompt, version: `p-${shortHash([shown.version, examples.hash])}` } };
}

/** What says where the two sides of a job are. */
export type StorePlaces = Pick<JobSettings, "storeUri" | "db" | "deadlines"> &
  Partial<Pick<JobSettings, "sourceStore" | "markIn" | "targetCollection">> & {
    /** Embedded files are only read. @default false */
    readonly readOnly?: boolean;
  };

/**
 * Opens the stores of both sides; they look like one.
 * @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED
 */
export async function openStore(settings: StorePlaces): Promise<Store> {
  const { sourceStore, markIn, readOnly = false } = settings;
  const target = await openPlace(settings, settings, readOnly);
  try {
    const source =
      sourceStore === undefined ? target : await openPlace(sourceStore, settings, readOnly || markIn === "target");
    return await asOne(source, target, settings);
  } catch (error) {
    await target.close();
    throw error;
  }
}

async function openPlace(
  { storeUri, db }: { readonly storeUri: string; readonly db: string },
  { deadlines }: Pick<JobSettings, "deadlines">,
  readOnly: boolean,
): Promise<Store> {
  if (storeUri.startsWith("sqlite:")) {
    const { openSqliteStore } = await import("../stores/sqlite.ts");
    return await openSqliteStore(storeUri.slice("sqlite:".length), { readOnly });
  }
  const { openMongoStore } = await import("../stores/mongodb.ts");
  return await openMongoStore(storeUri, db, { connectTimeoutMs: deadlines.connectMs });
}

async function asOne(source: Store, target: Store, settings: Omit<StorePlaces, "deadlines">): Promise<Store> {
  const marks = settings.markIn === "target" ? (settings.targetCollection ?? null) : null;
  if (source === target && marks === null) return target;
  const { JobStore } = await import("../stores/job-store.ts");
  return new JobStore({ source, target, marks });
}

/** USD of tokens by the model of a job; null when it has several models, or one without a known price. */
export async function openPrices({
  endpoints,
  prices,
}: JobSettings): Promise<((usage: Usage) => number | null) | null> {
  const [first, ...others] = endpoints.map(({ model }) => model);
  if (first === undefined || others.some(({ provider, name }) => provider !== first.provider || name !== first.name))
    return null;
  const { priced, costOf } = pricingOf(first, await loadPricing(prices));
  return priced ? (usage) => costOf(usage, first.name) : null;
}

function pricingOf(model: ModelSettings, pricing: Pricing): EndpointPricing {
  // Another server under a provider's name has its own prices: only the user's table knows them.
  const isOwn = model.baseUrl === null || model.baseUrl === MODEL_PROVIDERS[model.provider]?.baseUrl;
  const provider = isOwn ? model.provider : "openai-compatible";
  const known = (name: string): boolean => pricing.priceOf(provider, name) !== null;
  return {
    priced: known(model.name),
    // A server may answer under another name (a dated version): the price of the name that was asked for holds then.
    costOf: (usage, name) => pricing.costOf(usage, provider, known(name) ? name : model.name),
  };
}

/** @throws QuerymillError MODEL_NOT_CHOSEN, CONFIG_INVALID */
async function openProvider(
  endpoint: EndpointSettings,
  { deadlines, taxonomy, connections }: JobSettings & { readonly connections: number },
  examples: ExampleSet | null,
): Promise<ModelProvider> {
  const { name, model } = endpoint;
  if (model.provider === "offline") {
    const { openOffline } = await import("../llm/offline.ts");
    return await openOffline(taxonomy, examples);
  }
  const { provider, baseUrl, apiKey } = model;
  const options = {
    provider,
    model: model.name,
    endpoint: name,
    apiKey,
    connections,
    connectMs: deadlines.connectMs,
    attemptMs: deadlines.attemptMs,
  };
  const packageName = sdkPackageOf(provider);
  if (packageName !== null) {
    const { openAiSdk } = await import("../llm/ai-sdk.ts");
    return await openAiSdk({ ...options, packageName, baseUrl, settings: model.settings ?? {} });
  }
  if (baseUrl === null)
    throw new QuerymillError("MODEL_NOT_CHOSEN", `${provider} has no base URL. Give one with --base-url.`);
  const { openOpenAiCompatible } = await import("../llm/openai-compatible.ts");
  return openOpenAiCompatible({ ...options, baseUrl });
}

async function asOwn(store: Store, settings: JobSettings): Promise<Store> {
  const kept = keepOpen(store);
  return await asOne(kept, kept, settings);
}

/** What belongs to somebody else: everything but `close`. */
export function keepOpen<T extends { close(): Promise<void> }>(whole: T): T {
  return new Proxy(whole, {
    get(inner, name) {
      if (name === "close") return async () => {};
      const value: unknown = Reflect.get(inner, name, inner);
      return typeof value === "function" ? value.bind(inner) : value;
    },
  });
}
