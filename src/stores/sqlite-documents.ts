import type { DatabaseSync, StatementSync } from "node:sqlite";
import { matches } from "../filter.ts";
import { historyOf } from "../history.ts";
import type { ItemKey } from "../item.ts";
import type { MarkFields } from "../job.ts";
import { shortHash } from "../job.ts";
import { OPTIONAL_FIELDS } from "../record.ts";
import type { WriteResult } from "../store.ts";
import { documentOf } from "./sqlite-body.ts";
import { historyPrefix, supersededRow } from "./sqlite-history.ts";
import {
  breath,
  filterOf,
  NO_ROWS,
  type OrderedRow,
  pageOf,
  type Row,
  type RowPage,
  readMatching,
  SLICE_ROWS,
} from "./sqlite-pages.ts";
import { searchIndexesOn } from "./sqlite-selection.ts";
import type { Statements } from "./sqlite-statements.ts";

export interface RowsToMark {
  readonly keys: readonly ItemKey[];
  /** JSON text of each field to set, by its dotted path; null takes it away. */
  readonly fields: Readonly<Record<string, string | null>>;
}

/** Documents by collection, each collection a table of its own in the order of insertion. Runs in the store's thread. */
export class SqliteDocuments {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;

  constructor(database: DatabaseSync, statements: Statements) {
    this.#database = database;
    this.#statements = statements;
    database.exec("create table if not exists collections (id integer primary key autoincrement, name text unique)");
  }

  names(): string[] {
    return this.#statements
      .of("select name from collections order by name")
      .all()
      .map(({ name }) => String(name));
  }

  count(collection: string): number {
    const table = this.table(collection);
    return table === null ? 0 : Number(this.#statements.of(`select count(*) n from ${table}`).get()!.n);
  }

  drop(collection: string): void {
    if (this.table(collection) !== null) this.#statements.transaction(() => this.#drop(collection));
  }

  replace(collection: string, by: string): void {
    this.#statements.transaction(() => {
      this.#drop(collection);
      this.#statements.of("update collections set name = ? where name = ?").run(collection, by);
    });
  }

  insert(collection: string, rows: readonly Row[], existing: "replace" | "keep" = "replace"): void {
    const then = existing === "keep" ? "nothing" : "update set body = excluded.body";
    this.#statements.transaction(() => {
      const put = this.#statements.of(
        `insert into ${this.#createTable(collection)} (key, body) values (?, ?) on conflict (key) do ${then}`,
      );
      for (const { key, body } of rows) put.run(key, body);
    });
  }

  readByKeys(collection: string, keys: readonly ItemKey[]): Row[] {
    const table = this.table(collection);
    if (table === null) return [];
    const get = this.#statements.of(`select key, body from ${table} where key = ?`);
    return keys.map((key) => get.get(key) as unknown as Row | undefined).filter((row) => row !== undefined);
  }

  existing(collection: string, keys: readonly ItemKey[]): ItemKey[] {
    const table = this.table(collection);
    if (table === null) return [];
    const get = this.#statements.of(`select 1 from ${table} where key = ?`);
    return keys.filter((key) => get.get(key) !== undefined);
  }

  readAll(collection: string, after: ItemKey | null, limit: number): RowPage {
    const table = this.table(collection);
    if (table === null) return NO_ROWS;
    const select = this.#statements.of(`select key, body from ${table} where key > ? order by key limit ?`);
    return pageOf(select.iterate(after ?? "", limit + 1) as Iterable<unknown> as Iterable<OrderedRow>, limit);
  }

  /** In the order of insertion, along the index when there is one; with a filter in slices, between which other requests are served. */
  async readUnprocessed(
    collection: string,
    mark: MarkFields | null,
    filterText: string | null,
    after: number,
    limit: number,
  ): Promise<RowPage> {
    return await readMatching(this.#unprocessed(collection, mark, "seq, key, body"), filterText, after, limit);
  }

  /** What a job marked with an outcome, in the order of insertion. */
  async readMarked(
    collection: string,
    by: { readonly mark: MarkFields; readonly job: string; readonly outcome: string },
    filterText: string | null,
    after: number,
    limit: number,
  ): Promise<RowPage> {
    const table = this.table(collection);
    const { processed, processedBy } = by.mark;
    // Texts of ours, quoted: the names of job and outcome are the only values.
    const is = (name: string, value: string): string =>
      `json_extract(body, ${pathOf(`${processedBy}.${name}`)}) = '${value.replaceAll("'", "''")}'`;
    const select =
      table === null
        ? null
        : this.#statements.of(
            `select seq, key, body from ${table} where json_type(body, ${pathOf(processed)}) = 'true' and ${is("job", by.job)} and ${is("outcome", by.outcome)} and seq > ? order by seq limit ?`,
          );
    return await readMatching(select, filterText, after, limit);
  }

  /** Drawn at random in one pass, of which only order numbers stay in memory; after `maxMs` from what the pass has seen. */
  async sample(
    collection: string,
    mark: MarkFields | null,
    filterText: string | null,
    size: number,
    maxMs: number,
  ): Promise<Row[]> {
    const deadline = performance.now() + maxMs;
    const filter = filterOf(filterText);
    const select = this.#unprocessed(collection, mark, filter === null ? "seq" : "seq, key, body");
    if (select === null) return [];
    const drawn: number[] = [];
    let seen = 0;
    for (let from = 0; ; await breath()) {
      const rows = select.all(from, filter === null ? 50 * SLICE_ROWS : SLICE_ROWS) as unknown as OrderedRow[];
      if (rows.length === 0) break;
      for (const { seq, key, body } of rows) {
        if (filter !== null && !matches(filter, documentOf(key, body))) continue;
        seen += 1;
        const place = drawn.length < size ? drawn.length : Math.floor(Math.random() * seen);
        if (place < size) drawn[place] = seq;
      }
      if (performance.now() > deadline) break;
      from = rows.at(-1)!.seq;
    }
    const get = this.#statements.of(`select key, body from ${this.table(collection)!} where seq = ?`);
    return drawn.map((seq) => get.get(seq) as unknown as Row | undefined).filter((row) => row !== undefined);
  }

  /** @returns null when it would take longer than `maxMs` */
  async countUnprocessed(
    collection: string,
    mark: MarkFields | null,
    filterText: string | null,
    maxMs: number,
  ): Promise<number | null> {
    const filter = filterOf(filterText);
    const select = this.#unprocessed(collection, mark, filter === null ? "seq" : "seq, key, body");
    if (select === null) return 0;
    const deadline = performance.now() + maxMs;
    let total = 0;
    for (let from = 0; ; await breath()) {
      const rows = select.all(from, filter === null ? 50 * SLICE_ROWS : SLICE_ROWS) as unknown as OrderedRow[];
      if (rows.length === 0) return total;
      total +=
        filter === null ? rows.length : rows.filter((row) => matches(filter, documentOf(row.key, row.body))).length;
      from = rows.at(-1)!.seq;
      if (performance.now() > deadline) return null;
    }
  }

  /** Lets reading and counting pass finished documents by. */
  buildIndex(collection: string, mark: MarkFields): void {
    const table = this.table(collection);
    if (table === null) return;
    this.#statements.once(`create index if not exists ${indexOf(table, mark)} on ${table} (seq) where ${openBy(mark)}`);
  }

  isIndexed(collection: string, mark: MarkFields): boolean {
    const table = this.table(collection);
    const find = this.#statements.of("select 1 from sqlite_schema where type = 'index' and name = ?");
    return table !== null && find.get(indexOf(table, mark)) !== undefined;
  }

  mark(collection: string, groups: readonly RowsToMark[]): void {
    const table = this.table(collection);
    if (table === null) return;
    this.#statements.transaction(() => {
      const get = this.#statements.of(`select body from ${table} where key = ?`);
      const put = this.#statements.of(`update ${table} set body = ? where key = ?`);
      for (const { keys, fields } of groups) {
        const changes = Object.entries(fields).map(
          ([path, text]) => [path.split("."), text === null ? undefined : JSON.parse(text)] as const,
        );
        for (const key of keys) {
          const row = get.get(key) as unknown as Row | undefined;
          if (row === undefined) continue;
          const document = changes.reduce(
            (changed, [path, value]) => withValue(changed, path, value),
            JSON.parse(row.body),
          );
          put.run(JSON.stringify(document), key);
        }
      }
    });
  }

  /** Sets fields of one document, by their dotted paths, and takes others away. */
  setFields(
    collection: string,
    key: ItemKey,
    document: unknown,
    set: Readonly<Record<string, unknown>>,
    gone: readonly string[] = [],
  ): void {
    const kept = Object.fromEntries(Object.entries(document as object).filter(([name]) => !gone.includes(name)));
    const changed = Object.entries(set).reduce<unknown>(
      (to, [path, value]) => withValue(to, path.split("."), value),
      kept,
    );
    const put = this.#statements.of(`update ${this.table(collection)!} set body = ? where key = ?`);
    put.run(JSON.stringify(changed), key);
  }

  /** Guarded upserts. Each body is the JSON of a record. */
  write(collection: string, rows: readonly Row[]): WriteResult["status"][] {
    return this.#statements.transaction(() => {
      const isNew = this.table(collection) === null;
      const table = this.#createTable(collection);
      // While it is empty that costs nothing and holds nobody up.
      if (isNew) this.#database.exec(searchIndexesOn(table));
      const get = this.#statements.of(`select body from ${table} where key = ?`);
      const add = this.#statements.of(`insert into ${table} (key, body) values (?, ?)`);
      const put = this.#statements.of(`update ${table} set body = ? where key = ?`);
      return rows.map(({ key, body }) => {
        const row = get.get(key) as unknown as Row | undefined;
        if (row === undefined) {
          add.run(key, body);
          return "written";
        }
        const existing = JSON.parse(row.body);
        const record = JSON.parse(body);
        const byPerson = existing.decidedBy === "person";
        const fence = byPerson ? existing.modelSuggestion?.fence : existing.fence;
        if (fence !== undefined && fence !== null && Number(fence) > record.fence) return "fenced";
        if (!byPerson) {
          this.#keep(collection, supersededRow({ key, body: row.body }, body));
          for (const name of OPTIONAL_FIELDS) delete existing[name];
        }
        const merged = byPerson ? { ...existing, modelSuggestion: record } : { ...existing, ...record };
        put.run(JSON.stringify(merged), key);
        return byPerson ? "kept-person" : "written";
      });
    });
  }

  /** What was replaced of an item, oldest first. */
  history(collection: string, key: ItemKey): Row[] {
    const table = this.table(historyOf(collection));
    if (table === null) return [];
    const select = this.#statements.of(`select key, body from ${table} where key >= ? and key < ? order by key`);
    const prefix = historyPrefix(key);
    return select.all(prefix, `${prefix}\u{10ffff}`) as unknown as Row[];
  }

  /** Inside of a transaction. @param replaced null when nothing is lost */
  #keep(collection: string, replaced: Row | null): void {
    if (replaced === null) return;
    const table = this.#createTable(historyOf(collection));
    const add = this.#statements.of(`insert into ${table} (key, body) values (?, ?) on conflict (key) do nothing`);
    add.run(replaced.key, replaced.body);
  }

  #unprocessed(collection: string, mark: MarkFields | null, columns: string): StatementSync | null {
    const table = this.table(collection);
    if (table === null) return null;
    const by = mark !== null && this.isIndexed(collection, mark) ? `indexed by ${indexOf(table, mark)}` : "";
    return this.#statements.of(
      `select ${columns} from ${table} ${by} where ${mark === null ? "true" : openBy(mark)} and seq > ? order by seq limit ?`,
    );
  }

  #drop(collection: string): void {
    const table = this.table(collection);
    if (table === null) return;
    this.#statements.of("delete from collections where name = ?").run(collection);
    this.#statements.forget();
    // What it held is written over, so that no text stays in the file.
    this.#database.exec("pragma secure_delete = on");
    this.#database.exec(`drop table ${table}`);
  }

  /** Its name; null when there is no such collection. */
  table(collection: string): string | null {
    const row = this.#statements.of("select id from collections where name = ?").get(collection);
    return row === undefined ? null : `documents_${row.id}`;
  }

  #createTable(collection: string): string {
    const existing = this.table(collection);
    if (existing !== null) return existing;
    this.#statements.of("insert into collections (name) values (?)").run(collection);
    const table = this.table(collection)!;
    this.#database.exec(
      `create table ${table} (seq integer primary key autoincrement, key text not null unique, body text not null)`,
    );
    return table;
  }
}

function indexOf(table: string, { processed }: MarkFields): string {
  return `unprocessed_${table}_${shortHash(processed)}`;
}

/** The condition of an open document: the same words in index and query, or the partial index is not used. `false` counts as open. */
function openBy({ processed }: MarkFields): string {
  return `coalesce(json_type(body, ${pathOf(processed)}), 'null') in ('null', 'false')`;
}

/** A dotted path as SQLite's JSON functions take it, quoted. */
function pathOf(path: string): string {
  const names = path.split(".").map((name) => `."${name.replaceAll("'", "''")}"`);
  return `'$${names.join("")}'`;
}

function withValue(document: unknown, path: readonly string[], value: unknown): unknown {
  const [name, ...rest] = path;
  const holder = typeof document === "object" && document !== null ? (document as Record<string, unknown>) : {};
  return { ...holder, [name!]: rest.length === 0 ? value : withValue(holder[name!], rest, value) };
}
