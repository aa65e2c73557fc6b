import { didYouMean, nearest } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import { compileLabels, type FindLabel } from "../llm/label-lookup.ts";
import type { Dimension } from "../taxonomy.ts";
import type { LabelColumn } from "./label-columns.ts";

/** A label of the file that the taxonomy does not have. */
interface Unknown {
  readonly dimension: Dimension;
  readonly column: string;
  readonly label: string;
  rows: number;
  readonly line: number;
}

/** Longer ones, and more different ones, are no labels: the column was mistaken. */
const LONGEST_LABEL = 80;
const MOST_UNKNOWN = 200;
const TOLD = 10;

/** What a cell says: the label's id, a list for `many`; null when it is empty; `unknown` when the taxonomy lacks it. */
export type Gold = string | readonly string[] | null | typeof UNKNOWN;
export const UNKNOWN = Symbol("unknown label");

/** Turns the labels of a file into those of the taxonomy, and remembers those that it does not have. */
export class GoldLabels {
  readonly #find = new Map<string, FindLabel>();
  readonly #map: ReadonlyMap<string, string>;
  readonly #unknown = new Map<string, Unknown>();
  readonly #used = new Set<string>();
  #rows = 0;

  /**
   * @param mappings `old=new` of `--map`: new is an id, label or alias of any of the dimensions
   * @throws QuerymillError USAGE when new is in none of them
   */
  constructor(columns: readonly LabelColumn[], mappings: readonly string[]) {
    for (const { dimension } of columns) this.#find.set(dimension.id, compileLabels(dimension));
    this.#map = new Map(mappings.map((text) => this.#mapping(text, columns)));
  }

  /** Rows with a label that the taxonomy does not have. */
  get unknownRows(): number {
    return this.#rows;
  }

  /** What a row says of each dimension, in the order of the columns. @param line of the file */
  read(columns: readonly LabelColumn[], values: Readonly<Record<string, unknown>>, line: number): Gold[] {
    const golds = columns.map((column) => this.#readCell(column, values[column.column], line));
    if (golds.includes(UNKNOWN)) this.#rows += 1;
    return golds;
  }

  /** @throws QuerymillError FILE_INVALID naming the unknown labels with rows, line and nearest, and what to do */
  refuseUnknown(file: string, rows: number): void {
    const unknown = [...this.#unknown.values()].sort((a, b) => b.rows - a.rows);
    if (unknown.length === 0) return;
    const [{ column, dimension }] = unknown as [Unknown];
    if (unknown.length > MOST_UNKNOWN || unknown.some(({ label }) => label.length > LONGEST_LABEL))
      throw invalid(
        `${file}: column ${column} does not hold labels of ${dimension.id}: ${this.#rows} of ${rows} rows have something else, ${unknown.length} different ones. Name the right column with --label-column ${dimension.id}=COLUMN, or your taxonomy with --taxonomy.`,
      );
    const lines = unknown.slice(0, TOLD).map((one) => {
      const near = nearest(
        one.label,
        one.dimension.labels.map(({ id }) => id),
        3,
      );
      const meant = near.length === 0 ? "nothing like it" : `nearest: ${near.join(", ")}`;
      return `  "${one.label}" (${one.dimension.id}, ${one.rows} rows, first on line ${one.line}): ${meant}`;
    });
    if (unknown.length > TOLD) lines.push(`  and ${unknown.length - TOLD} more`);
    const { label } = unknown[0]!;
    const [near = dimension.labels[0]!.id] = nearest(
      label,
      dimension.labels.map(({ id }) => id),
    );
    throw invalid(
      `${file}: ${unknown.length === 1 ? "a label is" : `${unknown.length} labels are`} not in the taxonomy, in ${this.#rows} of ${rows} rows:\n${lines.join("\n")}\nSay what each means with --map "${label}=${near}", leave those rows out with --ignore-unknown, or name the right taxonomy with --taxonomy. Nothing was spent.`,
    );
  }

  /** @throws QuerymillError USAGE: a mapping of a label that the file does not have does nothing, so it is a slip */
  refuseUnusedMaps(file: string): void {
    for (const label of this.#map.keys())
      if (!this.#used.has(label))
        throw new QuerymillError(
          "USAGE",
          `--map "${label}=…": no row of ${file} has this label, or the taxonomy has it too.${didYouMean(
            label,
            [...this.#unknown.values()].map((one) => one.label),
          )} Leave it out.`,
        );
  }

  #readCell({ dimension, column }: LabelColumn, value: unknown, line: number): Gold {
    const many = dimension.choose === "many";
    if (value === null || value === undefined) return null;
    const isList = Array.isArray(value);
    const words = (isList ? value : many ? String(value).split(/[;|,]/) : [value]).map((word) => String(word).trim());
    const given = words.filter((word) => word !== "");
    // An empty cell says nothing; an empty list says that there is none.
    if (given.length === 0) return many && isList ? [] : null;
    const ids = given.map((label) => this.#idOf(dimension, label) ?? this.#remember(dimension, column, label, line));
    if (ids.includes(UNKNOWN)) return UNKNOWN;
    const known = [...new Set(ids as string[])];
    if (many) return known;
    return known.length === 1 ? known[0]! : this.#remember(dimension, column, given.join(", "), line);
  }

  #idOf(dimension: Dimension, label: string): string | null {
    const find = this.#find.get(dimension.id)!;
    const found = find(label, false);
    if (found !== null) return found.id;
    const mapped = this.#map.get(label);
    if (mapped === undefined) return null;
    this.#used.add(label);
    return find(mapped, false)?.id ?? null;
  }

  #remember(dimension: Dimension, column: string, label: string, line: number): typeof UNKNOWN {
    const key = `${dimension.id} ${label}`;
    const known = this.#unknown.get(key);
    if (known === undefined) this.#unknown.set(key, { dimension, column, label, rows: 1, line });
    else known.rows += 1;
    return UNKNOWN;
  }

  #mapping(text: string, columns: readonly LabelColumn[]): [string, string] {
    const at = text.lastIndexOf("=");
    const [from, to] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
    if (at < 1 || from === "" || to === "")
      throw new QuerymillError("USAGE", `--map: expected "label of the file=label of the taxonomy"; got "${text}".`);
    if (columns.some(({ dimension }) => this.#find.get(dimension.id)!(to, false) !== null)) return [from, to];
    const ids = columns.flatMap(({ dimension }) => dimension.labels.map(({ id }) => id));
    throw new QuerymillError(
      "USAGE",
      `--map "${text}": the taxonomy has no label ${to} in ${columns.map(({ dimension }) => dimension.id).join(", ")}.${didYouMean(to, ids)}`,
    );
  }
}

function invalid(message: string): QuerymillError {
  return new QuerymillError("FILE_INVALID", message);
}
