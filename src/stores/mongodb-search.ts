import { type Collection, type Document, MaxKey, MinKey, MongoServerError } from "mongodb";
import { QuerymillError } from "../errors.ts";
import { idOf, keyOf } from "../item.ts";
import { isForReview, nearestOrder, type RecordOrder, type RecordSelection, selectsAll } from "../selection.ts";
import type { FindOptions, RecordCount, RecordPage, RecordSearch, SourceDocument, TimelineBucket } from "../store.ts";
import { valueAt } from "./document-path.ts";
import { isRefused, type StoreErrors } from "./mongodb-errors.ts";
import { countByPersons, indexPersons } from "./mongodb-persons.ts";
import { filterOfSelection } from "./mongodb-selection.ts";
import { type Place, placeOf, textOfPlace } from "./search-place.ts";
import { addLabels, emptyBucket } from "./timeline-bucket.ts";

/** An index that records are walked along. */
interface Walk {
  readonly order: RecordOrder;
  readonly index: string;
  readonly key: Readonly<Record<string, 1 | -1>>;
  /** Against the direction of the index. */
  readonly backwards: boolean;
}

const WALKS: Readonly<Record<RecordOrder, Walk>> = {
  id: { order: "id", index: "_id_", key: { _id: 1 }, backwards: false },
  newest: {
    order: "newest",
    index: "querymill_classified_at",
    key: { classifiedAt: 1, _id: 1 },
    backwards: true,
  },
  oldest: {
    order: "oldest",
    index: "querymill_classified_at",
    key: { classifiedAt: 1, _id: 1 },
    backwards: false,
  },
  review: {
    order: "review",
    index: "querymill_review",
    key: { needsReview: -1, "confidence.category": 1, _id: 1 },
    backwards: false,
  },
};
/** Records that are looked at in one go: each time more, since few of them meet the conditions. */
const FIRST_SLICE = 2_000;
const LARGEST_SLICE = 64_000;
/** A single question to the server gets so long at least, in ms. */
const LEAST_MS = 200;
const NO_COLLECTION = 26;
const TIME_OVER = 50;
const NO_SUCH_INDEX = 2;

/** Searches a collection of records along its indexes. */
export class MongoSearch implements RecordSearch {
  readonly #collection: Collection<Document>;
  readonly #guarded: StoreErrors;
  #found: Set<string> | null = null;
  /** Indexes that have answered. */
  #proved = new Set<string>();
  #building: Promise<void> | null = null;

  constructor(collection: Collection<Document>, guarded: StoreErrors) {
    this.#collection = collection;
    this.#guarded = guarded;
  }

  async prepare(): Promise<readonly string[]> {
    return await this.#guarded(async () => {
      const there = await this.#look();
      if (there === null) return [];
      const missing = [WALKS.newest, WALKS.review].filter(({ index }) => !there.has(index));
      await briefly(indexPersons(this.#collection));
      if (missing.length === 0) return [];
      const name = this.#collection.collectionName;
      const until = `${name} is listed by id only`;
      const refused = await this.#build(missing);
      return missing.map(({ index, key }) =>
        refused
          ? `${name} has no index ${index}, and the user may not build one on ${JSON.stringify(key)}: ${until}.`
          : `The index ${index} is being built on ${name}; until it is there ${until}.`,
      );
    });
  }

  async find({ selection, order, after, limit, maxMs }: FindOptions): Promise<RecordPage> {
    return await this.#guarded(async () => {
      const filter = filterOfSelection(selection, isByTime(order));
      if (selection.keys !== null) return await this.#findByKeys(selection, limit);
      const walk = await this.#walk(order);
      const place = after === null ? null : placeOf(after, walk.order, Object.keys(walk.key).length);
      const whole = walk.order === order ? filter : filterOfSelection(selection, false);
      const documents: SourceDocument[] = [];
      for await (const slice of this.#slices(walk, whole, boundsOf(walk, selection), place, maxMs)) {
        const left = limit - documents.length;
        const found = await slice.read(left + 1, null);
        if (found === null) return { documents, next: textOfPlace(walk.order, slice.from), order: walk.order };
        documents.push(...(found.slice(0, left) as SourceDocument[]));
        if (found.length > left || (documents.length === limit && slice.to !== null)) {
          const last = { values: valuesOf(walk, documents.at(-1)!), at: false };
          return { documents, next: textOfPlace(walk.order, last), order: walk.order };
        }
        if (slice.isOver) return { documents, next: textOfPlace(walk.order, slice.to), order: walk.order };
      }
      return { documents, next: null, order: walk.order };
    });
  }

  async count(selection: RecordSelection, atMost: number, maxMs: number): Promise<RecordCount | null> {
    return await this.#guarded(async () => {
      if (selectsAll(selection))
        return { items: await this.#collection.estimatedDocumentCount({ maxTimeMS: maxMs }), atLeast: false };
      if (selection.keys !== null)
        return { items: (await this.#findByKeys(selection, atMost)).documents.length, atLeast: false };
      const walk = await this.#walk(nearestOrder(selection));
      const filter = filterOfSelection(selection, walk.order === "newest");
      let items = 0;
      for await (const slice of this.#slices(walk, filter, boundsOf(walk, selection), null, maxMs)) {
        const found = await slice.read(atMost + 1 - items, { _id: 1 });
        if (found === null) return items === 0 ? null : { items, atLeast: true };
        items += found.length;
        if (items > atMost) return { items: atMost, atLeast: true };
        if (slice.isOver) return { items, atLeast: true };
      }
      return { items, atLeast: false };
    });
  }

  async countByPersons(executionId: string, maxMs: number): Promise<Readonly<Record<string, number>> | null> {
    return await this.#guarded(() => countByPersons(this.#collection, executionId, maxMs));
  }

  async timeline(
    fields: readonly string[],
    boundsMs: readonly number[],
    maxMs: number,
  ): Promise<readonly (TimelineBucket | null)[]> {
    return await this.#guarded(async () => {
      const { order, index } = await this.#walk("newest");
      const deadline = performance.now() + maxMs;
      const group = Object.fromEntries(fields.map((field, at) => [`f${at}`, `$${field}`]));
      const buckets = new Array<TimelineBucket | null>(boundsMs.length - 1).fill(null);
      for (let at = buckets.length - 1; at >= 0 && performance.now() < deadline; at--) {
        const range = { $gte: new Date(boundsMs[at]!), $lt: new Date(boundsMs[at + 1]!) };
        const stages = [{ $match: { classifiedAt: range } }, { $group: { _id: group, items: { $sum: 1 } } }];
        const options = order === "newest" ? { hint: index } : {};
        const rows = await inTime(deadline, (maxTimeMS) =>
          this.#collection.aggregate(stages, { ...options, maxTimeMS }).toArray(),
        );
        if (rows === null) break;
        const bucket = emptyBucket(fields);
        for (const { _id, items } of rows)
          addLabels(bucket, items, (fieldAt) => (_id as Record<string, unknown>)[`f${fieldAt}`]);
        buckets[at] = bucket;
      }
      return buckets;
    });
  }

  /** Parts of the walk behind `place`, each small enough to be looked at in one go; one part when nothing is filtered. */
  async *#slices(walk: Walk, filter: Document | null, bounds: Bounds, place: Place | null, maxMs: number) {
    const deadline = performance.now() + maxMs;
    let from = place ?? bounds.begin;
    for (let size = FIRST_SLICE; ; size = Math.min(size * 4, LARGEST_SLICE)) {
      const start: Place | null = from;
      const to: Place | null = filter === null ? null : await this.#ahead(walk, start, bounds.end, size, deadline);
      const read = (limit: number, projection: Document | null) =>
        inTime(deadline, (maxTimeMS) =>
          this.#read(walk, filter ?? {}, start, to ?? bounds.end, { limit, projection, maxTimeMS }),
        );
      yield { from: start, to, isOver: to !== null && performance.now() > deadline, read };
      if (to === null) return;
      from = to;
    }
  }

  /** The place so many records ahead; null when there are fewer. Only the index is read. */
  async #ahead(
    walk: Walk,
    from: Place | null,
    end: Place | null,
    size: number,
    deadline: number,
  ): Promise<Place | null> {
    const projection = { _id: 1, ...Object.fromEntries(Object.keys(walk.key).map((name) => [name, 1])) };
    const found = await inTime(deadline, (maxTimeMS) =>
      this.#read(walk, {}, from, end, { limit: 1, skip: size, projection, maxTimeMS }),
    );
    const [document] = found ?? [];
    // The lower end of a part belongs to it: walked backwards that is its last one, else the first one of the next.
    return document === undefined ? null : { values: valuesOf(walk, document), at: !walk.backwards };
  }

  async #read(
    walk: Walk,
    filter: Document,
    from: Place | null,
    to: Place | null,
    { limit, skip = 0, projection, maxTimeMS }: Reading,
  ): Promise<Document[]> {
    const [low, high] = walk.backwards ? [to, from] : [from, to];
    const names = Object.keys(walk.key);
    const keyAt = ({ values }: Place): Document => Object.fromEntries(names.map((name, at) => [name, values[at]]));
    const sort = Object.fromEntries(
      Object.entries(walk.key).map(([name, direction]) => [name, walk.backwards ? -direction : direction]),
    );
    const onlyIds = walk.order === "id";
    if (onlyIds && low !== null && isLastId(low.values[0])) return [];
    // `min` includes what stands there, `max` does not.
    const passed = from !== null && !from.at && !walk.backwards ? keyOf(from.values) : null;
    const found = await this.#collection
      .find(filter, {
        hint: walk.index,
        sort: sort as Document,
        limit: limit + (passed === null ? 0 : 1),
        ...(skip > 0 ? { skip } : {}),
        ...(low === null ? {} : { min: keyAt(low) }),
        ...(high === null ? {} : { max: keyAt(high) }),
        ...(projection === null ? {} : { projection }),
        maxTimeMS,
      })
      .toArray();
    // An index that is followed from an id on ends before `MaxKey`, which may be one.
    if (onlyIds && low !== null && high === null && skip === 0 && found.length < limit + 1)
      found.push(...(await this.#collection.find({ $and: [filter, { _id: new MaxKey() as never }] }).toArray()));
    if (passed === null) return found.slice(0, limit);
    return found.filter((document) => keyOf(valuesOf(walk, document)) !== passed).slice(0, limit);
  }

  async #findByKeys(selection: RecordSelection, limit: number): Promise<RecordPage> {
    const ids = selection.keys!.map((key) => idOf(key) as never);
    const filter = { $and: [{ _id: { $in: ids } }, filterOfSelection(selection, false) ?? {}] };
    const documents = await this.#collection.find(filter as Document, { limit }).toArray();
    return { documents: documents as SourceDocument[], next: null, order: "id" };
  }

  async #walk(order: RecordOrder): Promise<Walk> {
    if (order !== "id" && !this.#found?.has(WALKS[order].index)) await this.#look();
    return order === "id" || this.#found?.has(WALKS[order].index) ? WALKS[order] : WALKS.id;
  }

  /** @returns names of the indexes that can be used now; null when there is no collection */
  async #look(): Promise<ReadonlySet<string> | null> {
    const listed = await this.#collection
      .listIndexes()
      .toArray()
      .catch((error: unknown) => {
        if ((error as { code?: unknown }).code === NO_COLLECTION) return null;
        if (isRefused(error)) return [];
        throw error;
      });
    const usable = listed?.filter(
      ({ name, key, hidden, buildUUID, partialFilterExpression }) =>
        !hidden &&
        !buildUUID &&
        !partialFilterExpression &&
        Object.values(WALKS).some((walk) => walk.index === name && JSON.stringify(walk.key) === JSON.stringify(key)),
    );
    const names = (usable ?? []).map(({ name }) => name as string);
    this.#proved = new Set(names.filter((name) => this.#proved.has(name)));
    // A server lists an index already while it, or another client, is still building it.
    for (const name of names) if (!this.#proved.has(name) && (await this.#answers(name))) this.#proved.add(name);
    this.#found = new Set(this.#proved);
    return listed === null ? null : this.#found;
  }

  async #answers(hint: string): Promise<boolean> {
    try {
      await this.#collection.findOne({}, { hint, projection: { _id: 1 } });
      return true;
    } catch (error) {
      if (error instanceof MongoServerError && error.code === NO_SUCH_INDEX) return false;
      throw error;
    }
  }

  /** Builds beside what else goes on. @returns true when the user may not */
  async #build(missing: readonly Walk[]): Promise<boolean> {
    let refused = false;
    this.#building ??= this.#collection
      .createIndexes(missing.map(({ index, key }) => ({ name: index, key })))
      .then(
        () => {},
        (error: unknown) => {
          refused = isRefused(error);
        },
      )
      .finally(() => {
        this.#building = null;
      });
    await briefly(this.#building);
    return refused;
  }
}

interface Reading {
  readonly limit: number;
  readonly skip?: number;
  readonly projection: Document | null;
  readonly maxTimeMS: number;
}

interface Bounds {
  readonly begin: Place | null;
  readonly end: Place | null;
}

function isByTime(order: RecordOrder): boolean {
  return order === "newest" || order === "oldest";
}

function boundsOf(walk: Walk, selection: RecordSelection): Bounds {
  const { fromMs, toMs } = selection;
  if (walk.order === "review" && isForReview(selection))
    return { begin: null, end: { values: [false, new MinKey(), new MinKey()], at: true } };
  const at = (ms: number | null): Place | null =>
    ms === null || !isByTime(walk.order) ? null : { values: [new Date(ms), new MinKey()], at: true };
  return walk.backwards ? { begin: at(toMs), end: at(fromMs) } : { begin: at(fromMs), end: at(toMs) };
}

/** Where a record stands in the index. */
function valuesOf(walk: Walk, document: Document): unknown[] {
  return Object.keys(walk.key).map((name) => valueAt(document, name) ?? null);
}

async function briefly(work: Promise<void>): Promise<void> {
  await Promise.race([work, new Promise<void>((resolve) => setTimeout(resolve, LEAST_MS).unref())]);
}

/** @returns null when the server had no time for it */
async function inTime<T>(deadline: number, work: (maxTimeMS: number) => Promise<T>): Promise<T | null> {
  try {
    return await work(Math.max(LEAST_MS, Math.ceil(deadline - performance.now())));
  } catch (error) {
    if (error instanceof MongoServerError && error.code === TIME_OVER) return null;
    if (error instanceof MongoServerError && error.code === NO_SUCH_INDEX)
      throw new QuerymillError("STORE_FAILED", "An index that is needed for this list was removed. Try again.", {
        cause: error,
      });
    throw error;
  }
}

function isLastId(id: unknown): boolean {
  return (id as { _bsontype?: string } | null)?._bsontype === "MaxKey";
}
