import { type DocumentForm, documentOf, ROW_FIELD, typed } from "../files/documents.ts";
import type { Table, TableRow } from "../files/table.ts";
import { columnNamed, noColumn } from "../files/text-column.ts";
import { type ItemKey, keyOf } from "../item.ts";
import { shortHash } from "../job.ts";
import type { Source, SourceDocument } from "../store.ts";

/** How rows are told apart. */
export interface RowIdentity {
  /** The column that identifies a row; null for its number. */
  readonly column: string | null;
  /** Of the file, stands before the number. */
  readonly fingerprint: string;
}

/** Rows that are looked at for their fields. */
const FIRST_ROWS = 100;
const ID_NAMES = ["id", "_id", "ticket_id", "ticketid", "ticket id", "key"];

/**
 * Finds out how the rows of a table are told apart.
 * @param wanted the column that identifies a row; null for `_id` when there is one, else the row's number
 * @returns with the names of the columns, or of the fields of the first rows, and a column that could identify rows that
 * their number does
 * @throws QuerymillError FILE_INVALID when there is no such column
 */
export async function identify(
  table: Table,
  wanted: string | null,
): Promise<{ readonly identity: RowIdentity; readonly names: readonly string[]; readonly idLike: string | null }> {
  const first: TableRow[] = [];
  for await (const row of table.rows()) if (first.push(row) === FIRST_ROWS) break;
  const names = table.columns ?? [...new Set(first.flatMap(({ values }) => Object.keys(values)))];
  const fingerprint = shortHash([table.columns, first[0]?.values ?? null]);
  const column = wanted === null ? (names.includes("_id") ? "_id" : null) : columnNamed(names, wanted);
  if (wanted !== null && column === null) throw noColumn(table.path, wanted, names);
  return { identity: { column, fingerprint }, names, idLike: column === null ? idLikeOf(names, first) : null };
}

/** @returns a column that looks as if it told rows apart: by its name, and no value twice in the first rows */
function idLikeOf(names: readonly string[], first: readonly TableRow[]): string | null {
  for (const wanted of ID_NAMES) {
    const column = columnNamed(names, wanted);
    if (column === null) continue;
    const ids = first.map((row) => idIn(row, column));
    if (ids.length > 0 && !ids.includes(null) && new Set(ids.map(keyOf)).size === ids.length) return column;
  }
  return null;
}

/** Rows whose id an earlier row has. */
export interface Doubled {
  readonly rows: number;
  /** Line of the first one. */
  readonly firstLine: number | null;
}

/**
 * Gives rows their ids, page by page in the order of the file. An id that an earlier row has gets an ordinal: `17`,
 * `17#2`, `17#3`. What is stored already tells which row has an id, so memory does not grow with the file.
 */
export class RowIds {
  readonly #identity: RowIdentity;
  readonly #form: DocumentForm;
  readonly #stored: Source;
  /** The last ordinal of each id that occurs more than once. */
  readonly #ordinals = new Map<ItemKey, number>();
  #doubled = 0;
  #firstLine: number | null = null;

  constructor(identity: RowIdentity, form: DocumentForm, stored: Source) {
    this.#identity = identity;
    this.#form = form;
    this.#stored = stored;
  }

  get doubled(): Doubled {
    return { rows: this.#doubled, firstLine: this.#firstLine };
  }

  /** @returns the documents of the rows, in order */
  async documentsOf(rows: readonly TableRow[]): Promise<SourceDocument[]> {
    const { column, fingerprint } = this.#identity;
    if (column === null) return rows.map((row) => documentOf(row, `${fingerprint}-${row.row}`, this.#form));
    const ids = rows.map((row) => idIn(row, column));
    const known = await this.#rowsOf(ids.map(keyOf));
    const documents: SourceDocument[] = [];
    for (const [at, row] of rows.entries()) {
      const id = await this.#free(ids[at], row, known);
      known.set(keyOf(id), row.row);
      documents.push(documentOf(row, id, this.#form));
    }
    return documents;
  }

  /** The id itself, or with the first ordinal that no other row has. */
  async #free(id: unknown, { row, line }: TableRow, known: Map<ItemKey, number | null>): Promise<unknown> {
    const key = keyOf(id);
    const holder = known.get(key);
    if (holder === undefined || holder === row) return id;
    this.#doubled += 1;
    this.#firstLine ??= line;
    for (let ordinal = (this.#ordinals.get(key) ?? 1) + 1; ; ordinal += 1) {
      const next = `${textOf(id)}#${ordinal}`;
      const nextKey = keyOf(next);
      const other = known.get(nextKey) ?? (await this.#rowsOf([nextKey])).get(nextKey);
      if (other !== undefined && other !== row) continue;
      this.#ordinals.set(key, ordinal);
      return next;
    }
  }

  /** Which row of the file has each key that is stored. */
  async #rowsOf(keys: readonly ItemKey[]): Promise<Map<ItemKey, number | null>> {
    const documents = await this.#stored.readByKeys([...new Set(keys)]);
    return new Map(documents.map((document) => [keyOf(document._id), rowOf(document)]));
  }
}

/** @returns the id in a row's column; null when the cell is empty */
export function idIn({ values }: TableRow, column: string): unknown {
  const value = Object.hasOwn(values, column) ? values[column] : null;
  if (value === "" || value === undefined) return null;
  return typeof value === "object" && value !== null ? typed({ value }).value : value;
}

function rowOf(document: SourceDocument): number | null {
  const row = document[ROW_FIELD];
  return typeof row === "number" ? row : null;
}

function textOf(id: unknown): string {
  return typeof id === "string" ? id : keyOf(id);
}
