import type { ItemKey } from "./item.ts";

/** What a condition compares with. */
export type ConditionValue = string | number | boolean | null;

/** One condition on a record. */
export interface RecordCondition {
  /** Dotted path in the record, such as `category` or `labels.topic`. */
  readonly field: string;
  /**
   * `in`: one of the values, in a list one of its entries; null also means missing. `begins`, `contains`: a text that does,
   * the latter in any case. Comparisons are of numbers with numbers only.
   */
  readonly is: "in" | "begins" | "contains" | "<" | "<=" | ">" | ">=";
  /** Any of them is enough. */
  readonly values: readonly ConditionValue[];
  /** The records that do not meet it, instead. */
  readonly not: boolean;
}

/** Which records are meant: those that meet all of it. */
export interface RecordSelection {
  readonly conditions: readonly RecordCondition[];
  /** Only these items; null for all. */
  readonly keys: readonly ItemKey[] | null;
  /** When they were classified, epoch ms, the end excluded; null: whenever. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

export const ALL_RECORDS: RecordSelection = { conditions: [], keys: null, fromMs: null, toMs: null };

/**
 * A total order that the store has an index for. `newest`, `oldest`: by when they were classified. `review`: those that need review
 * first, and of these and the others the least certain of the category first; one without a confidence is the least certain.
 */
export type RecordOrder = "id" | "newest" | "oldest" | "review";

/** Whether only records that need review are meant: the first ones of that order. */
export function isForReview({ conditions }: RecordSelection): boolean {
  return conditions.some(
    ({ field, is, values, not }) =>
      field === "needsReview" && is === "in" && !not && values.every((one) => one === true),
  );
}

/** The order in which what is selected lies closest together. */
export function nearestOrder(selection: RecordSelection): RecordOrder {
  if (selection.fromMs !== null || selection.toMs !== null) return "newest";
  return isForReview(selection) ? "review" : "id";
}

export function selectsAll({ conditions, keys, fromMs, toMs }: RecordSelection): boolean {
  return conditions.length === 0 && keys === null && fromMs === null && toMs === null;
}
