import type { Collection, Document } from "mongodb";
import { type Correction, type CorrectionResult, changeOf, type UndoResult, undoOf } from "../correction.ts";
import { QuerymillError } from "../errors.ts";
import { type ItemKey, idOf } from "../item.ts";

const triesAgainstRaces = 8;

/**
 * Writes what people decided, one record at a time: each write names the version of the record that was read, so that an
 * answer which a run stores at the same moment is neither lost nor taken for the one that the person saw.
 */
export async function correctRecords(
  collection: Collection<Document>,
  corrections: readonly Correction[],
  at: Date,
): Promise<CorrectionResult[]> {
  const results: CorrectionResult[] = [];
  for (const correction of corrections) results.push(await correctOne(collection, correction, at));
  return results;
}

/** Takes a decision back in the same way. */
export async function uncorrectRecord(
  collection: Collection<Document>,
  key: ItemKey,
  sheet: string,
): Promise<UndoResult> {
  for (let tries = 0; tries < triesAgainstRaces; tries++) {
    const record = await collection.findOne({ _id: idOf(key) as never });
    const { status, set, gone } = undoOf(record, sheet, (time) => (time instanceof Date ? time.getTime() : null));
    if (record === null || status !== "undone") return status;
    const { reviewedAt = null, modelSuggestion } = record;
    const seen = {
      ...asSeen(record),
      reviewedAt,
      "modelSuggestion.classifiedAt": modelSuggestion.classifiedAt ?? null,
    };
    const without = gone.length === 0 ? {} : { $unset: Object.fromEntries(gone.map((name) => [name, ""])) };
    const { matchedCount } = await collection.updateOne(seen, { $set: set, ...without });
    if (matchedCount === 1) return status;
  }
  throw new QuerymillError(
    "STORE_FAILED",
    `A record in ${collection.collectionName} kept changing while a decision was taken back. Try again.`,
  );
}

/** Matches the record only as it was read. */
function asSeen(record: Document): Document {
  // What is null here matches a missing field too.
  const { _id, decidedBy = null, fence = null, executionId = null, classifiedAt = null, contentHash = null } = record;
  return { _id, decidedBy, fence, executionId, classifiedAt, contentHash };
}

async function correctOne(
  collection: Collection<Document>,
  correction: Correction,
  at: Date,
): Promise<CorrectionResult> {
  const _id = idOf(correction.key) as never;
  for (let tries = 0; tries < triesAgainstRaces; tries++) {
    const record = await collection.findOne({ _id });
    const { status, set } = changeOf(record, correction, at);
    if (record === null || Object.keys(set).length === 0) return { key: correction.key, status };
    const { matchedCount } = await collection.updateOne(asSeen(record), { $set: set });
    if (matchedCount === 1) return { key: correction.key, status };
  }
  throw new QuerymillError(
    "STORE_FAILED",
    `A record in ${collection.collectionName} kept changing while it was corrected. Import the sheet again: what is done is not done twice.`,
  );
}
