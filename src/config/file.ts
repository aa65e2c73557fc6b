import { isMap, isNode, isSeq, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { withoutPassword } from "../redact.ts";
import { didYouMean } from "./nearest.ts";
import type { OptionTable } from "./option.ts";
import { FILE_SCHEMA, OPTIONS, type OptionKey } from "./schema.ts";
import { NOT_OF_A_TENANT, TENANT_FIELDS, TENANT_SCHEMA, TENANT_TABLE, type TenantField } from "./tenant-fields.ts";
import { TENANT_NAME } from "./tenant-options.ts";
import { yamlFault } from "./yaml-fault.ts";

/** What a configuration file says, checked value by value. */
export interface ConfigText {
  /** Only what is right; a value that is wrong is in `problems`. */
  readonly values: ReadonlyMap<OptionKey, unknown>;
  /**
   * @param inside what is meant inside the value, such as `[2, "name"]`
   * @returns `querymill.yaml:3:12 batchSize`, for an error that is found later
   */
  readonly where: (key: OptionKey, inside?: readonly PropertyKey[]) => string;
  /** One sentence each: file, line and column, what was expected, what is there. */
  readonly problems: readonly string[];
  /** Sections of `tenants` in the order of the file; null where there are none. */
  readonly tenants: ReadonlyMap<string, TenantText> | null;
}

/** What the section of one tenant says. */
export interface TenantText {
  /** Settings of its job that are right. */
  readonly values: ReadonlyMap<OptionKey, unknown>;
  /** What it says beside them. */
  readonly own: ReadonlyMap<TenantField, unknown>;
  /** @returns `querymill.yaml:9:12 tenants.sales.batchSize` */
  readonly where: (key: OptionKey | TenantField, inside?: readonly PropertyKey[]) => string;
}

let last: { readonly text: string; readonly file: string; readonly parsed: ConfigText } | null = null;

/**
 * Reads the text of `querymill.yaml` (JSON is YAML too). Nothing is resolved here: paths are as written. The last text is
 * remembered, since the settings of all tenants are resolved from one.
 * @param file its name in messages
 */
export function parseConfig(text: string, file: string): ConfigText {
  if (last?.text !== text || last.file !== file) last = { text, file, parsed: parseText(text, file) };
  return last.parsed;
}

function parseText(text: string, file: string): ConfigText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col} `;
  };
  const place = (path: readonly PropertyKey[]): string => at(offsetOf(document.contents, path)) + pathName(path);
  const where: ConfigText["where"] = (key, inside = []) => place([...key.split("."), ...inside]);
  const none = { values: new Map<OptionKey, unknown>(), where, tenants: null };
  const fault = yamlFault(document);
  if (fault !== null) return { ...none, problems: [at(fault.offset) + fault.text] };
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch {
    return { ...none, problems: [`${file} repeats itself through too many aliases. Write the values out.`] };
  }
  const { values, problems, tenants } = checkAll(content, place);
  const placed = problems.map(({ path, text }) => ({ offset: offsetOf(document.contents, path), text }));
  placed.sort((a, b) => a.offset - b.offset);
  return { values, where, problems: placed.map(({ offset, text }) => at(offset) + text), tenants };
}

/** What a program says in the form of the file. */
export function checkConfig(content: Readonly<Record<string, unknown>>): ConfigText {
  const { values, problems, tenants } = checkAll(content, pathName);
  const where: ConfigText["where"] = (key, inside = []) => pathName([...key.split("."), ...inside]);
  return { values, where, problems: problems.map(({ text }) => text), tenants };
}

/** @returns a value as an error shows it: short, quoted, without a password */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object" && value !== null) return "a group of settings";
  const text = typeof value === "string" ? JSON.stringify(withoutPassword(value)) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…${typeof value === "string" ? '"' : ""}` : text;
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/** What is checked: settings, or those of a tenant. */
interface Checked {
  readonly table: OptionTable;
  readonly schema: z.ZodType;
  /** Where they stand in the file. */
  readonly at: readonly PropertyKey[];
}

/** The whole file. @param place names a path in it */
function checkAll(
  given: unknown,
  place: (path: readonly PropertyKey[]) => string,
): { values: Map<OptionKey, unknown>; problems: Problem[]; tenants: ConfigText["tenants"] } {
  const { values, problems } = check(given, { table: OPTIONS, schema: FILE_SCHEMA, at: [] });
  const sections = values.get("tenants") as Record<string, unknown> | undefined;
  if (sections === undefined) return { values: values as Map<OptionKey, unknown>, problems, tenants: null };
  const tenants = new Map<string, TenantText>();
  for (const [name, section] of Object.entries(sections)) {
    const at = ["tenants", name];
    const bad = wrongName(name);
    if (bad !== null) problems.push({ path: at, text: `${pathName(at)}: ${bad}` });
    const found = check(section ?? {}, { table: TENANT_TABLE, schema: TENANT_SCHEMA, at });
    problems.push(...found.problems);
    const isOwn = (key: string): boolean => Object.hasOwn(TENANT_FIELDS, key);
    const entries = [...found.values];
    tenants.set(name, {
      values: new Map(entries.filter(([key]) => !isOwn(key)) as [OptionKey, unknown][]),
      own: new Map(entries.filter(([key]) => isOwn(key)) as [TenantField, unknown][]),
      where: (key, inside = []) => place([...at, ...key.split("."), ...inside]),
    });
  }
  return { values: values as Map<OptionKey, unknown>, problems, tenants };
}

/** @returns what is wrong with the name of a tenant; null when nothing is */
function wrongName(name: string): string | null {
  if (!TENANT_NAME.test(name))
    return "the name of a tenant has 1 to 64 of a-z, 0-9, - and _, the first one a letter or digit: it is a folder and a label.";
  if (name === "default" || name === "demo") return `"${name}" is taken by Querymill itself. Choose another name.`;
  return null;
}

function check(given: unknown, checked: Checked): { values: Map<string, unknown>; problems: Problem[] } {
  const { table, schema, at } = checked;
  const content = writtenOut(withoutNulls(given, table));
  const parsed = schema.safeParse(content);
  const issues = parsed.success ? [] : parsed.error.issues;
  const problems = issues.flatMap((issue) => describeIssue(issue, content, checked));
  const wrong = new Set(issues.map((issue) => keyAt(issue.path, table)));
  const values = new Map<string, unknown>();
  for (const [key, { inFile }] of Object.entries(table)) {
    const value = valueAt(content, key.split("."));
    if (value !== undefined && inFile && !wrong.has(key)) values.set(key, value);
  }
  return { values, problems: problems.map(({ path, text }) => ({ path: [...at, ...path], text })) };
}

function describeIssue(issue: z.core.$ZodIssue, content: unknown, { table: whole, at }: Checked): Problem[] {
  const { path } = issue;
  const { table, rest, key } = locate(path, whole);
  const named = (inside: readonly PropertyKey[]): string => pathName([...at, ...inside]);
  if (issue.code === "unrecognized_keys" && key === null)
    return issue.keys.map((unknown) => {
      const inside = [...path, unknown];
      const why = at.length > 0 && path.length === 0 ? NOT_OF_A_TENANT[unknown] : undefined;
      const text = why ?? `no such setting.${adviceFor(unknown, rest, table)}`;
      return { path: inside, text: `${named(inside)}: ${text}` };
    });
  const name = named(path);
  const found = key !== null && table[key]!.secret ? "something else" : shown(valueAt(content, path));
  if (key !== null) {
    const advice = table[key]!.advise?.(valueAt(content, path), path) ?? "";
    // Of a part of a secret value the advice says what is wrong; the shape of the whole is right.
    const isPart = table[key]!.secret && path.length > key.split(".").length;
    const expected = `expected ${expectedAt(key, rest, table)}; got ${found}.`;
    return [{ path, text: `${name}: ${isPart && advice !== "" ? advice.trimStart() : expected + advice}` }];
  }
  if (path.length === 0) {
    const start = name === "" ? "" : `${name}: `;
    return [{ path, text: `${start}expected settings such as "batchSize: 10"; got ${found}.` }];
  }
  const members = membersOf(rest, table).join(", ");
  return [{ path, text: `${name}: expected a group with ${members}; got ${found}.` }];
}

/** The innermost table of settings that a path leads into, what is left of the path there, and the setting it is at. */
function locate(
  path: readonly PropertyKey[],
  table: OptionTable,
): { table: OptionTable; rest: readonly PropertyKey[]; key: string | null } {
  const key = keyAt(path, table);
  const inside = path.slice(key?.split(".").length ?? 0);
  const fields = key === null ? undefined : table[key]!.fields;
  return fields === undefined || inside.length === 0 ? { table, rest: path, key } : locate(inside.slice(1), fields);
}

/** Inside a value with a shape of its own (`prices.gpt.input`) the option's words still say what is right. */
function expectedAt(key: string, path: readonly PropertyKey[], table: OptionTable): string {
  const inside = path.length > key.split(".").length;
  return key === "prices" && !inside ? "a price by model name" : table[key]!.expected;
}

function adviceFor(unknown: string, group: readonly PropertyKey[], table: OptionTable): string {
  if (/^(api|access|auth|secret)?[-_]?(key|token)$|password|^secret$/i.test(unknown))
    return ` A key does not belong in a file: put it in a variable (environment or .env)${Object.hasOwn(table, "keyVariable") ? " and name that in keyVariable" : ""}.`;
  const flagOnly = Object.hasOwn(table, unknown) && !table[unknown]!.inFile ? table[unknown]!.flag : null;
  if (flagOnly !== null) return ` Give ${flagOnly.split(" ")[0]} on the command line: it is meant for one run.`;
  const known = membersOf(group, table);
  return didYouMean(unknown, known) || ` Known here: ${known.join(", ")}.`;
}

/** The names that a group may hold, or the whole table. */
function membersOf(group: readonly PropertyKey[], table: OptionTable): string[] {
  const prefix = group.length === 0 ? "" : `${group.map(String).join(".")}.`;
  const keys = Object.keys(table).filter((key) => table[key]!.inFile && key.startsWith(prefix));
  return [...new Set(keys.map((key) => key.slice(prefix.length).split(".")[0]!))];
}

/** The option that a path lies at or inside, or null for the whole or a group. */
function keyAt<K extends string>(path: readonly PropertyKey[], table: Readonly<Record<K, unknown>>): K | null {
  const names = path.map(String);
  const keys = Object.keys(table) as K[];
  return keys.find((key) => key === names[0] || key === names.slice(0, 2).join(".")) ?? null;
}

/** `endpoints[2].limits` */
function pathName(path: readonly PropertyKey[]): string {
  return path
    .map((part, at) => (typeof part === "number" ? `[${part}]` : `${at > 0 ? "." : ""}${String(part)}`))
    .join("");
}

function valueAt(content: unknown, path: readonly PropertyKey[]): unknown {
  let value = content;
  for (const name of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[name];
  }
  return value;
}

/** Where the value of a path begins; for a key that is not there, the nearest thing around it. */
function offsetOf(contents: unknown, path: readonly PropertyKey[]): number {
  let node = contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const name of path) {
    const found = memberOf(node, name);
    if (found === null) break;
    node = found.value;
    const target = isNode(node) && node.range ? node : found.key;
    if (isNode(target) && target.range) offset = target.range[0];
  }
  return offset;
}

function memberOf(node: unknown, name: PropertyKey): { key: unknown; value: unknown } | null {
  if (isSeq(node)) return { key: null, value: node.items[Number(name)] };
  if (!isMap(node)) return null;
  const keyOf = (key: unknown): string => String((key as { value?: unknown })?.value ?? key);
  return node.items.find(({ key }) => keyOf(key) === String(name)) ?? null;
}

/** `mark: target` is short for `mark: {in: target}`. */
function writtenOut(content: unknown): unknown {
  const mark = valueAt(content, ["mark"]);
  return typeof mark === "string" ? { ...(content as object), mark: { in: mark } } : content;
}

/** `limit:` with nothing behind it means: not set. */
function withoutNulls(content: unknown, table: OptionTable): unknown {
  if (typeof content !== "object" || content === null || Array.isArray(content)) return content;
  const given = Object.entries(content).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(given.map(([key, value]) => [key, inner(key, value)]));

  function inner(key: string, value: unknown): unknown {
    const fields = Object.hasOwn(table, key) ? table[key]!.fields : undefined;
    if (fields !== undefined && Array.isArray(value)) return value.map((member) => withoutNulls(member, fields));
    const isGroup = Object.keys(table).some((other) => other.startsWith(`${key}.`));
    return isGroup ? withoutNulls(value, {}) : value;
  }
}
