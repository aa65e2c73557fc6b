import type { Collection, Document } from "mongodb";
import type { HandedEntry, HandedOver } from "../cluster/ports.ts";
import { type ItemKey, idOf } from "../item.ts";
import type { RangeSettings } from "../job.ts";
import type { StoreErrors } from "./mongodb-errors.ts";
import { boundsOf } from "./mongodb-page.ts";

/** `item` is the `_id` itself, so that the server finds the entries of a part of the source in its own order. */
interface HandedDocument extends Document {
  readonly _id: { readonly range: string; readonly key: ItemKey; readonly kind: string };
  readonly item: unknown;
  readonly entry: string | null;
}

/** The job's own retry queue: what waits there is no range's. */
const OWN = "own";
const ITEM_INDEX = "querymill_item";
const AT_ONCE = 200;

/** Failures on their way, in `<target>_queue`. */
export class MongoHandedOver implements HandedOver {
  readonly #queue: Collection<HandedDocument>;
  readonly #guarded: StoreErrors;
  #isIndexed = false;

  constructor(queue: Collection<Document>, guarded: StoreErrors) {
    this.#queue = queue as unknown as Collection<HandedDocument>;
    this.#guarded = guarded;
  }

  async add(range: string, entries: readonly HandedEntry[]): Promise<void> {
    for (let at = 0; at < entries.length; at += AT_ONCE) {
      const operations = entries.slice(at, at + AT_ONCE).map(({ kind, key, entry }) => ({
        replaceOne: {
          filter: { _id: { range, key, kind } },
          replacement: { item: idOf(key), entry },
          upsert: true,
        },
      }));
      await this.#guarded(() => this.#queue.bulkWrite(operations as never, { ordered: false }));
    }
  }

  async *of(range: string): AsyncGenerator<readonly HandedEntry[]> {
    const cursor = this.#queue.find({ _id: between(range) as never }, { sort: { _id: 1 }, batchSize: AT_ONCE });
    try {
      for (;;) {
        const found = await this.#guarded(async () => {
          const first = await cursor.next();
          return first === null ? [] : [first, ...cursor.readBufferedDocuments()];
        });
        if (found.length === 0) return;
        yield found.map(({ _id: { key, kind }, entry }) => ({
          kind: kind as HandedEntry["kind"],
          key,
          entry: entry ?? "",
        }));
      }
    } finally {
      await cursor.close();
    }
  }

  async remove(range: string): Promise<void> {
    await this.#guarded(() => this.#queue.deleteMany({ _id: between(range) as never }));
  }

  async waiting(keys: readonly ItemKey[]): Promise<void> {
    const now = new Set(keys);
    const before = await this.#guarded(() =>
      this.#queue.find({ _id: between(OWN) as never }, { projection: { _id: 1 } }).toArray(),
    );
    const gone = before.map(({ _id }) => _id).filter(({ key }) => !now.has(key));
    for (const { key } of before.map(({ _id }) => _id)) now.delete(key);
    await this.add(
      OWN,
      [...now].map((key) => ({ kind: "retry", key, entry: "" })),
    );
    for (let at = 0; at < gone.length; at += AT_ONCE)
      await this.#guarded(() => this.#queue.deleteMany({ _id: { $in: gone.slice(at, at + AT_ONCE) as never } }));
  }

  async known(range: RangeSettings): Promise<ReadonlySet<ItemKey>> {
    return await this.#guarded(async () => {
      if (!this.#isIndexed) await this.#queue.createIndex({ item: 1 }, { name: ITEM_INDEX });
      this.#isIndexed = true;
      const along = { filter: {}, index: ITEM_INDEX, keyAt: (item: unknown) => ({ item }), sort: { item: 1 } as const };
      const { from, to } = range;
      const found = await this.#queue
        .find({}, { ...boundsOf({ ...along, from, to }, null), projection: { "_id.key": 1 } })
        .toArray();
      return new Set(found.map(({ _id }) => _id.key));
    });
  }
}

/** Along the index of `_id`, whose documents are compared field by field. */
function between(range: string): Document {
  return { $gte: { range }, $lt: { range: `${range}\0` } };
}
