import { didYouMean } from "../config/nearest.ts";
import { DASHBOARD_SHEET, type Review } from "../correction.ts";
import type { CorrectionDone, CorrectionRequest } from "../dashboard/api.ts";
import { QuerymillError } from "../errors.ts";
import type { ItemKey } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { forgetCorrected } from "../jobs/answers-folder.ts";
import { ALL_RECORDS } from "../selection.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { RecordCount, Store, Target } from "../store.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { rowOfRecord } from "./item-row.ts";
import type { ResultQuery } from "./query.ts";
import { fieldOfDimension } from "./query-fields.ts";

const COUNT_MS = 1_000;

/** What people should look at: the model was unsure, and no person has decided. */
export const REVIEW_QUERY: ResultQuery = {
  outcome: "classified",
  selection: {
    ...ALL_RECORDS,
    conditions: [
      { field: "needsReview", is: "in", values: [true], not: false },
      { field: "decidedBy", is: "in", values: ["person"], not: true },
    ],
  },
  text: "review:yes -by:person",
};

/** How many records wait for a person, counted up to 1,000; null when that takes too long. */
export async function countToReview(store: Store, settings: JobSettings): Promise<RecordCount | null> {
  const { search } = store.target(settings.targetCollection);
  return await search.count(REVIEW_QUERY.selection, 1_000, COUNT_MS);
}

/** What persons decided of an execution's items, by who had decided before; null when it is not known. */
export async function countByPersons(
  store: Store,
  { targetCollection }: JobSettings,
  executionId: string,
): Promise<Readonly<Record<string, number>> | null> {
  return await store.target(targetCollection).search.countByPersons(executionId, COUNT_MS);
}

/**
 * Writes what a person decided of one item. No run overwrites it, and what the model had said to it answers no equal
 * text from the next run on.
 * @param by who, for the record
 * @throws QuerymillError USAGE when a field or a label is not of the taxonomy
 */
export async function decide(
  settings: JobSettings,
  store: Store,
  { key, fields, contentHash }: CorrectionRequest,
  by: string | null,
  nowMs: number,
): Promise<CorrectionDone> {
  checkFields(fields, settings.taxonomy);
  // Chosen, not drawn: it stands for itself alone.
  const review: Review = { sheet: DASHBOARD_SHEET, part: "uncertain", of: 1, ...(by === null ? {} : { by }) };
  const target = store.target(settings.targetCollection);
  const [result] = await target.correct([{ key, fields, contentHash, review }], new Date(nowMs));
  const { status } = result!;
  const record = await recordOf(target, key);
  if (status === "corrected" && record !== undefined) {
    const cachedFrom = typeof record.cachedFrom === "string" ? record.cachedFrom : undefined;
    await forgetCorrected(new BatchFileManager(settings.batchDir, settings), [{ key, cachedFrom }], nowMs);
  }
  return { key, status, row: record === undefined ? null : rowOfRecord(record, settings.taxonomy) };
}

/**
 * Takes the last decision back that was made here: the model's answer holds again.
 * @returns null when something came after it: another sheet's decision, or an answer that the person has not seen
 */
export async function takeBack(settings: JobSettings, store: Store, key: ItemKey): Promise<CorrectionDone | null> {
  const target = store.target(settings.targetCollection);
  const status = await target.uncorrect(key, DASHBOARD_SHEET);
  if (status === "kept") return null;
  const record = await recordOf(target, key);
  return { key, status, row: record === undefined ? null : rowOfRecord(record, settings.taxonomy) };
}

async function recordOf(target: Target, key: ItemKey) {
  return (await target.readByKeys([key]))[0];
}

function checkFields(fields: CorrectionRequest["fields"], { dimensions }: Taxonomy): void {
  const byField = new Map(dimensions.map((dimension) => [fieldOfDimension(dimension.id), dimension]));
  for (const [field, value] of Object.entries(fields)) {
    const dimension = byField.get(field);
    if (dimension === undefined)
      throw refused(
        `There is no field ${field} to correct.${didYouMean(field, byField.keys())} There are: ${[...byField.keys()].join(", ")}.`,
      );
    const { id, choose, required } = dimension;
    if (value === null && required) throw refused(`${id} needs a label: it cannot be none.`);
    if (value !== null && Array.isArray(value) !== (choose === "many"))
      throw refused(`${id} takes ${choose === "many" ? "a list of labels" : "one label"}.`);
    const labels = dimension.labels.map((label) => label.id);
    for (const label of value === null ? [] : [value].flat())
      if (!labels.includes(label))
        throw refused(`${id} has no label ${label}.${didYouMean(label, labels)} There are: ${labels.join(", ")}.`);
  }
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
