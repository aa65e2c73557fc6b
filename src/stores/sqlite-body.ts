import { EJSON } from "bson";
import { type ItemKey, idOf } from "../item.ts";
import type { SourceDocument } from "../store.ts";

/**
 * The text that is stored for a document: plain JSON, with canonical EJSON only for what JSON cannot say (dates, ids,
 * 64-bit numbers, NaN). `_id` is left out: it is the row's key.
 */
export function bodyOf(document: object): string {
  const { _id, ...rest } = document as { _id?: unknown };
  return JSON.stringify(rest, function (this: Record<string, unknown>, name, value) {
    // JSON.stringify has called toJSON already; the holder still has the value itself.
    const raw = this[name];
    return needsEjson(raw) ? JSON.parse(EJSON.stringify(raw, { relaxed: false })) : value;
  });
}

/** @returns the document that {@link bodyOf} was given, with the `_id` of its key */
export function documentOf(key: ItemKey, body: string): SourceDocument {
  return { _id: promoted(idOf(key)), ...parsed(body) };
}

function needsEjson(value: unknown): boolean {
  if (typeof value === "number") return !Number.isFinite(value);
  if (typeof value === "bigint") return true;
  if (typeof value !== "object" || value === null) return false;
  return "_bsontype" in value || value instanceof Date || value instanceof RegExp || value instanceof Uint8Array;
}

function parsed(body: string): Record<string, unknown> {
  if (!body.includes('"$')) return JSON.parse(body);
  try {
    return EJSON.parse(body) as Record<string, unknown>;
  } catch {
    // A customer's own data that only looks like EJSON.
    return JSON.parse(body);
  }
}

/** Numbers as a MongoDB driver gives them: plain wherever they fit. */
function promoted(id: unknown): unknown {
  const number = id as { _bsontype?: string; value?: number; toNumber?: () => number } | null;
  if (number?._bsontype === "Int32" || number?._bsontype === "Double") return number.value;
  if (number?._bsontype === "Long" && Number.isSafeInteger(number.toNumber!())) return number.toNumber!();
  return id;
}
