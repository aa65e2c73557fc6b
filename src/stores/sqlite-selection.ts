import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { RecordCondition, RecordOrder, RecordSelection } from "../selection.ts";

/** When a record was classified, epoch ms; long ago when it does not say. */
export const CLASSIFIED_MS = `ifnull(cast(json_extract(body, '$.classifiedAt."$date"."$numberLong"') as integer), -9000000000000000)`;
/** The less, the sooner a person should look: those that need review are below 10; one without a confidence is the least certain. */
export const REVIEW_RANK = `case json_type(body, '$.needsReview') when 'true' then 0 else 10 end + ifnull(json_extract(body, '$.confidence.category'), -1)`;

/** Orders that have an index of their own. */
type IndexedOrder = Exclude<RecordOrder, "id">;
/** Indexes by the order that they are named after. */
const INDEXES = { newest: CLASSIFIED_MS, review: REVIEW_RANK } as const;

export function searchIndexOf(order: RecordOrder, table: string): string {
  return `${order === "oldest" ? "newest" : order}_${table}`;
}

/** What persons decided, of one execution. */
export const BY_PERSONS = `json_extract(body, '$.decidedBy') = 'person'`;
export const EXECUTION = `json_extract(body, '$.executionId')`;

/** The index of {@link BY_PERSONS} alone: it is as small as that. */
export function personsIndexOf(table: string): string {
  return `persons_${table}`;
}

/** Statements that build the indexes of a table of records, as far as they are missing. */
export function searchIndexesOn(table: string): string {
  return [
    ...Object.entries(INDEXES).map(
      ([order, value]) =>
        `create index if not exists ${searchIndexOf(order as IndexedOrder, table)} on ${table} (${value}, key);`,
    ),
    `create index if not exists ${personsIndexOf(table)} on ${table} (${EXECUTION}) where ${BY_PERSONS};`,
  ].join("\n");
}

export function isSearchIndexed(database: DatabaseSync, order: IndexedOrder, table: string): boolean {
  return hasIndex(database, searchIndexOf(order, table));
}

export function hasIndex(database: DatabaseSync, name: string): boolean {
  return database.prepare("select 1 from sqlite_schema where type = 'index' and name = ?").get(name) !== undefined;
}

/** Above the rank of every record that needs review, below that of all others. */
export const NO_REVIEW = 5;

/** A part of a statement with what is bound to its question marks, in order. */
export interface Sql {
  readonly text: string;
  readonly values: readonly SQLInputValue[];
}

/** Makes the functions known that {@link sqlOfSelection} needs. */
export function registerSearch(database: DatabaseSync): void {
  database.function("querymill_contains", { deterministic: true }, (text, part) =>
    typeof text === "string" && text.toLowerCase().includes(String(part).toLowerCase()) ? 1 : 0,
  );
}

/** A condition on `key` and `body`. */
export function sqlOfSelection({ conditions, keys, fromMs, toMs }: RecordSelection): Sql {
  const parts: Sql[] = conditions.map(sqlOf);
  if (keys !== null) parts.push({ text: `key in (${keys.map(() => "?").join(", ") || "null"})`, values: keys });
  if (fromMs !== null) parts.push({ text: `${CLASSIFIED_MS} >= ?`, values: [fromMs] });
  if (toMs !== null) parts.push({ text: `${CLASSIFIED_MS} < ?`, values: [toMs] });
  return { text: parts.map(({ text }) => text).join(" and ") || "true", values: parts.flatMap(({ values }) => values) };
}

/** A dotted path as SQLite's JSON functions take it. */
export function jsonPath(field: string): string {
  return `$${field
    .split(".")
    .map((name) => `.${JSON.stringify(name)}`)
    .join("")}`;
}

function sqlOf({ field, is, values, not }: RecordCondition): Sql {
  const path = jsonPath(field);
  const parts = is === "in" ? inAny(path, values) : values.map((value) => compared(path, is, value));
  const text = `ifnull(${parts.map((part) => `(${part.text})`).join(" or ") || "false"}, false)`;
  return { text: not ? `not ${text}` : text, values: parts.flatMap((part) => part.values) };
}

function inAny(path: string, values: RecordCondition["values"]): Sql[] {
  const plain = values.filter((value) => typeof value === "string" || typeof value === "number");
  const marks = plain.map(() => "?").join(", ");
  const parts: Sql[] = [];
  if (plain.length > 0)
    parts.push({
      text: `case json_type(body, ?) when 'array' then exists (select 1 from json_each(body, ?) where value in (${marks})) else json_extract(body, ?) in (${marks}) end`,
      values: [path, path, ...plain, path, ...plain],
    });
  for (const value of values) {
    if (typeof value === "boolean") parts.push({ text: "json_type(body, ?) = ?", values: [path, String(value)] });
    if (value === null) parts.push({ text: "ifnull(json_type(body, ?), 'null') = 'null'", values: [path] });
  }
  return parts;
}

function compared(path: string, is: Exclude<RecordCondition["is"], "in">, value: unknown): Sql {
  if (is === "contains") return { text: "querymill_contains(json_extract(body, ?), ?)", values: [path, String(value)] };
  if (is === "begins")
    return {
      text: "json_type(body, ?) = 'text' and json_extract(body, ?) >= ? and json_extract(body, ?) < ?",
      values: [path, path, String(value), path, `${String(value)}\u{10ffff}`],
    };
  return {
    text: `json_type(body, ?) in ('integer', 'real') and json_extract(body, ?) ${is} ?`,
    values: [path, path, Number(value)],
  };
}
