import { createHash } from "node:crypto";
import type { Filter } from "./filter.ts";
import type { ItemKey } from "./item.ts";
import { NO_LIMITS, type RateLimits } from "./rate-limits.ts";
import type { RedactionSettings } from "./redaction/kinds.ts";
import type { RunWindow, ScheduleSettings } from "./scheduling/schedule.ts";
import type { Taxonomy } from "./taxonomy.ts";

/** Which settled items are classified again: all, those whose text changed, those answered with another taxonomy, prompt or model. */
export type Reclassify = "all" | "changed" | "stale";

export type Mode = "batch" | "continuous" | "scheduled";

/** Which model answers. */
export interface ModelSettings {
  /** `openai`, `ollama`, `offline`, … the part of `--model` before the slash. */
  readonly provider: string;
  /** What the server calls it. Empty for `offline`. */
  readonly name: string;
  /** Of an OpenAI-compatible server, ending before `/chat/completions`; null for the provider's own. */
  readonly baseUrl: string | null;
  /** null when none is needed. Never printed. */
  readonly apiKey: string | null;
  /** What the provider's package is told besides: a region, a resource, other credentials. Never printed. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** One URL with one key, its limits and its part in the run. */
export interface EndpointSettings {
  /** Unique in the run: letters, digits, . _ -. @default "main" for the one made from --model and --base-url */
  readonly name: string;
  readonly model: ModelSettings;
  /** Its share relative to the weights of the others, > 0. @default 1 */
  readonly weight: number;
  /** Most calls at once here; null: as many as the run has. */
  readonly concurrent: number | null;
  readonly limits: RateLimits;
  /** 0 to 9; it answers only while no endpoint with a smaller number can. @default 0 */
  readonly fallback: number;
}

/** The endpoint of a run that was told of one model only. */
export function mainEndpoint(model: ModelSettings, limits: RateLimits = NO_LIMITS): EndpointSettings {
  return { name: "main", model, weight: 1, concurrent: null, limits, fallback: 0 };
}

/** What a run is due at the endpoints that it shares with others. */
export interface Share {
  /** Tokens relative to those of the others while all want more, > 0. @default 1 */
  readonly weight: number;
  /** Calls at once that it can always have: below this it goes before all others. null: none. */
  readonly floor: number | null;
  /** Most calls at once; null: as many as there are. */
  readonly ceiling: number | null;
}

/** Which of several endpoints is asked: the one that answers soonest, the cheapest, or each by its weight. */
export type Balance = "latency" | "cost" | "weight";

/** USD per million tokens. Cached and cache-write tokens cost `input` when not given. */
export interface Price {
  readonly input: number;
  readonly cachedInput?: number;
  readonly cacheWrite?: number;
  readonly output: number;
}

/** Which fields carry the mark. Two jobs can share a source under different names. */
export interface MarkFields {
  /** @default "processed" */
  readonly processed: string;
  /** @default "processedAt" */
  readonly processedAt: string;
  /** @default "processedBy" */
  readonly processedBy: string;
}
export const MARK_FIELDS: MarkFields = {
  processed: "processed",
  processedAt: "processedAt",
  processedBy: "processedBy",
};

/** Help desks whose documents are read as they are exported. */
export const SOURCE_PRESETS = ["zendesk", "intercom", "freshdesk", "mail"] as const;
export type SourcePreset = (typeof SOURCE_PRESETS)[number];

/** Where a conversation lies in a document. Paths are dotted; those of messages begin at the message. */
export interface MessagesMapping {
  /** Of the list, in the document. */
  readonly path: string;
  /** Of the text; of several the first that has one. @default the usual fields */
  readonly text?: string | readonly string[];
  /** Of the author's role. @default the usual fields */
  readonly role?: string;
  /** Values of `role` that mean the customer, all others mean an agent; `{path}` is a value of the document. @default the usual words */
  readonly customer?: readonly string[];
  /** Of what is true for internal notes, or `!path` of what is false for them. @default the usual fields */
  readonly private?: string;
  /** Of the time, to order by. @default the list is in order */
  readonly time?: string;
}

/** How text is found in a document. */
export interface TextMapping {
  /** Documents of a help desk; instead of `text` and `messages`. */
  readonly preset?: SourcePreset;
  /** A conversation, behind what `text` finds. */
  readonly messages?: MessagesMapping;
  /** A path (`ticket.body`), a list of paths joined by blank lines, or a template with `{path}`; null for the default fields. */
  readonly text: string | readonly string[] | null;
  /** Longest text sent, in UTF-16 units; longer ones are cut in the middle. @default 24_000 */
  readonly maxChars: number;
}

/** A file of labelled texts. */
export interface ExampleSettings {
  /** Absolute path: CSV, JSONL or Parquet. */
  readonly file: string;
  /** null: the usual ones, as for documents. */
  readonly textColumn: string | null;
  /** Of the category; null: `category`, `label` or `intent`. */
  readonly labelColumn: string | null;
  /** Columns by dimension; one that is not named is looked for by the dimension's id. */
  readonly columns: Readonly<Record<string, string>>;
  /** What labels of the file mean: an id of the taxonomy, or null for nothing. */
  readonly map: Readonly<Record<string, string | null>>;
  /** Examples a label that models with a prompt are shown, 0 to 3. */
  readonly inPrompt: number;
}

/** Answers that are kept for items with the same text. */
export interface CacheSettings {
  /** Of its files; the longest unused answers go first. @default 64 */
  readonly maxMb: number;
  /** Answers older than this are not used. @default 30 */
  readonly ttlDays: number;
}

/** What is done about conversations that grow. */
export interface GrowingSettings {
  /** Path to when a document was last changed; null: documents do not say. */
  readonly updatedAt: string | null;
  /** An item is read only after so much silence, in ms. @default 0 */
  readonly quietForMs: number;
  /** Settled items whose text changed are classified again, in every run. @default false */
  readonly again: boolean;
  /** All settled items are compared with their records so often, in ms; null: never. @default null */
  readonly sweepEveryMs: number | null;
}

/** How often, and how slowly, a failed call is tried again. */
export interface RetryOptions {
  /** Retries after the first attempt. Integer >= 0. @default 3 */
  readonly retries: number;
  /** Before the first retry, in ms; doubles after each failure, full jitter. @default 1_000 */
  readonly baseDelayMs: number;
  /** Ceiling of one delay, in ms. @default 60_000 */
  readonly maxDelayMs: number;
  /** Waits before each round of the retry queue, in ms. After the last round: dead letter. @default 1, 5 and 15 min */
  readonly rounds: readonly number[];
}

export interface Deadlines {
  /** To connect, in ms. @default 5_000 */
  readonly connectMs: number;
  /** One attempt from sending to the last byte, in ms. @default 60_000 */
  readonly attemptMs: number;
  /** One item over all attempts and pauses of its own, in ms. @default 600_000 */
  readonly itemMs: number;
  /** Longest time without any settled item before an alarm is raised, in ms. @default 120_000 */
  readonly idleMs: number;
  /** How long a drain waits for calls in flight, in ms. @default 60_000 */
  readonly drainMs: number;
  /** How long batch mode waits at its end for retry queues to come due, in ms. @default 600_000 */
  readonly retryWaitMs: number;
  /** How long the store may be away before the run stops, in ms. @default 600_000 */
  readonly storeMs: number;
}

/** A part of the source: the documents with these ids, in the store's own order over all types of them. */
export interface RangeSettings {
  /** Unique in the job, safe in a path: `r000042`. */
  readonly name: string;
  /** The first `_id` (inclusive); null: from the first one there is. */
  readonly from: ItemKey | null;
  /** Where it ends (exclusive); null: behind the last one there is. */
  readonly to: ItemKey | null;
}

/** Everything one execution needs, resolved and checked. Made by `config/load.ts` from flags, environment and file. */
export interface JobSettings {
  /** `default` where there are no tenants. */
  readonly tenant: string;
  readonly job: string;
  readonly mode: Mode;
  readonly batchSize: number;
  /** Most model calls at once; `auto` finds out how many the endpoints take, up to `concurrentMax`. @default 5 */
  readonly concurrent: number | "auto";
  /** Ceiling of `auto`. @default 1_000 */
  readonly concurrentMax: number;
  /** Between polls, in seconds. */
  readonly intervalSeconds: number;
  readonly batchDir: string;
  /** Settled items between checkpoints. */
  readonly checkpointInterval: number;
  readonly recover: boolean;
  readonly fresh: boolean;
  readonly acceptChanges: boolean;
  /** Wait for due retry queues at the end of batch mode. */
  readonly wait: boolean;
  readonly dryRun: boolean;
  /** At least one in scheduled mode; of those whose times come together, the first runs first. @default none */
  readonly schedules?: readonly ScheduleSettings[];
  /** When calls may go out; null: at all hours. @default null */
  readonly window?: RunWindow | null;
  /** Whose clock is meant by days in a query and shown in the dashboard, an IANA name. @default the machine's */
  readonly timezone?: string;
  /** `mongodb://…` or a file path (`sqlite:…`). May hold credentials: never print it; use the store's `address`. */
  readonly storeUri: string;
  readonly db: string;
  /** Where the source is, when that is another place: `storeUri` and `db` are the target's then. May hold credentials. */
  readonly sourceStore?: { readonly storeUri: string; readonly db: string };
  readonly sourceCollection: string;
  readonly targetCollection: string;
  /** The primary model: of the endpoint that is asked first. */
  readonly model: ModelSettings;
  /** Who answers: at least one, by `fallback` and then as written; at least one of them has fallback 0. */
  readonly endpoints: readonly EndpointSettings[];
  readonly balance: Balance;
  /** A call that takes longer than this (in ms) is sent a second time to another endpoint; both are paid. null: never. */
  readonly hedge: { readonly afterMs: number } | null;
  readonly taxonomy: Taxonomy;
  /** Labelled texts to learn from; null: the taxonomy's own only. */
  readonly examples: ExampleSettings | null;
  readonly mapping: TextMapping;
  readonly redaction: RedactionSettings;
  /** null: every item is asked. */
  readonly cache: CacheSettings | null;
  readonly mark: MarkFields;
  /** Where settled items are noted. `target`: in the target itself and in `<target>_outcomes`; the source is only read. @default "source" */
  readonly markIn?: "source" | "target";
  readonly filter: Filter | null;
  /** Whether a change stream wakes continuous mode where the source has one. @default "auto" */
  readonly watch?: "auto" | "off";
  /** Only retries: these waiting items and dead letters, made due now; the source is not read. null for a normal run. */
  readonly retryOnly: { readonly queue?: string; readonly failure?: string } | null;
  /** What waits in the retry queue is left there: only the source is read. @default false */
  readonly leaveRetries?: boolean;
  /** Only this part of the source, with a state folder and a lease of its own; null: all of it. @default null */
  readonly range?: RangeSettings | null;
  /** Where workers meet that work the job off together: `mongodb`, or the URL of a queue store; null: this process alone. May hold credentials. @default null */
  readonly workersAt?: string | null;
  /** Items of one of the ranges that workers get. @default 2_000 */
  readonly rangeSize?: number;
  /** How long a lease lasts without being renewed, in ms. @default 30_000 */
  readonly leaseMs?: number;
  /** Settled items to classify again, before what is unprocessed anyway is read; null for none. */
  readonly reclassify: Reclassify | null;
  /** null: what is settled stays so, and nothing waits to be quiet. @default null */
  readonly growing?: GrowingSettings | null;
  /** Stop after this many items; null for all. */
  readonly limit: number | null;
  readonly budget: { readonly usd: number; readonly per: "run" | "day" | "month" | "job" } | null;
  /** By model name; beats the built-in price list. */
  readonly prices: Readonly<Record<string, Price>>;
  readonly retry: RetryOptions;
  readonly deadlines: Deadlines;
  readonly maxOutputTokens: number;
  /** What it is due where runs of one process share an endpoint. @default an equal share */
  readonly share?: Share;
  /** Local traces that are older go by themselves; null: they stay. @default null */
  readonly retention?: { readonly days: number } | null;
  /** Stop when at least this share of the last `window` settled items failed. @default 0.5 of 50 */
  readonly runBreaker: { readonly share: number; readonly window: number };
}

/** @returns the flag that leads a command to a job, such as `--job support` */
export function jobFlagOf({ tenant, job }: Pick<JobSettings, "tenant" | "job">): string {
  return tenant === "default" ? `--job ${job}` : `--tenant ${tenant}`;
}

/** @returns the most model calls that the run may have under way at once */
export function slotCeiling({
  concurrent,
  concurrentMax,
  share,
}: Pick<JobSettings, "concurrent" | "concurrentMax" | "share">): number {
  return Math.min(share?.ceiling ?? Number.POSITIVE_INFINITY, concurrent === "auto" ? concurrentMax : concurrent);
}

/** @returns `openai/gpt-5-mini`, or `offline` */
export function modelLabel({ provider, name }: ModelSettings): string {
  return provider === "offline" ? "offline" : `${provider}/${name}`;
}

/** What makes results comparable. A change is refused without `--accept-changes`. Values are hashes or names: safe to store. */
export interface Fingerprint {
  readonly taxonomy: string;
  readonly prompt: string;
  readonly model: string;
  readonly mapping: string;
  readonly mark: string;
}

/** @returns the names of the fields that differ */
export function differingFields(a: Fingerprint, b: Fingerprint): (keyof Fingerprint)[] {
  const same = (field: keyof Fingerprint): boolean =>
    a[field] === b[field] || (field === "model" && sameModels(a.model, b.model));
  return (Object.keys(a) as (keyof Fingerprint)[]).filter((field) => !same(field));
}

/** @returns the first `length` hex digits of the SHA-256 of a text or of the JSON of a value */
export function shortHash(value: unknown, length = 8): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}

export function fingerprintOf(settings: JobSettings, promptVersion: string): Fingerprint {
  return {
    taxonomy: settings.taxonomy.version,
    prompt: promptVersion,
    model: modelsOf(settings.endpoints),
    mapping: mappingHash(settings),
    mark: settings.markIn === "target" ? "in the target" : Object.values(settings.mark).join(","),
  };
}

/** What decides which text of a document is sent; without redaction the same as before there was any. */
export function mappingHash({ mapping, redaction }: Pick<JobSettings, "mapping" | "redaction">): string {
  const { kinds, hooked } = redaction;
  return shortHash(kinds.length > 0 || hooked ? { ...mapping, redaction: { kinds, hooked } } : mapping);
}

/**
 * The models that answer while nothing is wrong: `openai/gpt-5-mini at api.openai.com` for one endpoint. Of several only
 * the models count, not where they are.
 */
function modelsOf(endpoints: readonly EndpointSettings[]): string {
  const models = endpoints.filter(({ fallback }) => fallback === 0).map(({ model }) => model);
  const [{ baseUrl }] = models as [ModelSettings];
  const host = models.length > 1 || baseUrl === null ? "" : ` at ${new URL(baseUrl).host}`;
  const names = new Set(models.map(({ provider, name }) => `${provider}/${name}`));
  return [...names].sort().join(", ") + host;
}

/** A job that gets a second endpoint of the same model, or is left with one of them, asks the same model. */
function sameModels(a: string, b: string): boolean {
  const withoutHost = (models: string): string => models.replace(/ at \S+$/, "");
  return withoutHost(a) === b || a === withoutHost(b);
}
