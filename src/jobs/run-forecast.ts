import { QuerymillError } from "../errors.ts";
import type { AskedEndpoint, Forecast, Pace } from "../estimation/forecast.ts";
import { guessForecast } from "../estimation/guess.ts";
import type { Lengths } from "../estimation/lengths.ts";
import { type FailedItem, type MeasuredItem, measuredForecast } from "../estimation/measured.ts";
import { type ItemKey, keyOf } from "../item.ts";
import { type EndpointSettings, type JobSettings, modelLabel, slotCeiling } from "../job.ts";
import { promptChars } from "../llm/usage.ts";
import type { ClassificationRecord } from "../record.ts";
import { isSameModel } from "../staleness.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { loadPilot, type Pilot } from "../state/pilot.ts";
import type { Source, SourceDocument, Target } from "../store.ts";
import type { Adapters } from "./adapters.ts";

/** What this job's calls took until now. */
export interface Experience {
  readonly items: readonly MeasuredItem[];
  readonly failed: readonly FailedItem[];
  /** The pilot that drew these items at random; null when they are simply the first that were found. */
  readonly pilot: Pilot | null;
}

/** With fewer a guess is as good. */
const FEWEST = 5;
const RECORDS = 200;
const TOGETHER = 50;

/**
 * The records of the last pilot, or without one some of the target's. Only what was asked with this prompt of a model
 * that is still asked, and whose text is still there.
 */
export async function findExperience(
  manager: BatchFileManager,
  { source, target }: { readonly source: Source; readonly target: Target },
  settings: JobSettings,
  adapters: Adapters,
): Promise<Experience> {
  const pilot = await lastPilot(manager);
  if (pilot !== null && pilot.promptVersion === adapters.prompt.version) {
    const documents: SourceDocument[] = [];
    for (const keys of inGroups(pilot.answered, RECORDS)) documents.push(...(await target.readByKeys(keys)));
    const items = await measured(documents, source, settings, adapters);
    if (items.length >= FEWEST) return { items, failed: pilot.failed, pilot };
  }
  const { documents } = await target.readAll(null, RECORDS);
  return { items: await measured(documents, source, settings, adapters), failed: [], pilot: null };
}

/** What is wrong with the local state is told elsewhere: here there is then no pilot. */
export async function lastPilot({ files, folder, identity }: BatchFileManager): Promise<Pilot | null> {
  try {
    return await loadPilot(files, folder, identity);
  } catch (error) {
    if (error instanceof QuerymillError) return null;
    throw error;
  }
}

/** @returns what it would take to ask about texts of these lengths */
export function forecast(
  lengths: Lengths,
  experience: Experience,
  settings: JobSettings,
  { prompt, pricingOf }: Adapters,
): Forecast {
  const asked = firstAsked(settings);
  const endpoints = asked.map((endpoint): AskedEndpoint => {
    const { costOf } = pricingOf(endpoint);
    return {
      endpoint: endpoint.name,
      model: modelLabel(endpoint.model),
      costOf: (usage) => costOf(usage, endpoint.model.name),
    };
  });
  if (experience.items.length < FEWEST) return guessForecast(prompt, lengths, endpoints);
  return measuredForecast(experience, lengths, endpoints, paceOf(settings, lengths), promptChars(prompt));
}

/** The endpoints that answer while nothing is wrong. */
export function firstAsked({ endpoints }: Pick<JobSettings, "endpoints">): EndpointSettings[] {
  return endpoints.filter(({ fallback }) => fallback === 0);
}

function paceOf(settings: JobSettings, { items }: Lengths): Pace {
  const asked = firstAsked(settings);
  const slots = Math.min(
    slotCeiling(settings),
    sumOf(asked, ({ concurrent }) => concurrent),
    Math.ceil(items.expected),
  );
  return {
    slots: settings.concurrent === "auto" ? null : Math.max(1, slots),
    requestsPerMinute: sumOf(asked, ({ limits }) => limits.requestsPerMinute),
    tokensPerMinute: sumOf(asked, ({ limits }) => limits.tokensPerMinute),
  };
}

/** What endpoints take together; Infinity when one of them names no limit. */
export function sumOf(
  endpoints: readonly EndpointSettings[],
  limit: (endpoint: EndpointSettings) => number | null,
): number {
  return endpoints.reduce((sum, endpoint) => sum + (limit(endpoint) ?? Number.POSITIVE_INFINITY), 0);
}

async function measured(
  documents: readonly SourceDocument[],
  source: Source,
  settings: JobSettings,
  adapters: Adapters,
): Promise<MeasuredItem[]> {
  const records = new Map<ItemKey, { record: ClassificationRecord; endpoint: EndpointSettings }>();
  for (const document of documents) {
    const record = document as unknown as ClassificationRecord;
    const endpoint = endpointOf(record, settings, adapters.prompt.version);
    if (endpoint !== null) records.set(keyOf(document._id), { record, endpoint });
  }
  const items: MeasuredItem[] = [];
  for (const keys of inGroups([...records.keys()], TOGETHER))
    for (const document of await source.readByKeys(keys)) {
      const read = adapters.makeItem(document);
      if ("reason" in read) continue;
      const { record, endpoint } = records.get(read.key)!;
      const { costOf } = adapters.pricingOf(endpoint);
      items.push({
        chars: read.text.length,
        usage: record.usage,
        attempts: record.attempts,
        latencyMs: record.latencyMs,
        answeredMs: new Date(record.classifiedAt).getTime(),
        executionId: record.executionId,
        endpoint: endpoint.name,
        model: modelLabel(endpoint.model),
        costOf: (usage) => costOf(usage, record.model),
      });
    }
  return items;
}

/** @returns the endpoint that answered, or null for a record that tells nothing of the next calls */
function endpointOf(
  { job, decidedBy, provider, promptVersion, model, requestedModel, endpoint, usage, latencyMs }: ClassificationRecord,
  settings: JobSettings,
  version: string,
): EndpointSettings | null {
  const isOurs = job === settings.job && decidedBy === "model" && promptVersion === version;
  if (!isOurs || typeof usage?.inputTokens !== "number" || typeof latencyMs !== "number") return null;
  const same = settings.endpoints.filter(
    (one) => one.model.provider === provider && isSameModel(requestedModel ?? model, one.model.name),
  );
  return same.find(({ name }) => name === endpoint) ?? same[0] ?? null;
}

function inGroups<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, at) => all.slice(at * size, (at + 1) * size));
}
