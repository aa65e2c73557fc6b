import { type Collection, type Document, MaxKey } from "mongodb";
import { type ItemKey, idOf, keyOf } from "../item.ts";
import type { SourceDocument } from "../store.ts";

const ID_INDEX = "_id_";
/** The `_id` behind which no other can be. */
const LAST_ID: ItemKey = keyOf(new MaxKey());

/** An ordered part of a collection, walked along an index. */
export interface Range {
  readonly filter: Document;
  /** Name of the index; null for a view, which has none. */
  readonly index: string | null;
  /** The index's key of a document with this `_id`. */
  keyAt(id: unknown): Document;
  readonly sort: Readonly<Record<string, 1>>;
  /** Top-level fields to read; all when missing. */
  readonly fields?: readonly string[] | null;
  /** The first `_id` (inclusive) and where it ends (exclusive); null for the ends of the index. @default null */
  readonly from?: ItemKey | null;
  readonly to?: ItemKey | null;
}

/**
 * Reads on along the index behind one `_id`. A comparison such as `{_id: {$gt: last}}` would silently leave out ids of
 * other types; `min` follows the index over all of them. It is inclusive, so the equal one is dropped if still there.
 * One reply of the server at most (16 MB): there may be fewer than `limit` documents although more follow.
 */
export async function readRange(
  collection: Collection<Document>,
  range: Range,
  after: ItemKey | null,
  limit: number,
): Promise<{ documents: SourceDocument[]; more: boolean }> {
  // Nothing lies behind it, and the server refuses to begin there.
  if (after === LAST_ID && range.index === ID_INDEX) return { documents: [], more: false };
  const wanted = limit + 1 + (after === null ? 0 : 1);
  const cursor = collection.find(range.index === null ? between(range, after) : range.filter, {
    ...boundsOf(range, after),
    sort: { ...range.sort },
    limit: wanted,
    batchSize: wanted,
    ...(range.fields ? { projection: projectionOf(range.fields) } : {}),
  });
  try {
    const documents: SourceDocument[] = [];
    while (documents.length === 0) {
      const next = await cursor.next();
      if (next === null) break;
      const reply = [next, ...cursor.readBufferedDocuments()] as SourceDocument[];
      documents.push(...reply.filter((document, at) => at > 0 || keyOf(document._id) !== after));
    }
    const unread = cursor.id !== undefined && !cursor.id.isZero();
    if (!unread && (after ?? range.from ?? null) !== null && (range.to ?? null) === null && range.index === ID_INDEX)
      documents.push(...(await readLast(collection, range, documents)));
    return { documents: documents.slice(0, limit), more: unread || documents.length > limit };
  } finally {
    await cursor.close();
  }
}

/** An index that is followed from an `_id` on ends before `MaxKey`, which may be one. */
async function readLast(
  collection: Collection<Document>,
  { filter, fields }: Range,
  read: readonly SourceDocument[],
): Promise<SourceDocument[]> {
  if (keyOf(read.at(-1)?._id ?? null) === LAST_ID) return [];
  const last = { $and: [filter, { _id: new MaxKey() as never }] };
  return (await collection
    .find(last, fields ? { projection: projectionOf(fields) } : {})
    .toArray()) as SourceDocument[];
}

/**
 * The `_id` behind so many documents of a range.
 * @returns null when there are no more than these
 */
export async function idBehind(
  collection: Collection<Document>,
  range: Range,
  documents: number,
): Promise<ItemKey | null> {
  const [found] = await collection
    .find(range.index === null ? between(range, null) : range.filter, {
      ...boundsOf(range, null),
      sort: { ...range.sort },
      skip: documents,
      limit: 1,
      projection: { _id: 1 },
    })
    .toArray();
  const key = found === undefined ? null : keyOf(found._id);
  // Nothing can begin there: the one that has it belongs to what lies before.
  return key === LAST_ID ? null : key;
}

/** @returns what makes a query follow the index from one `_id` to another; `after` beats the range's own beginning */
export function boundsOf({ index, keyAt, from = null, to = null }: Range, after: ItemKey | null): Document {
  if (index === null) return {};
  const first = after ?? from;
  return {
    hint: index,
    ...(first === null ? {} : { min: keyAt(idOf(first)) }),
    ...(to === null ? {} : { max: keyAt(idOf(to)) }),
  };
}

/** A view has no index to follow. Inside `$expr` a comparison goes over all types of ids, unlike outside. */
function between({ filter, from = null, to = null }: Range, after: ItemKey | null): Document {
  const compared = [
    ...(after === null ? [] : [{ $gt: ["$_id", { $literal: idOf(after) }] }]),
    ...(from === null ? [] : [{ $gte: ["$_id", { $literal: idOf(from) }] }]),
    ...(to === null ? [] : [{ $lt: ["$_id", { $literal: idOf(to) }] }]),
  ];
  return compared.length === 0 ? filter : { $and: [filter, { $expr: { $and: compared } }] };
}

/** @returns a projection of these top-level fields and `_id` */
export function projectionOf(fields: readonly string[]): Document {
  return { _id: 1, ...Object.fromEntries(fields.map((field) => [field, 1])) };
}
