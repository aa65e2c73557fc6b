import type { RecordSelection } from "../selection.ts";
import type { FindOptions, RecordCount, RecordPage, RecordSearch, TimelineBucket } from "../store.ts";
import { placeOf, textOfPlace } from "./search-place.ts";
import { documentOf } from "./sqlite-body.ts";
import type { Ask } from "./sqlite-thread.ts";

/** Searches a collection of records by asking the store's thread. */
export class SqliteRecordSearch implements RecordSearch {
  readonly #ask: Ask;
  readonly #collection: string;

  constructor(ask: Ask, collection: string) {
    this.#ask = ask;
    this.#collection = collection;
  }

  async prepare(): Promise<readonly string[]> {
    return await this.#ask("prepareSearch", this.#collection);
  }

  async find({ selection, order, after, limit, maxMs }: FindOptions): Promise<RecordPage> {
    const walked = after === null ? order : await this.#ask("orderOf", this.#collection, order);
    const [by, key] = after === null ? [] : placeOf(after, walked, 2).values;
    const place = after === null ? null : { by: Number(by), key: String(key) };
    const found = await this.#ask("findRecords", this.#collection, selection, order, place, limit, maxMs);
    const next = found.next && { values: [found.next.by, found.next.key], at: false };
    return {
      documents: found.rows.map(({ key, body }) => documentOf(key, body)),
      next: textOfPlace(found.order, next),
      order: found.order,
    };
  }

  async count(selection: RecordSelection, atMost: number, maxMs: number): Promise<RecordCount | null> {
    return await this.#ask("countRecords", this.#collection, selection, atMost, maxMs);
  }

  async countByPersons(executionId: string): Promise<Readonly<Record<string, number>> | null> {
    return await this.#ask("countByPersons", this.#collection, executionId);
  }

  async timeline(
    fields: readonly string[],
    boundsMs: readonly number[],
    maxMs: number,
  ): Promise<readonly (TimelineBucket | null)[]> {
    return await this.#ask("timeline", this.#collection, fields, boundsMs, maxMs);
  }
}
