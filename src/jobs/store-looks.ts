import type { JobSettings, SourcePreset } from "../job.ts";
import type { CollectionSize, SourceDocument, Store } from "../store.ts";
import { makeItem } from "../stores/mapping.ts";
import { openExistingStore } from "./existing-store.ts";
import { shapeOf } from "./source-shape.ts";

/** What is in a store, for somebody who has not named a collection yet. */
export interface StoreLook {
  /** `mongodb 8.0 replica set at mongodb://host/db` */
  readonly description: string;
  readonly collections: readonly CollectionSize[];
}

/** A text field of documents, with what stands there in one of them. */
export interface TextField {
  /** Dotted, without the numbers of list elements. */
  readonly path: string;
  /** Customer text. */
  readonly example: string;
}

type Place = Pick<JobSettings, "storeUri" | "db" | "deadlines">;

const SHORTEST_TEXT = 3;
const DEEPEST = 5;
const MOST_FIELDS = 60;
const MAX_CHARS = 24_000;

/** Connects, looks and lets go. Changes nothing. @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED */
export async function lookAtStore(place: Place): Promise<StoreLook> {
  return await withStore(place, async (store) => ({
    description: `${store.description} at ${store.address}`,
    collections: await store.collections(),
  }));
}

/**
 * Some unprocessed documents drawn at random.
 * @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED, COLLECTION_MISSING
 */
export async function sampleDocuments(
  settings: Place & Pick<JobSettings, "sourceCollection" | "mark">,
  count: number,
): Promise<readonly SourceDocument[]> {
  const { sourceCollection, mark } = settings;
  return await withStore(settings, (store) =>
    store.source({ collection: sourceCollection, mark, filter: null, fields: null }).sample(count),
  );
}

/** @returns what a model would be shown of a document, or null when it would be skipped */
export function textShown(
  document: SourceDocument,
  text: JobSettings["mapping"]["text"],
  maxChars: number,
): string | null {
  const read = makeItem(document, { text, maxChars });
  return "text" in read ? read.text : null;
}

/** The fields of documents that hold texts, in the order they are met; through lists, too. */
export function textFields(documents: readonly SourceDocument[]): TextField[] {
  const found = new Map<string, string>();
  const visit = (value: unknown, path: string, depth: number): void => {
    if (typeof value === "string" && path !== "_id") {
      const before = found.get(path) ?? "";
      if (value.trim().length >= SHORTEST_TEXT && value.length > before.length) found.set(path, value);
    } else if (Array.isArray(value)) for (const one of value.slice(0, 5)) visit(one, path, depth + 1);
    else if (isPlain(value) && depth < DEEPEST)
      for (const [name, inner] of Object.entries(value))
        visit(inner, path === "" ? name : `${path}.${name}`, depth + 1);
  };
  for (const document of documents) visit(document, "", 0);
  return [...found].slice(0, MOST_FIELDS).map(([path, example]) => ({ path, example }));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

async function withStore<T>(place: Place, look: (store: Store) => Promise<T>): Promise<T> {
  const store = await openExistingStore(place);
  try {
    return await look(store);
  } finally {
    await store.close();
  }
}

/** A file of rows, for somebody who has not said where its text is. */
export interface FileLook {
  /** `CSV, windows-1252, ; between cells` and what looks odd. */
  readonly description: string;
  /** Those of the first rows where each row has its own. */
  readonly columns: readonly string[];
  /** Columns by name, in the form of documents. */
  readonly rows: readonly SourceDocument[];
  /** The preset that most of these rows fit; null for none. */
  readonly preset: SourcePreset | null;
}

/** Opens a file, reads its first rows and lets go. @throws QuerymillError FILE_INVALID */
export async function lookAtFile(path: string, count: number): Promise<FileLook> {
  const { openTable } = await import("../files/table.ts");
  const table = await openTable({ path });
  try {
    const rows: SourceDocument[] = [];
    for await (const { row, values } of table.rows()) {
      rows.push({ _id: row, ...values });
      if (rows.length === count) break;
    }
    const own = rows.flatMap((row) => Object.keys(row)).filter((name) => name !== "_id");
    const delimiter =
      table.delimiter === null ? "" : `, ${table.delimiter === "\t" ? "tab" : table.delimiter} between cells`;
    const form = `${table.format === "csv" ? "CSV" : table.format}, ${table.encoding}${delimiter}`;
    return {
      description: [form, ...table.notes].join(". "),
      columns: table.columns ?? [...new Set(own)],
      rows,
      preset: shapeOf(rows).nearest,
    };
  } finally {
    await table.close();
  }
}

/** @returns what a model would be shown of a row that a preset reads; null when it would be skipped */
export function rowTextByPreset(row: SourceDocument, preset: SourcePreset): string | null {
  const read = makeItem(row, { text: null, preset, maxChars: MAX_CHARS });
  return "text" in read ? read.text : null;
}

/** @returns what a model would be shown of a row whose text is in `column`; null: the usual ones */
export function rowTextShown(row: SourceDocument, column: string | null): string | null {
  const names = Object.entries(row).map(([name, value]) => [name.trim().toLowerCase(), value] as const);
  const document =
    column === null ? { ...Object.fromEntries(names), _id: row._id } : { _id: row._id, text: row[column] };
  return textShown(document, null, MAX_CHARS);
}
