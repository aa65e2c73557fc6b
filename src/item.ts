import { hash } from "node:crypto";
import { Double, EJSON, ObjectId } from "bson";
import type { RedactionCounts } from "./redaction/kinds.ts";

/**
 * Identity of an item everywhere: the canonical EJSON of its source `_id`. Unlike String(id) or plain JSON it keeps
 * `1`, `"1"`, an ObjectId and its hex string apart, and round-trips every BSON type.
 */
export type ItemKey = string;

/** One support query or conversation on its way through. */
export interface Item {
  readonly key: ItemKey;
  /** What the model is shown: well-formed UTF-16, trimmed, never empty. */
  readonly text: string;
  /** SHA-256 of `text`, hex, first 32 digits. Tells whether the conversation changed since it was read. */
  readonly contentHash: string;
  /** True when a long conversation was cut to fit; its start and end were kept. */
  readonly truncated: boolean;
  /** What was masked in `text`; only with redaction. */
  readonly redacted?: RedactionCounts;
}

/** A document of the source that has no text to classify, and why. */
export interface Skipped {
  readonly key: ItemKey;
  readonly reason: SkipReason;
}
export type SkipReason = "no text" | "text is not a string" | "deleted from the source" | "redaction failed";

const OID = '{"$oid":"';

/** @returns the key of a document's `_id`; any BSON type */
export function keyOf(id: unknown): ItemKey {
  // EJSON would make a 64-bit integer of it, which is another number, and is not found again.
  if (Number.isInteger(id) && !Number.isSafeInteger(id))
    return EJSON.stringify(new Double(id as number), { relaxed: false });
  return typeof id === "string" ? JSON.stringify(id) : EJSON.stringify(id, { relaxed: false });
}

/** @returns the `_id` value that {@link keyOf} was given */
export function idOf(key: ItemKey): unknown {
  // What most sources have; several times as fast as EJSON.
  if (key.startsWith(OID) && key.length === OID.length + 26) return new ObjectId(key.slice(OID.length, -2));
  return key.startsWith('"') ? JSON.parse(key) : (EJSON.parse(`{"v":${key}}`, { relaxed: false }) as { v: unknown }).v;
}

/** @returns the content hash of a text, as in {@link Item.contentHash} */
export function contentHashOf(text: string): string {
  return hash("sha256", text.toWellFormed(), "hex").slice(0, 32);
}

/** @returns documents by the key of their `_id` */
export function byKey<Document extends { readonly _id: unknown }>(
  documents: readonly Document[],
): Map<ItemKey, Document> {
  return new Map(documents.map((document) => [keyOf(document._id), document]));
}
