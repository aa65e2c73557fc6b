import { MongoClient } from "mongodb";
import { idOf } from "../src/item.ts";
import { Sink } from "../src/sink.ts";
import { BatchFiles } from "../src/state/batch-file.ts";
import { Journal } from "../src/state/journal.ts";
import type { SourceDocument } from "../src/store.ts";
import type { MongoStore } from "../src/stores/mongodb.ts";

/** What keeps answers from being lost or paid twice, and others' work from being overwritten. */
export const PROTECTIONS = ["journal", "batch-files", "guards", "hash-check"] as const;
export type Protection = (typeof PROTECTIONS)[number];

/**
 * Takes protections out of this process, to see what they cost; the product has no such switch.
 * @param uri of the store's server, for the write that replaces the guarded one
 * @returns frees what this needed
 */
export async function takeOut(
  protections: readonly Protection[],
  { store, uri, db }: { store: MongoStore; uri: string; db: string },
): Promise<() => Promise<void>> {
  if (protections.includes("journal")) takeOutJournal();
  if (protections.includes("batch-files")) takeOutBatchFiles();
  if (protections.includes("hash-check")) takeOutHashCheck(store);
  if (!protections.includes("guards")) return async () => {};
  const client = await new MongoClient(uri).connect();
  takeOutGuards(store, client, db);
  return () => client.close();
}

/** Records get their numbers, and nothing is written or synced. */
function takeOutJournal(): void {
  const last = new WeakMap<Journal, number>();
  Journal.prototype.note = function note(this: Journal): number {
    const seq = (last.get(this) ?? this.durableSeq) + 1;
    last.set(this, seq);
    return seq;
  };
  Journal.prototype.append = function append(this: Journal, entry): Promise<number> {
    return Promise.resolve(this.note(entry));
  };
}

function takeOutBatchFiles(): void {
  BatchFiles.prototype.save = async () => {};
  BatchFiles.prototype.settle = async () => {};
}

/** A bulk of plain replacements under the same write concern. */
function takeOutGuards(store: MongoStore, client: MongoClient, db: string): void {
  const database = client.db(db, { writeConcern: { w: "majority", j: true } });
  const open = store.target.bind(store);
  store.target = (name) => {
    const target = open(name);
    const collection = database.collection(name);
    target.write = async (records) => {
      const operations = records.map(({ key, record }) => ({
        replaceOne: { filter: { _id: idOf(key) as never }, replacement: record, upsert: true },
      }));
      await collection.bulkWrite(operations, { ordered: false });
      return records.map(({ key }) => ({ key, status: "written" as const }));
    };
    return target;
  };
}

/** Every document counts as present and unchanged: no find, and of an item nothing but one letter to make it from. */
function takeOutHashCheck(store: MongoStore): void {
  const open = store.source.bind(store);
  store.source = (options) => {
    const source = open(options);
    source.readByKeys = async (keys) => keys.map((key): SourceDocument => ({ _id: idOf(key), text: "x" }));
    return source;
  };
  const push = Sink.prototype.push;
  Sink.prototype.push = function unchecked(this: Sink, seq, settlement): void {
    push.call(this, seq, { ...settlement, contentHash: null });
  };
}
