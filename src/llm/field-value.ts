import type { Field, FieldValue } from "../taxonomy.ts";

/** Longest text of a field that is kept, in UTF-16 units. */
const LONGEST = 500;
const NOTHING = new Set(["", "null", "none", "n/a", "na", "not stated", "unknown"]);

export type ReadFieldValue = (value: unknown) => { readonly value: FieldValue } | { readonly problem: string };

/**
 * Precompiles how an answer for a free field is read. A number may come as text (`"12.50"`), yes and no as words, a date
 * with a time behind it, which is left out; an optional field takes null and words for nothing.
 * @returns a function that gives the value, or for the model what is wrong with it, without quoting it
 */
export function compileField(field: Field): ReadFieldValue {
  const { id, type, required, pattern } = field;
  const whole = pattern === undefined ? null : new RegExp(`^(?:${pattern})$`, "u");
  const expected = `expected ${fieldForm(field)}${required ? "" : " or null"}`;
  return (given) => {
    const value = typeof given === "string" ? clean(given) : given;
    if (!required && isNothing(value)) return { value: null };
    const read = READERS[type](value);
    if (read === null) return { problem: `${id} is ${kindOf(value)}, ${expected}` };
    if (whole !== null && typeof read === "string" && !whole.test(read))
      return { problem: `${id} does not have the right form, ${expected}` };
    return { value: read };
  };
}

/** @returns how a field is to be filled in, completing `expected …` */
export function fieldForm({ type, pattern }: Pick<Field, "type" | "pattern">): string {
  return pattern === undefined ? FORMS[type] : `${FORMS[type]} that matches /^${pattern}$/`;
}

const FORMS: Readonly<Record<Field["type"], string>> = {
  string: "a text",
  number: "a number",
  boolean: "true or false",
  date: "a date as YYYY-MM-DD",
};

const READERS: Readonly<Record<Field["type"], (value: unknown) => FieldValue>> = {
  string: (value) => (typeof value === "string" && value !== "" ? value : null),
  number(value) {
    if (typeof value === "number") return Number.isFinite(value) ? value : null;
    return typeof value === "string" && /^[+-]?\d{1,15}(?:\.\d{1,15})?$/.test(value) ? Number(value) : null;
  },
  boolean(value) {
    if (typeof value === "boolean") return value;
    if (typeof value !== "string") return null;
    return /^(?:true|yes)$/i.test(value) ? true : /^(?:false|no)$/i.test(value) ? false : null;
  },
  date(value) {
    const [, date] = typeof value === "string" ? (/^(\d{4}-\d{2}-\d{2})(?:[T ].{0,40})?$/.exec(value) ?? []) : [];
    if (date === undefined) return null;
    const day = new Date(`${date}T00:00:00Z`);
    return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date) ? date : null;
  },
};

function isNothing(value: unknown): boolean {
  return value === null || value === undefined || (typeof value === "string" && NOTHING.has(value.toLowerCase()));
}

/** One line, without control characters, cut. */
function clean(text: string): string {
  return text
    .slice(0, LONGEST * 4)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim()
    .slice(0, LONGEST)
    .toWellFormed();
}

function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null || value === "") return "empty";
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
