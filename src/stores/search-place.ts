import { EJSON } from "bson";
import { QuerymillError } from "../errors.ts";
import type { RecordOrder } from "../selection.ts";
import type { Cursor } from "../store.ts";

/** A place in an order of records. */
export interface Place {
  /** What the index has there, the id last. */
  readonly values: readonly unknown[];
  /** Reading goes on with what stands there, not behind it. */
  readonly at: boolean;
}

/** @returns null for null: there is nothing to go on with */
export function textOfPlace(order: RecordOrder, place: Place | null): Cursor | null {
  return place && EJSON.stringify([order, place.at, ...place.values], { relaxed: false });
}

/** @param length how many values it has @throws QuerymillError USAGE when it is none of this order */
export function placeOf(cursor: Cursor, order: RecordOrder, length: number): Place {
  let read: unknown;
  try {
    read = EJSON.parse(cursor, { relaxed: false });
  } catch {
    read = null;
  }
  const [of, at, ...values] = Array.isArray(read) ? read : [];
  if (of !== order || typeof at !== "boolean" || values.length !== length)
    throw new QuerymillError(
      "USAGE",
      "This place to go on from belongs to another list. Begin at the first page of this one.",
    );
  return { values, at };
}
