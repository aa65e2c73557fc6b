import { messageOf, QuerymillError } from "../errors.ts";
import { type Estimate, NOTHING } from "../estimation/estimate.ts";
import type { Forecast } from "../estimation/forecast.ts";
import { atMost, joinLengths, type Lengths, lengthsOf, NO_LENGTHS } from "../estimation/lengths.ts";
import type { SkipReason } from "../item.ts";
import { fingerprintOf, type JobSettings, modelLabel } from "../job.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Source, Store } from "../store.ts";
import type { Adapters } from "./adapters.ts";
import { openExistingStore } from "./existing-store.ts";
import { type LengthSample, lengthsOfSample, type SampleCaps, sampleLengths } from "./length-sample.ts";
import { refuseUnpricedBudget, refuseWhatIsUnclear } from "./open-job.ts";
import { keptByFresh, previewReclassification, type ReclassificationPreview } from "./reclassify.ts";
import { inspectLeftover } from "./recovery.ts";
import { findExperience, firstAsked, forecast, sumOf } from "./run-forecast.ts";
import { hintOfPreset, wrongShape } from "./source-shape.ts";
import { whyNotWritable } from "./state-folder.ts";
import { ownerOf } from "./status.ts";

/** What a run would do, found out for nothing. */
export interface DryRun extends Nullable<Forecast> {
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
  /** What `--reclassify` would bring back; null when it is not asked for. */
  readonly again: ReclassificationPreview | null;
  /** Texts that were looked at, and how many of them a run would skip. */
  readonly sampled: number;
  readonly sampleSkipped: Readonly<Partial<Record<SkipReason, number>>>;
  /** True when all texts that a run would read were looked at; else they were drawn at random. */
  readonly sampledAll: boolean;
  /** Mean length of a text, in UTF-16 units; null when there was none. */
  readonly textChars: Estimate | null;
  /** Items that would be skipped without a call, by the sample. */
  readonly skipped: number | null;
  /** Records of this job and model that tokens and time were taken from; 0: estimated from texts and prompt. */
  readonly basedOnRecords: number;
  /** When those records were drawn at random by a pilot: its end, ISO; null: there was none. */
  readonly pilotAt: string | null;
  /** Why a run would not start or not get to the end. */
  readonly obstacles: readonly string[];
  /** What the user may want to know before, though nothing hinders a run. */
  readonly hints: readonly string[];
}

type Nullable<T> = { readonly [K in keyof T]: T[K] | null };

/** How long looking may take, and how much of the source. */
export interface LookCaps extends SampleCaps {
  /** Time to count, in ms. */
  readonly countMs: number;
  /** Takes every document for an unprocessed one when counting takes longer; else their number is unknown. */
  readonly roughly: boolean;
}

const THOROUGH: LookCaps = { roughly: false, countMs: 30_000, whole: 20_000, drawn: 5_000, maxMs: 10_000 };

/**
 * Counts, samples and estimates. Asks no model, takes no lock, writes nothing.
 * @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED, COLLECTION_MISSING, MODEL_UNPRICED
 */
export async function dryRun(settings: JobSettings, adapters: Adapters, caps: LookCaps = THOROUGH): Promise<DryRun> {
  refuseUnpricedBudget(settings, adapters.pricingOf);
  const store = await openExistingStore(settings);
  try {
    const { sourceCollection, targetCollection, mark, filter, job } = settings;
    const source = store.source({ collection: sourceCollection, mark, filter, fields: adapters.fields });
    const target = store.target(targetCollection);
    const { notMarkable, documents } = await source.inspect();
    const most = caps.roughly && filter === null ? documents : null;
    const found = await lookAt(source, most, settings, adapters, caps);
    const reclassified =
      settings.reclassify === null
        ? null
        : await previewReclassification(source, target, settings.reclassify, settings, adapters);
    const { texts: againTexts = [], ...again } = reclassified ?? {};
    const { lengths, items } = withAgain(found, againTexts, reclassified?.items ?? 0, settings.limit);
    const manager = new BatchFileManager(settings.batchDir, settings);
    const local = await inspectLocal(manager, settings, adapters);
    const experience = await findExperience(manager, { source, target }, settings, adapters);
    const expected = forecastOf(lengths, items, experience, settings, adapters);
    const unwritable = await whyNotWritable(settings.batchDir);
    const obstacles = [
      ...(unwritable === null ? [] : [unwritable]),
      ...local.obstacles,
      ...(await takenBy(store, targetCollection, job)),
    ];
    const misfit = await wrongShape(settings, store);
    if (misfit !== null) obstacles.push(misfit);
    if (notMarkable !== null)
      obstacles.push(
        `${sourceCollection} cannot be marked, because ${notMarkable}. It can stay as it is: --mark target.`,
      );
    const hints = [await hintOfPreset(settings, store), await keptByFresh(source, target, settings, adapters)];
    obstacles.push(...limitObstacles(settings, expected, local.spentUsd));
    return {
      job,
      store: store.address,
      ...apart(store),
      source: sourceCollection,
      target: targetCollection,
      model: [...new Set(firstAsked(settings).map(({ model }) => modelLabel(model)))].join(", "),
      unprocessed: found.unprocessed,
      items,
      waiting: local.waiting,
      again: reclassified === null ? null : (again as ReclassificationPreview),
      sampled: found.sample.looked + againTexts.length,
      sampleSkipped: found.sample.skipped,
      sampledAll: found.sample.whole && againTexts.length === (reclassified?.items ?? 0),
      textChars: lengths.chars.expected > 0 ? lengths.chars : null,
      skipped: found.skipped,
      ...expected,
      basedOnRecords: experience.items.length,
      pilotAt: experience.pilot?.at ?? null,
      obstacles,
      hints: hints.filter((hint) => hint !== null),
    };
  } finally {
    await store.close();
  }
}

interface Looked {
  readonly unprocessed: number | null;
  /** Unprocessed ones that a run would read; null when unknown. */
  readonly items: number | null;
  readonly skipped: number | null;
  readonly sample: LengthSample;
  /** Of `items`; when that is unknown, of one. */
  readonly lengths: Lengths;
}

/** @param most what is taken for their number when they cannot be counted in time */
async function lookAt(
  source: Source,
  most: number | null,
  { limit }: JobSettings,
  { makeItem }: Adapters,
  caps: LookCaps,
): Promise<Looked> {
  const unprocessed = (await source.countUnprocessed(caps.countMs)) ?? most;
  // What waits in a retry queue is not marked, so it is among the unprocessed.
  const items = unprocessed === null ? limit : Math.min(unprocessed, limit ?? unprocessed);
  const sample = await sampleLengths(source, makeItem, { items, unprocessed }, caps);
  const lengths = lengthsOfSample(sample, items ?? 1);
  return { unprocessed, items, skipped: items && Math.round(items - lengths.items.expected), sample, lengths };
}

/** The items that `--reclassify` brings back join those of the source. */
function withAgain(
  { lengths, items }: Looked,
  texts: readonly string[],
  again: number,
  limit: number | null,
): { lengths: Lengths; items: number | null } {
  if (again === 0 || items === null) return { lengths, items };
  const own = lengthsOf(
    texts.map((text) => text.length),
    0,
    again,
  );
  const all = items + again;
  return { lengths: atMost(joinLengths(lengths, own), limit), items: Math.min(all, limit ?? all) };
}

function forecastOf(
  lengths: Lengths,
  items: number | null,
  experience: Parameters<typeof forecast>[1],
  settings: JobSettings,
  adapters: Adapters,
): Nullable<Forecast> {
  if (items === null) return UNKNOWN;
  if (firstAsked(settings)[0]!.model.provider === "offline")
    return {
      ...UNKNOWN,
      calls: NOTHING,
      inputTokens: NOTHING,
      outputTokens: NOTHING,
      costUsd: NOTHING,
      withoutCacheUsd: NOTHING,
      withCacheUsd: NOTHING,
    };
  return forecast(items === 0 ? NO_LENGTHS : lengths, experience, settings, adapters);
}

const UNKNOWN: Nullable<Forecast> = {
  calls: null,
  inputTokens: null,
  outputTokens: null,
  costUsd: null,
  withoutCacheUsd: null,
  withCacheUsd: null,
  fixedPrompt: null,
  cachedShare: null,
  byEndpoint: null,
  durationMs: null,
};

/** What would be used up before the end. */
function limitObstacles(settings: JobSettings, { costUsd, calls }: Nullable<Forecast>, spentUsd: number): string[] {
  const obstacles: string[] = [];
  const { budget } = settings;
  if (budget !== null && costUsd !== null && costUsd.to + spentUsd > budget.usd)
    obstacles.push(`The budget of $${budget.usd} (per ${budget.per}) may be spent before the end.`);
  const perDay = sumOf(firstAsked(settings), ({ limits }) => limits.requestsPerDay);
  if (calls !== null && calls.expected > perDay)
    obstacles.push(
      `The limit of ${perDay} calls a day is reached before the end: the run stops then, and goes on the next day when it is started again, ${Math.ceil(calls.expected / perDay)} days in all.`,
    );
  return obstacles;
}

/** What local state says would stop a run. */
async function inspectLocal(
  manager: BatchFileManager,
  settings: JobSettings,
  { prompt }: Adapters,
): Promise<{ waiting: number; spentUsd: number; obstacles: string[] }> {
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
