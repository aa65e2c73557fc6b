import { createHash } from "node:crypto";
import { nearest } from "../config/nearest.ts";
import type { ExampleSettings } from "../job.ts";
import type { Dimension, Taxonomy } from "../taxonomy.ts";
import { compileLabels, type FindLabel, normalised } from "./label-lookup.ts";
import type { TrainingRow } from "./linear-classifier.ts";

/** Labelled texts of the user's, matched with the taxonomy. */
export interface ExampleSet {
  /** By dimension: texts and label ids. A text that has several labels of a list is there once for each. */
  readonly rows: ReadonlyMap<string, readonly TrainingRow[]>;
  /** 8 hex digits: equal texts with equal labels in equal order, equal hash, whatever the format of the file. */
  readonly hash: string;
  /** Rows of the file that taught something. */
  readonly count: number;
  /** For the user: what was taken, and what was left out. */
  readonly notes: readonly string[];
}

/** A dimension with the column that holds its labels. */
export interface LabelColumn {
  readonly dimension: Dimension;
  readonly column: string;
}

/** A label of the file that the taxonomy does not have. */
export interface UnknownLabel {
  readonly column: string;
  readonly dimension: string;
  readonly label: string;
  readonly rows: number;
  /** The nearest label of the dimension, or null. */
  readonly meant: string | null;
}

/** Texts of one dimension that are learned from: more teach little and need memory. Labels share them equally. */
const MOST_ROWS = 200_000;
/** Longer texts are not shown to a model: it would see a part of them. In UTF-16 units, as in the prompt. */
const LONGEST_SHOWN = 160;
/** Different unknown labels that are remembered. */
const MOST_UNKNOWN = 1_000;
/** Names under which a column of categories is found, beside the dimension's own. */
const CATEGORY_NAMES = ["label", "intent"];

/**
 * Finds the columns of labels: those that were named, else those called like a dimension (but for case and punctuation);
 * for the category also `label` or `intent`.
 */
export function findLabelColumns(
  columns: readonly string[],
  { labelColumn, columns: named }: Pick<ExampleSettings, "labelColumn" | "columns">,
  { dimensions }: Taxonomy,
): LabelColumn[] {
  const byName = new Map(columns.map((column) => [normalised(column), column]));
  return dimensions.flatMap((dimension) => {
    const { id } = dimension;
    const said = Object.hasOwn(named, id) ? named[id]! : id === "category" ? labelColumn : null;
    const usual = [id, ...(id === "category" ? CATEGORY_NAMES : [])].map((name) => byName.get(normalised(name)));
    const column = said ?? usual.find((name) => name !== undefined);
    return column === undefined ? [] : [{ dimension, column }];
  });
}

/** Gathers labelled texts row by row. */
export class ExampleGatherer {
  readonly #columns: readonly (LabelColumn & { readonly find: FindLabel; readonly most: number })[];
  readonly #meanings: ReadonlyMap<string, string | null>;
  readonly #rows = new Map<string, TrainingRow[]>();
  readonly #perLabel = new Map<string, number>();
  readonly #unknown = new Map<string, { at: number; label: string; rows: number }>();
  readonly #hash = createHash("sha256");
  #count = 0;
  #without = 0;
  #beyond = 0;

  /** @param map what labels of the file mean: an id of the taxonomy, or null for nothing */
  constructor(columns: readonly LabelColumn[], map: Readonly<Record<string, string | null>>) {
    this.#columns = columns.map((column) => ({
      ...column,
      find: compileLabels(column.dimension),
      most: Math.ceil(MOST_ROWS / column.dimension.labels.length),
    }));
    this.#meanings = new Map(Object.entries(map).map(([label, id]) => [normalised(label), id]));
  }

  /** @param text null when the row has none */
  add(text: string | null, values: Readonly<Record<string, unknown>>): void {
    let taught = false;
    for (const [at, { dimension, column, most }] of this.#columns.entries()) {
      const labels = this.#labelsIn(values[column], at);
      if (text === null) continue;
      for (const label of labels) {
        const key = `${dimension.id} ${label}`;
        const before = this.#perLabel.get(key) ?? 0;
        this.#perLabel.set(key, before + 1);
        taught = true;
        if (before >= most) this.#beyond += 1;
        else this.#keep(dimension.id, { text, label });
      }
    }
    if (taught) this.#count += 1;
    else this.#without += 1;
  }

  /** Rows that taught something. */
  get count(): number {
    return this.#count;
  }

  /** Most frequent first. */
  unknown(): UnknownLabel[] {
    return [...this.#unknown.values()]
      .map(({ at, label, rows }) => {
        const { column, dimension } = this.#columns[at]!;
        const ids = dimension.labels.map(({ id }) => id);
        return { column, dimension: dimension.id, label, rows, meant: nearest(label, ids)[0] ?? null };
      })
      .sort((a, b) => b.rows - a.rows);
  }

  /** @param file its name in notes */
  finish(file: string): ExampleSet {
    const learned = this.#columns.map(({ dimension }) => {
      const missing = dimension.labels.filter(({ id }) => !this.#perLabel.has(`${dimension.id} ${id}`));
      const of = `${dimension.labels.length - missing.length} of ${dimension.labels.length} labels`;
      return `${dimension.id} (${of})`;
    });
    const notes = [`${number(this.#count)} examples of ${file}: ${learned.join(", ")}.`];
    if (this.#without > 0) notes.push(`${number(this.#without)} rows of ${file} have no text or no label.`);
    if (this.#beyond > 0)
      notes.push(`${number(this.#beyond)} examples of frequent labels are left out: there are enough of them.`);
    return { rows: this.#rows, hash: this.#hash.digest("hex").slice(0, 8), count: this.#count, notes };
  }

  #keep(dimension: string, row: TrainingRow): void {
    const rows = this.#rows.get(dimension) ?? [];
    rows.push(row);
    this.#rows.set(dimension, rows);
    this.#hash.update(JSON.stringify([dimension, row.label, row.text]));
  }

  /** Label ids in a cell; what is unknown is noted. */
  #labelsIn(value: unknown, at: number): string[] {
    const { dimension, find } = this.#columns[at]!;
    const whole = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
    const several = dimension.choose === "many";
    const parts = Array.isArray(whole) ? whole.map(String) : typeof whole === "string" ? [whole] : [];
    return [...new Set(parts.flatMap((part) => this.#idsOf(part.trim(), find, several, at)))];
  }

  #idsOf(part: string, find: FindLabel, several: boolean, at: number): string[] {
    if (part === "") return [];
    const meaning = this.#meanings.get(normalised(part));
    if (meaning === null) return [];
    const found = find(meaning ?? part, false);
    if (found !== null) return [found.id];
    const pieces = several ? part.split(/[;|,]/) : [part];
    if (pieces.length > 1) return pieces.flatMap((piece) => this.#idsOf(piece.trim(), find, false, at));
    const key = `${at} ${part}`;
    const known = this.#unknown.get(key);
    if (known !== undefined) known.rows += 1;
    else if (this.#unknown.size < MOST_UNKNOWN) this.#unknown.set(key, { at, label: part, rows: 1 });
    return [];
  }
}

/**
 * @returns the taxonomy with up to `each` texts of the user's in front of each label's own examples, to be shown to a
 * model; its version stays
 */
export function withExamples(taxonomy: Taxonomy, { rows }: ExampleSet, each: number): Taxonomy {
  if (each === 0) return taxonomy;
  return {
    ...taxonomy,
    dimensions: taxonomy.dimensions.map((dimension) => {
      const own = new Map<string, Set<string>>();
      for (const { text, label } of rows.get(dimension.id) ?? []) {
        const texts = own.get(label) ?? new Set();
        if (texts.size < each && text.length <= LONGEST_SHOWN) own.set(label, texts.add(text));
      }
      const labels = dimension.labels.map((label) => ({
        ...label,
        examples: [...(own.get(label.id) ?? []), ...label.examples],
      }));
      return { ...dimension, labels };
    }),
  };
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
