import type { DatabaseSync } from "node:sqlite";
import type { ItemKey } from "../item.ts";
import { isForReview, nearestOrder, type RecordOrder, type RecordSelection, selectsAll } from "../selection.ts";
import type { RecordCount, TimelineBucket } from "../store.ts";
import { breath, type Row } from "./sqlite-pages.ts";
import {
  BY_PERSONS,
  CLASSIFIED_MS,
  EXECUTION,
  hasIndex,
  isSearchIndexed,
  jsonPath,
  NO_REVIEW,
  personsIndexOf,
  REVIEW_RANK,
  registerSearch,
  type Sql,
  searchIndexesOn,
  searchIndexOf,
  sqlOfSelection,
} from "./sqlite-selection.ts";
import { addLabels, emptyBucket } from "./timeline-bucket.ts";

/** An expression with an index that records are walked along, and then by their keys. */
interface Walk {
  readonly order: RecordOrder;
  /** null: by the keys alone. */
  readonly by: string | null;
  readonly descending: boolean;
}

const WALKS: Readonly<Record<RecordOrder, Walk>> = {
  id: { order: "id", by: null, descending: false },
  newest: { order: "newest", by: CLASSIFIED_MS, descending: true },
  oldest: { order: "oldest", by: CLASSIFIED_MS, descending: false },
  review: { order: "review", by: REVIEW_RANK, descending: false },
};

/** Rows that are looked at between two looks at the clock. */
const SLICE_ROWS = 2_000;
/** An index of more rows than these is not built beside a run: nobody else writes meanwhile. */
const MOST_ROWS = 500_000;

/** Behind which row reading goes on. */
export interface RowPlace {
  readonly by: number;
  readonly key: ItemKey;
}
export interface FoundRows {
  readonly rows: readonly Row[];
  readonly next: RowPlace | null;
  readonly order: RecordOrder;
}
interface WalkedRow {
  readonly at: number;
  readonly key: ItemKey;
  /** null: it does not meet the conditions. */
  readonly body: string | null;
}

/** Searches a table of records. Runs in the store's thread; serves others between two slices. */
export class SqliteSearch {
  readonly #database: DatabaseSync;
  readonly #tableOf: (collection: string) => string | null;
  readonly #readOnly: boolean;

  constructor(database: DatabaseSync, tableOf: (collection: string) => string | null, readOnly: boolean) {
    this.#database = database;
    this.#tableOf = tableOf;
    this.#readOnly = readOnly;
    registerSearch(database);
  }

  prepareSearch(collection: string): readonly string[] {
    const table = this.#tableOf(collection);
    if (table === null) return [];
    const missing = (["newest", "review"] as const).filter((order) => !isSearchIndexed(this.#database, order, table));
    if (missing.length === 0 && hasIndex(this.#database, personsIndexOf(table))) return [];
    const { rows } = this.#database.prepare(`select max(seq) rows from ${table}`).get() as { rows: number | null };
    const why = this.#readOnly
      ? "the file may not be written"
      : (rows ?? 0) > MOST_ROWS
        ? `building it on more than ${MOST_ROWS.toLocaleString("en-US")} records would hold a run up`
        : null;
    if (why !== null)
      return missing.map(
        (order) => `${collection} has no index for the order ${order}, and ${why}: it is listed by id only.`,
      );
    this.#database.exec(searchIndexesOn(table));
    return [];
  }

  async findRecords(
    collection: string,
    selection: RecordSelection,
    wanted: RecordOrder,
    after: RowPlace | null,
    limit: number,
    maxMs: number,
  ): Promise<FoundRows> {
    const table = this.#tableOf(collection);
    if (table === null) return { rows: [], next: null, order: wanted };
    if (selection.keys !== null) return { rows: this.#byKeys(table, selection, limit), next: null, order: "id" };
    const walk = this.#walk(wanted, table);
    const rows: Row[] = [];
    let last: WalkedRow | null = null;
    for await (const slice of this.#walked(table, walk, selection, after, maxMs, limit + 1)) {
      for (const row of slice.rows) {
        if (row.body !== null) {
          if (rows.length === limit) return { rows, next: placeOf(last), order: walk.order };
          rows.push({ key: row.key, body: row.body });
        }
        last = row;
      }
      if (slice.isOver) return { rows, next: placeOf(last), order: walk.order };
    }
    return { rows, next: null, order: walk.order };
  }

  /** What a cursor of an order has to fit to. */
  orderOf(collection: string, wanted: RecordOrder): RecordOrder {
    const table = this.#tableOf(collection);
    return table === null ? wanted : this.#walk(wanted, table).order;
  }

  async countRecords(
    collection: string,
    selection: RecordSelection,
    atMost: number,
    maxMs: number,
  ): Promise<RecordCount | null> {
    const table = this.#tableOf(collection);
    if (table === null) return { items: 0, atLeast: false };
    if (selectsAll(selection)) {
      const { items } = this.#database.prepare(`select count(*) items from ${table}`).get() as { items: number };
      return { items, atLeast: false };
    }
    if (selection.keys !== null) return { items: this.#byKeys(table, selection, atMost).length, atLeast: false };
    const walk = this.#walk(nearestOrder(selection), table);
    let items = 0;
    for await (const slice of this.#walked(table, walk, selection, null, maxMs, SLICE_ROWS, "1")) {
      for (const row of slice.rows) {
        if (row.body === null) continue;
        if (items === atMost) return { items, atLeast: true };
        items += 1;
      }
      if (slice.isOver) return { items, atLeast: true };
    }
    return { items, atLeast: false };
  }

  countByPersons(collection: string, executionId: string): Readonly<Record<string, number>> | null {
    const table = this.#tableOf(collection);
    if (table === null) return {};
    if (!hasIndex(this.#database, personsIndexOf(table))) return null;
    const rows = this.#database
      .prepare(
        `select ifnull(json_extract(body, '$.modelSuggestion.decidedBy'), '') who, count(*) items from ${table} indexed by ${personsIndexOf(table)} where ${BY_PERSONS} and ${EXECUTION} = ? group by 1`,
      )
      .all(executionId) as { who: string; items: number }[];
    return Object.fromEntries(rows.map(({ who, items }) => [who, items]));
  }

  async timeline(
    collection: string,
    fields: readonly string[],
    boundsMs: readonly number[],
    maxMs: number,
  ): Promise<(TimelineBucket | null)[]> {
    const buckets = new Array<TimelineBucket | null>(boundsMs.length - 1).fill(null);
    const table = this.#tableOf(collection);
    if (table === null) return buckets.map(() => emptyBucket(fields));
    const { order } = this.#walk("newest", table);
    const columns = fields.map((_, at) => `json_extract(body, ?) f${at}`).join(", ");
    const by = order === "newest" ? `indexed by ${searchIndexOf(order, table)}` : "";
    const select = this.#database.prepare(
      `select ${columns} from ${table} ${by} where ${CLASSIFIED_MS} >= ? and ${CLASSIFIED_MS} < ?`,
    );
    select.setReturnArrays(true);
    const paths = fields.map(jsonPath);
    const deadline = performance.now() + maxMs;
    for (let at = buckets.length - 1; at >= 0; at--) {
      const bucket = emptyBucket(fields);
      let seen = 0;
      const rows = select.iterate(...paths, boundsMs[at]!, boundsMs[at + 1]!) as Iterable<unknown> as Iterable<
        unknown[]
      >;
      for (const row of rows) {
        addLabels(bucket, 1, (fieldAt) => labelOf(row[fieldAt]));
        seen += 1;
        if (seen % SLICE_ROWS === 0 && performance.now() > deadline) return buckets;
      }
      buckets[at] = bucket;
      if (performance.now() > deadline) return buckets;
      await breath();
    }
    return buckets;
  }

  /** All rows behind `after` in the order of the walk, in slices, each with whether the time is over behind it. */
  async *#walked(
    table: string,
    walk: Walk,
    selection: RecordSelection,
    after: RowPlace | null,
    maxMs: number,
    wanted: number,
    given = "body",
  ): AsyncGenerator<{ readonly rows: Iterable<WalkedRow>; readonly isOver: boolean }> {
    const deadline = performance.now() + maxMs;
    const where = sqlOfSelection(selection);
    const size = selection.conditions.length === 0 ? Math.min(wanted, SLICE_ROWS) : SLICE_ROWS;
    const [less, order] = walk.descending ? ["<", "desc"] : [">", "asc"];
    const range = rangeOf(walk, selection);
    const prepare = (behind: string) =>
      this.#database.prepare(
        `select at, key, iif(${where.text}, ${given}, null) body from (select ${walk.by ?? 0} at, key, body from ${table} ${
          walk.by === null ? "" : `indexed by ${searchIndexOf(walk.order, table)}`
        } where ${behind} and ${range.text} order by ${walk.by === null ? "" : `${walk.by} ${order}, `}key ${order} limit ${size})`,
      );
    const first = prepare("true");
    const sameBy = walk.by === null ? null : prepare(`${walk.by} = ? and key ${less} ?`);
    const onwards = walk.by === null ? prepare(`key ${less} ?`) : prepare(`${walk.by} ${less} ?`);
    let place = after;
    // Rows with the same value first, then those behind it: either part follows the index.
    let inTies = place !== null && sameBy !== null;
    for (;;) {
      const from: Sql["values"] =
        place === null ? [] : walk.by === null ? [place.key] : inTies ? [place.by, place.key] : [place.by];
      const statement = place === null ? first : inTies ? sameBy! : onwards;
      const rows = statement.all(...where.values, ...from, ...range.values) as unknown as WalkedRow[];
      const isFull = rows.length === size;
      const isEnd = !isFull && !inTies;
      yield { rows, isOver: isFull && performance.now() > deadline };
      if (isEnd) return;
      if (isFull) place = placeOf(rows.at(-1)!);
      inTies = isFull && sameBy !== null;
      await breath();
    }
  }

  #walk(order: RecordOrder, table: string): Walk {
    return order === "id" || isSearchIndexed(this.#database, order, table) ? WALKS[order] : WALKS.id;
  }

  #byKeys(table: string, selection: RecordSelection, limit: number): Row[] {
    const { text, values } = sqlOfSelection(selection);
    const select = this.#database.prepare(`select key, body from ${table} where ${text} limit ?`);
    return select.all(...values, limit) as unknown as Row[];
  }
}

/** The times of a selection as a part of the walk, so that the index leads to them. */
function rangeOf({ order }: Walk, selection: RecordSelection): Sql {
  const { fromMs, toMs } = selection;
  if (order === "review" && isForReview(selection)) return { text: `${REVIEW_RANK} < ${NO_REVIEW}`, values: [] };
  if (order !== "newest" && order !== "oldest") return { text: "true", values: [] };
  const parts = [fromMs === null ? "" : `${CLASSIFIED_MS} >= ?`, toMs === null ? "" : `${CLASSIFIED_MS} < ?`];
  const text = parts.filter((part) => part !== "").join(" and ") || "true";
  return { text, values: [fromMs, toMs].filter((ms) => ms !== null) };
}

function placeOf(row: WalkedRow | null): RowPlace | null {
  return row && { by: row.at, key: row.key };
}

/** Lists come as their JSON. */
function labelOf(value: unknown): unknown {
  return typeof value === "string" && value.startsWith("[") ? JSON.parse(value) : value;
}
