import type { ItemRow } from "../dashboard/api.ts";
import { type ItemKey, idOf, keyOf } from "../item.ts";
import type { QueueEntry } from "../state/retry-queue.ts";
import type { SourceDocument } from "../store.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { fieldOfDimension } from "./query-fields.ts";

/** An id as people type it: text, a number, the digits of an ObjectId; else its canonical EJSON. */
export function shownId(key: ItemKey): string {
  const id = idOf(key);
  if (typeof id === "string" || typeof id === "number") return String(id);
  const kind = (id as { _bsontype?: string } | null)?._bsontype;
  return ["ObjectId", "UUID", "Int32", "Long", "Double"].includes(kind ?? "") ? String(id) : key;
}

/** A record as a row of a list. Records may come from elsewhere: what is not of its kind is left out. */
export function rowOfRecord(record: SourceDocument, { dimensions }: Taxonomy): ItemRow {
  const key = keyOf(record._id);
  const labels: Record<string, string | readonly string[] | null> = {};
  for (const { id } of dimensions) labels[id] = labelIn(valueAt(record, fieldOfDimension(id)));
  labels.language ??= textIn(record.language);
  const confidence = Object.entries((record.confidence ?? {}) as Record<string, unknown>);
  const { classifiedAt } = record;
  return {
    key,
    id: shownId(key),
    outcome: "classified",
    labels,
    confidence: Object.fromEntries(
      confidence.filter((entry): entry is [string, number] => typeof entry[1] === "number"),
    ),
    confidenceKind: textIn(record.confidenceKind),
    summary: textIn(record.summary),
    decidedBy: textIn(record.decidedBy),
    needsReview: record.needsReview === true,
    reviewReasons: textsIn(record.reviewReasons),
    executionId: textIn(record.executionId),
    atMs: classifiedAt instanceof Date && !Number.isNaN(classifiedAt.getTime()) ? classifiedAt.getTime() : null,
    costUsd: typeof record.costUsd === "number" ? record.costUsd : null,
  };
}

/** An item of a queue: its message stands where a summary would. */
export function rowOfEntry(entry: Omit<QueueEntry, "payload">, outcome: "retryQueued" | "deadLetter"): ItemRow {
  const { key, message, failure, dueMs } = entry;
  return { ...rowOfKey(key, outcome, dueMs), summary: message, reviewReasons: [failure] };
}

/** An item of which nothing is known but what became of it. */
export function rowOfKey(key: ItemKey, outcome: ItemRow["outcome"], atMs: number | null): ItemRow {
  return {
    key,
    id: shownId(key),
    outcome,
    labels: {},
    confidence: {},
    confidenceKind: null,
    summary: null,
    decidedBy: null,
    needsReview: false,
    reviewReasons: [],
    executionId: null,
    atMs,
    costUsd: null,
  };
}

/** What stands at a dotted path. */
export function valueAt(record: Readonly<Record<string, unknown>>, path: string): unknown {
  let value: unknown = record;
  for (const name of path.split(".")) value = (value as Record<string, unknown> | null | undefined)?.[name];
  return value;
}

function labelIn(value: unknown): string | readonly string[] | null {
  return Array.isArray(value) ? textsIn(value) : textIn(value);
}

function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function textIn(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
