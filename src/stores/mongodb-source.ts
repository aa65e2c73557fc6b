import { type Collection, type Db, type Document, ObjectId } from "mongodb";
import { type ItemKey, idOf, keyOf } from "../item.ts";
import type { MarkFields } from "../job.ts";
import type {
  Cursor,
  MarkGroup,
  Page,
  SettledMark,
  Source,
  SourceDocument,
  SourceInspection,
  SourceOptions,
  UpdatedDocument,
  WatchOptions,
} from "../store.ts";
import { countAlong, cutAlong, settledAlong } from "./mongodb-cut.ts";
import { isRefused, type StoreErrors } from "./mongodb-errors.ts";
import { checkExists } from "./mongodb-exists.ts";
import { projectionOf, type Range, readRange } from "./mongodb-page.ts";
import { mayDo, notMarkable } from "./mongodb-rights.ts";
import { marksOf, prepareUpdated, updatedIn } from "./mongodb-updated.ts";

/**
 * The unprocessed documents are walked in ranges: those without a mark (missing or null) and those marked `false`,
 * each along a partial index of its own, so that finished documents cost nothing. Without these indexes: all in one
 * range along `_id`.
 */
type RangeName = "unmarked" | "false" | "all";
interface Position {
  readonly range: RangeName;
  /** Of the last document read; null at the range's start. */
  readonly last: ItemKey | null;
}

const markAtOnce = 1_000;
const onView = 166;
const isView = "it is a view, which cannot be written";
const timedOut = new Set([50, 202]);

export class MongoSource implements Source {
  readonly #db: Db;
  readonly #collection: Collection<Document>;
  readonly #options: SourceOptions;
  readonly #guarded: StoreErrors;
  /** Names of the indexes by range; null until looked up. */
  #indexes: Partial<Record<RangeName, string>> | null = null;
  /** null until looked up. */
  #view: boolean | null = null;

  constructor(db: Db, options: SourceOptions, guarded: StoreErrors) {
    this.#db = db;
    this.#collection = db.collection(options.collection);
    this.#options = options;
    this.#guarded = guarded;
  }

  async prepare(): Promise<readonly string[]> {
    return await this.#guarded(async () => {
      await checkExists(this.#db, this.#options.collection);
      if (this.#options.mark === null) return await this.#prepareUpdated(false);
      const why = await this.#whyNotMarkable();
      if (why !== null) throw notMarkable(this.#options.collection, why);
      return [...(await this.#buildIndexes()), ...(await this.#prepareUpdated(true))];
    });
  }

  async inspect(): Promise<SourceInspection> {
    return await this.#guarded(async () => {
      await checkExists(this.#db, this.#options.collection);
      if (this.#options.mark === null) {
        const documents = await this.#collection.estimatedDocumentCount();
        return { documents, indexed: true, mayBuildIndex: null, notMarkable: null };
      }
      const found = await this.#whyNotMarkable();
      const indexes = await this.#findIndexes();
      return {
        documents: await this.#collection.estimatedDocumentCount(),
        indexed: indexes.unmarked !== undefined,
        mayBuildIndex: found === isView ? false : await mayDo(this.#db, this.#options.collection, "createIndex"),
        notMarkable: found,
      };
    });
  }

  async countUnprocessed(maxMs: number): Promise<number | null> {
    return await this.#guarded(async () => {
      const deadline = performance.now() + maxMs;
      let total = 0;
      for (const name of await this.#rangeNames()) {
        const range = await this.#range(name);
        const maxTimeMS = Math.max(1, Math.round(deadline - performance.now()));
        try {
          total += this.#options.range
            ? await countAlong(this.#collection, range, maxTimeMS)
            : await this.#collection.countDocuments(range.filter, { ...hintOf(range), maxTimeMS });
        } catch (error) {
          if (timedOut.has(Number((error as { code?: unknown }).code))) return null;
          throw error;
        }
      }
      return total;
    });
  }

  async readUnprocessed(after: Cursor | null, limit: number): Promise<Page> {
    return await this.#guarded(async () => {
      const names = await this.#rangeNames();
      let position: Position = after === null ? { range: names[0]!, last: null } : (JSON.parse(after) as Position);
      const documents: SourceDocument[] = [];
      for (const name of position.range === "all" ? ["all" as const] : followingRanges(position.range)) {
        if (position.range !== name) position = { range: name, last: null };
        const room = limit - documents.length;
        const page = await readRange(this.#collection, await this.#range(name), position.last, room);
        documents.push(...page.documents);
        const last = page.documents.at(-1);
        if (last) position = { range: name, last: keyOf(last._id) };
        if (page.more) return { documents, cursor: JSON.stringify(position), last: false };
      }
      return { documents, cursor: JSON.stringify(position), last: true };
    });
  }

  async cut(from: ItemKey | null, size: number): Promise<{ to: ItemKey | null; items: number } | null> {
    return await this.#guarded(async () => {
      const ranges = await Promise.all((await this.#rangeNames()).map((name) => this.#range(name)));
      return await cutAlong(this.#collection, ranges, from, size);
    });
  }

  async settledIn(job: string, executionIds: readonly string[]): Promise<Record<MarkGroup["by"]["outcome"], number>> {
    const { range = null } = this.#options;
    return await this.#guarded(() =>
      settledAlong(this.#collection, markOf(this.#options), range ?? { from: null, to: null }, job, executionIds),
    );
  }

  async sample(size: number, maxMs = 10_000): Promise<readonly SourceDocument[]> {
    const { filter } = await this.#range("all");
    const { fields } = this.#options;
    const shown = fields ? [{ $project: projectionOf(fields) }] : [];
    const draw = async (stages: Document[]): Promise<SourceDocument[]> => {
      const drawn = await this.#collection.aggregate(stages, { allowDiskUse: true, maxTimeMS: maxMs }).toArray();
      const byKey = new Map(drawn.map((document) => [keyOf(document._id), document as SourceDocument]));
      return [...byKey.values()].slice(0, size);
    };
    return await this.#guarded(async () => {
      try {
        const all = Object.keys(filter).length === 0;
        return await draw([...(all ? [] : [{ $match: filter }]), ...shown, { $sample: { size } }]);
      } catch (error) {
        if (!timedOut.has(Number((error as { code?: unknown }).code))) throw error;
        // Drawing first takes a random cursor, whatever the size of the collection.
        const some = await draw([{ $sample: { size: size * 10 } }, { $match: filter }, ...shown]);
        return some.length > 0 ? some : (await this.readUnprocessed(null, size)).documents;
      }
    });
  }

  async readMarked({ job, outcome }: Pick<MarkGroup["by"], "job" | "outcome">, after: Cursor | null, limit: number) {
    const { filter, fields } = this.#options;
    const mark = markOf(this.#options);
    const by = mark.processedBy;
    const own = { [mark.processed]: true, [`${by}.job`]: job, [`${by}.outcome`]: outcome };
    const range = { filter: filter ? { $and: [own, filter] } : own, index: "_id_", keyAt: (_id: unknown) => ({ _id }) };
    const { documents, more } = await this.#guarded(() =>
      readRange(this.#collection, { ...range, sort: { _id: 1 }, fields }, after || null, limit),
    );
    const last = documents.at(-1);
    return { documents, cursor: last ? keyOf(last._id) : (after ?? ""), last: !more };
  }

  async settledBy(job: string, keys: readonly ItemKey[]): Promise<ReadonlyMap<ItemKey, SettledMark>> {
    return await this.#guarded(() => marksOf(this.#collection, markOf(this.#options), job, keys));
  }

  readUpdated(job: string, sinceMs: number): AsyncIterable<readonly UpdatedDocument[]> {
    const { updatedAt, mark, filter } = this.#options;
    const place = { path: updatedAt!, mark, filter };
    return updatedIn(this.#collection, place, job, sinceMs, this.#guarded);
  }

  async readByKeys(keys: readonly ItemKey[]): Promise<readonly SourceDocument[]> {
    const { fields } = this.#options;
    const projection = fields ? { projection: projectionOf(fields) } : {};
    const ids = keys.map(idOf) as never[];
    // In one reply, as far as its 16 MB go: the usual first one holds 101 documents.
    const found = await this.#guarded(() =>
      this.#collection.find({ _id: { $in: ids } }, { ...projection, batchSize: ids.length + 1 }).toArray(),
    );
    return found as SourceDocument[];
  }

  async mark(groups: readonly MarkGroup[]): Promise<void> {
    const { processed, processedAt, processedBy } = markOf(this.#options);
    for (const { keys, at, by } of groups)
      await this.#update(keys, { $set: { [processed]: true, [processedAt]: at, [processedBy]: { ...by } } });
  }

  async unmark(keys: readonly ItemKey[]): Promise<void> {
    const { processed, processedAt, processedBy } = markOf(this.#options);
    await this.#update(keys, { $unset: { [processed]: "", [processedAt]: "", [processedBy]: "" } });
  }

  async watch(options: WatchOptions): Promise<void> {
    const { watchCollection } = await import("./mongodb-watch.ts");
    await watchCollection(this.#collection, this.#options, this.#guarded, options);
  }

  async #update(keys: readonly ItemKey[], change: Document): Promise<void> {
    await this.#guarded(async () => {
      for (let at = 0; at < keys.length; at += markAtOnce) {
        const ids = keys.slice(at, at + markAtOnce).map(idOf) as never[];
        await this.#collection.updateMany({ _id: { $in: ids } }, change);
      }
    });
  }

  async #prepareUpdated(may: boolean): Promise<string[]> {
    const { updatedAt = null } = this.#options;
    return updatedAt === null
      ? []
      : [await prepareUpdated(this.#collection, updatedAt, may)].filter((one) => one !== null);
  }

  async #isView(): Promise<boolean> {
    const listed = { nameOnly: true, authorizedCollections: true } as const;
    this.#view ??= (await this.#db.listCollections({ name: this.#options.collection }, listed).next())?.type === "view";
    return this.#view;
  }

  /** Tries the update that marks on a document that cannot exist: the server checks the right before it looks. */
  async #whyNotMarkable(): Promise<string | null> {
    const { processed } = markOf(this.#options);
    try {
      await this.#collection.updateOne({ _id: new ObjectId() }, { $set: { [processed]: true } });
      return null;
    } catch (error) {
      if (isRefused(error)) return "the user of the store's URI has no update right";
      if ((error as { code?: unknown }).code === onView) return isView;
      throw error;
    }
  }

  async #buildIndexes(): Promise<string[]> {
    const before = await this.#findIndexes();
    if (before.unmarked && before.false) return [];
    const { collection } = this.#options;
    try {
      await this.#collection.createIndexes(this.#indexSpecs().map(({ name, ...spec }) => ({ name, ...spec })));
    } catch (error) {
      if (!isRefused(error)) throw error;
      return [
        `${collection} has no index on its unprocessed documents and the user may not build one: reading is slower the more documents are done.`,
      ];
    }
    const after = await this.#findIndexes();
    return [
      `Built the indexes ${after.unmarked} and ${after.false} on ${collection}, so that finished documents cost nothing.`,
    ];
  }

  #indexSpecs() {
    const { processed } = markOf(this.#options);
    return [
      {
        name: `querymill_unmarked_${processed}`,
        key: { [processed]: 1, _id: 1 },
        partialFilterExpression: { [processed]: null },
      },
      // Other key order: older servers refuse two indexes on the same key.
      {
        name: `querymill_false_${processed}`,
        key: { _id: 1, [processed]: 1 },
        partialFilterExpression: { [processed]: false },
      },
    ] as const;
  }

  /** Finds our indexes under any name; both are needed to walk the ranges. */
  async #findIndexes(): Promise<Partial<Record<RangeName, string>>> {
    const existing = await this.#collection
      .listIndexes()
      .toArray()
      .catch((error: unknown) => {
        // NamespaceNotFound: nothing is there yet. Not allowed to look: as if there were none.
        if ([26, onView].includes(Number((error as { code?: unknown }).code)) || isRefused(error)) return [];
        throw error;
      });
    const [unmarked, marked] = this.#indexSpecs().map(
      (spec) =>
        existing.find(
          (index) =>
            !index.hidden &&
            JSON.stringify(index.key) === JSON.stringify(spec.key) &&
            JSON.stringify(index.partialFilterExpression) === JSON.stringify(spec.partialFilterExpression),
        )?.name as string | undefined,
    );
    this.#indexes = unmarked && marked ? { unmarked, false: marked } : {};
    return this.#indexes;
  }

  async #rangeNames(): Promise<readonly RangeName[]> {
    if (this.#options.mark === null) return ["all"];
    const indexes = this.#indexes ?? (await this.#findIndexes());
    return indexes.unmarked ? ["unmarked", "false"] : ["all"];
  }

  async #range(name: RangeName): Promise<Range> {
    const { mark, filter, fields, range = null } = this.#options;
    const bounds = range === null ? {} : { from: range.from, to: range.to };
    if (mark === null) {
      const index = (await this.#isView()) ? null : "_id_";
      return { filter: filter ?? {}, index, keyAt: (_id) => ({ _id }), sort: { _id: 1 }, fields, ...bounds };
    }
    const indexes = this.#indexes ?? (await this.#findIndexes());
    const unprocessed = { unmarked: null, false: false, all: { $in: [null, false] } }[name];
    const index = indexes[name];
    const own = { [mark.processed]: unprocessed };
    return {
      filter: filter ? { $and: [own, filter] } : own,
      index: index ?? "_id_",
      keyAt: (_id) => {
        if (index === undefined) return { _id };
        return name === "unmarked" ? { [mark.processed]: null, _id } : { _id, [mark.processed]: false };
      },
      sort: index && name === "unmarked" ? { [mark.processed]: 1, _id: 1 } : { _id: 1 },
      fields,
      ...bounds,
    };
  }
}

function hintOf({ index }: Range): Document {
  return index === null ? {} : { hint: index };
}

function followingRanges(from: RangeName): readonly RangeName[] {
  return from === "false" ? ["false"] : ["unmarked", "false"];
}

/** Only what reads and writes marks may ask for their fields. */
function markOf({ mark }: SourceOptions): MarkFields {
  if (mark === null) throw new Error("this source is read without marks");
  return mark;
}
