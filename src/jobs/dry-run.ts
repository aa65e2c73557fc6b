import { messageOf, QuerymillError } from "../errors.ts";
import type { SkipReason } from "../item.ts";
import { type EndpointSettings, fingerprintOf, type JobSettings, modelLabel, slotCeiling } from "../job.ts";
import { userMessage } from "../llm/prompt.ts";
import { estimateTokens, promptChars } from "../llm/usage.ts";
import type { ClassificationRecord, Usage } from "../record.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Store } from "../store.ts";
import type { Adapters } from "./adapters.ts";
import { openExistingStore } from "./existing-store.ts";
import { refuseUnpricedBudget, refuseWhatIsUnclear } from "./open-job.ts";
import { inspectLeftover } from "./recovery.ts";
import { shapeOf, shapeProblem } from "./source-shape.ts";
import { whyNotWritable } from "./state-folder.ts";
import { ownerOf } from "./status.ts";

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** What a run would do, found out for nothing. */
export interface DryRun {
  readonly job: string;
  /** Printable address of the target's store. */
  readonly store: string;
  /** Of the source's, when that is another one. */
  readonly sourceStore?: string;
  readonly source: string;
  readonly target: string;
  readonly model: string;
  /** Unprocessed items of the source; null when counting took too long. */
  readonly unprocessed: number | null;
  /** Items that a run would work on, capped by `--limit`; null when unknown. */
  readonly items: number | null;
  /** Of the unprocessed, those in retry queues. */
  readonly waiting: number;
  /** Texts that were looked at, and how many of them a run would skip. */
  readonly sampled: number;
  readonly sampleSkipped: Readonly<Partial<Record<SkipReason, number>>>;
  /** Items that would be skipped without a call, by the sample. */
  readonly skipped: number | null;
  readonly calls: Range | null;
  readonly inputTokens: Range | null;
  readonly outputTokens: Range | null;
  /** USD; null when the price is unknown. */
  readonly costUsd: Range | null;
  /** At the chosen concurrency and limits; null when that is `auto`, or no latency of this job's models is known. */
  readonly durationMs: Range | null;
  /** Records of this job and model that tokens and time were taken from; 0: estimated from texts and prompt. */
  readonly basedOnRecords: number;
  /** Why a run would not start or not get to the end. */
  readonly obstacles: readonly string[];
}

const SAMPLE = 100;
const COUNT_MS = 30_000;
/** UTF-16 units per token: few for terse and foreign text, many for plain English. */
const DENSE = 3;
const LOOSE = 4.5;
/** An answer's tokens when none was seen yet. */
const ANSWER = { from: 60, to: 260 };
/** Repairs and retries, when none were seen yet. */
const MORE_CALLS = 1.1;

/**
 * Counts, samples and estimates. Asks no model, takes no lock, writes nothing.
 * @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED, COLLECTION_MISSING, MODEL_UNPRICED
 */
export async function dryRun(settings: JobSettings, adapters: Adapters): Promise<DryRun> {
  refuseUnpricedBudget(settings, adapters.pricingOf);
  const store = await openExistingStore(settings);
  try {
    const { sourceCollection, targetCollection, mark, filter, limit, job } = settings;
    const { preset } = settings.mapping;
    // To name what was found instead of a preset's documents, all of their fields are needed.
    const fields = preset === undefined ? adapters.fields : null;
    const source = store.source({ collection: sourceCollection, mark, filter, fields });
    const { notMarkable } = await source.inspect();
    const unprocessed = await source.countUnprocessed(COUNT_MS);
    const documents = await source.sample(SAMPLE);
    const reads = documents.map((document) => adapters.makeItem(document));
    const local = await inspectLocal(settings, adapters);
    const records = await recordsOf(store, settings, adapters);
    const sampleSkipped = countReasons(reads.flatMap((read) => ("reason" in read ? [read.reason] : [])));
    const texts = reads.flatMap((read) => ("text" in read ? [read.text] : []));
    // What waits in a retry queue is not marked, so it is among the unprocessed.
    const items = unprocessed === null ? limit : Math.min(unprocessed, limit ?? unprocessed);
    const skipped =
      items === null || reads.length === 0
        ? items && 0
        : Math.round((items * (reads.length - texts.length)) / reads.length);
    const asked = items === null || skipped === null ? null : items - skipped;
    const estimate = asked === null ? NO_ESTIMATE : estimateCalls(asked, texts, records, settings, adapters);
    const unwritable = await whyNotWritable(settings.batchDir);
    const obstacles = [
      ...(unwritable === null ? [] : [unwritable]),
      ...local.obstacles,
      ...(await takenBy(store, targetCollection, job)),
    ];
    const misfit = preset === undefined ? null : shapeProblem(shapeOf(documents), preset, sourceCollection);
    if (misfit !== null) obstacles.push(misfit);
    if (notMarkable !== null)
      obstacles.push(
        `${sourceCollection} cannot be marked, because ${notMarkable}. It can stay as it is: --mark target.`,
      );
    const budget = settings.budget;
    if (budget !== null && estimate.costUsd !== null && estimate.costUsd.to + local.spentUsd > budget.usd)
      obstacles.push(`The budget of $${budget.usd} (per ${budget.per}) may be spent before the end.`);
    return {
      job,
      store: store.address,
      ...apart(store),
      source: sourceCollection,
      target: targetCollection,
      model: [...new Set(firstAsked(settings).map(({ model }) => modelLabel(model)))].join(", "),
      unprocessed,
      items,
      waiting: local.waiting,
      sampled: reads.length,
      sampleSkipped,
      skipped,
      ...estimate,
      basedOnRecords: records.length,
      obstacles,
    };
  } finally {
    await store.close();
  }
}

type Estimate = Pick<DryRun, "calls" | "inputTokens" | "outputTokens" | "costUsd" | "durationMs">;
const NO_ESTIMATE: Estimate = { calls: null, inputTokens: null, outputTokens: null, costUsd: null, durationMs: null };

function estimateCalls(
  asked: number,
  texts: readonly string[],
  records: readonly ClassificationRecord[],
  settings: JobSettings,
  { prompt, pricingOf }: Adapters,
): Estimate {
  const perItem = records.length === 0 ? MORE_CALLS : Math.max(1.02, mean(records.map(({ attempts }) => attempts)));
  const calls = { from: asked, to: Math.ceil(asked * perItem) };
  const asks = firstAsked(settings);
  if (asks[0]!.model.provider === "offline")
    return { calls: { from: 0, to: 0 }, inputTokens: NONE, outputTokens: NONE, costUsd: NONE, durationMs: null };
  const stable = promptChars(prompt);
  const textChars = mean(texts.map((text) => userMessage(text).length));
  const seen = records.map(({ usage }) => usage);
  const input = seen.length === 0 ? null : mean(seen.map(({ inputTokens }) => inputTokens));
  const output = seen.length === 0 ? null : mean(seen.map(({ outputTokens }) => outputTokens));
  const inputTokens =
    input === null
      ? {
          from: asked * estimateTokens(stable + textChars, LOOSE),
          to: calls.to * estimateTokens(stable + textChars, DENSE),
        }
      : around(asked * input);
  const outputTokens = output === null ? scaled(ANSWER, asked, calls.to) : around(asked * output);
  // At best every call but the first finds the unchanging part of the prompt in the provider's cache.
  const cached =
    input === null
      ? (asked - 1) * estimateTokens(stable, LOOSE)
      : asked * mean(seen.map((usage) => usage.cachedInputTokens));
  const costs = (usage: Usage) => asks.map((endpoint) => pricingOf(endpoint).costOf(usage, endpoint.model.name));
  const low = costs(usageOf(inputTokens.from, outputTokens.from, Math.max(0, cached)));
  const high = costs(usageOf(inputTokens.to, outputTokens.to, 0));
  const latencyMs = mean(records.map((record) => record.latencyMs));
  const slots = Math.max(
    1,
    Math.min(
      slotCeiling(settings),
      sumOf(asks, ({ concurrent }) => concurrent),
      asked,
    ),
  );
  const wallMs = Math.max(
    (asked * perItem * latencyMs) / slots,
    (asked * perItem * 60_000) / sumOf(asks, ({ limits }) => limits.requestsPerMinute),
    ((inputTokens.from + outputTokens.from) * 60_000) / sumOf(asks, ({ limits }) => limits.tokensPerMinute),
  );
  return {
    calls,
    inputTokens,
    outputTokens,
    costUsd: rangeOf(low, high),
    durationMs:
      records.length === 0 || settings.concurrent === "auto" ? null : { from: wallMs * 0.9, to: wallMs * 1.5 },
  };
}

const NONE: Range = { from: 0, to: 0 };

/** The endpoints that answer while nothing is wrong. */
function firstAsked({ endpoints }: JobSettings): EndpointSettings[] {
  return endpoints.filter(({ fallback }) => fallback === 0);
}

/** What endpoints take together; Infinity when one of them names no limit. */
function sumOf(endpoints: readonly EndpointSettings[], limit: (endpoint: EndpointSettings) => number | null): number {
  return endpoints.reduce((sum, endpoint) => sum + (limit(endpoint) ?? Number.POSITIVE_INFINITY), 0);
}

/** From the cheapest endpoint's cost to the dearest one's. */
function rangeOf(low: readonly (number | null)[], high: readonly (number | null)[]): Range | null {
  if (low.includes(null) || high.includes(null)) return null;
  return { from: Math.min(...(low as number[])), to: Math.max(...(high as number[])) };
}

/** Answers that this job got from this model with this prompt: what the next ones will be like. */
async function recordsOf(store: Store, settings: JobSettings, { prompt }: Adapters): Promise<ClassificationRecord[]> {
  const { documents } = await store.target(settings.targetCollection).readAll(null, SAMPLE);
  return (documents as unknown as ClassificationRecord[]).filter(
    ({ job, provider, promptVersion, usage, latencyMs }) =>
      job === settings.job &&
      settings.endpoints.some(({ model }) => model.provider === provider) &&
      promptVersion === prompt.version &&
      typeof usage?.inputTokens === "number" &&
      typeof latencyMs === "number",
  );
}

/** What local state says would stop a run. */
async function inspectLocal(
  settings: JobSettings,
  { prompt }: Adapters,
): Promise<{ waiting: number; spentUsd: number; obstacles: string[] }> {
  const manager = new BatchFileManager(settings.batchDir, settings);
  const obstacles: string[] = [];
  const owner = await ownerOf(manager);
  if (owner !== null)
    obstacles.push(
      `Job ${settings.job} is held by process ${owner.pid} on ${owner.host} (execution ${owner.executionId}).`,
    );
  try {
    const leftover = await inspectLeftover(manager);
    await manager.retryQueue.open({ readOnly: true });
    const { costUsd, uncertainUsd } = leftover.state.totals;
    const spentUsd = settings.budget?.per === "job" ? (costUsd ?? 0) + (uncertainUsd ?? 0) : 0;
    try {
      if (owner === null) refuseWhatIsUnclear(settings, leftover, fingerprintOf(settings, prompt.version));
    } catch (error) {
      if (!(error instanceof QuerymillError)) throw error;
      obstacles.push(error.message);
    }
    return { waiting: manager.retryQueue.size, spentUsd, obstacles };
  } catch (error) {
    if (!(error instanceof QuerymillError)) throw error;
    return { waiting: 0, spentUsd: 0, obstacles: [...obstacles, messageOf(error)] };
  }
}

function apart({ address, sourceAddress = address }: Store): { sourceStore?: string } {
  return sourceAddress === address ? {} : { sourceStore: sourceAddress };
}

async function takenBy(store: Store, target: string, job: string): Promise<string[]> {
  const taken = await store.lease.look(target);
  if (taken === null || taken.job === job) return [];
  return [`${target} is written by job ${taken.job}. Choose another with --target-collection, or go on with that job.`];
}

function countReasons(reasons: readonly SkipReason[]): Partial<Record<SkipReason, number>> {
  const counts: Partial<Record<SkipReason, number>> = {};
  for (const reason of reasons) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

function usageOf(inputTokens: number, outputTokens: number, cachedInputTokens: number): Usage {
  return {
    inputTokens,
    outputTokens,
    cachedInputTokens: Math.min(cachedInputTokens, inputTokens),
    cacheWriteTokens: 0,
    reasoningTokens: 0,
  };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function around(value: number): Range {
  return { from: Math.round(value * 0.9), to: Math.round(value * 1.15) };
}

function scaled({ from, to }: Range, low: number, high: number): Range {
  return { from: from * low, to: to * high };
}
