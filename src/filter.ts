import { EJSON } from "bson";
import { QuerymillError } from "./errors.ts";

/** A checked filter: MongoDB's form, restricted to the operators of `filter.ts`. */
export type Filter = Readonly<Record<string, unknown>>;

const comparisons = ["$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$exists"];
const combinations = ["$and", "$or", "$nor"];
const ejsonTypes = new Set(["$oid", "$date", "$uuid", "$numberInt", "$numberLong", "$numberDouble"]);
const maxDepth = 20;

/**
 * Checks a filter given by a user: MongoDB's form with a fixed list of operators, so that nothing runs code on the
 * server and every store answers the same. Values are strings, finite numbers, booleans, null, dates, ObjectIds and
 * UUIDs, the last three also as EJSON; parts of documents are named by dotted paths.
 * @returns the same filter with EJSON values resolved
 * @throws QuerymillError USAGE naming the operator or value, and what is allowed
 */
export function parseFilter(value: unknown): Filter {
  return parseClause(value, 0);
}

/**
 * Whether a document meets a checked filter, as MongoDB would decide it: values of another type never compare, a path
 * looks into the elements of arrays, null also means missing.
 */
export function matches(filter: Filter, document: unknown): boolean {
  return Object.entries(filter).every(([key, condition]) => {
    if (key === "$and") return (condition as Filter[]).every((part) => matches(part, document));
    if (key === "$or") return (condition as Filter[]).some((part) => matches(part, document));
    if (key === "$nor") return !(condition as Filter[]).some((part) => matches(part, document));
    const found = valuesAt(document, key.split("."));
    if (!isPlainObject(condition)) return equalsAny(found, condition);
    return Object.entries(condition).every(([operator, operand]) => meets(found, operator, operand));
  });
}

function parseClause(value: unknown, depth: number): Filter {
  if (!isPlainObject(value)) throw usage(`A filter is an object of fields and conditions, not ${kindOf(value)}.`);
  if (depth > maxDepth) throw usage(`The filter is nested more than ${maxDepth} levels deep.`);
  return Object.fromEntries(
    Object.entries(value).map(([key, condition]) => {
      if (combinations.includes(key)) return [key, parseList(key, condition, depth)];
      if (key.startsWith("$")) throw notAllowed(key);
      if (key.split(".").includes("") || key.includes("\0")) throw usage(`"${key}" is not a field's path.`);
      return [key, parseCondition(key, condition)];
    }),
  );
}

function parseList(operator: string, value: unknown, depth: number): Filter[] {
  if (!Array.isArray(value) || value.length === 0)
    throw usage(`${operator} needs a list of at least one filter, not ${kindOf(value)}.`);
  return value.map((part) => parseClause(part, depth + 1));
}

function parseCondition(field: string, condition: unknown): unknown {
  if (condition instanceof RegExp) throw notAllowed("$regex");
  if (!isPlainObject(condition) || isEjson(condition)) return parseValue(field, condition);
  const operators = Object.keys(condition);
  if (operators.length === 0 || operators.some((operator) => !operator.startsWith("$")))
    throw usage(`The condition on "${field}" is a document. Name its parts by dotted paths, such as "${field}.part".`);
  return Object.fromEntries(
    Object.entries(condition).map(([operator, operand]) => {
      if (!comparisons.includes(operator)) throw notAllowed(operator);
      if (operator === "$exists") {
        if (typeof operand !== "boolean") throw usage(`$exists on "${field}" needs true or false.`);
        return [operator, operand];
      }
      if (operator !== "$in" && operator !== "$nin") return [operator, parseValue(field, operand)];
      if (!Array.isArray(operand)) throw usage(`${operator} on "${field}" needs a list, not ${kindOf(operand)}.`);
      return [operator, operand.map((one) => parseValue(field, one))];
    }),
  );
}

function parseValue(field: string, value: unknown): unknown {
  let resolved = value;
  if (isPlainObject(value) && isEjson(value)) {
    try {
      resolved = EJSON.parse(JSON.stringify(value));
    } catch {
      throw usage(`The value of "${field}" is not valid EJSON.`);
    }
  }
  const rank = rankOf(resolved);
  if (rank === undefined || rank === "other" || (rank === "number" && !Number.isFinite(numberOf(resolved))))
    throw usage(
      `The value of "${field}" is ${kindOf(resolved)}; allowed are text, finite numbers, true, false, null, dates, ObjectIds and UUIDs.`,
    );
  return resolved;
}

/** Everything a path leads to. `missing` is set where a branch ends early. */
interface Found {
  readonly values: unknown[];
  missing: boolean;
}

function valuesAt(document: unknown, path: readonly string[]): Found {
  const found: Found = { values: [], missing: false };
  collect(document, path, 0, found);
  return found;
}

/** Follows the path from name number `at` on, down to its end or to the first list. */
function collect(holder: unknown, path: readonly string[], at: number, found: Found): void {
  let value = holder;
  for (let next = at; next < path.length; next++) {
    value = partOf(value, path[next]!);
    if (Array.isArray(value)) {
      collectFromList(value, path, next + 1, found);
      return;
    }
    if (value === undefined) {
      found.missing = true;
      return;
    }
  }
  found.values.push(value);
}

/** A path goes on in each document of a list, and in the element whose number it names; elements of other kinds are not missing anything. */
function collectFromList(list: readonly unknown[], path: readonly string[], at: number, found: Found): void {
  if (at === path.length) {
    for (const element of list) found.values.push(element);
    found.values.push(list);
    return;
  }
  for (const [index, element] of list.entries()) {
    if (isPlainObject(element)) collect(element, path, at, found);
    if (path[at] !== String(index)) continue;
    if (at + 1 === path.length) found.values.push(element);
    else if (isPlainObject(element)) collect(element, path, at + 1, found);
    else if (Array.isArray(element)) collectFromList(element, path, at + 1, found);
  }
}

function partOf(holder: unknown, name: string): unknown {
  return isPlainObject(holder) && Object.hasOwn(holder, name) ? holder[name] : undefined;
}

function meets(found: Found, operator: string, operand: unknown): boolean {
  switch (operator) {
    case "$eq":
      return equalsAny(found, operand);
    case "$ne":
      return !equalsAny(found, operand);
    case "$in":
      return (operand as unknown[]).some((one) => equalsAny(found, one));
    case "$nin":
      return !(operand as unknown[]).some((one) => equalsAny(found, one));
    case "$exists":
      return found.values.length > 0 === operand;
    case "$gt":
      return operand !== null && comparesAny(found, operand, (order) => order > 0);
    case "$lt":
      return operand !== null && comparesAny(found, operand, (order) => order < 0);
    case "$gte":
      return operand === null ? equalsAny(found, null) : comparesAny(found, operand, (order) => order >= 0);
    default:
      return operand === null ? equalsAny(found, null) : comparesAny(found, operand, (order) => order <= 0);
  }
}

function equalsAny(found: Found, operand: unknown): boolean {
  if (operand === null) return found.missing || found.values.includes(null);
  return comparesAny(found, operand, (order) => order === 0);
}

function comparesAny(found: Found, operand: unknown, accept: (order: number) => boolean): boolean {
  const rank = rankOf(operand);
  return found.values.some((value) => rankOf(value) === rank && accept(compare(value, operand, rank)));
}

type Rank = "null" | "boolean" | "number" | "string" | "date" | "ObjectId" | "UUID" | "other";

function rankOf(value: unknown): Rank | undefined {
  if (value === null) return "null";
  if (typeof value === "boolean" || typeof value === "number" || typeof value === "string") return typeof value as Rank;
  if (value instanceof Date) return "date";
  switch ((value as { _bsontype?: string } | undefined)?._bsontype) {
    case undefined:
      return undefined;
    case "Int32":
    case "Double":
    case "Long":
    case "Decimal128":
      return "number";
    case "ObjectId":
      return "ObjectId";
    case "UUID":
      return "UUID";
    case "Binary":
      return (value as { sub_type: number }).sub_type === 4 ? "UUID" : "other";
    default:
      return "other";
  }
}

/** Of two values of the same rank. NaN (not allowed in a filter) is unequal to and unordered with everything. */
function compare(a: unknown, b: unknown, rank: Rank | undefined): number {
  if (rank === "number") return numberOf(a) - numberOf(b);
  if (rank === "string") return a === b ? 0 : Buffer.compare(Buffer.from(a as string), Buffer.from(b as string));
  if (rank === "ObjectId" || rank === "UUID") {
    const [left, right] = [hexOf(a), hexOf(b)];
    return left === right ? 0 : left < right ? -1 : 1;
  }
  return Number(a) - Number(b);
}

function hexOf(value: unknown): string {
  return (value as { toString(encoding: "hex"): string }).toString("hex").replaceAll("-", "");
}

function numberOf(value: unknown): number {
  return Number(String(value));
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && rankOf(value) === undefined && !Array.isArray(value);
}

function isEjson(value: Record<string, unknown>): boolean {
  const keys = Object.keys(value);
  return keys.length === 1 && ejsonTypes.has(keys[0]!);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "number") return String(value);
  const name = (value as { _bsontype?: string } | undefined)?._bsontype ?? value?.constructor?.name ?? typeof value;
  return name === "Object" ? "a document" : `a ${name}`;
}

function notAllowed(operator: string): QuerymillError {
  const allowed = [...comparisons, ...combinations].join(", ");
  return usage(`${operator} is not allowed in a filter, since stores must agree and run no code. Allowed: ${allowed}.`);
}

function usage(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
