import { basename } from "node:path";
import { didYouMean } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import { openTable, type Table } from "../files/table.ts";
import type { ExampleSettings } from "../job.ts";
import { ExampleGatherer, type ExampleSet, findLabelColumns, type UnknownLabel } from "../llm/examples.ts";
import type { Privacy } from "../redaction/privacy.ts";
import { makeItem } from "../stores/mapping.ts";
import type { Taxonomy } from "../taxonomy.ts";

/** Rows by which the columns of a JSONL file are found. */
const LOOKED_AT = 200;
/** Unknown labels that are named; longer ones could be a customer's text. */
const NAMED = 10;
const LONGEST_LABEL = 64;
/** More labels than this, nearly each in one row only, are no labels. */
const MANY_LABELS = 30;
const MAX_CHARS = 24_000;

/**
 * Reads labelled texts and matches their labels with the taxonomy: by id, alias, or equal but for case and punctuation.
 * @throws QuerymillError FILE_INVALID: not readable, no column of texts or labels, labels that the taxonomy does not have
 */
export async function readExamples(
  settings: ExampleSettings,
  taxonomy: Taxonomy,
  privacy: Privacy | null = null,
): Promise<ExampleSet> {
  const file = basename(settings.file);
  const table = await openTable({ path: settings.file });
  try {
    const columns = table.columns ?? (await columnsOf(table));
    checkNamed(file, columns, settings, taxonomy);
    const found = findLabelColumns(columns, settings, taxonomy);
    if (found.length === 0) throw noLabels(file, columns, taxonomy);
    const gatherer = new ExampleGatherer(found, settings.map);
    let texts = 0;
    for await (const { values } of table.rows()) {
      const text = textOf(values, settings.textColumn, privacy);
      if (text !== null) texts += 1;
      gatherer.add(text, values);
    }
    if (texts === 0) throw noTexts(file, columns, settings.textColumn);
    const unknown = gatherer.unknown();
    if (unknown.length > 0) throw unknownLabels(file, unknown, taxonomy);
    if (gatherer.count === 0)
      throw refused(`${file}: no row has a label in ${found.map(({ column }) => column).join(", ")}. Fill them in.`);
    const set = gatherer.finish(file);
    return { ...set, notes: [...table.notes, ...set.notes] };
  } finally {
    await table.close();
  }
}

/** The text of a row, as that of a document: HTML, quoted replies and the like are treated as in a run. */
function textOf(
  values: Readonly<Record<string, unknown>>,
  column: string | null,
  privacy: Privacy | null,
): string | null {
  const lower = Object.fromEntries(Object.entries(values).map(([name, value]) => [name.trim().toLowerCase(), value]));
  const document = column === null ? { ...lower, _id: 0 } : { _id: 0, text: values[column] };
  const read = makeItem(document, { text: null, maxChars: MAX_CHARS }, privacy);
  return "text" in read ? read.text : null;
}

async function columnsOf(table: Table): Promise<string[]> {
  const columns = new Set<string>();
  let looked = 0;
  for await (const { values } of table.rows()) {
    for (const name of Object.keys(values)) columns.add(name);
    if (++looked === LOOKED_AT) break;
  }
  return [...columns];
}

function checkNamed(file: string, columns: readonly string[], settings: ExampleSettings, taxonomy: Taxonomy): void {
  const { textColumn, labelColumn, columns: named } = settings;
  const dimensions = taxonomy.dimensions.map(({ id }) => id);
  for (const id of Object.keys(named))
    if (!dimensions.includes(id))
      throw refused(
        `examples.columns names ${id}, and the taxonomy ${taxonomy.name} has no such dimension.${didYouMean(id, dimensions) || ` It has ${dimensions.join(", ")}.`}`,
      );
  for (const column of [textColumn, labelColumn, ...Object.values(named)])
    if (column !== null && !columns.includes(column))
      throw refused(
        `${file}: there is no column "${column}".${didYouMean(column, columns) || ` It has ${list(columns)}.`}`,
      );
}

function noLabels(file: string, columns: readonly string[], { dimensions }: Taxonomy): QuerymillError {
  const ids = dimensions.map(({ id }) => id).join(", ");
  return refused(
    `${file}: no column holds labels: none of ${list(columns)} is called ${ids}, label or intent. Name the one with categories with --examples-label, others in querymill.yaml under examples.columns.`,
  );
}

function noTexts(file: string, columns: readonly string[], column: string | null): QuerymillError {
  const where = column === null ? "none of the columns that are looked at (subject, text, message, body, …)" : column;
  return refused(
    `${file}: no row has a text${column === null ? `: ${where} is there or holds one` : ` in the column ${where}`}. Name the column with --examples-text; there are ${list(columns)}.`,
  );
}

function unknownLabels(file: string, unknown: readonly UnknownLabel[], taxonomy: Taxonomy): QuerymillError {
  const rows = unknown.reduce((sum, label) => sum + label.rows, 0);
  const [first] = unknown as [UnknownLabel];
  const columns = [...new Set(unknown.map(({ column }) => column))].map((name) => `"${name}"`).join(", ");
  const short = unknown.filter(({ label }) => label.length <= LONGEST_LABEL && !label.includes("\n"));
  const eachItsOwn = unknown.length > MANY_LABELS && rows < 2 * unknown.length;
  const head = `${file}: ${number(rows)} rows have labels in ${columns} that the taxonomy ${taxonomy.name} does not have`;
  if (eachItsOwn || short.length < unknown.length / 2)
    return refused(`${head}, and they look like texts rather than labels. Is ${columns} the right column?`);
  const named = short.slice(0, NAMED).map(({ column, dimension, label, rows, meant }) => {
    const where = column === first.column ? "" : ` (${dimension})`;
    return `  ${JSON.stringify(label)}${where}, ${number(rows)} ${rows === 1 ? "row" : "rows"}.${meant === null ? "" : ` Did you mean ${meant}?`}`;
  });
  const more = unknown.length - named.length;
  const map = short.slice(0, 2).map(({ label, meant }) => `${JSON.stringify(label)}: ${meant ?? "null"}`);
  return refused(
    [
      `${head}:`,
      ...named,
      ...(more > 0 ? [`  and ${number(more)} more`] : []),
      `Correct them, add them as aliases to the taxonomy, or say in querymill.yaml what they mean (null: leave them out):`,
      `  examples: { map: { ${map.join(", ")}${unknown.length > 2 ? ", …" : ""} } }`,
    ].join("\n"),
  );
}

function list(columns: readonly string[]): string {
  return columns.length > 12 ? `${columns.slice(0, 12).join(", ")}, …` : columns.join(", ");
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

function refused(message: string): QuerymillError {
  return new QuerymillError("FILE_INVALID", message);
}
