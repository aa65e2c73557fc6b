import { isMap, isNode, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { withoutPassword } from "../redact.ts";
import { didYouMean } from "./nearest.ts";
import { FILE_SCHEMA, OPTION_KEYS, type OptionKey, optionOf } from "./schema.ts";

/** What a configuration file says, checked value by value. */
export interface ConfigText {
  /** Only what is right; a value that is wrong is in `problems`. */
  readonly values: ReadonlyMap<OptionKey, unknown>;
  /** @returns `querymill.yaml:3:12 batchSize`, for an error that is found later */
  readonly where: (key: OptionKey) => string;
  /** One sentence each: file, line and column, what was expected, what is there. */
  readonly problems: readonly string[];
}

/**
 * Reads the text of `querymill.yaml` (JSON is YAML too). Nothing is resolved here: paths are as written.
 * @param file its name in messages
 */
export function parseConfig(text: string, file: string): ConfigText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const where = (key: OptionKey): string => `${at(offsetOf(document.contents, key.split(".")))} ${key}`;
  const none = { values: new Map<OptionKey, unknown>(), where };
  if (document.errors.length > 0)
    return { ...none, problems: document.errors.map((error) => `${at(error.pos[0])} ${firstLine(error.message)}`) };
  let content: unknown;
  try {
    content = withoutNulls(document.toJS({ maxAliasCount: 100 }) ?? {});
  } catch {
    return { ...none, problems: [`${file} repeats itself through too many aliases. Write the values out.`] };
  }
  const checked = FILE_SCHEMA.safeParse(content);
  const issues = checked.success ? [] : checked.error.issues;
  const problems = issues
    .flatMap((issue) => describeIssue(issue, content))
    .map(({ path, text }) => ({ offset: offsetOf(document.contents, path), text }))
    .sort((a, b) => a.offset - b.offset)
    .map(({ offset, text }) => `${at(offset)} ${text}`);
  const wrong = new Set(issues.map((issue) => keyOf(issue.path)));
  const values = new Map<OptionKey, unknown>();
  for (const key of OPTION_KEYS) {
    const value = valueAt(content, key.split("."));
    if (value !== undefined && optionOf(key).inFile && !wrong.has(key)) values.set(key, value);
  }
  return { values, where, problems };
}

/** @returns a value as an error shows it: short, quoted, without a password */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a group of settings";
  const text = typeof value === "string" ? JSON.stringify(withoutPassword(value)) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…${typeof value === "string" ? '"' : ""}` : text;
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

function describeIssue(issue: z.core.$ZodIssue, content: unknown): Problem[] {
  const path = issue.path;
  const key = keyOf(path);
  if (issue.code === "unrecognized_keys" && key === null)
    return issue.keys.map((unknown) => ({ path: [...path, unknown], text: unknownKey(path, unknown) }));
  const name = path.map(String).join(".");
  const found = shown(valueAt(content, path));
  if (key !== null) return [{ path, text: `${name}: expected ${expectedAt(key, path)}; got ${found}.` }];
  if (path.length === 0) return [{ path, text: `expected settings such as "batchSize: 10"; got ${found}.` }];
  const members = OPTION_KEYS.filter((other) => other.startsWith(`${name}.`)).map((other) => other.split(".")[1]);
  return [{ path, text: `${name}: expected a group with ${members.join(", ")}; got ${found}.` }];
}

/** Inside a value with a shape of its own (`prices.gpt.input`) the option's words still say what is right. */
function expectedAt(key: OptionKey, path: readonly PropertyKey[]): string {
  const inside = path.length > key.split(".").length;
  const { expected } = optionOf(key);
  return key === "prices" && !inside ? "a price by model name" : expected;
}

function unknownKey(path: readonly PropertyKey[], key: string): string {
  const group = path.length === 0 ? "" : `${String(path[0])}.`;
  const known = new Set(
    OPTION_KEYS.filter((other) => optionOf(other).inFile && other.startsWith(group)).map(
      (other) => other.slice(group.length).split(".")[0]!,
    ),
  );
  const flagOnly = OPTION_KEYS.find((other) => other === key && !optionOf(other).inFile);
  const advice = flagOnly
    ? ` Give ${optionOf(flagOnly).flag?.split(" ")[0]} on the command line: it is meant for one run.`
    : didYouMean(key, known) || ` Known here: ${[...known].join(", ")}.`;
  return `${group}${key}: no such setting.${advice}`;
}

/** The option that a path lies at or inside, or null for the file itself or a group. */
function keyOf(path: readonly PropertyKey[]): OptionKey | null {
  const names = path.map(String);
  return OPTION_KEYS.find((key) => key === names[0] || key === names.slice(0, 2).join(".")) ?? null;
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
    if (!isMap(node)) break;
    const pair = node.items.find(
      (item) => String((item.key as { value?: unknown })?.value ?? item.key) === String(name),
    );
    if (pair === undefined) break;
    node = pair.value;
    const target = isNode(node) && node.range ? node : pair.key;
    if (isNode(target) && target.range) offset = target.range[0];
  }
  return offset;
}

/** `limit:` with nothing behind it means: not set. */
function withoutNulls(content: unknown): unknown {
  if (typeof content !== "object" || content === null || Array.isArray(content)) return content;
  const given = Object.entries(content).filter(([, value]) => value !== null);
  return Object.fromEntries(
    given.map(([key, value]) => [
      key,
      OPTION_KEYS.some((option) => option.startsWith(`${key}.`)) ? withoutNulls(value) : value,
    ]),
  );
}

function firstLine(message: string): string {
  return message.split("\n")[0]!;
}
