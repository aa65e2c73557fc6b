import { QuerymillError } from "../errors.ts";
import { type Asked, compressedAnswer, refusedCall, strangeAnswer } from "./call-errors.ts";
import type { HttpAnswer } from "./http-exchange.ts";
import { checkKey, openModelHost, parseBaseUrl } from "./model-host.ts";
import { makeBodyWriter } from "./openai-body.ts";
import { readReply } from "./openai-reply.ts";
import type { ModelProvider, ModelReply, ModelRequest } from "./provider.ts";
import { MODEL_PROVIDERS } from "./providers.ts";
import { readRateHeaders } from "./rate-headers.ts";

export interface OpenAiCompatibleOptions {
  readonly provider: string;
  /** What the server calls it. */
  readonly model: string;
  /** Name of the endpoint in events and records. */
  readonly endpoint: string;
  /** Ends before `/chat/completions`; a query is kept. */
  readonly baseUrl: string;
  /** null when the server needs none. */
  readonly apiKey: string | null;
  /** Most connections; calls beyond them wait for one. At least the number of slots. */
  readonly connections: number;
  /** To connect, in ms. */
  readonly connectMs: number;
  /** From sending to the last byte, in ms. */
  readonly attemptMs: number;
  /** A longer answer is cut off and counts as malformed. @default 4 MiB */
  readonly maxBodyBytes?: number;
}

/** Bodies written again in one call after the server refused a parameter: as many as there are forms to learn. */
const MAX_RESENDS = 4;
/** Names of a server's models that a message shows. */
const MOST_NAMES = 10;
const CHECK_ADVICE = "Check that it runs and that the base URL is right.";

/**
 * A server that speaks OpenAI's chat completions, over its own pool of connections. Answers are asked for by strict
 * JSON schema, else in JSON mode, else by a forced tool call, whatever the server takes; refused parameters are left
 * out. Both are learned from the first refusals, which cost nothing, and within the same call.
 * @throws QuerymillError CONFIG_INVALID when the base URL or the key cannot be sent
 */
export function openOpenAiCompatible(options: OpenAiCompatibleOptions): ModelProvider {
  const { provider, model, endpoint, apiKey } = options;
  const url = chatUrl(options.baseUrl);
  const modelsUrl = new URL(url);
  modelsUrl.pathname = url.pathname.replace(/\/chat\/completions$/, "/models");
  const headers = requestHeaders(apiKey);
  const marksCache = provider === "openrouter" && model.startsWith("anthropic/");
  const bodies = makeBodyWriter(model, provider === "openai" ? "max_completion_tokens" : "max_tokens", marksCache);
  const host = openModelHost({ ...options, secrets: apiKey === null ? [] : [apiKey] });
  const known = MODEL_PROVIDERS[provider];
  const local = known?.local?.(model) ?? null;
  const isProviders = known?.baseUrl === options.baseUrl;
  const asked: Asked = {
    host: url.host,
    onUnknownModel: local?.onUnknownModel ?? null,
    keySent: isProviders ? null : apiKey !== null,
  };

  return {
    provider,
    model,
    endpoint,
    label: isProviders ? `${provider}/${model}` : `${model} at ${url.origin}`,
    remote: true,
    confidenceKind: "self-rated",

    async check(signal) {
      const answer = await host.reach(modelsUrl, headers, signal, local?.onSilence ?? CHECK_ADVICE);
      if (answer !== null && local?.listsModels) refuseMissing(answer, model, url.host, local.onUnknownModel);
    },

    async call(request, signal) {
      for (let resends = 0; ; resends++) {
        const { body, form } = bodies.write(request);
        const answer = await host.post(url, headers, body, signal);
        if (answer.status === 200) return replyOf(answer, request, model, asked);
        if (resends < MAX_RESENDS && bodies.learn(answer.status, answer.body, form)) continue;
        throw refusedCall(answer, answer.status, request.text, asked);
      }
    },

    close: () => host.close(),
  };
}

/** @throws QuerymillError MODEL_UNREACHABLE when the server lists its models, and this is none of them */
function refuseMissing({ status, body }: HttpAnswer, model: string, host: string, advice: string): void {
  const names = status === 200 ? listedModels(body) : null;
  if (names === null || names.includes(model) || names.includes(`${model}:latest`)) return;
  const others = names.length === 0 ? "none" : names.slice(0, MOST_NAMES).join(", ");
  throw new QuerymillError(
    "MODEL_UNREACHABLE",
    `The model server at ${host} has no model "${model}". ${advice} It has: ${others}${names.length > MOST_NAMES ? ", …" : ""}.`,
  );
}

/** @returns null when it is no list */
function listedModels(body: string): string[] | null {
  try {
    const { object, data } = JSON.parse(body);
    if (object !== "list" || !(data === null || Array.isArray(data))) return null;
    return (data ?? []).flatMap((entry: { id?: unknown } | null) => (typeof entry?.id === "string" ? entry.id : []));
  } catch {
    return null;
  }
}

function chatUrl(baseUrl: string): URL {
  const url = parseBaseUrl(baseUrl);
  url.pathname = `${url.pathname.replace(/\/+$/, "").replace(/\/chat\/completions$/, "")}/chat/completions`;
  return url;
}

function requestHeaders(apiKey: string | null): string[] {
  checkKey(apiKey);
  const headers = ["content-type", "application/json", "accept", "application/json", "accept-encoding", "identity"];
  return apiKey === null ? headers : [...headers, "authorization", `Bearer ${apiKey}`];
}

function replyOf(answer: HttpAnswer, request: ModelRequest, model: string, asked: Asked): ModelReply {
  const compressed = compressedAnswer(answer, asked.host);
  if (compressed !== null) throw compressed;
  const read = readReply(answer.body, request.maxOutputTokens);
  if (read === null) throw strangeAnswer(answer, asked.host, "a chat completion");
  if ("errorStatus" in read) throw refusedCall(answer, read.errorStatus, request.text, asked);
  return {
    ...read.reply,
    model: read.reply.model ?? model,
    latencyMs: answer.latencyMs,
    rate: readRateHeaders(answer.headers, Date.now()),
  };
}
