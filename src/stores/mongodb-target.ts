import { type AnyBulkWriteOperation, BSON, type Collection, type Document, MongoBulkWriteError } from "mongodb";
import type { Correction, CorrectionResult, UndoResult } from "../correction.ts";
import { QuerymillError } from "../errors.ts";
import { type ItemKey, idOf, keyOf } from "../item.ts";
import type { RangeSettings } from "../job.ts";
import { OPTIONAL_FIELDS } from "../record.ts";
import type { Cursor, Page, RecordToWrite, Settled, SourceDocument, Target, WriteResult } from "../store.ts";
import { correctRecords, uncorrectRecord } from "./mongodb-corrections.ts";
import { isRefused, type StoreErrors } from "./mongodb-errors.ts";
import { historyOfItem, keepSuperseded } from "./mongodb-history.ts";
import { readRange } from "./mongodb-page.ts";
import { MongoSearch } from "./mongodb-search.ts";
import { recordProblem } from "./record-limit.ts";

const triesAgainstRaces = 8;
const duplicateKey = 11_000;
/** With a larger share of records that exist already, groups are sent as upserts for a while. */
const MOST_EXISTING = 0.1;
const UPSERTS_BEFORE_INSERTS = 50;
const settledFields = {
  contentHash: 1,
  taxonomyVersion: 1,
  promptVersion: 1,
  model: 1,
  requestedModel: 1,
  decidedBy: 1,
  executionId: 1,
};

/** A collection of classifications. Every write carries its guard in the filter, so that repeating it changes nothing. */
export class MongoTarget implements Target {
  readonly search: MongoSearch;
  readonly #collection: Collection<Document>;
  readonly #history: Collection<Document>;
  readonly #guarded: StoreErrors;
  /** So many groups are written as upserts at once, since most of the last ones existed. */
  #upsertsLeft = 0;

  constructor(collection: Collection<Document>, history: Collection<Document>, guarded: StoreErrors) {
    this.#collection = collection;
    this.#history = history;
    this.#guarded = guarded;
    this.search = new MongoSearch(collection, guarded);
  }

  async write(records: readonly RecordToWrite[]): Promise<readonly WriteResult[]> {
    const results = new Array<WriteResult | undefined>(records.length);
    const open: number[] = [];
    for (const [at, { key, record }] of records.entries()) {
      const message = recordProblem(record);
      if (message === null) open.push(at);
      else results[at] = { key, status: "refused", message };
    }
    await this.#guarded(async () => {
      let left = this.#upsertsLeft > 0 ? open : await this.#insertNew(records, open, results);
      this.#upsertsLeft -= 1;
      if (left.length > 0) await this.#keepReplaced(left.map((at) => records[at]!));
      for (let tries = 0; left.length > 0; tries++) {
        if (tries === triesAgainstRaces)
          throw new QuerymillError(
            "STORE_FAILED",
            `${left.length} records in ${this.#collection.collectionName} kept changing while they were written. Send them again.`,
          );
        left = await this.#writeOnce(records, left, results);
      }
    });
    return results as WriteResult[];
  }

  async existing(keys: readonly ItemKey[]): Promise<ReadonlySet<ItemKey>> {
    const found = await this.#find(keys, { _id: 1 });
    return new Set(found.map(({ _id }) => keyOf(_id)));
  }

  async findSettled(keys: readonly ItemKey[]): Promise<readonly Settled[]> {
    const found = await this.#find(keys, settledFields);
    return found.map((document) => ({
      key: keyOf(document._id),
      contentHash: textOf(document.contentHash),
      taxonomyVersion: textOf(document.taxonomyVersion),
      promptVersion: textOf(document.promptVersion),
      model: textOf(document.model),
      requestedModel: textOf(document.requestedModel),
      decidedBy: textOf(document.decidedBy),
      executionId: textOf(document.executionId),
    }));
  }

  async readByKeys(keys: readonly ItemKey[]): Promise<readonly SourceDocument[]> {
    return (await this.#find(keys)) as SourceDocument[];
  }

  async history(key: ItemKey): Promise<readonly SourceDocument[]> {
    return await this.#guarded(() => historyOfItem(this.#history, key));
  }

  async correct(corrections: readonly Correction[], at: Date): Promise<readonly CorrectionResult[]> {
    return await this.#guarded(() => correctRecords(this.#collection, corrections, at));
  }

  async uncorrect(key: ItemKey, sheet: string): Promise<UndoResult> {
    return await this.#guarded(() => uncorrectRecord(this.#collection, key, sheet));
  }

  async readAll(after: Cursor | null, limit: number): Promise<Page> {
    const { documents, more } = await this.#guarded(() =>
      readRange(
        this.#collection,
        { filter: {}, index: "_id_", keyAt: (_id) => ({ _id }), sort: { _id: 1 } },
        after || null,
        limit,
      ),
    );
    const last = documents.at(-1);
    return { documents, cursor: last ? keyOf(last._id) : (after ?? ""), last: !more };
  }

  async hasWithin({ from, to }: Pick<RangeSettings, "from" | "to">): Promise<boolean> {
    const part = { filter: {}, index: "_id_", keyAt: (_id: unknown) => ({ _id }), sort: { _id: 1 } as const, from, to };
    const { documents } = await this.#guarded(() => readRange(this.#collection, { ...part, fields: [] }, null, 1));
    return documents.length > 0;
  }

  async count(): Promise<number> {
    return await this.#guarded(() => this.#collection.countDocuments({}));
  }

  /**
   * Sends the records at these positions as inserts. A record that nobody has written needs no guard, and an insert costs the
   * server half of an upsert. @returns the positions that were not written: their records exist, or cannot be inserted
   */
  async #insertNew(
    records: readonly RecordToWrite[],
    positions: readonly number[],
    results: (WriteResult | undefined)[],
  ): Promise<number[]> {
    // The driver takes a null id of an insert for a missing one and makes another.
    const named = positions.filter((at) => records[at]!.key !== "null");
    const unnamed = positions.filter((at) => records[at]!.key === "null");
    if (named.length === 0) return unnamed;
    const operations = named.map((at) => insertOf(records[at]!));
    const existing = noteRefusals(await this.#bulk(operations), records, named, results);
    if (existing.length > named.length * MOST_EXISTING) this.#upsertsLeft = UPSERTS_BEFORE_INSERTS;
    return [...existing, ...unnamed];
  }

  /** Of records that exist already, or may: what they replace. */
  async #keepReplaced(records: readonly RecordToWrite[]): Promise<void> {
    await keepSuperseded(this.#history, await this.#find(records.map(({ key }) => key)), records);
  }

  /** Sends the records at these positions. @returns the positions that have to be sent again */
  async #writeOnce(
    records: readonly RecordToWrite[],
    positions: readonly number[],
    results: (WriteResult | undefined)[],
  ): Promise<number[]> {
    const refusals = await this.#bulk(positions.map((at) => guardedUpsert(records[at]!)));
    const doubtful = noteRefusals(refusals, records, positions, results);
    return doubtful.length === 0 ? [] : await this.#settle(records, doubtful, results);
  }

  /** @returns by position in the bulk: `exists` when a document is there and the guard let nothing through, else why it is refused */
  async #bulk(operations: AnyBulkWriteOperation<Document>[]): Promise<Map<number, string>> {
    const refusals = new Map<number, string>();
    try {
      await this.#collection.bulkWrite(operations, { ordered: false });
    } catch (error) {
      if (isClientSide(error)) return await this.#oneByOne(operations);
      if (!(error instanceof MongoBulkWriteError)) throw error;
      const writeErrors = [error.writeErrors].flat();
      // Without errors of single operations, or with a doubtful acknowledgement, nothing is known of any of them.
      if (writeErrors.length === 0 || error.result.getWriteConcernError()) throw error;
      if (writeErrors.some(isRefused) || writeErrors.some(({ code }) => code === 13)) throw error;
      for (const { index, code, errmsg } of writeErrors) refusals.set(index, refusalOf(code, errmsg));
    }
    return refusals;
  }

  /** The driver could not even write the bulk as BSON: finds the operations that it cannot take. */
  async #oneByOne(operations: readonly AnyBulkWriteOperation<Document>[]): Promise<Map<number, string>> {
    const refusals = new Map<number, string>();
    const sound: number[] = [];
    for (const [at, operation] of operations.entries()) {
      try {
        BSON.serialize(operation as Document, { ignoreUndefined: true, checkKeys: false });
        sound.push(at);
      } catch {
        refusals.set(at, "The record cannot be written as BSON.");
      }
    }
    if (sound.length === operations.length) throw new Error("the driver cannot write the records as BSON");
    const inner = sound.length === 0 ? new Map() : await this.#bulk(sound.map((at) => operations[at]!));
    for (const [order, refusal] of inner) refusals.set(sound[order]!, refusal);
    return refusals;
  }

  /** Finds out why existing documents were not overwritten: a person, a higher fence, or another writer at the same moment. */
  async #settle(
    records: readonly RecordToWrite[],
    positions: readonly number[],
    results: (WriteResult | undefined)[],
  ): Promise<number[]> {
    const again: number[] = [];
    const fields = { decidedBy: 1, fence: 1, "modelSuggestion.fence": 1 };
    const found = await this.#find(
      positions.map((at) => records[at]!.key),
      fields,
    );
    const byKey = new Map(found.map((document) => [keyOf(document._id), document]));
    for (const at of positions) {
      const { key, record } = records[at]!;
      const document = byKey.get(key);
      if (document?.decidedBy === "person") {
        if (isHigher(document.modelSuggestion?.fence, record.fence)) results[at] = { key, status: "fenced" };
        else if (await this.#suggest(records[at]!)) results[at] = { key, status: "kept-person" };
        else again.push(at);
      } else if (document && isHigher(document.fence, record.fence)) {
        results[at] = { key, status: "fenced" };
      } else {
        again.push(at);
      }
    }
    return again;
  }

  async #suggest({ key, record }: RecordToWrite): Promise<boolean> {
    const fence = [{ "modelSuggestion.fence": { $lte: record.fence } }, { "modelSuggestion.fence": null }];
    const { matchedCount } = await this.#collection.updateOne(
      { _id: idOf(key) as never, decidedBy: "person", $or: fence },
      { $set: { modelSuggestion: record } },
    );
    return matchedCount === 1;
  }

  async #find(keys: readonly ItemKey[], projection?: Document): Promise<Document[]> {
    const ids = keys.map((key) => idOf(key) as never);
    return await this.#guarded(() =>
      this.#collection
        .find({ _id: { $in: ids } }, { ...(projection ? { projection } : {}), batchSize: ids.length + 1 })
        .toArray(),
    );
  }
}

/** Writes down what became of each record. @returns positions of those that exist */
function noteRefusals(
  refusals: ReadonlyMap<number, string>,
  records: readonly RecordToWrite[],
  positions: readonly number[],
  results: (WriteResult | undefined)[],
): number[] {
  const existing: number[] = [];
  for (const [order, at] of positions.entries()) {
    const { key } = records[at]!;
    const refusal = refusals.get(order);
    if (refusal === undefined) results[at] = { key, status: "written" };
    else if (refusal === "exists") existing.push(at);
    else results[at] = { key, status: "refused", message: refusal };
  }
  return existing;
}

function insertOf({ key, record }: RecordToWrite): AnyBulkWriteOperation<Document> {
  return { insertOne: { document: { _id: idOf(key) as never, ...record } } };
}

function guardedUpsert({ key, record }: RecordToWrite): AnyBulkWriteOperation<Document> {
  const fence = [{ fence: { $lte: record.fence } }, { fence: null }];
  const filter = { _id: idOf(key) as never, decidedBy: { $ne: "person" }, $or: fence };
  const gone = OPTIONAL_FIELDS.filter((name) => record[name] === undefined);
  const update = {
    $set: record,
    ...(gone.length === 0 ? {} : { $unset: Object.fromEntries(gone.map((name) => [name, ""])) }),
  };
  return { updateOne: { filter, update, upsert: true } };
}

function refusalOf(code: number, errmsg: string | undefined): string {
  if (code !== duplicateKey) return `MongoDB refuses the record with error code ${code}.`;
  // The message quotes the value behind the index's name: only the name is taken.
  const index = / index: (\S+)/.exec(errmsg ?? "")?.[1] ?? "_id_";
  return index === "_id_" ? "exists" : `Another record has the same value in the unique index ${index}.`;
}

function isClientSide(error: unknown): boolean {
  return BSON.BSONError.isBSONError(error) || error instanceof RangeError || error instanceof TypeError;
}

function isHigher(fence: unknown, ours: number): boolean {
  return fence !== undefined && fence !== null && Number(fence) > ours;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
