import { parseEnv } from "node:util";
import { type ConfigText, shown } from "./file.ts";
import { didYouMean, nearest } from "./nearest.ts";
import { attributeOf } from "./option.ts";
import { OPTION_KEYS, type OptionKey, type OptionValue, optionOf } from "./schema.ts";
import { isSecretFile, withSecretFiles } from "./secret-file.ts";

/** Where a value came from, strongest first. */
export type Origin = "flag" | "environment" | "file" | "default";
const PREFIX = "QUERYMILL_";
const STRENGTH: readonly Origin[] = ["flag", "environment", "file", "default"];

/** Every option with its value and where that came from. */
export interface ResolvedOptions {
  readonly get: <K extends OptionKey>(key: K) => OptionValue<K>;
  readonly origin: (key: OptionKey) => Origin;
  /** What the file says, also where something stronger overrules it; undefined when it says nothing. */
  readonly fileValue: (key: OptionKey) => unknown;
  /** How an error names the option, or what is `inside` its value: `--limit`, `querymill.yaml:3:8 endpoints[2].name`. */
  readonly name: (key: OptionKey, inside?: readonly PropertyKey[]) => string;
  /** True when `a` was said at a place at least as strong as `b`. */
  readonly atLeast: (a: OptionKey, b: OptionKey) => boolean;
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

/** Looks a variable up: the process's own, else the one of `.env`, or the file named for it. An empty one counts as not set. */
export type Variables = (name: string) => string | undefined;

/** @param dotenv the text of `.env`, or null */
export function mergeVariables(env: Readonly<Record<string, string | undefined>>, dotenv: string | null): Variables {
  const fromFile = dotenv === null ? {} : parseEnv(dotenv);
  return withSecretFiles((name) => env[name] || fromFile[name] || undefined);
}

/**
 * Resolves each option: flag, environment, file, default. Whatever is wrong is collected, not thrown.
 * @param flags as commander hands them over, by camel-case name
 * @param file null when there is none
 */
export function resolveOptions(
  flags: Readonly<Record<string, unknown>>,
  variables: Variables,
  file: ConfigText | null,
): ResolvedOptions {
  const problems = [...(file?.problems ?? [])];
  const values = new Map<OptionKey, { value: unknown; origin: Origin; name: string }>();
  const inFile = (key: OptionKey): boolean => file !== null && values.get(key)!.origin === "file";
  for (const key of OPTION_KEYS) {
    const { flag, env, default: fallback } = optionOf(key);
    const long = flag?.split(" ")[0] ?? key;
    const given = flag === null ? undefined : flags[attributeOf(flag)];
    // commander sets `wait: true` by itself when there is a `--no-wait`
    const fromFlag = long.startsWith("--no-") && given === true ? undefined : given;
    const fromEnv = env === null ? undefined : variables(env);
    if (fromFlag !== undefined) values.set(key, { value: check(key, long, fromFlag), origin: "flag", name: long });
    else if (fromEnv !== undefined)
      values.set(key, { value: check(key, env!, fromEnv), origin: "environment", name: env! });
    else if (file?.values.has(key))
      values.set(key, { value: file.values.get(key), origin: "file", name: file.where(key) });
    else values.set(key, { value: fallback, origin: "default", name: long });
  }
  function check(key: OptionKey, name: string, given: unknown): unknown {
    const { fromText, schema, expected, advise, default: fallback } = optionOf(key);
    const value = typeof given === "string" ? fromText(given) : given;
    if (schema.safeParse(value).success) return value;
    problems.push(
      `${name}: expected ${expected}; got ${shown(given)}.${advise?.(value) ?? choiceMeant(given, expected)}`,
    );
    return fallback;
  }
  const strength = (key: OptionKey): number => STRENGTH.indexOf(values.get(key)!.origin);
  return {
    get: <K extends OptionKey>(key: K) => values.get(key)!.value as OptionValue<K>,
    origin: (key) => values.get(key)!.origin,
    fileValue: (key) => file?.values.get(key),
    name: (key, inside) => (inFile(key) ? file!.where(key, inside) : values.get(key)!.name),
    atLeast: (a, b) => strength(a) <= strength(b),
    problems,
    notes: [],
  };
}

/** One sentence per variable that looks like a setting and is none: a typing error there would pass in silence. */
export function unknownVariables(names: readonly string[]): string[] {
  const known = OPTION_KEYS.flatMap((key) => optionOf(key).env?.slice(PREFIX.length) ?? []);
  return names
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name.slice(PREFIX.length)) && !isSecretFile(name))
    .map((name) => ({ name, near: nearest(name.slice(PREFIX.length), known)[0] }))
    .filter(({ name, near }) => name !== "QUERYMILL_API_KEY" && near !== undefined)
    .map(({ name, near }) => `${name} is no setting and is ignored. Did you mean ${PREFIX}${near}?`);
}

function choiceMeant(given: unknown, expected: string): string {
  const choices = expected.split(", ");
  return typeof given === "string" && choices.length > 2 && choices.every((word) => /^[a-z]+$/.test(word))
    ? didYouMean(given, choices)
    : "";
}
