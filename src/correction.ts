import type { ItemKey } from "./item.ts";

/** Why an item was on a sheet: the model was unsure of it, or it was drawn at random so that accuracy can be estimated. */
export type ReviewPart = "uncertain" | "random";

/** How a person came to look at an item. Part of the record. */
export interface Review {
  /** Names the sheet. */
  readonly sheet: string;
  readonly part: ReviewPart;
  /** Records that the part of the sheet was taken from: what one looked-at item of it stands for. */
  readonly of: number;
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
  if (byPerson && !differs) return { status: "unchanged", set: {} };
  const { _id, ...model } = record;
  return {
    status: differs ? "corrected" : "confirmed",
    set: {
      ...fields,
      decidedBy: "person",
      needsReview: false,
      reviewReasons: [],
      reviewedAt: at,
      review,
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
