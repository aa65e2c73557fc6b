import type { ItemKey } from "../item.ts";
import type { MarkFields } from "../job.ts";
import { shortHash } from "../job.ts";
import type { RowPage } from "./sqlite-pages.ts";
import { readMatching } from "./sqlite-pages.ts";
import type { Statements } from "./sqlite-statements.ts";
import { FIRST_MS } from "./updated-at.ts";

/** What is asked of a table's rows that say when they were changed. */
export interface UpdatedRows {
  readonly path: string;
  /** null: the rows carry no marks. */
  readonly mark: MarkFields | null;
  readonly job: string;
  readonly sinceMs: number;
}

/** Finds rows that say they were changed, along an index on what they say. Runs in the store's thread. */
export class SqliteUpdated {
  readonly #statements: Statements;
  readonly #tableOf: (collection: string) => string | null;

  constructor(statements: Statements, tableOf: (collection: string) => string | null) {
    this.#statements = statements;
    this.#tableOf = tableOf;
  }

  buildUpdatedIndex(collection: string, path: string): void {
    const table = this.#tableOf(collection);
    if (table === null) return;
    this.#statements.once(`create index if not exists ${indexOf(table, path)} on ${table} (${secondsAt(path)})`);
  }

  /** In the order of insertion behind `after`. */
  async readUpdated(
    collection: string,
    { path, mark, job, sinceMs }: UpdatedRows,
    filterText: string | null,
    after: number,
    limit: number,
  ): Promise<RowPage> {
    const table = this.#tableOf(collection);
    if (table === null) return await readMatching(null, filterText, after, limit);
    const indexed = this.#isIndexed(table, path) ? `indexed by ${indexOf(table, path)}` : "";
    const marked = mark === null ? "" : ` and ${isMarkedBy(mark, job)}`;
    const select = this.#statements.of(
      `select seq, key, body from ${table} ${indexed} where ${secondsAt(path)} > ${sinceMs / 1_000}${marked} and seq > ? order by seq limit ?`,
    );
    return await readMatching(select, filterText, after, limit);
  }

  /** Keys of those that a job has marked. */
  marked(collection: string, mark: MarkFields, job: string, keys: readonly ItemKey[]) {
    const table = this.#tableOf(collection);
    if (table === null) return [];
    const get = this.#statements.of(`select key, body from ${table} where key = ? and ${isMarkedBy(mark, job)}`);
    return keys.map((key) => get.get(key)).filter((row) => row !== undefined) as unknown as RowPage["rows"];
  }

  #isIndexed(table: string, path: string): boolean {
    const find = this.#statements.of("select 1 from sqlite_schema where type = 'index' and name = ?");
    return find.get(indexOf(table, path)) !== undefined;
  }
}

/** The condition of a row that a job has marked. */
function isMarkedBy({ processed, processedBy }: MarkFields, job: string): string {
  const by = `json_extract(body, ${pathOf(`${processedBy}.job`)}) = '${job.replaceAll("'", "''")}'`;
  return `json_type(body, ${pathOf(processed)}) = 'true' and ${by}`;
}

/** Seconds since 1970 of a date, a text or a number: the same words in index and query, or the index is not used. */
function secondsAt(path: string): string {
  const value = `json_extract(body, ${pathOf(path)})`;
  const date = `json_extract(body, ${pathOf(`${path}.$date`)})`;
  const long = `json_extract(body, ${pathOf(`${path}.$date.$numberLong`)})`;
  const number = `json_extract(body, ${pathOf(`${path}.$numberLong`)})`;
  const seconds = (one: string): string =>
    `case when cast(${one} as real) < ${FIRST_MS} then cast(${one} as real) else cast(${one} as real) / 1000 end`;
  // Only what begins like a date: "now" would be another time at each look, which an index refuses with its row.
  const epoch = (one: string): string => `case when ${one} glob '[0-9][0-9][0-9][0-9]-*' then unixepoch(${one}) end`;
  return `case json_type(body, ${pathOf(path)}) when 'text' then ${epoch(value)} when 'integer' then ${seconds(value)} when 'real' then ${seconds(value)} when 'object' then coalesce(cast(${long} as real) / 1000, ${epoch(date)}, ${seconds(number)}) end`;
}

function indexOf(table: string, path: string): string {
  return `updated_${table}_${shortHash(path)}`;
}

/** A dotted path as SQLite's JSON functions take it, quoted; a number is a place in a list. */
function pathOf(path: string): string {
  const names = path.split(".").map((name) => (/^\d+$/.test(name) ? `[${name}]` : `."${name.replaceAll("'", "''")}"`));
  return `'$${names.join("")}'`;
}
