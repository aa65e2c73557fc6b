import { z } from "zod";

/** One setting: where it can be given, what it means, what it may be. `T` is the type of its resolved value. */
export interface OptionDefinition<T> {
  /** `--batch-size <n>` for commander; null when only a file (or the environment) can give it. */
  readonly flag: string | null;
  /** `QUERYMILL_BATCH_SIZE`; null when the environment cannot give it. */
  readonly env: string | null;
  /** False for what belongs to one run only (`--fresh`): a file that said it would say it every time. */
  readonly inFile: boolean;
  /** One line for `--help` and the reference page. */
  readonly help: string;
  /** `items`, `s`, `ms`, `USD`, …; null for names, texts and switches. */
  readonly unit: string | null;
  /** True when a reload (SIGHUP, `control reload`) takes another value; all others are decided when a run starts. */
  readonly live: boolean;
  readonly default: T;
  /** Completes `expected …` in an error. */
  readonly expected: string;
  readonly schema: z.ZodType;
  /** Of a list: the settings of each of its members, by their place in it. */
  readonly fields?: OptionTable;
  /** True for what could be a key by mistake: an error never shows it. */
  readonly secret?: true;
  /**
   * What is wrong inside of a refused value, as a sentence with a leading blank; nothing when that is clear.
   * @param path to what was refused, the option's own first; missing where only the whole is known
   */
  readonly advise?: (given: unknown, path?: readonly PropertyKey[]) => string;
  /** What a flag's or a variable's text means; returns the text itself when it means nothing, for the schema to refuse. */
  readonly fromText: (text: string) => unknown;
}

/** Settings by their place: `baseDelayMs` in the group `retry` is `retry.baseDelayMs`. */
export type OptionTable = Readonly<Record<string, OptionDefinition<unknown>>>;

interface Place {
  readonly flag?: string;
  readonly env?: string | null;
  readonly inFile?: boolean;
  /** @default false */
  readonly live?: boolean;
  readonly help: string;
}

/** An integer in a closed range. */
export function integer<T extends number | null>(
  place: Place & { min: number; max: number; unit: string; default: T },
): OptionDefinition<number | T> {
  const expected = `an integer from ${place.min.toLocaleString("en-US")} to ${place.max.toLocaleString("en-US")}`;
  const schema = z.int().min(place.min).max(place.max);
  return define(place, place.default, expected, schema, numberFromText, place.unit);
}

/** An integer in a closed range, or `auto`. */
export function integerOrAuto(
  place: Place & { min: number; max: number; unit: string; default: number | "auto" },
): OptionDefinition<number | "auto"> {
  const { expected, schema } = integer({ ...place, default: null });
  return define(
    place,
    place.default,
    `${expected}, or auto`,
    z.union([schema, z.literal("auto")]),
    numberFromText,
    place.unit,
  );
}

/** A number in an open-ended or closed range; `above` excludes its bound. */
export function decimal<T extends number | null>(
  place: Place & { above: number; max: number; unit: string; default: T },
): OptionDefinition<number | T> {
  const expected = `a number above ${place.above}${Number.isFinite(place.max) ? `, at most ${place.max}` : ""}`;
  const schema = z.number().gt(place.above).max(place.max);
  return define(place, place.default, expected, schema, numberFromText, place.unit);
}

/** One of a few words. */
export function choice<const C extends string, T extends C | null>(
  place: Place & { choices: readonly C[]; default: T },
): OptionDefinition<C | T> {
  return define(place, place.default, place.choices.join(", "), z.enum(place.choices), (text) => text, null);
}

/** A text that is not empty; `pattern` narrows it. */
export function text<T extends string | null>(
  place: Place & { default: T; expected?: string; pattern?: RegExp; unit?: string },
): OptionDefinition<string | T> {
  const schema = z
    .string()
    .min(1)
    .regex(place.pattern ?? /[^\s]/);
  return define(place, place.default, place.expected ?? "a text", schema, (value) => value, place.unit ?? null);
}

/** On or off. */
export function toggle(place: Place & { default: boolean }): OptionDefinition<boolean> {
  return define(place, place.default, "true or false", z.boolean(), booleanFromText, null);
}

/** A value with a shape of its own, JSON in a flag or variable. */
export function shaped<T>(
  place: Place & { default: T; expected: string; schema: z.ZodType; unit?: string },
): OptionDefinition<T> {
  return define(place, place.default, place.expected, place.schema, jsonFromText, place.unit ?? null);
}

/** A list of things with settings of their own, in a file only. */
export function list<T>(
  place: Place & { fields: OptionTable; max: number; expected: string },
): OptionDefinition<readonly T[] | null> {
  const schema = z.array(shapeOf(place.fields)).min(1).max(place.max);
  return { ...shaped({ ...place, schema, default: null }), fields: place.fields };
}

/** The shape of what a file says. Its issues carry the path of the option; the words come from the table. */
export function shapeOf(table: OptionTable): z.ZodType {
  const shape: Record<string, z.ZodType> = {};
  const groups: Record<string, Record<string, z.ZodType>> = {};
  for (const [key, { schema, inFile }] of Object.entries(table)) {
    if (!inFile) continue;
    const [group, member] = key.split(".") as [string, string | undefined];
    if (member === undefined) shape[group] = schema.optional();
    else groups[group] = { ...groups[group], [member]: schema.optional() };
  }
  for (const [group, members] of Object.entries(groups)) shape[group] = z.strictObject(members).optional();
  return z.strictObject(shape);
}

/** @returns the name of an option as commander hands it over: `--batch-size <n>` is `batchSize`, `--no-wait` is `wait` */
export function attributeOf(flag: string): string {
  const long = flag.split(/[ ,]+/).find((part) => part.startsWith("--")) ?? flag;
  return long.replace(/^--(no-)?/, "").replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function define<T>(
  place: Place,
  fallback: T,
  expected: string,
  schema: z.ZodType,
  fromText: (text: string) => unknown,
  unit: string | null,
): OptionDefinition<T> {
  const env = place.env === undefined ? environmentName(place) : place.env;
  const inFile = place.inFile ?? true;
  return {
    flag: place.flag ?? null,
    env,
    inFile,
    help: place.help,
    unit,
    live: place.live ?? false,
    default: fallback,
    expected,
    schema,
    fromText,
  };
}

function environmentName({ flag, inFile }: Place): string | null {
  if (flag === undefined || inFile === false) return null;
  return `QUERYMILL_${attributeOf(flag)
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase()}`;
}

function numberFromText(value: string): unknown {
  return /^[+-]?\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value;
}

function booleanFromText(value: string): unknown {
  if (/^(true|yes|on|1)$/i.test(value.trim())) return true;
  if (/^(false|no|off|0)$/i.test(value.trim())) return false;
  return value;
}

function jsonFromText(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
