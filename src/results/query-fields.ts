import type { ConditionValue } from "../selection.ts";
import type { Taxonomy } from "../taxonomy.ts";

/** What can stand behind a field of a query. */
export type QueryField =
  /** A label of a dimension, or `none`. */
  | { readonly kind: "label"; readonly path: string; readonly labels: readonly string[]; readonly ordered: boolean }
  /** One of a few words. */
  | { readonly kind: "choice"; readonly path: string; readonly options: Readonly<Record<string, ConditionValue>> }
  /** Any text; a `*` at the end stands for whatever follows. */
  | { readonly kind: "text"; readonly path: string }
  | { readonly kind: "number"; readonly path: string }
  | { readonly kind: "time" }
  | { readonly kind: "id" }
  | { readonly kind: "outcome" };

/** What became of the items that a query is about. */
export const OUTCOMES = ["classified", "skipped", "retry", "dead", "pending"] as const;
export type QueryOutcome = (typeof OUTCOMES)[number];

const BUILT_IN = new Set(["category", "subcategory", "sentiment", "urgency"]);
const PEOPLE_AND_MACHINES = ["model", "cache", "student", "offline", "person"];
const QUEUED = ["id", "outcome", "queue", "failure", "since", "until"];

/** The place of a dimension in the record. */
export function fieldOfDimension(id: string): string {
  return BUILT_IN.has(id) ? id : `labels.${id}`;
}

/** The fields of queries about a taxonomy's records, by name. */
export function queryFields({ dimensions, fields = [] }: Taxonomy): ReadonlyMap<string, QueryField> {
  const known = new Map<string, QueryField>();
  for (const { id, labels, choose } of dimensions)
    known.set(id, {
      kind: "label",
      path: fieldOfDimension(id),
      labels: labels.map((label) => label.id),
      ordered: choose === "one",
    });
  for (const { id, type } of fields) known.set(`fields.${id}`, fieldOf(type, `fields.${id}`));
  const own: Readonly<Record<string, QueryField>> = {
    id: { kind: "id" },
    outcome: { kind: "outcome" },
    language: { kind: "text", path: "language" },
    confidence: { kind: "number", path: "confidence.category" },
    ...Object.fromEntries(
      dimensions.map(({ id }) => [`confidence.${id}`, { kind: "number", path: `confidence.${id}` } as const]),
    ),
    review: { kind: "choice", path: "needsReview", options: { yes: true, no: false } },
    reason: { kind: "text", path: "reviewReasons" },
    by: {
      kind: "choice",
      path: "decidedBy",
      options: Object.fromEntries(PEOPLE_AND_MACHINES.map((one) => [one, one])),
    },
    run: { kind: "text", path: "executionId" },
    since: { kind: "time" },
    until: { kind: "time" },
    cost: { kind: "number", path: "costUsd" },
    latency: { kind: "number", path: "latencyMs" },
    attempts: { kind: "number", path: "attempts" },
    provider: { kind: "text", path: "provider" },
    model: { kind: "text", path: "model" },
    endpoint: { kind: "text", path: "endpoint" },
    taxonomy: { kind: "text", path: "taxonomyVersion" },
    prompt: { kind: "text", path: "promptVersion" },
    queue: { kind: "text", path: "queue" },
    failure: { kind: "text", path: "failure" },
  };
  // A dimension of the same name is what its owner means.
  for (const [name, field] of Object.entries(own)) if (!known.has(name)) known.set(name, field);
  return known;
}

/** Whether items with this outcome have what a field is about. @param name null: words */
export function fitsOutcome(name: string | null, outcome: QueryOutcome): boolean {
  if (outcome === "classified") return name !== "queue" && name !== "failure";
  if (outcome === "retry" || outcome === "dead") return name === null || QUEUED.includes(name);
  return name === "id" || name === "outcome";
}

function fieldOf(type: string, path: string): QueryField {
  if (type === "number") return { kind: "number", path };
  if (type === "boolean") return { kind: "choice", path, options: { yes: true, no: false } };
  return { kind: "text", path };
}
