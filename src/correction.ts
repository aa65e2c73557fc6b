import type { ItemKey } from "./item.ts";

/** Why an item was on a sheet: the model was unsure of it, or it was drawn at random so that accuracy can be estimated. */
export type ReviewPart = "uncertain" | "random";

/** Names the decisions that are made one by one in the dashboard: of chosen items, never a sample of all. */
export const DASHBOARD_SHEET = "dashboard";

/** How a person came to look at an item. Part of the record. */
export interface Review {
  /** Names the sheet. */
  readonly sheet: string;
  readonly part: ReviewPart;
  /** Records that the part of the sheet was taken from: what one looked-at item of it stands for. */
  readonly of: number;
  /** Who decided, where that is known. */
  readonly by?: string;
}

/** What a person decided about one item. */
export interface Correction {
  readonly key: ItemKey;
  /** What is right, by the field of the record: `category`, `labels.topic`. Fields that are not named were right. */
  readonly fields: Readonly<Record<string, string | readonly string[] | null>>;
  /** Of the record that the person saw; null: whatever is there. */
  readonly contentHash: string | null;
  readonly review: Review;
}

/**
 * | status | meaning |
 * |---|---|
 * | confirmed | the model was right; it is a person's decision now |
 * | corrected | something was changed |
 * | unchanged | a person decided exactly this before |
 * | changed | the conversation changed since the person saw it: nothing is written |
 * | missing | there is no record |
 */
export type CorrectionStatus = "confirmed" | "corrected" | "unchanged" | "changed" | "missing";

export interface CorrectionResult {
  readonly key: ItemKey;
  readonly status: CorrectionStatus;
}

/** Fields that a correction sets, by dotted path; empty when it writes nothing. */
export interface CorrectionChange {
  readonly status: CorrectionStatus;
  readonly set: Readonly<Record<string, unknown>>;
}

/**
 * | status | meaning |
 * |---|---|
 * | undone | the model's answer holds again |
 * | kept | something came after: another decision, or a newer answer that the person has not seen |
 * | unchanged | no person decided it |
 * | missing | there is no record |
 */
export type UndoResult = "undone" | "kept" | "unchanged" | "missing";

/** Fields that an undo sets and takes away. */
export interface UndoChange {
  readonly status: UndoResult;
  readonly set: Readonly<Record<string, unknown>>;
  readonly gone: readonly string[];
}

/** What a correction adds to a record. */
const ADDED = ["modelSuggestion", "review", "reviewedAt"];

/** What taking back a decision on `sheet` makes of a record. @param msOf epoch ms of a time in the form of the store */
export function undoOf(
  record: Readonly<Record<string, unknown>> | null,
  sheet: string,
  msOf: (time: unknown) => number | null,
): UndoChange {
  const nothing = { set: {}, gone: [] };
  if (record === null) return { status: "missing", ...nothing };
  if (record.decidedBy !== "person") return { status: "unchanged", ...nothing };
  const { modelSuggestion, review, reviewedAt } = record as Record<string, Record<string, unknown> | undefined>;
  const decidedMs = msOf(reviewedAt);
  const answeredMs = msOf(modelSuggestion?.classifiedAt);
  const isLast = decidedMs !== null && (answeredMs === null || answeredMs <= decidedMs);
  if (!modelSuggestion || review?.sheet !== sheet || !isLast) return { status: "kept", ...nothing };
  return {
    status: "undone",
    set: modelSuggestion,
    gone: ADDED.filter((name) => !Object.hasOwn(modelSuggestion, name)),
  };
}

/**
 * What a correction makes of a record. The model's answer goes to `modelSuggestion`, once: later answers of models go there
 * by themselves, since nothing overwrites what a person decided.
 * @param at when it was decided, in the form of the store
 */
export function changeOf(
  record: Readonly<Record<string, unknown>> | null,
  { fields, contentHash, review }: Omit<Correction, "key">,
  at: unknown,
): CorrectionChange {
  if (record === null) return { status: "missing", set: {} };
  if (contentHash !== null && record.contentHash !== contentHash) return { status: "changed", set: {} };
  const byPerson = record.decidedBy === "person";
  const differs = Object.entries(fields).some(([path, value]) => !isSame(valueAt(record, path), value));
  // Who is on a sheet stays there: else a random part would lose just those that somebody chose to look at.
  const standing = byPerson ? (record.review as Review | undefined) : undefined;
  const onSheet = standing !== undefined && standing !== null && standing.sheet !== DASHBOARD_SHEET;
  if (byPerson && !differs) {
    const joins = review.sheet !== DASHBOARD_SHEET && standing?.sheet === DASHBOARD_SHEET;
    return { status: "unchanged", set: joins ? { review } : {} };
  }
  const { _id, ...model } = record;
  return {
    status: differs ? "corrected" : "confirmed",
    set: {
      ...fields,
      decidedBy: "person",
      needsReview: false,
      reviewReasons: [],
      reviewedAt: at,
      review: onSheet && review.sheet === DASHBOARD_SHEET ? standing : review,
      ...(byPerson ? {} : { modelSuggestion: model }),
    },
  };
}

function valueAt(record: Readonly<Record<string, unknown>>, path: string): unknown {
  let value: unknown = record;
  for (const name of path.split(".")) value = (value as Record<string, unknown> | null | undefined)?.[name];
  return value;
}

/** Lists hold the same labels in any order; a missing label is null. */
function isSame(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((label) => b.includes(label));
  return (a ?? null) === (b ?? null);
}
