import { documentOf, importForm } from "../files/documents.ts";
import { RowFaults } from "../files/file-fault.ts";
import { openTable, type Table, type TableOptions, type TableRow } from "../files/table.ts";
import { type ItemKey, keyOf } from "../item.ts";
import type { JobSettings, MarkFields } from "../job.ts";
import type { SourceDocument, Store } from "../store.ts";
import { addMissingIds, contentOf, pagesOf, type RowListener } from "./input-rows.ts";
import { identify, idIn, type RowIdentity } from "./row-ids.ts";
import { openStore } from "./wiring.ts";

/** What became of the rows of a file. */
export interface Imported {
  /** Printable address of the store. */
  readonly store: string;
  readonly rows: number;
  readonly imported: number;
  /** They were there, as they are in the file. */
  readonly present: number;
  /** Their id is there with another content, which was left as it is. */
  readonly different: number;
  /** Line of the first of those; null when there is none. */
  readonly differentLine: number | null;
  /** Of the imported, those that carry the mark of a processed document. */
  readonly marked: number;
  readonly notes: readonly string[];
}

/**
 * Brings the rows of a file into the source collection. All of the file is checked before the store is opened. A document
 * that is there already is left as it is, so the same file again adds nothing.
 * @param onProgress told how many rows are checked or brought in, page by page
 * @throws QuerymillError FILE_INVALID, and what the store throws
 */
export async function importFile(
  settings: JobSettings,
  options: TableOptions & { readonly idColumn: string | null },
  onProgress: RowListener,
): Promise<Imported> {
  const table = await openTable(options);
  try {
    const { identity } = await identify(table, options.idColumn);
    await checkIds(table, identity, onProgress);
    // The source is written here, whoever marks it later.
    const store = await openStore({ ...settings, markIn: "source" });
    try {
      const counts = await bringIn(table, identity, store, settings, onProgress);
      return { ...counts, store: store.sourceAddress ?? store.address, notes: table.notes };
    } finally {
      await store.close();
    }
  } finally {
    await table.close();
  }
}

async function bringIn(
  table: Table,
  identity: RowIdentity,
  store: Store,
  { sourceCollection, mark }: JobSettings,
  onProgress: RowListener,
): Promise<Omit<Imported, "store" | "notes">> {
  const form = importForm(table.columns, mark);
  const source = store.source({ collection: sourceCollection, mark, filter: null, fields: null });
  await store.insert(sourceCollection, []);
  let [rows, imported, present, different, marked] = [0, 0, 0, 0, 0];
  let differentLine: number | null = null;
  for await (const page of pagesOf(table.rows())) {
    const documents = page.map((row) => documentOf(row, idOfRow(row, identity), form));
    const known = new Map<ItemKey, string>();
    for (const document of await source.readByKeys(documents.map(({ _id }) => keyOf(_id))))
      known.set(keyOf(document._id), contentOf(document, mark));
    const fresh: SourceDocument[] = [];
    for (const [at, document] of documents.entries()) {
      const key = keyOf(document._id);
      const content = contentOf(document, mark);
      const before = known.get(key);
      if (before === undefined) {
        known.set(key, content);
        fresh.push(document);
        if (isMarked(document, mark)) marked += 1;
      } else if (before === content) present += 1;
      else {
        different += 1;
        differentLine ??= page[at]!.line;
      }
    }
    if (fresh.length > 0) await store.insert(sourceCollection, fresh, "keep");
    imported += fresh.length;
    rows += page.length;
    onProgress(rows, "brought in");
  }
  return { rows, imported, present, different, differentLine, marked };
}

/** Reads all of it: what cannot be read, and rows without an id, are refused before anything is brought in. */
async function checkIds(table: Table, { column }: RowIdentity, onProgress: RowListener): Promise<void> {
  const faults = new RowFaults(table.path);
  let rows = 0;
  for await (const page of pagesOf(table.rows())) {
    addMissingIds(faults, page, column);
    rows += page.length;
    onProgress(rows, "checked");
  }
  if (faults.any) throw faults.error();
}

function idOfRow(row: TableRow, { column, fingerprint }: RowIdentity): unknown {
  return column === null ? `${fingerprint}-${row.row}` : idIn(row, column);
}

/** Neither null nor false counts as a mark. */
function isMarked(document: SourceDocument, { processed }: MarkFields): boolean {
  const value = document[processed];
  return value !== undefined && value !== null && value !== false;
}
