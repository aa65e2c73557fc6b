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
