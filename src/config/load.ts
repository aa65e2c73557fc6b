import { basename, dirname, resolve } from "node:path";
import { DEFAULT_TAXONOMY } from "../default-taxonomy.ts";
import { QuerymillError } from "../errors.ts";
import type { Filter } from "../filter.ts";
import { parseFilter } from "../filter.ts";
import { type JobSettings, type ModelSettings, mainEndpoint } from "../job.ts";
import { checkOfflineFields } from "../llm/offline-fields.ts";
import { MODEL_PROVIDERS } from "../llm/providers.ts";
import { type Confirmation, confirmationOf } from "./confirmation.ts";
import { endpointConflicts, resolveEndpoints } from "./endpoints.ts";
import { resolveExamples } from "./examples.ts";
import { type ConfigText, checkConfig, parseConfig } from "./file.ts";
import { fleetConflicts, fleetSettings } from "./fleet.ts";
import { growingConflicts, growingSettings, reclassifyOnce } from "./growing.ts";
import { type FileSettings, fileConflicts, fileSettings, inputJob, inputStore } from "./input.ts";
import { redactionOf } from "./lane-options.ts";
import { placeOf, readIfThere } from "./place.ts";
import { severalProblems } from "./problems.ts";
import { resolveSchedules } from "./schedules.ts";
import { type OptionKey, optionOf } from "./schema.ts";
import { type ServiceSettings, serviceSettings } from "./service.ts";
import { mergeVariables, type ResolvedOptions, resolveOptions, unknownVariables, type Variables } from "./sources.ts";
import { deriveJob } from "./store-uri.ts";
import { type ChosenStores, chooseStores } from "./stores.ts";
import { parseTaxonomy } from "./taxonomy.ts";
import { chooseTenant } from "./tenants.ts";

/** How a run talks: not part of the job. */
export interface OutputSettings {
  readonly json: boolean;
  readonly quiet: boolean;
  /** null: `warn`; `info` with both `json` and a file to log to. */
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent" | null;
  /** Absolute path, or null for stderr. */
  readonly logFile: string | null;
}

export interface LoadedSettings {
  readonly settings: JobSettings;
  readonly output: OutputSettings;
  readonly service: ServiceSettings;
  readonly files: FileSettings;
  /** Absolute path; null for the built-in taxonomy. */
  readonly taxonomyFile: string | null;
  /** Each option as it was said, or its default. */
  readonly get: ResolvedOptions["get"];
  readonly confirmation: Confirmation;
  /** Sentences for the user: nothing is wrong, but it may not be what was meant. */
  readonly notes: string[];
  /** What the section of a tenant says of its being run; null without tenants. */
  readonly tenant: { readonly paused: boolean } | null;
}

export interface SettingsInput {
  /** As commander hands them over: camel-case names, texts and booleans. */
  readonly flags: Record<string, unknown>;
  readonly env: Record<string, string | undefined>;
  /** `.env`, `querymill.yaml` and relative paths are looked up here; paths in the file from the file's folder. */
  readonly cwd: string;
  /** Look at `.env` and `querymill.yaml`. A program that embeds Querymill says everything itself. @default true */
  readonly files?: boolean;
  /** What a program says in the form of `querymill.yaml`, which is then not looked at. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** False for what asks no model: `settings.model` is then {@link NO_MODEL}, whatever was said. @default true */
  readonly needsModel?: boolean;
  /** The text that stands for that of the settings file, which is where it says. @default the file is read */
  readonly text?: { readonly path: string; readonly content: string };
}

/** Stands where a model would be in settings that ask none. */
const NO_MODEL: ModelSettings = { provider: "none", name: "", baseUrl: null, apiKey: null };

/**
 * Resolves and checks everything a run needs: flag, environment (the process's, then `.env`), `querymill.yaml`,
 * default. Reads files, changes nothing, asks nobody.
 * @throws QuerymillError USAGE (flags), CONFIG_INVALID (environment, file), TAXONOMY_INVALID, MODEL_NOT_CHOSEN; up to
 * 10 problems in one message
 */
export async function loadSettings(input: SettingsInput): Promise<LoadedSettings> {
  const { flags, env, cwd, needsModel = true } = input;
  const { file: whole, folder, variables: allVariables } = await readFiles(input);
  if (whole !== null && whole.tenants !== null && whole.problems.length > 0) throw severalProblems(whole.problems);
  const named = flags.tenant as string | undefined;
  // A file of rows is a job of its own, whatever tenants there are.
  const tenant = flags.input !== undefined && named === undefined ? null : chooseTenant(whole, named, allVariables);
  const file = tenant?.file ?? whole;
  const variables = tenant?.variables ?? allVariables;
  const options = resolveOptions(flags, variables, file);
  const { get } = options;
  const times = await resolveSchedules(options, Date.now());
  const problems = [
    ...options.problems,
    ...conflicts(options),
    ...endpointConflicts(options),
    ...fileConflicts(options),
    ...growingConflicts(options),
    ...fleetConflicts(options),
    ...times.problems,
    ...(tenant?.problems ?? []),
    ...(tenant !== null && options.get("input") !== null
      ? [`${options.name("input")} and --tenant exclude each other: a file is a job of its own. Leave one out.`]
      : []),
  ];
  const notes = unknownVariables([...Object.keys(env)]);

  const pathOf = (key: OptionKey, path: string): string => resolve(options.origin(key) === "file" ? folder : cwd, path);
  const batchDir = pathOf("batchDir", get("batchDir"));
  const rowFiles = fileSettings(options, pathOf);
  const fileJob = rowFiles.input === null ? null : await inputJob(rowFiles.input);
  const stores: ChosenStores =
    fileJob === null
      ? chooseStores(options, variables, { cwd, folder, batchDir }, notes, problems)
      : { target: { store: inputStore(batchDir, fileJob), db: get("db") ?? "querymill" }, source: null };
  const filter = checkFilter(options, problems);
  if (problems.length > 0) throw severalProblems(problems);

  const { store, db } = stores.target;
  const from = stores.source;
  const { endpoints, primary, ...found } = needsModel
    ? resolveEndpoints(options, variables, MODEL_PROVIDERS)
    : { endpoints: [mainEndpoint(NO_MODEL)], primary: NO_MODEL, notes: [] };
  const examples = needsModel ? await resolveExamples(options, endpoints, pathOf) : { settings: null, notes: [] };
  const ownTaxonomy = get("taxonomy");
  const taxonomyFile = ownTaxonomy === null ? null : pathOf("taxonomy", ownTaxonomy);
  const taxonomy = taxonomyFile === null ? DEFAULT_TAXONOMY : await readTaxonomy(taxonomyFile, options);
  const unfilled = primary.provider === "offline" ? checkOfflineFields(taxonomy) : null;
  const usd = get("budget.usd");
  const afterMs = get("hedge.afterMs");
  const [source, target] =
    fileJob === null
      ? [get("sourceCollection"), get("targetCollection")]
      : [optionOf("sourceCollection").default as string, optionOf("targetCollection").default as string];
  const [logFile, days] = [get("logFile"), get("retention.days")];
  const settings: JobSettings = {
    tenant: tenant?.name ?? "default",
    job: get("job") ?? tenant?.name ?? fileJob ?? deriveJob(store, db, source, target, from),
    mode: get("mode"),
    batchSize: get("batchSize"),
    concurrent: get("concurrent"),
    concurrentMax: get("concurrentMax"),
    intervalSeconds: get("interval"),
    batchDir,
    checkpointInterval: get("checkpointInterval"),
    recover: get("recover"),
    fresh: get("fresh"),
    acceptChanges: get("acceptChanges"),
    wait: get("wait"),
    dryRun: get("dryRun"),
    ...(times.schedules.length === 0 ? {} : { schedules: times.schedules }),
    ...(times.window === null ? {} : { window: times.window }),
    ...fleetSettings(options),
    storeUri: store.uri,
    db,
    ...(from === null ? {} : { sourceStore: { storeUri: from.store.uri, db: from.db } }),
    sourceCollection: source,
    targetCollection: target,
    ...(get("timezone") === null ? {} : { timezone: get("timezone")! }),
    model: primary,
    endpoints,
    balance: get("balance"),
    hedge: afterMs === null ? null : { afterMs },
    taxonomy,
    examples: examples.settings,
    mapping: textMapping(options),
    redaction: redactionOf(get("redact")),
    cache: get("cache.enabled") ? { maxMb: get("cache.maxMb"), ttlDays: get("cache.ttlDays") } : null,
    mark: {
      processed: get("mark.processed"),
      processedAt: get("mark.processedAt"),
      processedBy: get("mark.processedBy"),
    },
    ...(get("mark.in") === "target" ? { markIn: "target" as const } : {}),
    filter,
    watch: get("source.watch"),
    retryOnly: null,
    reclassify: reclassifyOnce(options),
    growing: growingSettings(options),
    limit: get("limit"),
    budget: usd === null ? null : { usd, per: get("budget.per") },
    prices: get("prices"),
    retry: {
      retries: get("retry.retries"),
      baseDelayMs: get("retry.baseDelayMs"),
      maxDelayMs: get("retry.maxDelayMs"),
      rounds: get("retry.rounds"),
    },
    deadlines: {
      connectMs: get("deadlines.connectMs"),
      attemptMs: get("deadlines.attemptMs"),
      itemMs: get("deadlines.itemMs"),
      idleMs: get("deadlines.idleMs"),
      drainMs: get("deadlines.drainMs"),
      retryWaitMs: get("deadlines.retryWaitMs"),
      storeMs: get("deadlines.storeMs"),
    },
    maxOutputTokens: get("maxOutputTokens"),
    ...(tenant === null ? {} : { share: tenant.share }),
    ...(days === null ? {} : { retention: { days } }),
    runBreaker: { share: get("breaker.share"), window: get("breaker.window") },
  };
  const output: OutputSettings = {
    json: get("json"),
    quiet: get("quiet"),
    logLevel: get("logLevel"),
    logFile: logFile === null ? null : pathOf("logFile", logFile),
  };
  return {
    settings,
    output,
    service: await serviceSettings(options, variables, folder),
    files: rowFiles,
    taxonomyFile,
    get,
    confirmation: confirmationOf(get),
    notes: [...notes, ...found.notes, ...examples.notes, ...(unfilled === null ? [] : [unfilled])],
    tenant: tenant && { paused: tenant.paused },
  };
}

/** What the settings are read from: the file (or what a program says instead), its folder, and the variables. */
export async function readFiles({
  flags,
  env,
  cwd,
  files = true,
  config,
  text,
}: SettingsInput): Promise<{ file: ConfigText | null; folder: string; variables: Variables }> {
  const dotenv = files ? await readIfThere(resolve(cwd, ".env")) : null;
  const variables = mergeVariables(env, dotenv);
  if (text !== undefined)
    return { file: parseConfig(text.content, basename(text.path)), folder: dirname(text.path), variables };
  if (config !== undefined || !files)
    return { file: config === undefined ? null : checkConfig(config), folder: cwd, variables };
  return { ...(await readConfig(flags, variables, cwd)), variables };
}

async function readConfig(
  flags: SettingsInput["flags"],
  variables: Variables,
  cwd: string,
): Promise<{ file: ConfigText | null; folder: string }> {
  const { named, path } = placeOf(flags, variables, cwd);
  const text = await readIfThere(path);
  if (text === null && named !== undefined)
    throw new QuerymillError("USAGE", `--config ${named}: there is no such file. Check the path ${path}.`);
  return { file: text === null ? null : parseConfig(text, named ?? basename(path)), folder: dirname(path) };
}

/** What excludes each other. What a file says only counts when it was not overruled for this run. */
function conflicts({ get, name, origin, atLeast }: ResolvedOptions): string[] {
  const problems: string[] = [];
  const mode = get("mode");
  if (get("recover") && get("fresh"))
    problems.push(
      "--recover and --fresh exclude each other: one goes on where it was, the other starts over. Choose one.",
    );
  if (origin("reclassify") === "flag" && get("fresh"))
    problems.push(
      "--reclassify and --fresh exclude each other: one asks again for items that have a record, the other never does. Choose one.",
    );
  if (origin("reclassify") === "flag" && get("reclassify") === "all" && mode !== "batch")
    problems.push(
      `--reclassify all and ${name("mode")} ${mode} exclude each other: each restart would ask for everything again. Run it once in mode batch, or use --reclassify stale or changed.`,
    );
  if (get("concurrent") !== "auto" && origin("concurrentMax") !== "default" && atLeast("concurrentMax", "concurrent"))
    problems.push(
      `${name("concurrentMax")} is the ceiling of --concurrent auto, and ${name("concurrent")} is ${get("concurrent")}, which is a ceiling itself. Add --concurrent auto, or leave it out.`,
    );
  for (const key of ["mark.processed", "mark.processedAt", "mark.processedBy"] as const)
    if (get("mark.in") === "target" && origin(key) !== "default" && atLeast(key, "mark.in"))
      problems.push(
        `${name(key)} names a field of the source, and with ${name("mark.in")} target the source gets no marks. Leave one out.`,
      );
  const preset = get("source.preset");
  for (const key of ["source.text", "source.messages", "textColumn"] as const)
    if (preset !== null && get(key) !== null)
      problems.push(
        `${name("source.preset")} and ${key === "textColumn" ? name(key) : key} exclude each other: the preset ${preset} knows where its texts are. Leave one out.`,
      );
  if (get("retry.baseDelayMs") > get("retry.maxDelayMs"))
    problems.push(
      `${name("retry.baseDelayMs")}: ${get("retry.baseDelayMs")} ms is more than retry.maxDelayMs (${get("retry.maxDelayMs")}), which caps it. Lower it.`,
    );
  return problems;
}

/** What was not said is left out, so that the fingerprint of a job that says nothing of it stays. */
function textMapping({ get }: ResolvedOptions): JobSettings["mapping"] {
  const preset = get("source.preset");
  const messages = get("source.messages");
  return {
    text: get("source.text"),
    maxChars: get("source.maxChars"),
    ...(preset === null ? {} : { preset }),
    ...(messages === null ? {} : { messages }),
  };
}

function checkFilter(options: ResolvedOptions, problems: string[]): Filter | null {
  const given = options.get("filter");
  if (given === null) return null;
  try {
    return parseFilter(given);
  } catch (error) {
    if (!(error instanceof QuerymillError)) throw error;
    problems.push(`${options.name("filter")}: ${error.message}`);
    return null;
  }
}

async function readTaxonomy(path: string, options: ResolvedOptions): Promise<JobSettings["taxonomy"]> {
  const shownPath = options.get("taxonomy")!;
  const text = await readIfThere(path);
  if (text === null)
    throw new QuerymillError(
      "USAGE",
      `${options.name("taxonomy")}: there is no file ${shownPath}. Check the path ${path}.`,
    );
  return parseTaxonomy(text, shownPath);
}
