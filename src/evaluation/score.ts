import { type Calibration, calibrate } from "./calibration.ts";
import {
  type Cell,
  type ConfusedPair,
  cellsOf,
  cohensKappa,
  confusedPairs,
  type LabelScore,
  labelScore,
  labelScores,
  macroF1,
} from "./confusion.ts";
import { type Interval, wilson } from "./intervals.ts";

/** What one row says about one dimension. */
export interface GoldRow {
  /** Names the row for a person. */
  readonly id: string;
  /** The right label; a list for a dimension of many. */
  readonly gold: string | readonly string[];
  /** What was answered; null: nothing, which counts as wrong. */
  readonly answer: string | readonly string[] | null;
  /** 0..1; null where none was given. */
  readonly confidence: number | null;
}

interface Score {
  readonly dimension: string;
  /** Rows with a right label and an outcome. */
  readonly rows: number;
  /** Rows without an answer; they count as wrong. */
  readonly unanswered: number;
  /** Share of right answers; for `many`: of lists that are right as a whole. */
  readonly accuracy: Interval;
  readonly macroF1: number;
  /** Each label that occurs, alphabetical. */
  readonly labels: readonly LabelScore[];
  /** null when no answer has a confidence. */
  readonly calibration: Calibration | null;
}

/** Of a dimension with one label. */
export interface OneScore extends Score {
  readonly choose: "one";
  /** What always answering the most frequent label would give. */
  readonly majority: { readonly label: string; readonly share: number };
  readonly kappa: number | null;
  /** The confusion matrix, without its empty cells. */
  readonly cells: readonly Cell[];
  readonly confused: readonly ConfusedPair[];
}

/** Of a dimension with any number of labels. `labels` scores each as a yes or no of its own. */
export interface ManyScore extends Score {
  readonly choose: "many";
  /** F1 over all labels of all rows together. */
  readonly microF1: number;
  /** Mean of |both| / |either| over rows (Jaccard 1901); 1 where both lists are empty. */
  readonly jaccard: number;
}

export type DimensionScore = OneScore | ManyScore;

/** Mistakes told. */
const CONFUSED = 15;

/** @returns null when no row has a right label */
export function scoreDimension(
  dimension: string,
  choose: "one" | "many",
  rows: readonly GoldRow[],
): DimensionScore | null {
  if (rows.length === 0) return null;
  return choose === "one" ? scoreOne(dimension, rows) : scoreMany(dimension, rows);
}

function scoreOne(dimension: string, rows: readonly GoldRow[]): OneScore {
  const answered = rows.map(({ id, gold, answer }) => ({ id, gold: String(gold), answer: answer as string | null }));
  const cells = cellsOf(answered);
  const labels = labelScores(cells);
  const [majority] = labels.toSorted((a, b) => b.support - a.support) as [LabelScore];
  return {
    ...sharedScore(dimension, rows),
    choose: "one",
    macroF1: macroF1(labels),
    labels,
    majority: { label: majority.label, share: majority.support / rows.length },
    kappa: cohensKappa(cells),
    cells,
    confused: confusedPairs(answered, CONFUSED),
  };
}

function scoreMany(dimension: string, rows: readonly GoldRow[]): ManyScore {
  const sums = new Map<string, { support: number; answered: number; correct: number }>();
  const sumOf = (label: string) => {
    const sum = sums.get(label) ?? { support: 0, answered: 0, correct: 0 };
    sums.set(label, sum);
    return sum;
  };
  let overlap = 0;
  for (const row of rows) {
    const [gold, answer] = [listOf(row.gold), listOf(row.answer)];
    const both = [...gold].filter((label) => answer.has(label));
    for (const label of gold) sumOf(label).support += 1;
    for (const label of answer) sumOf(label).answered += 1;
    for (const label of both) sumOf(label).correct += 1;
    const either = gold.size + answer.size - both.length;
    overlap += row.answer === null ? 0 : either === 0 ? 1 : both.length / either;
  }
  const labels = [...sums].map(([label, sum]) => labelScore(label, sum)).sort((a, b) => (a.label < b.label ? -1 : 1));
  const total = (of: "support" | "answered" | "correct"): number => labels.reduce((sum, label) => sum + label[of], 0);
  const all = { support: total("support"), answered: total("answered"), correct: total("correct") };
  return {
    ...sharedScore(dimension, rows),
    choose: "many",
    macroF1: labels.length === 0 ? 1 : macroF1(labels),
    labels,
    microF1: labels.length === 0 ? 1 : labelScore("", all).f1,
    jaccard: overlap / rows.length,
  };
}

function sharedScore(dimension: string, rows: readonly GoldRow[]) {
  const sure = rows.flatMap((row) =>
    row.confidence === null || row.answer === null ? [] : { confidence: row.confidence, correct: isRight(row) },
  );
  return {
    dimension,
    rows: rows.length,
    unanswered: rows.filter(({ answer }) => answer === null).length,
    accuracy: wilson(rows.filter(isRight).length, rows.length),
    calibration: calibrate(sure),
  };
}

/** For `many`: the same labels, in any order. */
export function isRight({ gold, answer }: Pick<GoldRow, "gold" | "answer">): boolean {
  if (answer === null) return false;
  const [right, given] = [listOf(gold), listOf(answer)];
  return right.size === given.size && [...right].every((label) => given.has(label));
}

function listOf(labels: string | readonly string[] | null): ReadonlySet<string> {
  return new Set(labels === null ? [] : typeof labels === "string" ? [labels] : labels);
}
