import { EJSON } from "bson";
import { ROW_FIELD } from "../files/documents.ts";
import { RowFaults } from "../files/file-fault.ts";
import type { Table, TableRow } from "../files/table.ts";
import { keyOf } from "../item.ts";
import type { MarkFields } from "../job.ts";
import type { Source, SourceDocument, Store } from "../store.ts";
import { idIn, type RowIds } from "./row-ids.ts";

/** Most rows in memory at a time, and most UTF-16 units of them, as far as their texts tell. */
const PAGE_ROWS = 500;
const PAGE_CHARS = 4_000_000;

/** Rows of a table in pages. */
export async function* pagesOf(rows: AsyncIterable<TableRow>): AsyncGenerator<TableRow[]> {
  let page: TableRow[] = [];
  let chars = 0;
  for await (const row of rows) {
    page.push(row);
    for (const value of Object.values(row.values)) chars += typeof value === "string" ? value.length : 100;
    if (page.length < PAGE_ROWS && chars < PAGE_CHARS) continue;
    yield page;
    page = [];
    chars = 0;
  }
  if (page.length > 0) yield page;
}

/** Told how many rows are done so far, and what is done with them. */
export type RowListener = (rows: number, doing: string) => void;

/** Rows without an id are faults. */
export function addMissingIds(faults: RowFaults, page: readonly TableRow[], column: string | null): void {
  for (const row of page)
    if (column !== null && idIn(row, column) === null)
      faults.add(
        { line: row.line, column: null, what: `no id in the column ${column}` },
        "Give every row one, or leave --id-column out.",
      );
}

/** What reading a whole file found. */
export interface CheckedRows {
  readonly rows: number;
  /** How its earlier rows are not the ones that are stored; null when they are. */
  readonly changed: string | null;
}

/**
 * Reads the whole file before anything is stored: every row can be read and has an id. Those that are stored are compared.
 * @throws QuerymillError FILE_INVALID
 */
export async function checkRows(options: {
  readonly table: Table;
  readonly ids: RowIds;
  readonly source: Source;
  readonly mark: MarkFields;
  /** Rows that are stored, from the first on. */
  readonly stored: number;
  readonly idColumn: string | null;
  readonly onProgress: RowListener;
}): Promise<CheckedRows> {
  const { table, ids, source, mark, stored, idColumn, onProgress } = options;
  const faults = new RowFaults(table.path);
  let rows = 0;
  let changed: string | null = null;
  for await (const page of pagesOf(table.rows())) {
    rows += page.length;
    onProgress(rows, "checked");
    addMissingIds(faults, page, idColumn);
    const earlier = page.filter(({ row }) => row <= stored);
    if (earlier.length === 0 || faults.any || changed !== null) continue;
    const differing = earlier[await firstDiffering(await ids.documentsOf(earlier), source, mark)];
    if (differing !== undefined) changed = `line ${differing.line.toLocaleString("en-US")} is not what it was`;
  }
  if (faults.any) throw faults.error();
  if (changed === null && rows < stored)
    changed = `it has ${rows.toLocaleString("en-US")} rows and had ${stored.toLocaleString("en-US")}`;
  return { rows, changed };
}

/** Stores the rows behind those that are. */
export async function importRows(options: {
  readonly table: Table;
  readonly ids: RowIds;
  readonly store: Store;
  readonly collection: string;
  /** Rows that are stored, from the first on. */
  readonly stored: number;
  /** What makes a row's document another one before it is stored. */
  readonly change?: (documents: SourceDocument[]) => Promise<SourceDocument[]>;
  readonly save?: (rows: number) => Promise<void>;
  readonly onProgress: RowListener;
}): Promise<void> {
  const { table, ids, store, collection, stored, change, save, onProgress } = options;
  // It is there also when the file has no rows.
  await store.insert(collection, []);
  for await (const page of pagesOf(table.rows())) {
    const next = page.filter(({ row }) => row > stored);
    if (next.length === 0) continue;
    const documents = await ids.documentsOf(next);
    await store.insert(collection, (await change?.(documents)) ?? documents);
    await save?.(next.at(-1)!.row);
    onProgress(next.at(-1)!.row, "stored");
  }
}

/** @returns the documents with the marks that stored ones of the same id and content have */
export async function withMarks(
  documents: readonly SourceDocument[],
  source: Source,
  mark: MarkFields,
): Promise<SourceDocument[]> {
  const found = await source.readByKeys(documents.map(({ _id }) => keyOf(_id)));
  const stored = new Map(found.map((document) => [keyOf(document._id), document]));
  return documents.map((document) => {
    const before = stored.get(keyOf(document._id));
    if (before === undefined || contentOf(before, mark) !== contentOf(document, mark)) return document;
    const marks = Object.values(mark).filter((name) => Object.hasOwn(before, name));
    return { ...document, ...Object.fromEntries(marks.map((name) => [name, before[name]])) };
  });
}

/** @returns the place of the first document that is not stored as this row; -1 when all are */
async function firstDiffering(documents: readonly SourceDocument[], source: Source, mark: MarkFields): Promise<number> {
  const found = await source.readByKeys(documents.map(({ _id }) => keyOf(_id)));
  const stored = new Map(found.map((document) => [keyOf(document._id), document]));
  return documents.findIndex((document) => {
    const before = stored.get(keyOf(document._id));
    if (before === undefined || before[ROW_FIELD] !== document[ROW_FIELD]) return true;
    return contentOf(before, mark) !== contentOf(document, mark);
  });
}

/** A document without its mark and its place in a file, as a text to compare. */
export function contentOf(document: SourceDocument, mark: MarkFields): string {
  const without = new Set([...Object.values(mark), ROW_FIELD]);
  return EJSON.stringify(Object.fromEntries(Object.entries(document).filter(([name]) => !without.has(name))));
}
