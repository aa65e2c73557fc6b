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
  /** The variable that holds the key, when one was named for this server: no other is looked at. */
  readonly keyVariable?: string;
  /** False when QUERYMILL_API_KEY could be for several hosts: it is sent to none then. @default true */
  readonly ownKey?: boolean;
  /** How messages name the two. @default --model and --base-url */
  readonly words?: { readonly model: string; readonly baseUrl: string };
}

export interface ResolvedModel {
  readonly settings: ModelSettings;
  /** Sentences for the user. */
  readonly notes: readonly string[];
}

/** A base URL whose server is nobody's in particular. */
const ANY_SERVER = "openai-compatible";
const OWN_KEY = "QUERYMILL_API_KEY";
const FLAGS = { model: "--model", baseUrl: "--base-url" };

/**
 * Which model answers, with its key. A key never chooses a model, and a provider's key is never sent to another host:
 * with a base URL elsewhere only a variable that was named for it, or QUERYMILL_API_KEY, is used.
 * @throws QuerymillError MODEL_NOT_CHOSEN when nothing was said, CONFIG_INVALID for what cannot work
 */
export function resolveModel(choice: ModelChoice): ResolvedModel {
  const { words = FLAGS } = choice;
  const baseUrl = choice.baseUrl === null ? null : trimmedUrl(choice.baseUrl, words.baseUrl);
  if (choice.model === null) throw baseUrl === null ? notChosen() : unnamed(baseUrl);
  if (choice.model === "offline") {
    if (baseUrl !== null)
      throw refused(
        `${words.model} offline and ${words.baseUrl} exclude each other: the offline classifier asks no server. Leave one out.`,
      );
    return { settings: { provider: "offline", name: "", baseUrl: null, apiKey: null }, notes: [] };
  }
  return baseUrl === null ? atProvider(choice.model, choice) : atServer(choice.model, baseUrl, choice);
}

function atProvider(model: string, choice: ModelChoice): ResolvedModel {
  const { providers, words = FLAGS } = choice;
  const slash = model.indexOf("/");
  const provider = slash < 0 ? "" : model.slice(0, slash);
  const name = model.slice(slash + 1);
  const list = Object.keys(providers);
  const byUrl = `any other OpenAI-compatible server: ${words.baseUrl} URL ${words.model} ${name || "NAME"}`;
  if (slash < 0)
    throw refused(
      `${words.model} ${model} names no provider, so it is not clear who is asked.${didYouMeanOffline(model)} Write PROVIDER/${model} with one of ${list.join(", ")}; ${byUrl}.`,
    );
  if (!Object.hasOwn(providers, provider))
    throw refused(
      `${words.model} ${model}: no provider is called "${provider}".${didYouMean(provider, list)} Known: ${list.join(", ")}; ${byUrl}.`,
    );
  if (name.trim() === "") throw refused(`${words.model} ${model} names no model. Write ${provider}/NAME.`);
  const { baseUrl, keyVariable } = providers[provider]!;
  const apiKey = keyFor(new URL(baseUrl), keyVariable, choice);
  if (apiKey === null && keyVariable !== null) throw keyMissing(`${provider}/${name}`, keyVariable, choice);
  return { settings: { provider, name, baseUrl, apiKey }, notes: [] };
}

function atServer(model: string, baseUrl: string, choice: ModelChoice): ResolvedModel {
  const { providers, variable, ownKey = true, words = FLAGS } = choice;
  const slash = model.indexOf("/");
  const prefix = model.slice(0, Math.max(0, slash));
  const named = prefix === ANY_SERVER || Object.hasOwn(providers, prefix);
  const provider = named ? prefix : ANY_SERVER;
  const name = named ? model.slice(slash + 1) : model;
  if (name.trim() === "")
    throw refused(`${words.model} ${model} names no model. Write what the server at ${baseUrl} calls it.`);
  const url = new URL(baseUrl);
  const own = Object.hasOwn(providers, provider) ? providers[provider]! : null;
  const sameHost = own !== null && new URL(own.baseUrl).host === url.host;
  const apiKey = keyFor(url, sameHost ? own.keyVariable : null, choice);
  const notes: string[] = [];
  if (named && prefix !== ANY_SERVER)
    notes.push(
      `The server is asked for "${name}". If it calls its model "${model}", write ${words.model} ${ANY_SERVER}/${model}.`,
    );
  if (apiKey !== null && url.protocol === "http:" && !isLoopback(url.hostname))
    notes.push(`The key travels unencrypted to ${url.host}. Use https if the server has it.`);
  if (apiKey === null && !ownKey && variable(OWN_KEY) !== undefined && !isLoopback(url.hostname))
    notes.push(
      `${OWN_KEY} is not sent to ${url.host}, because it could be meant for another endpoint's host. Name the variable that holds this one's key with keyVariable.`,
    );
  return { settings: { provider, name, baseUrl, apiKey }, notes };
}

/** @param usual the variable of the provider whose host this is, or null */
function keyFor(url: URL, usual: string | null, choice: ModelChoice): string | null {
  const { variable, keyVariable, ownKey = true, providers } = choice;
  if (keyVariable === undefined)
    return (ownKey ? keyIn(OWN_KEY, variable) : null) ?? (usual === null ? null : keyIn(usual, variable));
  const owner = Object.values(providers).find((each) => each.keyVariable === keyVariable);
  if (owner !== undefined && new URL(owner.baseUrl).host !== url.host)
    throw refused(
      `${keyVariable} holds a key for ${new URL(owner.baseUrl).host}, and a provider's key is never sent to another host, here ${url.host}. Put this server's key in a variable of its own.`,
    );
  const key = keyIn(keyVariable, variable);
  if (key === null)
    throw refused(`${keyVariable}, which keyVariable names, is not set. Set it in the environment or in .env.`);
  return key;
}

/** @returns null when the variable is not set */
function keyIn(name: string, variable: ModelChoice["variable"]): string | null {
  const value = variable(name)?.trim();
  if (!value) return null;
  if (!/^[\x21-\x7e]+$/.test(value))
    throw refused(`${name} holds blanks or characters that no key has, so no server would take it. Set it again.`);
  return value;
}

function keyMissing(model: string, usual: string, { ownKey = true, words }: ModelChoice): QuerymillError {
  const missing = ownKey
    ? `neither ${usual} nor ${OWN_KEY} is set. Set one`
    : `${usual} is not set (${OWN_KEY} is not used for several hosts). Set it`;
  const how =
    words === undefined ? `:  ${usual}=… querymill run --model ${model}` : ", or say with keyVariable where it is.";
  return refused(`${model} needs a key, and ${missing} in the environment or in .env${how}`);
}

/** Without what the provider adds itself; a query (`?api-version=…`) is kept. */
function trimmedUrl(text: string, word: string): string {
  if (!URL.canParse(text)) throw refused(`${word}: expected an http or https URL; got "${text}".`);
  const [path = "", query] = text.split("?");
  const trimmed = path.replace(/\/+$/, "").replace(/\/chat\/completions$/, "");
  return query === undefined ? trimmed : `${trimmed}?${query}`;
}

/** @param host as in a URL @returns whether it is this machine */
export function isLoopback(host: string): boolean {
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
