import type { Collection, Document } from "mongodb";
import { type ItemKey, idOf, keyOf } from "../item.ts";
import type { MarkFields } from "../job.ts";
import type { SettledMark, SourceDocument, UpdatedDocument } from "../store.ts";
import { valueAt } from "./document-path.ts";
import { isRefused, type StoreErrors } from "./mongodb-errors.ts";
import { FIRST_MS, timeOf, updatedAtOf } from "./updated-at.ts";

/** Documents of one reply. */
const AT_ONCE = 500;
/** Texts with offsets are in the order of local times: so much may lie between one of them and UTC. */
const OFFSETS_MS = 14 * 3_600_000;
const NOT_FOUND = 26;
const ON_VIEW = 166;

/** What says of a collection's documents when they were changed. */
export interface UpdatedPlace {
  readonly path: string;
  /** null: the collection carries no marks. */
  readonly mark: MarkFields | null;
  readonly filter: Document | null;
}

/**
 * Finds the index that makes looking for changes cheap, or builds it.
 * @param may false where the source is only read
 * @returns a sentence for the user, or null when it was there
 */
export async function prepareUpdated(
  collection: Collection<Document>,
  path: string,
  may: boolean,
): Promise<string | null> {
  if ((await indexOn(collection, path)) !== null) return null;
  const name = collection.collectionName;
  const slow = `${name} has no index on ${path}, so looking for changed documents reads all of them at each poll`;
  if (!may) return `${slow}: build one on {${path}: 1}.`;
  try {
    const built = await collection.createIndex({ [path]: 1 }, { name: `querymill_updated_${path}` });
    return `Built the index ${built} on ${name}, so that looking for changed documents costs little.`;
  } catch (error) {
    if (!isRefused(error)) throw error;
    return `${slow}, and the user may not build one on {${path}: 1}.`;
  }
}

/** Which of these documents a job has marked, and how. */
export async function marksOf(
  collection: Collection<Document>,
  { processed, processedAt, processedBy }: MarkFields,
  job: string,
  keys: readonly ItemKey[],
): Promise<Map<ItemKey, SettledMark>> {
  const ids = keys.map(idOf) as never[];
  const found = await collection
    .find(
      { _id: { $in: ids }, [processed]: true, [`${processedBy}.job`]: job },
      { projection: { [processedAt]: 1, [`${processedBy}.outcome`]: 1 }, batchSize: ids.length + 1 },
    )
    .toArray();
  return new Map(found.map((one) => [keyOf(one._id), markIn(one, processedAt, processedBy)]));
}

/** Documents that say they were changed after `sinceMs`, in no order, with the job's marks; all of them where there are no marks. */
export async function* updatedIn(
  collection: Collection<Document>,
  { path, mark, filter }: UpdatedPlace,
  job: string,
  sinceMs: number,
  guarded: StoreErrors,
): AsyncGenerator<readonly UpdatedDocument[]> {
  const index = await guarded(() => indexOn(collection, path));
  const slackMs = await guarded(() => slackOf(collection, path, index));
  const parts = [
    { $or: changedAfter(path, sinceMs, slackMs) },
    ...(mark === null ? [] : [{ [mark.processed]: true, [`${mark.processedBy}.job`]: job }]),
    ...(filter === null ? [] : [filter]),
  ];
  const shown = mark === null ? [] : [mark.processedAt, `${mark.processedBy}.outcome`];
  const cursor = collection.find(
    { $and: parts },
    {
      projection: Object.fromEntries([path, ...shown].map((name) => [name, 1])),
      batchSize: AT_ONCE,
      ...(index === null ? {} : { hint: index }),
    },
  );
  try {
    for (;;) {
      const documents = await guarded(async () => {
        const first = await cursor.next();
        return (first === null ? [] : [first, ...cursor.readBufferedDocuments()]) as SourceDocument[];
      });
      if (documents.length === 0) return;
      yield documents.map((one) => ({
        key: keyOf(one._id),
        updatedAtMs: updatedAtOf(one, path),
        mark: mark === null ? null : markIn(one, mark.processedAt, mark.processedBy),
      }));
    }
  } finally {
    await cursor.close().catch(() => {});
  }
}

function markIn(document: Document, processedAt: string, processedBy: string): SettledMark {
  return {
    outcome: valueAt(document, `${processedBy}.outcome`) as SettledMark["outcome"],
    atMs: timeOf(valueAt(document, processedAt)),
  };
}

/** One clause for each kind that a time can be of: comparisons never go over kinds. */
function changedAfter(path: string, sinceMs: number, slackMs: number): Document[] {
  return [
    { [path]: { $gt: new Date(sinceMs) } },
    { [path]: { $gt: new Date(Math.max(0, sinceMs - slackMs)).toISOString() } },
    { [path]: { $gt: sinceMs / 1_000, $lt: FIRST_MS } },
    { [path]: { $gt: Math.max(sinceMs, FIRST_MS) } },
  ];
}

/** Without an index all are read anyway. With one, the newest text shows whether texts are all UTC. */
async function slackOf(collection: Collection<Document>, path: string, index: string | null): Promise<number> {
  if (index === null) return OFFSETS_MS;
  const text = { [path]: { $type: "string" as const, $gte: "" } };
  const [newest] = await collection
    .find(text, { projection: { [path]: 1 }, sort: { [path]: -1 }, limit: 1, hint: index })
    .toArray();
  const value = newest === undefined ? "Z" : valueAt(newest, path);
  return typeof value === "string" && value.endsWith("Z") ? 0 : OFFSETS_MS;
}

async function indexOn(collection: Collection<Document>, path: string): Promise<string | null> {
  const existing = await collection
    .listIndexes()
    .toArray()
    .catch((error: unknown) => {
      if ([NOT_FOUND, ON_VIEW].includes(Number((error as { code?: unknown }).code)) || isRefused(error)) return [];
      throw error;
    });
  const found = existing.find(
    ({ key, hidden, partialFilterExpression, collation }) =>
      Object.entries(key as object)[0]?.join() === `${path},1` && !hidden && !partialFilterExpression && !collation,
  );
  return (found?.name as string | undefined) ?? null;
}
