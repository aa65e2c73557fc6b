import { QuerymillError } from "../errors.ts";
import type { ModelSettings } from "../job.ts";
import type { KnownProvider } from "../llm/providers.ts";
import { isLoopbackUrlHost } from "./loopback.ts";
import { didYouMean } from "./nearest.ts";
import {
  findProvider,
  isLoggedIn,
  isOwnHost,
  type KnownProviders,
  keyFor,
  keyMissing,
  type ModelChoice,
  OWN_KEY,
  settingsFor,
  splitModel,
} from "./provider-key.ts";

export interface ResolvedModel {
  readonly settings: ModelSettings;
  /** Sentences for the user. */
  readonly notes: readonly string[];
}

/** A base URL whose server is nobody's in particular. */
const ANY_SERVER = "openai-compatible";
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
  const { provider, name } = splitModel(model);
  const list = Object.keys(providers);
  const others = `any other OpenAI-compatible server: ${words.baseUrl} URL ${words.model} ${name || "NAME"}; any other package of the AI SDK: @ai-sdk/PACKAGE/${name || "NAME"}`;
  if (provider === "")
    throw refused(
      `${words.model} ${model} names no provider, so it is not clear who is asked.${didYouMeanProvider(model)} Write PROVIDER/${model} with one of ${list.join(", ")}; ${others}.`,
    );
  const found = findProvider(provider, providers);
  if (found === null)
    throw refused(
      `${words.model} ${model}: no provider is called "${provider}".${didYouMean(provider, list)} Known: ${list.join(", ")}; ${others}.`,
    );
  if (name.trim() === "") throw refused(`${words.model} ${model} names no model. Write ${provider}/NAME.`);
  const { known } = found;
  const full = `${found.name}/${name}`;
  const apiKey = keyFor(known.baseUrl === null ? null : new URL(known.baseUrl), known, choice);
  const settings = settingsFor(full, known, choice, false);
  if (apiKey === null && known.keyVariable !== null && !isLoggedIn(known, settings))
    throw keyMissing(full, known, choice);
  return { settings: { provider: found.name, name, baseUrl: known.baseUrl, apiKey, ...told(settings) }, notes: [] };
}

function atServer(model: string, baseUrl: string, choice: ModelChoice): ResolvedModel {
  const { providers, variable, ownKey = true, words = FLAGS } = choice;
  const url = new URL(baseUrl);
  const { provider, name, known, isPrefix } = whoServes(model, url, providers);
  if (name.trim() === "")
    throw refused(`${words.model} ${model} names no model. Write what the server at ${baseUrl} calls it.`);
  const isOwn = known !== null && isOwnHost(url.host, known);
  const apiKey = keyFor(url, isOwn ? known : null, choice);
  const settings = known === null ? {} : settingsFor(model, known, choice, true);
  const notes: string[] = [];
  if (isPrefix && !isOwn) {
    const protocol = known?.package === undefined ? "" : `, in the protocol of ${provider}`;
    notes.push(
      `The server is asked for "${name}"${protocol}. If it calls its model "${model}", write ${words.model} ${ANY_SERVER}/${model}.`,
    );
  }
  if (apiKey !== null && url.protocol === "http:" && !isLoopbackUrlHost(url.hostname))
    notes.push(`The key travels unencrypted to ${url.host}. Use https if the server has it.`);
  if (apiKey === null && !ownKey && variable(OWN_KEY) !== undefined && !isLoopbackUrlHost(url.hostname))
    notes.push(
      `${OWN_KEY} is not sent to ${url.host}, because it could be meant for another endpoint's host. Name the variable that holds this one's key with keyVariable.`,
    );
  return { settings: { provider, name, baseUrl, apiKey, ...told(settings) }, notes };
}

/**
 * Who is behind a base URL, and what the model is called there. The host of a provider in the table decides before the
 * name: `anthropic/NAME` at openrouter.ai is OpenRouter's name of a model.
 */
function whoServes(
  model: string,
  url: URL,
  providers: KnownProviders,
): { provider: string; name: string; known: KnownProvider | null; isPrefix: boolean } {
  const { provider: prefix, name } = splitModel(model);
  if (prefix === ANY_SERVER) return { provider: ANY_SERVER, name, known: null, isPrefix: false };
  const host = Object.entries(providers).find(
    ([own, known]) => own !== prefix && !isLoopbackUrlHost(url.hostname) && isOwnHost(url.host, known),
  );
  const found = findProvider(prefix, providers);
  const isHosts = found !== null && isOwnHost(url.host, found.known);
  if (host !== undefined && !isHosts && found !== null)
    return { provider: host[0], name: model, known: host[1], isPrefix: false };
  if (found === null) return { provider: ANY_SERVER, name: model, known: null, isPrefix: false };
  return { provider: found.name, name, known: found.known, isPrefix: true };
}

function told(settings: Readonly<Record<string, string>>): Pick<ModelSettings, "settings"> {
  return Object.keys(settings).length === 0 ? {} : { settings };
}

/** Without what the provider adds itself; a query (`?api-version=…`) is kept. */
function trimmedUrl(text: string, word: string): string {
  if (!URL.canParse(text)) throw refused(`${word}: expected an http or https URL; got "${text}".`);
  const [path = "", query] = text.split("?");
  const trimmed = path.replace(/\/+$/, "").replace(/\/(chat\/completions|messages)$/, "");
  return query === undefined ? trimmed : `${trimmed}?${query}`;
}

/** Whose models are usually called so. */
const USUAL_PROVIDERS: readonly (readonly [RegExp, string])[] = [
  [/^claude/, "anthropic"],
  [/^gemini/, "google"],
  [/^(gpt|chatgpt|o\d)/, "openai"],
  [/^(mistral|ministral)/, "mistral"],
  [/^grok/, "xai"],
  [/^deepseek/, "deepseek"],
  [/^command/, "cohere"],
];

function didYouMeanProvider(model: string): string {
  const usual = USUAL_PROVIDERS.find(([name]) => name.test(model));
  return usual === undefined ? didYouMean(model, ["offline"]) : ` Did you mean ${usual[1]}/${model}?`;
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
                              (as well anthropic/NAME, google/NAME, mistral/NAME, ollama/NAME, …)

  Only looking?  querymill demo   classifies 300 sample queries without a key.`,
  );
}
