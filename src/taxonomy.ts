import { createHash } from "node:crypto";

/** One label of a dimension. */
export interface Label {
  /** Lower-case letters, digits, `_`. What is stored. */
  readonly id: string;
  readonly description: string;
  /** Other spellings a model may answer; taken for the label without asking again. */
  readonly aliases: readonly string[];
  /** Texts that deserve this label: shown to the model, learned by the offline classifier. */
  readonly examples: readonly string[];
  /** For labels of `subcategory`: the `category` label it belongs to. */
  readonly parent?: string;
}

/** One question asked of every item. `category`, `subcategory`, `sentiment`, `urgency` have fields of their own in the record; others go to `labels`. */
export interface Dimension {
  readonly id: string;
  readonly description: string;
  /** `one` label or `many` (a list without repeats). */
  readonly choose: "one" | "many";
  /** A required dimension without a valid answer makes the item a dead letter; an optional one becomes null with a reason. */
  readonly required: boolean;
  readonly labels: readonly Label[];
}

export const FIELD_TYPES = ["string", "number", "boolean", "date"] as const;

/** Something to read out of every text that is no choice among labels. Goes to `fields` of the record. */
export interface Field {
  readonly id: string;
  readonly type: (typeof FIELD_TYPES)[number];
  readonly description: string;
  /** Like {@link Dimension.required}; an optional one is null where the text does not say. */
  readonly required: boolean;
  /** Of a string: a regular expression that all of it has to match. */
  readonly pattern?: string;
}

/** A date is text, `YYYY-MM-DD`. */
export type FieldValue = string | number | boolean | null;

/** What is asked. Versioned by content: equal content, equal version. */
export interface Taxonomy {
  readonly name: string;
  /** `t-` and 8 hex digits of the SHA-256 of the content. */
  readonly version: string;
  readonly dimensions: readonly Dimension[];
  /** @default none */
  readonly fields?: readonly Field[];
  /** Ask for a one-sentence summary. @default true */
  readonly summary: boolean;
  /** Ask for up to 3 alternative categories. @default true */
  readonly alternatives: boolean;
}

/** The part of a record that comes from who decided (model, offline classifier, …). */
export interface Classification {
  readonly category: string | null;
  readonly subcategory: string | null;
  readonly sentiment: string | null;
  readonly urgency: string | null;
  /** BCP-47, or `und` when it cannot be told. */
  readonly language: string;
  readonly summary: string | null;
  /** Own dimensions by id: a label, a list (choose: many), or null (optional and invalid). */
  readonly labels: Readonly<Record<string, string | readonly string[] | null>>;
  /** Own free fields by id; missing when the taxonomy has none. */
  readonly fields?: Readonly<Record<string, FieldValue>>;
  /** At most 3 other categories with their probability, most likely first. */
  readonly alternatives: readonly { readonly label: string; readonly p: number }[];
  /** 0..1 per dimension; null where none was given. */
  readonly confidence: Readonly<Record<string, number | null>>;
  readonly confidenceKind: "self-rated" | "calibrated" | "offline";
  readonly needsReview: boolean;
  /** Short fixed reasons such as `low-confidence`, `label-repaired`, `text-truncated`, `urgency-invalid`. */
  readonly reviewReasons: readonly string[];
}

/** Categories, sentiments… in taxonomy order, for looking a dimension up. */
export function dimensionOf(taxonomy: Taxonomy, id: string): Dimension | undefined {
  return taxonomy.dimensions.find((dimension) => dimension.id === id);
}

/**
 * @returns the version of a taxonomy's content: `t-` and 8 hex digits. The name is no part of it, nor is the order of
 * dimensions, labels and fields.
 */
export function taxonomyVersion(
  dimensions: readonly Dimension[],
  summary: boolean,
  alternatives: boolean,
  fields: readonly Field[] = [],
): string {
  const content = dimensions
    .toSorted(byId)
    .map(({ id, description, choose, required, labels }) => [
      id,
      description,
      choose,
      required,
      labels
        .toSorted(byId)
        .map((label) => [label.id, label.description, label.aliases, label.examples, label.parent ?? null]),
    ]);
  const free = fields
    .toSorted(byId)
    .map(({ id, type, description, required, pattern }) => [id, type, description, required, pattern ?? null]);
  const all = [content, summary, alternatives, ...(free.length === 0 ? [] : [free])];
  const hash = createHash("sha256").update(JSON.stringify(all));
  return `t-${hash.digest("hex").slice(0, 8)}`;
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
