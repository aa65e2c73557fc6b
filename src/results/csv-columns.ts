import { EJSON } from "bson";
import type { SourceDocument } from "../store.ts";
import type { Taxonomy } from "../taxonomy.ts";

/** One column: its title and what stands in it. */
export interface CsvColumn {
  readonly header: string;
  /** Of its values in Parquet. */
  readonly type: "text" | "number" | "boolean";
  /** Text and numbers as they are; null and undefined leave the cell empty. */
  readonly value: (record: SourceDocument) => string | number | boolean | null;
}

const FIRST = ["job", "category", "subcategory", "sentiment", "urgency", "language", "summary"];
const BUILT_IN = new Set(["category", "subcategory", "sentiment", "urgency"]);
const USAGE = ["inputTokens", "cachedInputTokens", "cacheWriteTokens", "outputTokens", "reasoningTokens"];
const NUMBERS = new Set(["costUsd", "latencyMs", "attempts", "fence"]);
const LAST = [
  "confidenceKind",
  "needsReview",
  "reviewReasons",
  "decidedBy",
  "provider",
  "model",
  "endpoint",
  "promptVersion",
  "taxonomyVersion",
  "contentHash",
  ...USAGE.map((name) => `usage.${name}`),
  "costUsd",
  "latencyMs",
  "attempts",
  "executionId",
  "fence",
  "classifiedAt",
];

/**
 * The columns of an export, in an order that only the taxonomy changes: nested fields by their path, lists joined by
 * `; `, and a last one with whatever else a record holds, as JSON.
 */
export function csvColumns(taxonomy: Taxonomy): CsvColumn[] {
  const dimensions = taxonomy.dimensions.map(({ id }) => id);
  const own = dimensions.filter((id) => !BUILT_IN.has(id)).map((id) => `labels.${id}`);
  const fields = (taxonomy.fields ?? []).map(({ id }) => `fields.${id}`);
  const confidence = dimensions.map((id) => `confidence.${id}`);
  const paths = [...FIRST, ...own, ...fields, "alternatives", ...confidence, ...LAST];
  const known = new Set(paths);
  return [
    { header: "_id", type: "text", value: ({ _id }) => cell(_id) },
    ...paths.map((path) => ({
      header: path,
      type: typeOf(path),
      value: (record: SourceDocument) => cell(valueAt(record, path)),
    })),
    { header: "other", type: "text", value: (record) => rest(record, known) },
  ];
}

function typeOf(path: string): CsvColumn["type"] {
  if (path === "needsReview") return "boolean";
  return NUMBERS.has(path) || /^(confidence|usage)\./.test(path) ? "number" : "text";
}

/** A value as it stands in a cell: numbers and ids plainly, lists joined, other objects as JSON. */
export function cell(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Array.isArray(value)) return value.map(part).join("; ");
  const { _bsontype: kind } = value as { _bsontype?: unknown };
  if (kind === "ObjectId" || kind === "Long" || kind === "UUID" || kind === "Decimal128") return String(value);
  return EJSON.stringify(value);
}

/** An entry of a list: `billing_payment 0.2` for an alternative. */
function part(value: unknown): string {
  const { label, p } = (value ?? {}) as { label?: unknown; p?: unknown };
  return typeof label === "string" && typeof p === "number" ? `${label} ${p}` : String(cell(value) ?? "");
}

/** @returns what stands at a dotted path, or undefined */
export function valueAt(record: SourceDocument, path: string): unknown {
  let value: unknown = record;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** Fields that have no column of their own, such as labels of an earlier taxonomy or a model's suggestion. */
function rest(record: SourceDocument, known: ReadonlySet<string>): string | null {
  const left: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(record)) {
    if (name === "_id" || known.has(name)) continue;
    if (!GROUPS.has(name) || typeof value !== "object" || value === null) {
      left[name] = value;
      continue;
    }
    const inner = Object.entries(value).filter(([key]) => !known.has(`${name}.${key}`));
    if (inner.length > 0) left[name] = Object.fromEntries(inner);
  }
  return Object.keys(left).length === 0 ? null : EJSON.stringify(left);
}

const GROUPS = new Set(["labels", "fields", "confidence", "usage"]);
