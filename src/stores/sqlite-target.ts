import { EJSON } from "bson";
import type { Correction, CorrectionResult, UndoResult } from "../correction.ts";
import { type ItemKey, keyOf } from "../item.ts";
import type { Cursor, Page, RecordToWrite, Settled, SourceDocument, Target, WriteResult } from "../store.ts";
import { recordProblem } from "./record-limit.ts";
import { bodyOf, documentOf } from "./sqlite-body.ts";
import { SqliteRecordSearch } from "./sqlite-record-search.ts";
import type { Ask } from "./sqlite-thread.ts";

export class SqliteTarget implements Target {
  readonly search: SqliteRecordSearch;
  readonly #ask: Ask;
  readonly #collection: string;

  constructor(ask: Ask, collection: string) {
    this.#ask = ask;
    this.#collection = collection;
    this.search = new SqliteRecordSearch(ask, collection);
  }

  async write(records: readonly RecordToWrite[]): Promise<readonly WriteResult[]> {
    const problems = records.map(({ record }) => recordProblem(record));
    const sound = records.filter((_, at) => problems[at] === null);
    const rows = sound.map(({ key, record }) => ({ key, body: bodyOf(record) }));
    const statuses = (await this.#ask("write", this.#collection, rows)).values();
    return records.map(({ key }, at) => {
      const message = problems[at];
      if (typeof message === "string") return { key, status: "refused", message };
      return { key, status: statuses.next().value } as WriteResult;
    });
  }

  async existing(keys: readonly ItemKey[]): Promise<ReadonlySet<ItemKey>> {
    return new Set(await this.#ask("existing", this.#collection, keys));
  }

  async findSettled(keys: readonly ItemKey[]): Promise<readonly Settled[]> {
    const rows = await this.#ask("readByKeys", this.#collection, keys);
    return rows.map(({ key, body }) => {
      const record = JSON.parse(body) as Record<string, unknown>;
      return {
        key,
        contentHash: textOf(record.contentHash),
        taxonomyVersion: textOf(record.taxonomyVersion),
        promptVersion: textOf(record.promptVersion),
        model: textOf(record.model),
        requestedModel: textOf(record.requestedModel),
        decidedBy: textOf(record.decidedBy),
        executionId: textOf(record.executionId),
      };
    });
  }

  async readByKeys(keys: readonly ItemKey[]): Promise<readonly SourceDocument[]> {
    const rows = await this.#ask("readByKeys", this.#collection, keys);
    return rows.map(({ key, body }) => documentOf(key, body));
  }

  async history(key: ItemKey): Promise<readonly SourceDocument[]> {
    const rows = await this.#ask("history", this.#collection, key);
    // Numbers inside of the id too as a driver gives them.
    return rows.map((row) => ({ ...documentOf(row.key, row.body), _id: EJSON.parse(row.key) }));
  }

  async correct(corrections: readonly Correction[], at: Date): Promise<readonly CorrectionResult[]> {
    const { at: written } = JSON.parse(bodyOf({ at })) as { at: unknown };
    const statuses = await this.#ask("correct", this.#collection, corrections, JSON.stringify(written));
    return corrections.map(({ key }, place) => ({ key, status: statuses[place]! }));
  }

  async uncorrect(key: ItemKey, sheet: string): Promise<UndoResult> {
    return await this.#ask("uncorrect", this.#collection, key, sheet);
  }

  async readAll(after: Cursor | null, limit: number): Promise<Page> {
    const { rows, last } = await this.#ask("readAll", this.#collection, after || null, limit);
    const documents = rows.map(({ key, body }) => documentOf(key, body));
    const lastDocument = documents.at(-1);
    return { documents, cursor: lastDocument ? keyOf(lastDocument._id) : (after ?? ""), last };
  }

  async count(): Promise<number> {
    return await this.#ask("count", this.#collection);
  }
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
