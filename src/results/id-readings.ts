import { EJSON } from "bson";
import { type ItemKey, keyOf } from "../item.ts";

/** One way to understand what a person typed as an id. */
export interface IdReading {
  /** `EJSON`, `text`, `number`, `ObjectId`, `UUID`. */
  readonly as: string;
  readonly key: ItemKey;
}

/** What a typed id can mean: canonical EJSON, text, a number, an ObjectId, a UUID. Equal meanings appear once. */
export function readingsOf(text: string): IdReading[] {
  const readings: IdReading[] = [];
  const add = (as: string, make: () => ItemKey): void => {
    try {
      const key = make();
      if (!readings.some((known) => known.key === key)) readings.push({ as, key });
    } catch {
      // It cannot be read that way.
    }
  };
  if (/^\s*[{"[]/.test(text)) add("EJSON", () => keyOf((EJSON.parse(`{"v":${text}}`) as { v: unknown }).v));
  add("text", () => keyOf(text));
  if (/^-?\d+(\.\d+)?$/.test(text)) {
    const number = Number(text);
    const whole = /^-?\d+$/.test(text);
    add("number", () => (whole && !Number.isSafeInteger(number) ? `{"$numberLong":"${text}"}` : keyOf(number)));
  }
  if (/^[0-9a-f]{24}$/i.test(text)) add("ObjectId", () => `{"$oid":"${text.toLowerCase()}"}`);
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text))
    add("UUID", () => keyOf((EJSON.parse(`{"v":{"$uuid":"${text}"}}`) as { v: unknown }).v));
  return readings;
}
