import { isScale, risingLabels } from "./scales.ts";

/** A dimension as the review needs it. */
export interface ReviewDimension {
  readonly id: string;
  readonly many: boolean;
  readonly labels: readonly { readonly id: string }[];
}

/** What a key does in the review. */
export type ReviewAction =
  | { readonly kind: "decide"; readonly label: string }
  | { readonly kind: "step"; readonly dimension: string; readonly by: 1 | -1 }
  | { readonly kind: "keep" }
  | { readonly kind: "skip" }
  | { readonly kind: "undo" };

/** Keys of labels, in order. Letters that mean something else on the page are left out: g, k, s, z. */
const LABEL_KEYS = [..."123456789abcdefhijlmnopqrtuvwxy"];
export const UNDO_KEY = "z";
/** Pairs of keys that step through the labels of a scale: down, up. */
const STEP_KEYS: readonly (readonly [string, string])[] = [
  ["[", "]"],
  ["-", "+"],
];

/** What the keys mean for a taxonomy. */
export interface ReviewKeys {
  /** The dimension whose label one key decides; null when no label has to be chosen. */
  readonly decided: ReviewDimension | null;
  /** Its labels with their keys; null for those that are left without one. */
  readonly labels: readonly { readonly id: string; readonly key: string | null }[];
  /** Scales with the keys that step through them, labels from least to most. */
  readonly scales: readonly {
    readonly dimension: ReviewDimension;
    readonly labels: readonly string[];
    readonly down: string | null;
    readonly up: string | null;
  }[];
  /** Dimensions that are chosen by pointer or Tab only. */
  readonly others: readonly ReviewDimension[];
}

/** The first dimension with one label is decided by key, scales by steps, anything else by its own controls. */
export function reviewKeys(dimensions: readonly ReviewDimension[]): ReviewKeys {
  const decided = dimensions.find((one) => !one.many && !isScale(one.id)) ?? null;
  const scales = dimensions.filter((one) => !one.many && isScale(one.id));
  return {
    decided,
    labels: (decided?.labels ?? []).map(({ id }, at) => ({ id, key: LABEL_KEYS[at] ?? null })),
    scales: scales.map((dimension, at) => ({
      dimension,
      labels: risingLabels(
        dimension.id,
        dimension.labels.map(({ id }) => id),
      ),
      down: STEP_KEYS[at]?.[0] ?? null,
      up: STEP_KEYS[at]?.[1] ?? null,
    })),
    others: dimensions.filter((one) => one !== decided && !scales.includes(one)),
  };
}

/** What a pressed key does; null: nothing here. */
export function reviewAction(key: string, keys: ReviewKeys): ReviewAction | null {
  if (key === "k" || key === "Enter") return { kind: "keep" };
  if (key === "s") return { kind: "skip" };
  if (key === UNDO_KEY) return { kind: "undo" };
  for (const { dimension, down, up } of keys.scales) {
    if (key === down) return { kind: "step", dimension: dimension.id, by: -1 };
    if (key === up || (up === "+" && key === "=")) return { kind: "step", dimension: dimension.id, by: 1 };
  }
  const label = keys.labels.find((one) => one.key === key);
  return label === undefined ? null : { kind: "decide", label: label.id };
}

/** The label one step further on a scale; at its end it stays. From none it begins in the middle. */
export function stepped(labels: readonly string[], present: string | null, by: 1 | -1): string | null {
  const at = present === null ? -1 : labels.indexOf(present);
  if (at < 0) return labels[Math.floor((labels.length - 1) / 2)] ?? null;
  return labels[Math.min(labels.length - 1, Math.max(0, at + by))]!;
}

type LabelValue = string | readonly string[] | null;

/** Fields of the record that a person changed, by field: what is the same as before is not named. */
export function changedFields(
  dimensions: readonly { readonly id: string; readonly field: string }[],
  before: Readonly<Record<string, LabelValue>>,
  after: Readonly<Record<string, LabelValue>>,
): Record<string, LabelValue> {
  const changed = dimensions.filter(
    ({ id }) => id in after && JSON.stringify(after[id] ?? null) !== JSON.stringify(before[id] ?? null),
  );
  return Object.fromEntries(changed.map(({ id, field }) => [field, after[id] ?? null]));
}
