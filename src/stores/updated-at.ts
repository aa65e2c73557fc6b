import type { GrowingSettings } from "../job.ts";
import { Gathered, valueAt } from "./document-path.ts";

/** Numbers below are seconds since 1970, all others milliseconds: the border is the year 5138 of the one and 1973 of the other. */
export const FIRST_MS = 1e11;

/**
 * @param value a Date, an ISO text (without a zone: UTC), seconds or milliseconds since 1970; of several the latest counts
 * @returns epoch ms; null for anything else
 */
export function timeOf(value: unknown): number | null {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.getTime();
  if (value instanceof Gathered || Array.isArray(value)) {
    const all: readonly unknown[] = value instanceof Gathered ? value.values : value;
    const times = all.map(timeOf).filter((time) => time !== null);
    return times.length === 0 ? null : times.reduce((latest, time) => Math.max(latest, time));
  }
  if (typeof value === "string") return timeOfText(value);
  const kind = (value as { _bsontype?: string } | null | undefined)?._bsontype;
  if (kind === "Timestamp") return (value as { getHighBits(): number }).getHighBits() * 1_000;
  if (typeof value !== "number" && !["Int32", "Long", "Double", "Decimal128"].includes(kind ?? "")) return null;
  const number = Number(String(value));
  if (!Number.isFinite(number) || number <= 0) return null;
  return number < FIRST_MS ? number * 1_000 : number;
}

/** @returns when a document says that it was last changed, epoch ms; null when it does not */
export function updatedAtOf(document: unknown, path: string): number | null {
  return timeOf(valueAt(document, path));
}

/**
 * How long an item has to be left alone yet, in ms; 0 when it may be read. Silence counts from what the document says
 * of its last change, else from the time in its ObjectId; without either it is read at once. A time that lies further
 * ahead than the silence itself is not believed: it would keep its item out for as long as it is wrong.
 */
export function quietInMs(
  document: { readonly _id: unknown },
  { updatedAt, quietForMs }: Pick<GrowingSettings, "updatedAt" | "quietForMs">,
  nowMs: number,
): number {
  if (quietForMs === 0) return 0;
  const changedMs = (updatedAt === null ? null : updatedAtOf(document, updatedAt)) ?? bornAt(document._id);
  if (changedMs === null || changedMs > nowMs + quietForMs) return 0;
  return Math.max(0, changedMs + quietForMs - nowMs);
}

function bornAt(id: unknown): number | null {
  const known = id as { _bsontype?: string; getTimestamp?: () => Date } | null;
  return known?._bsontype === "ObjectId" ? known.getTimestamp!().getTime() : null;
}

function timeOfText(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d|$)/.test(text)) return null;
  const zoned = /(Z|[+-]\d\d:?\d\d)$/i.test(text) || !/\d:\d\d/.test(text);
  const time = Date.parse(`${text.replace(" ", "T")}${zoned ? "" : "Z"}`);
  return Number.isNaN(time) ? null : time;
}
