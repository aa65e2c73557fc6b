import { type Collection, type Document, MaxKey, MongoBulkWriteError } from "mongodb";
import { supersededBy } from "../history.ts";
import { byKey, type ItemKey, idOf } from "../item.ts";
import type { RecordToWrite, SourceDocument } from "../store.ts";

const duplicateKey = 11_000;
/** Records of one item that are read, the newest ones. */
const MOST = 1_000;

/** Keeps what the records are about to replace. Doing it twice changes nothing. @param standing the records that are there */
export async function keepSuperseded(
  history: Collection<Document>,
  standing: readonly Document[],
  records: readonly RecordToWrite[],
): Promise<void> {
  const found = byKey(standing as SourceDocument[]);
  const kept = records.flatMap(({ key, record }) => {
    const before = found.get(key);
    return (before && supersededBy(record, before)) ?? [];
  });
  if (kept.length === 0) return;
  try {
    await history.insertMany(kept as unknown as Document[], { ordered: false });
  } catch (error) {
    if (!isKeptAlready(error)) throw error;
  }
}

/** @returns what was replaced of an item, oldest first */
export async function historyOfItem(history: Collection<Document>, key: ItemKey): Promise<SourceDocument[]> {
  const item = idOf(key);
  // Along the index of `_id`: documents are compared field by field.
  const range = { $gte: { item }, $lt: { item, classifiedAt: new MaxKey() } };
  const found = await history
    .find({ _id: range as never })
    .sort({ _id: -1 })
    .limit(MOST)
    .toArray();
  return found.reverse() as SourceDocument[];
}

function isKeptAlready(error: unknown): boolean {
  if (!(error instanceof MongoBulkWriteError) || error.result.getWriteConcernError()) return false;
  const errors = [error.writeErrors].flat();
  return errors.length > 0 && errors.every(({ code }) => code === duplicateKey);
}
