import { createHash } from "node:crypto";
import { QuerymillError } from "../errors.ts";
import { documentForm, documentOf } from "../files/documents.ts";
import { openTable, type Table, type TableOptions, type TableRow } from "../files/table.ts";
import { textMapping } from "../files/text-column.ts";
import { MARK_FIELDS, type TextMapping } from "../job.ts";
import type { SourceDocument } from "../store.ts";
import { DEFAULT_FIELDS } from "../stores/mapping.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { type Gold, GoldLabels, UNKNOWN } from "./gold-labels.ts";
import { columnOf, type LabelColumn, labelColumns } from "./label-columns.ts";

/** What the file is asked for. */
export interface LabelledFileOptions extends TableOptions {
  readonly textColumn: string | null;
  readonly idColumn: string | null;
  /** `category=intent`, `sentiment`; none: guessed by name. */
  readonly labelColumns: readonly string[];
  /** `label of the file=label of the taxonomy` */
  readonly mappings: readonly string[];
  readonly ignoreUnknown: boolean;
  /** So many rows drawn by a hash of their ids: the same ones each time, and a larger sample holds a smaller one. null: all. */
  readonly sample: number | null;
  readonly taxonomy: Taxonomy;
  /** Where the settings say that text is. */
  readonly mapping: TextMapping;
  /** Makes what tells a document's content hash under a mapping; null for one without a text to classify. */
  readonly contentsBy: (mapping: TextMapping) => Promise<(document: SourceDocument) => string | null>;
}

/** One row that is evaluated. */
export interface LabelledRow {
  /** Of the id column, else the row's number; unique. */
  readonly id: string;
  /** Right labels by dimension; those without one are missing. */
  readonly gold: Readonly<Record<string, string | readonly string[]>>;
}

/** A labelled file that was read and checked whole. */
export interface LabelledFile {
  readonly rows: readonly LabelledRow[];
  readonly counts: {
    readonly read: number;
    readonly withoutText: number;
    readonly withoutLabel: number;
    readonly unknownLabel: number;
    readonly notDrawn: number;
  };
  /** Hash of ids, texts and labels of the whole file, as they stand there: equal for every taxonomy, sample and mapping. */
  readonly version: string;
  /** Hash of ids and texts of the rows that are evaluated. */
  readonly textVersion: string;
  /** Where the text of the documents is: as a run over the same file would find it. */
  readonly mapping: TextMapping;
  readonly notes: readonly string[];
  /** The documents of the rows, in their order, from the file once more. */
  documents(): AsyncIterable<SourceDocument>;
  close(): Promise<void>;
}

/** Rows looked at for names of columns where each row has its own. */
const NAMING_ROWS = 100;

/**
 * Reads a labelled table and checks all of it before anything is spent. Keeps ids and labels in memory, no texts.
 * @throws QuerymillError FILE_INVALID, USAGE
 */
export async function openLabelledFile(options: LabelledFileOptions): Promise<LabelledFile> {
  const table = await openTable(options);
  try {
    return await readLabelled(table, options);
  } catch (error) {
    await table.close();
    throw error;
  }
}

async function readLabelled(table: Table, options: LabelledFileOptions): Promise<LabelledFile> {
  const file = options.path === "-" ? "stdin" : options.path;
  const names = table.columns ?? (await namesOf(table));
  const form = documentForm(table.columns, MARK_FIELDS);
  const wanted = { column: options.textColumn, mapping: options.mapping, defaults: DEFAULT_FIELDS };
  const mapping = textMapping(file, names, form, wanted);
  const contentOf = await options.contentsBy(mapping);
  const columns = labelColumns(options.labelColumns, names, options.taxonomy, file);
  const idName = options.idColumn === null ? null : columnOf(names, options.idColumn, "--id-column", file);
  const labels = new GoldLabels(columns, options.mappings);
  const ids = new Ids(idName);
  const found: (LabelledRow & { readonly row: number; readonly content: string })[] = [];
  const counts = { read: 0, withoutText: 0, withoutLabel: 0, unknownLabel: 0, notDrawn: 0 };
  const version = createHash("sha256");
  for await (const row of table.rows()) {
    counts.read += 1;
    const id = ids.of(row);
    version.update(JSON.stringify([id, row.values]));
    const golds = labels.read(columns, row.values, row.line);
    const content = contentOf(documentOf(row, id, form));
    if (golds.includes(UNKNOWN)) counts.unknownLabel += 1;
    else if (golds.every((gold) => gold === null)) counts.withoutLabel += 1;
    else if (content === null) counts.withoutText += 1;
    else found.push({ id, row: row.row, gold: byDimension(columns, golds), content });
  }
  if (!options.ignoreUnknown) labels.refuseUnknown(file, counts.read);
  labels.refuseUnusedMaps(file);
  const drawn = draw(found, options.sample);
  counts.notDrawn = found.length - drawn.length;
  if (drawn.length === 0) throw nothingLeft(file, counts, columns);
  const idByRow = new Map(drawn.map(({ row, id }) => [row, id]));
  return {
    rows: drawn.map(({ id, gold }) => ({ id, gold })),
    counts,
    version: version.digest("hex").slice(0, 16),
    textVersion: hashOf(drawn.map(({ id, content }) => [id, content])),
    mapping,
    notes: [...table.notes, ...ids.notes()],
    async *documents() {
      for await (const row of table.rows()) {
        const id = idByRow.get(row.row);
        if (id !== undefined) yield documentOf(row, id, form);
      }
    },
    close: () => table.close(),
  };
}

async function namesOf(table: Table): Promise<string[]> {
  const names = new Set<string>();
  let rows = 0;
  for await (const { values } of table.rows()) {
    for (const name of Object.keys(values)) names.add(name);
    rows += 1;
    if (rows === NAMING_ROWS) break;
  }
  return [...names];
}

/** Gives each row a name of its own: the id column's, the row's number where it is empty; a repeated one gets an ordinal. */
class Ids {
  readonly #column: string | null;
  readonly #seen = new Map<string, number>();
  #repeated = 0;

  constructor(column: string | null) {
    this.#column = column;
  }

  of({ row, values }: TableRow): string {
    const value = this.#column === null ? null : values[this.#column];
    const id = value === null || value === undefined || value === "" ? String(row) : textOf(value);
    const times = (this.#seen.get(id) ?? 0) + 1;
    this.#seen.set(id, times);
    if (times === 1) return id;
    this.#repeated += 1;
    return `${id}#${times}`;
  }

  notes(): string[] {
    if (this.#repeated === 0) return [];
    return [`${this.#repeated} rows repeat an id of ${this.#column}; they are told apart as ID#2, ID#3 and so on.`];
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function byDimension(columns: readonly LabelColumn[], golds: readonly Gold[]): LabelledRow["gold"] {
  return Object.fromEntries(
    columns.flatMap(({ dimension }, at) => {
      const gold = golds[at];
      return gold === null || gold === undefined || gold === UNKNOWN ? [] : [[dimension.id, gold]];
    }),
  );
}

function draw<T extends { readonly id: string }>(rows: readonly T[], sample: number | null): readonly T[] {
  if (sample === null || sample >= rows.length) return rows;
  const drawn = rows.map((row) => ({ row, hash: hashOf(row.id) })).sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const chosen = new Set(drawn.slice(0, sample).map(({ row }) => row));
  return rows.filter((row) => chosen.has(row));
}

function hashOf(value: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(value) ?? "")
    .digest("hex")
    .slice(0, 16);
}

function nothingLeft(
  file: string,
  { read, withoutText, withoutLabel, unknownLabel }: LabelledFile["counts"],
  columns: readonly LabelColumn[],
): QuerymillError {
  const labels = columns.map(({ column }) => column).join(", ");
  return new QuerymillError(
    "FILE_INVALID",
    `${file}: none of its ${read} rows can be evaluated: ${withoutText} have no text, ${withoutLabel} no label in ${labels}, ${unknownLabel} a label that is not in the taxonomy. Name other columns with --text-column and --label-column.`,
  );
}
