import type { Usage } from "../record.ts";
import type { Interval } from "./intervals.ts";
import type { DimensionScore, GoldRow } from "./score.ts";

/** How good one model is on one set of rows: what `evaluate` finds, saves and shows. Holds no text of a customer. */
export interface Evaluation {
  readonly kind: "querymill-evaluation";
  readonly formatVersion: 1;
  /** ISO 8601. */
  readonly createdAt: string;
  /** A labelled file, or records of a target that people corrected. */
  readonly origin: "file" | "reviewed";
  /** What was evaluated on: the file's name, or target and store. */
  readonly data: string;
  /** Hash of ids, texts and labels of all rows: two evaluations of equal data can be compared. */
  readonly dataVersion: string;
  readonly model: string;
  readonly taxonomy: string;
  readonly taxonomyVersion: string;
  readonly promptVersion: string;
  /** `offline` and `self-rated` numbers are no probabilities until calibrated. */
  readonly confidenceKind: string | null;
  readonly rows: RowCounts;
  readonly cost: CostFigures;
  readonly scores: readonly DimensionScore[];
  /** Accuracy over all records, where the rows were chosen and so say nothing of the others by themselves. Empty for files. */
  readonly estimates: readonly Estimate[];
  /** One entry a row, in the order of the data. */
  readonly answers: readonly RowAnswers[];
}

/** read = withoutText + withoutLabel + unknownLabel + notDrawn + scored + failed + pending; failed rows are scored as wrong. */
export interface RowCounts {
  readonly read: number;
  readonly withoutText: number;
  readonly withoutLabel: number;
  /** Left out by `--ignore-unknown`. */
  readonly unknownLabel: number;
  /** Left out by `--sample`. */
  readonly notDrawn: number;
  readonly scored: number;
  /** Given up: dead letters. */
  readonly failed: number;
  /** Not answered yet: the evaluation was stopped, or they wait for a retry. In no score. */
  readonly pending: number;
}

/** What the answers cost, over all attempts. Per 1,000 is per 1,000 answered rows. */
export interface CostFigures {
  readonly answered: number;
  /** null: the price of an answer is unknown. */
  readonly usd: number | null;
  readonly usdPerThousand: number | null;
  readonly usage: Usage;
  /** Of the call that answered, in ms; null without answers. */
  readonly latencyP50Ms: number | null;
  readonly latencyP95Ms: number | null;
}

/** Accuracy over all records of which some were looked at, each part of the sheet weighted by what it stands for. */
export interface Estimate {
  readonly dimension: string;
  readonly accuracy: Interval;
  /** Records that it speaks of. */
  readonly records: number;
  /** Rows that were looked at … */
  readonly reviewed: number;
  /** … and those among them that were drawn at random. */
  readonly random: number;
}

/** Fewer rows than that, drawn at random, say next to nothing of the others. */
export const FEWEST_RANDOM = 10;

/** Whether an estimate is worth being told: with enough random rows, or when every record was looked at. */
export function isTold({ random, reviewed, records }: Estimate): boolean {
  return random >= FEWEST_RANDOM || reviewed >= records;
}

export interface RowAnswers {
  /** Of `--id-column`, else the row's number. */
  readonly id: string;
  readonly gold: Readonly<Record<string, GoldRow["gold"]>>;
  /** null: failed. */
  readonly answer: Readonly<Record<string, GoldRow["answer"]>> | null;
  readonly confidence: Readonly<Record<string, number | null>>;
}

/** The rows of one dimension as they are scored. */
export function rowsOf(answers: readonly RowAnswers[], dimension: string): GoldRow[] {
  return answers.flatMap(({ id, gold, answer, confidence }) => {
    const right = gold[dimension];
    if (right === undefined) return [];
    return { id, gold: right, answer: answer?.[dimension] ?? null, confidence: confidence[dimension] ?? null };
  });
}
