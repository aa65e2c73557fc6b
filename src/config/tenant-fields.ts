import { integer, type OptionDefinition, type OptionTable, shapeOf, text, toggle } from "./option.ts";
import { OPTION_KEYS, type OptionKey, optionOf } from "./schema.ts";

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** What a tenant can say beside the settings of a job. */
export const TENANT_FIELDS = {
  weight: integer({
    help: "its share of an endpoint that it has in common with others, relative to their weights",
    min: 1,
    max: 1_000,
    unit: "share",
    default: 1,
  }),
  floor: integer({
    help: "calls at once of a common endpoint that are always kept for it",
    min: 1,
    max: 10_000,
    unit: "calls",
    default: null,
  }),
  ceiling: integer({
    help: "most calls at once of it at a common endpoint",
    min: 1,
    max: 10_000,
    unit: "calls",
    default: null,
  }),
  paused: toggle({ help: "it does not run, and makes no calls, until this is taken back", default: false }),
  keyVariable: text({
    help: "environment variable with the key of its model, instead of the usual ones",
    expected: "the name of a variable such as SALES_OPENAI_KEY",
    pattern: VARIABLE,
    default: null,
  }),
  storeVariable: text({
    help: "environment variable with the URI of its store, instead of MONGODB_URI",
    expected: "the name of a variable such as SALES_MONGODB_URI",
    pattern: VARIABLE,
    default: null,
  }),
} as const;

export type TenantField = keyof typeof TENANT_FIELDS;

const ONE_FOLDER =
  "all tenants share one batch directory, in which each has a folder of its own. Say it outside of tenants.";
const ONE_PROCESS = "the process serves it once, for all tenants. Say it outside of tenants.";
const ONE_VOICE = "the process has one output and one log. Say it outside of tenants; each line names its tenant.";
const A_FILE =
  "a file is classified once, by a run of its own: querymill run --input FILE. A tenant has a collection as its source; bring rows there with querymill import.";

/** Settings that a tenant cannot have, by their group or name, and why. */
export const NOT_OF_A_TENANT: Readonly<Record<string, string>> = {
  batchDir: ONE_FOLDER,
  json: ONE_VOICE,
  quiet: ONE_VOICE,
  logLevel: ONE_VOICE,
  logFile: ONE_VOICE,
  metrics: ONE_PROCESS,
  telemetry: ONE_PROCESS,
  dashboard: ONE_PROCESS,
  input: A_FILE,
  output: A_FILE,
  idColumn: A_FILE,
  textColumn: A_FILE,
  encoding: A_FILE,
  delimiter: A_FILE,
  tenants: "tenants have no tenants of their own.",
};

/** What of the rest of the file is not handed down: it would be the same for all. */
export const NOT_HANDED_DOWN: ReadonlySet<OptionKey> = new Set(["tenants", "job", "input", "output"]);

/** Settings of a job that a tenant can have. */
const JOB_TABLE: OptionTable = Object.fromEntries(
  OPTION_KEYS.filter((key) => !Object.hasOwn(NOT_OF_A_TENANT, key.split(".")[0]!)).map(
    (key): [string, OptionDefinition<unknown>] => [key, optionOf(key)],
  ),
);

/** Every setting of a section of `tenants`. */
export const TENANT_TABLE: OptionTable = { ...TENANT_FIELDS, ...JOB_TABLE };

/** The shape of one section. */
export const TENANT_SCHEMA = shapeOf(TENANT_TABLE);

/**
 * Settings that say the same in two ways: a tenant that says one of a group is told nothing of the others by the rest of
 * the file.
 */
export const RIVALS: readonly (readonly OptionKey[])[] = [
  ["model", "endpoints"],
  ["baseUrl", "endpoints"],
  ["schedule", "schedules"],
  ["source.text", "source.preset", "source.messages"],
  ["store", "source.uri"],
  ["store", "target.uri"],
];
