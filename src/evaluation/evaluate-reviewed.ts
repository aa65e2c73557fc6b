import { createHash } from "node:crypto";
import { DASHBOARD_SHEET, type Review } from "../correction.ts";
import { QuerymillError } from "../errors.ts";
import { idOf, keyOf } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { openExistingStore } from "../jobs/existing-store.ts";
import { chooseAdapters } from "../jobs/wiring.ts";
import type { ClassificationRecord } from "../record.ts";
import type { Page, SourceDocument, Store } from "../store.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { headOf, rowAnswers } from "./evaluate-file.ts";
import type { Estimate, Evaluation, RowAnswers } from "./evaluation.ts";
import { rowsOf } from "./evaluation.ts";
import { type Stratum, stratified } from "./intervals.ts";
import { answerOf } from "./record-answers.ts";
import { isRight } from "./score.ts";

const PAGE = 500;

/** A record that a person decided, with the answer that a model gives to it. */
interface Decided {
  readonly id: string;
  readonly key: string;
  readonly answers: RowAnswers;
  readonly model: Partial<ClassificationRecord>;
  readonly review: Review | null;
  readonly reviewedMs: number;
}

export interface Reviewed {
  readonly evaluation: Evaluation;
  /** Texts of rows, from the source. */
  readonly textsOf: (ids: readonly string[]) => Promise<Map<string, string>>;
}

/**
 * Scores what models answered against what people decided, over the records of a job. Reads only.
 * @throws QuerymillError USAGE when nobody has decided anything
 */
export async function evaluateReviewed(settings: JobSettings): Promise<Reviewed> {
  const store = await openExistingStore(settings);
  try {
    return { ...(await scoreReviewed(store, settings)), textsOf: (ids) => textsOf(settings, ids) };
  } finally {
    await store.close();
  }
}

/** The same on an open store. */
export async function scoreReviewed(store: Store, settings: JobSettings): Promise<Pick<Reviewed, "evaluation">> {
  const { targetCollection, taxonomy } = settings;
  const decided: Decided[] = [];
  const target = store.target(targetCollection);
  let [people, unanswered] = [0, 0];
  for (let after: string | null = null, last = false; !last; ) {
    const page: Page = await target.readAll(after, PAGE);
    for (const record of page.documents) {
      if (record.decidedBy !== "person") continue;
      people += 1;
      const one = decidedOf(record, taxonomy);
      if (one === null) unanswered += 1;
      else decided.push(one);
    }
    after = page.cursor;
    last = page.last;
  }
  if (decided.length === 0) throw nothingReviewed(targetCollection, store.address, people);
  const models = decided.map(({ model }) => model);
  const answers = decided.map((one) => one.answers);
  const evaluation: Evaluation = {
    ...headOf(taxonomy, answers, models),
    createdAt: new Date().toISOString(),
    origin: "reviewed",
    data: `records of ${targetCollection} that people decided`,
    dataVersion: createHash("sha256")
      .update(JSON.stringify(answers.map(({ id, gold }) => [id, gold])))
      .digest("hex")
      .slice(0, 16),
    model: namesOf(models.map(({ provider, model }) => (provider === "offline" ? "offline" : `${provider}/${model}`))),
    promptVersion: namesOf(models.map(({ promptVersion }) => promptVersion)),
    taxonomyVersion: namesOf(models.map(({ taxonomyVersion }) => taxonomyVersion)),
    rows: {
      read: people,
      withoutText: 0,
      withoutLabel: unanswered,
      unknownLabel: 0,
      notDrawn: 0,
      scored: decided.length,
      failed: 0,
      pending: 0,
    },
    estimates: taxonomy.dimensions.flatMap(({ id }) => estimateOf(decided, id) ?? []),
  };
  return { evaluation };
}

function decidedOf(document: SourceDocument, taxonomy: Taxonomy): Decided | null {
  const { _id, modelSuggestion, review, reviewedAt, ...rest } = document;
  if (typeof modelSuggestion !== "object" || modelSuggestion === null) return null;
  const gold: Record<string, string | string[]> = {};
  for (const dimension of taxonomy.dimensions) {
    const answer = answerOf(rest as Partial<ClassificationRecord>, dimension);
    if (answer !== null) gold[dimension.id] = answer;
  }
  if (Object.keys(gold).length === 0) return null;
  const model = modelSuggestion as Partial<ClassificationRecord>;
  const key = keyOf(_id);
  const id = typeof _id === "string" ? _id : key;
  return {
    id,
    key,
    model,
    answers: rowAnswers(id, gold, model, taxonomy),
    review: (review ?? null) as Review | null,
    reviewedMs: reviewedAt instanceof Date ? reviewedAt.getTime() : 0,
  };
}

/**
 * Accuracy over all records that the last sheet was drawn from, not over those that were looked at: each part of the sheet
 * counts by what it stands for. null when no random part was looked at, since the uncertain one alone says nothing of the rest.
 */
function estimateOf(decided: readonly Decided[], dimension: string): Estimate | null {
  // What people chose in the dashboard is no part of a draw, and does not make an older sheet's draw worth less.
  const onSheets = decided.filter(({ review }) => review !== null && review.sheet !== DASHBOARD_SHEET);
  const last = onSheets.toSorted((a, b) => b.reviewedMs - a.reviewedMs)[0]?.review?.sheet;
  const parts = new Map<string, { size: number; seen: number; successes: number }>();
  for (const { review, answers } of onSheets) {
    const [row] = rowsOf([answers], dimension);
    if (review === null || review.sheet !== last || row === undefined) continue;
    const part = parts.get(review.part) ?? { size: review.of, seen: 0, successes: 0 };
    parts.set(review.part, {
      ...part,
      seen: part.seen + 1,
      successes: part.successes + (isRight(row) ? 1 : 0),
    });
  }
  const random = parts.get("random");
  if (random === undefined) return null;
  const strata: Stratum[] = [...parts.values()];
  return {
    dimension,
    accuracy: stratified(strata),
    records: strata.reduce((sum, { size }) => sum + size, 0),
    random: random.seen,
    reviewed: strata.reduce((sum, { seen }) => sum + seen, 0),
  };
}

async function textsOf(settings: JobSettings, ids: readonly string[]): Promise<Map<string, string>> {
  const { sourceCollection, mark } = settings;
  const { makeItem, fields } = await chooseAdapters(settings);
  const store = await openExistingStore(settings);
  try {
    const keys = ids.flatMap((id) => [keyOf(id), ...(isKey(id) ? [id] : [])]);
    const source = store.source({ collection: sourceCollection, mark, filter: null, fields });
    const texts = new Map<string, string>();
    for (const document of await source.readByKeys(keys)) {
      const read = makeItem(document);
      if (!("text" in read)) continue;
      texts.set(typeof document._id === "string" ? document._id : read.key, read.text);
    }
    return texts;
  } finally {
    await store.close();
  }
}

function isKey(id: string): boolean {
  try {
    return id.startsWith("{") && idOf(id) !== undefined;
  } catch {
    return false;
  }
}

function namesOf(names: readonly (string | undefined)[]): string {
  return [...new Set(names.map((name) => name ?? "unknown"))].sort().join(", ");
}

function nothingReviewed(collection: string, address: string, people: number): QuerymillError {
  const why =
    people === 0
      ? "no record was decided by a person"
      : `the ${people} records that people decided hold no answer of a model in modelSuggestion`;
  return new QuerymillError(
    "USAGE",
    `In ${collection} of ${address} ${why}: there is nothing to compare. Make a sheet with querymill export --review 200 --output sheet.csv, fill it in, and take it back with querymill import --reviewed sheet.csv.`,
  );
}
