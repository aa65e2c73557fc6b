import { QuerymillError } from "../errors.ts";
import { type EndpointSettings, type ModelSettings, mainEndpoint } from "../job.ts";
import { NO_LIMITS, type RateLimits } from "../rate-limits.ts";
import type { EndpointOptions } from "./endpoint-fields.ts";
import { resolveModel } from "./model.ts";
import { severalProblems } from "./problems.ts";
import { findProvider, type KnownProviders, splitModel } from "./provider-key.ts";
import type { ResolvedOptions, Variables } from "./sources.ts";

/** Who answers. */
export interface ResolvedEndpoints {
  /** At least one; by `fallback`, then as written. */
  readonly endpoints: readonly EndpointSettings[];
  /** The model of the job: that of --model when it was given, else of the first endpoint. */
  readonly primary: ModelSettings;
  /** Sentences for the user. */
  readonly notes: readonly string[];
}

/** An endpoint of the list with what the job adds to it. */
interface Entry extends EndpointOptions {
  /** Its place in the list, from 0. */
  readonly at: number;
  readonly name: string;
  readonly model: string;
  readonly fallback: number;
}

const LIMITS = [
  "limits.requestsPerMinute",
  "limits.tokensPerMinute",
  "limits.requestsPerDay",
  "limits.tokensPerDay",
] as const;
const WORDS = { model: "model", baseUrl: "baseUrl" };
const LONGEST_NAME = 36;

/** What cannot be said beside a list of endpoints, or without one. */
export function endpointConflicts({ get, name, origin }: ResolvedOptions): string[] {
  const listed = get("endpoints");
  const problems: string[] = [];
  if (get("hedge.afterMs") !== null && (listed?.length ?? 1) === 1)
    problems.push(
      `${name("hedge.afterMs")} sends a slow call to another endpoint as well, and there is only one. Add one under endpoints, or leave it out.`,
    );
  if (listed === null) return problems;
  for (const key of ["baseUrl", ...LIMITS] as const)
    if (origin(key) !== "default")
      problems.push(
        `${name(key)} says something of one endpoint, and ${name("endpoints")} has a list of them. Say it there, of the one that is meant.`,
      );
  return problems;
}

/**
 * The endpoints of a run: those of the list, else one made from --model and --base-url.
 * @throws QuerymillError MODEL_NOT_CHOSEN, CONFIG_INVALID (up to 10 problems of the list in one message)
 */
export function resolveEndpoints(
  options: ResolvedOptions,
  variable: Variables,
  providers: KnownProviders,
): ResolvedEndpoints {
  const { get, name } = options;
  const listed = get("endpoints");
  if (listed === null) {
    const { settings, notes } = resolveModel({ model: get("model"), baseUrl: get("baseUrl"), variable, providers });
    return { endpoints: [mainEndpoint(settings, limitsOf(options))], primary: settings, notes };
  }
  const entries = withDefaults(listed, options, providers);
  const problems = listProblems(entries, options);
  // A key that was named for no endpoint is for one host: with several it is not clear for which.
  const unnamed = entries.filter(({ keyVariable }) => keyVariable === undefined);
  const ownKey = new Set(unnamed.flatMap((entry) => hostOf(entry, providers) ?? [])).size <= 1;
  const endpoints: EndpointSettings[] = [];
  const notes: string[] = [];
  for (const entry of entries) {
    const { model, baseUrl = null, keyVariable, weight = 1, concurrent = null, limits, fallback } = entry;
    try {
      const key = keyVariable === undefined ? { ownKey } : { keyVariable };
      const found = resolveModel({ model, baseUrl, variable, providers, words: WORDS, ...key });
      const part = { weight, concurrent, limits: { ...NO_LIMITS, ...limits }, fallback };
      endpoints.push({ name: entry.name, model: found.settings, ...part });
      notes.push(...found.notes.map((note) => `Endpoint ${entry.name}: ${note}`));
    } catch (error) {
      if (!(error instanceof QuerymillError)) throw error;
      problems.push(`${name("endpoints", [entry.at])}: ${error.message}`);
    }
  }
  if (problems.length > 0) throw severalProblems(problems);
  const chosen = entries.findIndex(({ model }) => model === get("model"));
  return { endpoints, primary: endpoints[Math.max(0, chosen)]!.model, notes };
}

/** In the order in which they are asked. @throws QuerymillError MODEL_NOT_CHOSEN */
function withDefaults(
  listed: readonly EndpointOptions[],
  { get, name }: ResolvedOptions,
  providers: KnownProviders,
): Entry[] {
  const taken = new Set(listed.map((entry) => entry.name));
  const entries = listed.map((entry, at): Entry => {
    const model = entry.model ?? get("model");
    if (model === null)
      throw new QuerymillError(
        "MODEL_NOT_CHOSEN",
        `${name("endpoints", [at])} names no model, and none was chosen for all. Add model: PROVIDER/NAME to it, or choose one for all with --model PROVIDER/NAME.`,
      );
    const server = entry.baseUrl === undefined ? null : hostOf({ ...entry, model }, providers);
    const own = entry.name ?? freeName(server ?? (splitModel(model).provider || model), taken);
    taken.add(own);
    return { ...entry, at, name: own, model, fallback: entry.fallback ?? 0 };
  });
  return entries.sort((a, b) => a.fallback - b.fallback);
}

function listProblems(entries: readonly Entry[], { get, name }: ResolvedOptions): string[] {
  const problems: string[] = [];
  const at = (entry: Entry, field: string): string => name("endpoints", [entry.at, field]);
  for (const entry of entries) {
    const first = entries.find((other) => other.name === entry.name)!;
    if (first !== entry)
      problems.push(
        `${at(entry, "name")}: endpoints[${first.at}] is called "${entry.name}" too. Reports tell them apart by their names: choose another.`,
      );
    if (entry.model === "offline" && entry.fallback === 0 && entries.length > 1)
      problems.push(
        `${at(entry, "model")}: offline always answers, so results would be mixed at random. Make it a fallback (fallback: 1), or leave the others out.`,
      );
  }
  if (entries[0]!.fallback > 0)
    problems.push(
      `${name("endpoints")}: each of them is a fallback, and there is nothing to fall back from. Leave fallback out in one.`,
    );
  const chosen = get("model");
  if (chosen !== null && !entries.some(({ model }) => model === chosen))
    problems.push(
      `${name("model")} ${chosen} would answer nothing: each of ${name("endpoints")} names another model. Leave it out, or take the model out of an endpoint.`,
    );
  return problems;
}

/** A name like `word` that is not taken. */
function freeName(word: string, taken: ReadonlySet<string | undefined>): string {
  const base = word.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+|-+$/g, "") || "endpoint";
  let name = base.slice(0, LONGEST_NAME);
  for (let number = 2; taken.has(name); number += 1) name = `${base.slice(0, LONGEST_NAME)}-${number}`;
  return name;
}

/** @returns the provider's name, for one whose package finds the host; null for `offline` and what cannot be resolved */
function hostOf({ model, baseUrl }: Pick<Entry, "model" | "baseUrl">, providers: KnownProviders): string | null {
  const found = findProvider(splitModel(model).provider, providers);
  const url = baseUrl ?? found?.known.baseUrl ?? "";
  return URL.canParse(url) ? new URL(url).host : (found?.name ?? null);
}

function limitsOf({ get }: ResolvedOptions): RateLimits {
  return {
    requestsPerMinute: get("limits.requestsPerMinute"),
    tokensPerMinute: get("limits.tokensPerMinute"),
    requestsPerDay: get("limits.requestsPerDay"),
    tokensPerDay: get("limits.tokensPerDay"),
  };
}
