import { didYouMean } from "../config/nearest.ts";
import type { Correction, CorrectionStatus, ReviewPart } from "../correction.ts";
import { QuerymillError } from "../errors.ts";
import { openTable, type Table, type TableOptions, type TableRow } from "../files/table.ts";
import { type ItemKey, idOf, keyOf } from "../item.ts";
import { compileLabels, type FindLabel } from "../llm/label-lookup.ts";
import type { Target } from "../store.ts";
import type { Dimension, Taxonomy } from "../taxonomy.ts";
import { rightColumn, SHEET } from "./review-columns.ts";

/** What became of a filled-in sheet. */
export interface ReviewImport {
  readonly rows: number;
  /** Neither a verdict nor a label: nobody looked at them yet. */
  readonly notReviewed: number;
  readonly statuses: Readonly<Record<CorrectionStatus, number>>;
  readonly sheets: readonly string[];
  /** What the model had said to these is not to answer equal texts. */
  readonly corrected: readonly CorrectedRecord[];
}

export interface CorrectedRecord {
  readonly key: ItemKey;
  /** Of a record that was an equal text's answer: the item that was asked about. */
  readonly cachedFrom?: ItemKey;
}

const YES = /^(ok|yes|y|right|correct|true|1|x|✓|✔)$/i;
const NO = /^(no|n|wrong|incorrect|false|0)$/i;
/** Written in place of a label: none of them. */
const NONE = "-";
const CHUNK = 500;
const TOLD = 10;

/**
 * Takes a filled-in sheet back. All of it is checked before the first record is written.
 * @throws QuerymillError FILE_INVALID with the lines that are wrong and why
 */
export async function importReview(target: Target, taxonomy: Taxonomy, options: TableOptions): Promise<ReviewImport> {
  const table = await openTable(options);
  try {
    const reader = new SheetReader(table, taxonomy);
    const sheets = new Set<string>();
    const problems: string[] = [];
    let [rows, notReviewed] = [0, 0];
    for await (const row of table.rows()) {
      rows += 1;
      const read = reader.read(row);
      if (read === null) notReviewed += 1;
      else if (typeof read === "string") problems.push(`line ${row.line}: ${read}`);
      else sheets.add(read.review.sheet);
    }
    refuse(table.path, problems);
    const corrected: CorrectedRecord[] = [];
    const statuses = { confirmed: 0, corrected: 0, unchanged: 0, changed: 0, missing: 0 };
    const at = new Date();
    const send = async (chunk: readonly Correction[]): Promise<void> => {
      const results = await target.correct(chunk, at);
      for (const { status } of results) statuses[status] += 1;
      const keys = results.filter(({ status }) => status === "corrected").map(({ key }) => key);
      for (const { _id, cachedFrom } of keys.length > 0 ? await target.readByKeys(keys) : [])
        corrected.push({ key: keyOf(_id), ...(typeof cachedFrom === "string" ? { cachedFrom } : {}) });
    };
    let chunk: Correction[] = [];
    for await (const row of table.rows()) {
      const read = reader.read(row);
      if (read === null || typeof read === "string") continue;
      chunk.push(read);
      if (chunk.length < CHUNK) continue;
      await send(chunk);
      chunk = [];
    }
    if (chunk.length > 0) await send(chunk);
    return { rows, notReviewed, statuses, sheets: [...sheets], corrected };
  } finally {
    await table.close();
  }
}

class SheetReader {
  readonly #columns: readonly { readonly dimension: Dimension; readonly column: string; readonly find: FindLabel }[];

  /** @throws QuerymillError FILE_INVALID when it is no review sheet */
  constructor({ path, columns }: Table, { dimensions }: Taxonomy) {
    const lacking =
      columns === null ? [] : [SHEET.key, SHEET.part, SHEET.of, SHEET.sheet].filter((name) => !columns.includes(name));
    if (lacking.length > 0)
      throw new QuerymillError(
        "FILE_INVALID",
        `${path}: it has no column ${lacking.join(", ")}. A sheet comes from querymill export --review N; leave its columns in when you save it.`,
      );
    this.#columns = dimensions.map((dimension) => ({
      dimension,
      column: rightColumn(dimension.id),
      find: compileLabels(dimension),
    }));
  }

  /** @returns what was decided; null: nothing yet; a text: what is wrong */
  read({ values }: TableRow): Correction | string | null {
    const cell = (name: string): string => textOf(values[name]);
    const verdict = cell(SHEET.verdict);
    const isYes = YES.test(verdict);
    if (verdict !== "" && !isYes && !NO.test(verdict))
      return `${SHEET.verdict}: expected ok or wrong; got ${shown(verdict)}`;
    const fields: Record<string, string | readonly string[] | null> = {};
    for (const { dimension, column, find } of this.#columns) {
      const value = cell(column);
      if (value === "") continue;
      const label = labelOf(dimension, find, value);
      if (typeof label === "object" && label !== null && "problem" in label) return `${column}: ${label.problem}`;
      fields[fieldOf(dimension)] = label;
    }
    const given = Object.keys(fields).length > 0;
    if (verdict === "" && !given) return null;
    if (!isYes && verdict !== "" && !given)
      return `${SHEET.verdict} says wrong, and no ${rightColumn("…")} column says what is right`;
    if (isYes && this.#differs(fields, values))
      return `${SHEET.verdict} says ok, and a ${rightColumn("…")} column says otherwise`;
    const [key, part, of] = [cell(SHEET.key), cell(SHEET.part), Number(cell(SHEET.of))];
    if (!isKey(key)) return `${SHEET.key} was changed: it names no record`;
    if ((part !== "uncertain" && part !== "random") || !Number.isInteger(of) || of < 1)
      return `${SHEET.part} or ${SHEET.of} was changed`;
    const review = { sheet: cell(SHEET.sheet), part: part as ReviewPart, of };
    return { key, fields, contentHash: cell(SHEET.content) || null, review };
  }

  #differs(fields: Correction["fields"], values: TableRow["values"]): boolean {
    return this.#columns.some(({ dimension, find }) => {
      const right = fields[fieldOf(dimension)];
      if (right === undefined) return false;
      const answer = textOf(values[dimension.id]);
      const given = answer === "" ? null : labelOf(dimension, find, answer);
      return JSON.stringify(sorted(right)) !== JSON.stringify(sorted(given));
    });
  }
}

function labelOf(
  dimension: Dimension,
  find: FindLabel,
  value: string,
): string | readonly string[] | null | { readonly problem: string } {
  if (value === NONE) {
    if (dimension.choose === "many") return [];
    return dimension.required ? { problem: `${dimension.id} is required: "-" cannot be its label` } : null;
  }
  const words = dimension.choose === "many" ? value.split(/[;|,]/).map((word) => word.trim()) : [value];
  const found: string[] = [];
  for (const word of words.filter((one) => one !== "")) {
    const label = find(word, false);
    const ids = dimension.labels.map(({ id }) => id);
    if (label === null)
      return { problem: `${dimension.id} has no label ${shown(word)}.${didYouMean(word, ids)}`.replace(/\.$/, "") };
    found.push(label.id);
  }
  return dimension.choose === "many" ? [...new Set(found)] : found[0]!;
}

/** Where a dimension's label stands in a record. */
function fieldOf({ id }: Dimension): string {
  return ["category", "subcategory", "sentiment", "urgency"].includes(id) ? id : `labels.${id}`;
}

function sorted(labels: unknown): unknown {
  return Array.isArray(labels) ? labels.toSorted() : labels;
}

function isKey(key: string): boolean {
  try {
    idOf(key);
    return key !== "";
  } catch {
    return false;
  }
}

/** A spreadsheet shows a cell that begins like a formula with a quote in front. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" ? value : Array.isArray(value) ? value.join("; ") : String(value);
  return text.trim().replace(/^'(?=[=+\-@])/, "");
}

/** What stands where a label should be may be a customer's text: never more than a word of it. */
function shown(value: string): string {
  return value.length > 40 ? "a long text" : `"${value}"`;
}

function refuse(path: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const told = problems.slice(0, TOLD).map((problem) => `  ${problem}`);
  if (problems.length > TOLD) told.push(`  and ${problems.length - TOLD} more`);
  throw new QuerymillError(
    "FILE_INVALID",
    `${path}: ${problems.length === 1 ? "a row is" : `${problems.length} rows are`} not filled in as they can be read:\n${told.join("\n")}\nNothing was written. Mend them and import the sheet again.`,
  );
}
