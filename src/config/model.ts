import { QuerymillError } from "../errors.ts";
import type { ModelSettings } from "../job.ts";
import { didYouMean } from "./nearest.ts";

/** Providers that need no base URL: where they are, and which variable holds their key (null: none needed). */
export type KnownProviders = Readonly<
  Record<string, { readonly baseUrl: string; readonly keyVariable: string | null }>
>;

export interface ModelChoice {
  /** `--model`, or null. */
  readonly model: string | null;
  /** `--base-url`, or null. */
  readonly baseUrl: string | null;
  /** Looks a variable of the environment up. */
  readonly variable: (name: string) => string | undefined;
  readonly providers: KnownProviders;
}

/** A base URL whose server is nobody's in particular. */
const ANY_SERVER = "openai-compatible";
const OWN_KEY = "QUERYMILL_API_KEY";

/**
 * Which model answers, with its key. A key never chooses a model, and a provider's key is never sent to another host:
 * with a base URL elsewhere only QUERYMILL_API_KEY is used.
 * @throws QuerymillError MODEL_NOT_CHOSEN when nothing was said, CONFIG_INVALID for what cannot work
 */
export function resolveModel(choice: ModelChoice): { settings: ModelSettings; notes: string[] } {
  const baseUrl = choice.baseUrl === null ? null : trimmedUrl(choice.baseUrl);
  if (choice.model === null) throw baseUrl === null ? notChosen() : unnamed(baseUrl);
  if (choice.model === "offline") {
    if (baseUrl !== null)
      throw refused(
        "--model offline and --base-url exclude each other: the offline classifier asks no server. Leave one out.",
      );
    return { settings: { provider: "offline", name: "", baseUrl: null, apiKey: null }, notes: [] };
  }
  return baseUrl === null ? atProvider(choice.model, choice) : atServer(choice.model, baseUrl, choice);
}

function atProvider(model: string, { variable, providers }: ModelChoice): { settings: ModelSettings; notes: string[] } {
  const slash = model.indexOf("/");
  const provider = slash < 0 ? "" : model.slice(0, slash);
  const name = model.slice(slash + 1);
  const list = Object.keys(providers);
  const byUrl = `any other OpenAI-compatible server: --base-url URL --model ${name || "NAME"}`;
  if (slash < 0)
    throw refused(
      `--model ${model} names no provider, so it is not clear who is asked.${didYouMeanOffline(model)} Write PROVIDER/${model} with one of ${list.join(", ")}; ${byUrl}.`,
    );
  if (!Object.hasOwn(providers, provider))
    throw refused(
      `--model ${model}: no provider is called "${provider}".${didYouMean(provider, list)} Known: ${list.join(", ")}; ${byUrl}.`,
    );
  if (name.trim() === "") throw refused(`--model ${model} names no model. Write ${provider}/NAME.`);
  const { baseUrl, keyVariable } = providers[provider]!;
  const apiKey = key(variable, keyVariable);
  if (apiKey === null && keyVariable !== null)
    throw refused(
      `${provider}/${name} needs a key, and neither ${keyVariable} nor ${OWN_KEY} is set. Set one in the environment or in .env:  ${keyVariable}=… querymill run --model ${provider}/${name}`,
    );
  return { settings: { provider, name, baseUrl, apiKey }, notes: [] };
}

function atServer(
  model: string,
  baseUrl: string,
  { variable, providers }: ModelChoice,
): { settings: ModelSettings; notes: string[] } {
  const slash = model.indexOf("/");
  const prefix = model.slice(0, Math.max(0, slash));
  const named = prefix === ANY_SERVER || Object.hasOwn(providers, prefix);
  const provider = named ? prefix : ANY_SERVER;
  const name = named ? model.slice(slash + 1) : model;
  if (name.trim() === "")
    throw refused(`--model ${model} names no model. Write what the server at ${baseUrl} calls it.`);
  const url = new URL(baseUrl);
  const own = Object.hasOwn(providers, provider) ? providers[provider]! : null;
  const sameHost = own !== null && new URL(own.baseUrl).host === url.host;
  const apiKey = key(variable, sameHost ? own.keyVariable : null);
  const notes: string[] = [];
  if (named && prefix !== ANY_SERVER)
    notes.push(
      `The server is asked for "${name}". If it calls its model "${model}", write --model ${ANY_SERVER}/${model}.`,
    );
  if (apiKey !== null && url.protocol === "http:" && !isLoopback(url.hostname))
    notes.push(`The key travels unencrypted to ${url.host}. Use https if the server has it.`);
  return { settings: { provider, name, baseUrl, apiKey }, notes };
}

function key(variable: ModelChoice["variable"], keyVariable: string | null): string | null {
  for (const name of [OWN_KEY, keyVariable]) {
    const value = name === null ? undefined : variable(name)?.trim();
    if (!value) continue;
    if (!/^[\x21-\x7e]+$/.test(value))
      throw refused(`${name} holds blanks or characters that no key has, so no server would take it. Set it again.`);
    return value;
  }
  return null;
}

/** Without what the provider adds itself; a query (`?api-version=…`) is kept. */
function trimmedUrl(text: string): string {
  if (!URL.canParse(text)) throw refused(`--base-url: expected an http or https URL; got "${text}".`);
  const [path = "", query] = text.split("?");
  const trimmed = path.replace(/\/+$/, "").replace(/\/chat\/completions$/, "");
  return query === undefined ? trimmed : `${trimmed}?${query}`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || host.startsWith("127.") || host.endsWith(".localhost");
}

function didYouMeanOffline(model: string): string {
  return didYouMean(model, ["offline"]);
}

function refused(message: string): QuerymillError {
  return new QuerymillError("CONFIG_INVALID", message);
}

function unnamed(baseUrl: string): QuerymillError {
  return new QuerymillError(
    "MODEL_NOT_CHOSEN",
    `No model is chosen for the server at ${baseUrl}, which may serve several. Name it:  --base-url ${baseUrl} --model NAME`,
  );
}

function notChosen(): QuerymillError {
  return new QuerymillError(
    "MODEL_NOT_CHOSEN",
    `No model is chosen, and none is ever chosen because a key happens to be set.

  Three ways on:
    1  free, offline, now     querymill run --model offline
    2  your own server        querymill run --base-url http://127.0.0.1:8000/v1 --model NAME
    3  a provider             OPENAI_API_KEY=… querymill run --model openai/NAME

  Only looking?  querymill demo   classifies 300 sample queries without a key.`,
  );
}
