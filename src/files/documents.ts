import { EJSON } from "bson";
import type { MarkFields } from "../job.ts";
import type { SourceDocument } from "../store.ts";
import type { FileRow } from "./row.ts";

/** Field of a stored row with its number in the file, from 1. */
export const ROW_FIELD = "_row";

/** How rows become documents of a source. */
export interface DocumentForm {
  /** The field of each column, as a path; null where rows have their own fields (JSONL). */
  readonly fields: ReadonlyMap<string, readonly string[]> | null;
  /** Names that a row's own fields give way to. */
  readonly reserved: ReadonlySet<string>;
  /** Whether a document says which row it is. */
  readonly numbered: boolean;
}

/**
 * The field of each column: `ticket.body` becomes `body` in `ticket`, as paths and exports of nested data have it. Where
 * that cannot be, and for the names that a store keeps for itself, `_` takes the place of what is in the way.
 */
export function documentForm(columns: readonly string[] | null, mark: MarkFields): DocumentForm {
  return { fields: fieldsOf(columns, mark), reserved: reservedBy(mark), numbered: true };
}

/**
 * The same for documents that are brought into a collection: they do not say their row, and rows that have their own
 * fields keep them all, a mark too.
 */
export function importForm(columns: readonly string[] | null, mark: MarkFields): DocumentForm {
  const reserved = columns === null ? new Set(["_id"]) : reservedBy(mark);
  return { fields: fieldsOf(columns, mark), reserved, numbered: false };
}

function reservedBy(mark: MarkFields): Set<string> {
  return new Set(["_id", ROW_FIELD, ...Object.values(mark)]);
}

function fieldsOf(columns: readonly string[] | null, mark: MarkFields): DocumentForm["fields"] {
  if (columns === null) return null;
  const reserved = reservedBy(mark);
  const used = new Set<string>();
  const fields = new Map<string, readonly string[]>();
  for (const column of columns) {
    const path = freePath(column, columns, used, reserved);
    used.add(path.join("."));
    fields.set(column, path);
  }
  return fields;
}

function freePath(
  column: string,
  columns: readonly string[],
  used: ReadonlySet<string>,
  reserved: ReadonlySet<string>,
): string[] {
  const nested = column.split(".");
  const isNested =
    nested.length > 1 &&
    nested.every((name) => name.trim() !== "" && !/[{}$\0]|^__proto__$/.test(name)) &&
    !reserved.has(nested[0]!) &&
    !columns.some((other) => other !== column && (other.startsWith(`${column}.`) || column.startsWith(`${other}.`)));
  if (isNested) return nested;
  let name = column.replace(/[.{}\0]|^\$|^__proto__$/g, "_");
  while (used.has(name) || reserved.has(name) || (name !== column && columns.includes(name))) name += "_";
  return [name];
}

/** @returns the document of a row; `_id` replaces what the row has under that name */
export function documentOf({ row, values }: FileRow, id: unknown, form: DocumentForm): SourceDocument {
  const { fields, reserved, numbered } = form;
  const document: Record<string, unknown> = { _id: id, ...(numbered ? { [ROW_FIELD]: row } : {}) };
  if (fields === null) {
    for (const [name, value] of Object.entries(typed(values))) {
      let field = name;
      while (reserved.has(field) && name !== "_id") field += "_";
      if (field !== "_id") define(document, field, value);
    }
    return document as SourceDocument;
  }
  for (const [column, path] of fields) {
    let holder = document;
    for (const name of path.slice(0, -1)) {
      if (!Object.hasOwn(holder, name)) define(holder, name, {});
      holder = holder[name] as Record<string, unknown>;
    }
    define(holder, path.at(-1)!, values[column]);
  }
  return document as SourceDocument;
}

/** `{"$oid": …}` and the like as what they mean, so that ids and dates of a MongoDB export keep their types. */
export function typed(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  try {
    return EJSON.deserialize(values) as Record<string, unknown>;
  } catch {
    // A customer's own data that only looks like EJSON.
    return values;
  }
}

/** A field of any name, `__proto__` too. */
function define(holder: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
}
