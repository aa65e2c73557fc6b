import { Pool } from "undici";
import { type FailureClass, ModelError, QuerymillError } from "../errors.ts";
import { ExchangeError, exchange, type HttpAnswer } from "./http-exchange.ts";
import { connectionFailure, httpFailure, quotable } from "./http-failure.ts";
import { makeBodyWriter } from "./openai-body.ts";
import { readReply } from "./openai-reply.ts";
import type { ModelProvider, ModelReply, ModelRequest } from "./provider.ts";
import { OPENAI_COMPATIBLE_PROVIDERS } from "./providers.ts";
import { readRateHeaders, retryAfterMs } from "./rate-headers.ts";

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

const MAX_BODY_BYTES = 4 * 1_024 * 1_024;
/** Bodies written again in one call after the server refused a parameter: as many as there are forms to learn. */
const MAX_RESENDS = 4;
const CHECK_MS = 5_000;
const RAW_CHARS = 65_536;

/**
 * A server that speaks OpenAI's chat completions, over its own pool of connections. Answers are asked for by strict
 * JSON schema, else in JSON mode, else by a forced tool call, whatever the server takes; refused parameters are left
 * out. Both are learned from the first refusals, which cost nothing, and within the same call.
 * @throws QuerymillError CONFIG_INVALID when the base URL or the key cannot be sent
 */
export function openOpenAiCompatible(options: OpenAiCompatibleOptions): ModelProvider {
  const url = chatUrl(options.baseUrl);
  const headers = requestHeaders(options.apiKey);
  const bodies = makeBodyWriter(options.model, options.provider === "openai" ? "max_completion_tokens" : "max_tokens");
  const pool = new Pool(url.origin, {
    connections: options.connections,
    pipelining: 1,
    allowH2: false,
    connect: { timeout: options.connectMs },
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const limits = { deadlineMs: options.attemptMs, maxBodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES };
  const path = url.pathname + url.search;
  const own = OPENAI_COMPATIBLE_PROVIDERS[options.provider]?.baseUrl === options.baseUrl;

  const send = async (body: Uint8Array, signal: AbortSignal): Promise<HttpAnswer> => {
    try {
      return withoutKey(
        await exchange(pool, { method: "POST", path, headers, body, signal, ...limits }),
        options.apiKey,
      );
    } catch (error) {
      throw error instanceof ExchangeError ? brokenExchange(error, url.host, options) : error;
    }
  };

  return {
    provider: options.provider,
    model: options.model,
    endpoint: options.endpoint,
    label: own ? `${options.provider}/${options.model}` : `${options.model} at ${url.origin}`,
    remote: true,
    confidenceKind: "self-rated",

    async check(signal) {
      const models = `${url.pathname.replace(/\/chat\/completions$/, "/models")}${url.search}`;
      const request = { method: "GET", path: models, headers, body: null, signal, ...limits } as const;
      try {
        await exchange(pool, { ...request, deadlineMs: CHECK_MS });
      } catch (error) {
        if (error instanceof ExchangeError && error.kind !== "too-large") throw unreachable(error, url.host);
        if (!(error instanceof ExchangeError)) throw error;
      }
    },

    async call(request, signal) {
      for (let resends = 0; ; resends++) {
        const { body, form } = bodies.write(request);
        const answer = await send(body, signal);
        if (answer.status === 200) return replyOf(answer, request, options.model, url.host);
        if (resends < MAX_RESENDS && bodies.learn(answer.status, answer.body, form)) continue;
        throw refusedCall(answer, answer.status, request, url.host);
      }
    },

    close: () => pool.destroy(),
  };
}

function chatUrl(baseUrl: string): URL {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new QuerymillError(
      "CONFIG_INVALID",
      "The base URL is not an http or https address, so no model can be asked there. Give it like https://host/v1.",
    );
  url.pathname = `${url.pathname.replace(/\/+$/, "").replace(/\/chat\/completions$/, "")}/chat/completions`;
  return url;
}

/** A gateway may repeat the key in an error, and bodies are kept on disk. A short key is a dummy, and part of other words. */
function withoutKey(answer: HttpAnswer, apiKey: string | null): HttpAnswer {
  if (apiKey === null || apiKey.length < 12 || !answer.body.includes(apiKey)) return answer;
  return { ...answer, body: answer.body.replaceAll(apiKey, "***") };
}

function requestHeaders(apiKey: string | null): string[] {
  const headers = ["content-type", "application/json", "accept", "application/json", "accept-encoding", "identity"];
  if (apiKey === null) return headers;
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw new QuerymillError(
      "CONFIG_INVALID",
      "The API key holds spaces or characters that a header cannot carry. Copy it again, without quotes or line ends.",
    );
  return [...headers, "authorization", `Bearer ${apiKey}`];
}

function replyOf(answer: HttpAnswer, request: ModelRequest, model: string, host: string): ModelReply {
  const { headers, body, status } = answer;
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "" && encoding !== "identity")
    throw new ModelError(
      "config",
      `${host} answered with content-encoding ${String(encoding).slice(0, 20)} though identity was asked for; compressed answers are not read because a small one can fill the memory. Turn compression off there.`,
      { status },
    );
  const read = readReply(body, request.maxOutputTokens);
  if (read === null)
    throw new ModelError(
      "malformed",
      `${host} answered 200 with ${kindOfBody(body)} instead of a chat completion. Check that the base URL is a model server's.`,
      { status, rawAnswer: body.slice(0, RAW_CHARS) },
    );
  if ("errorStatus" in read) throw refusedCall(answer, read.errorStatus, request, host);
  return {
    ...read.reply,
    model: read.reply.model ?? model,
    latencyMs: answer.latencyMs,
    rate: readRateHeaders(headers, Date.now()),
  };
}

const ADVICE: Partial<Readonly<Record<FailureClass, string>>> = {
  billing: "Top up the account or raise its limit, then run again: nothing is lost.",
  "daily-quota": "It can go on when the quota is whole again.",
  config: "Check the model's name, the key and the base URL.",
};

/** @param status the one that counts, which some gateways give in the body of a 200 */
function refusedCall(answer: HttpAnswer, status: number, request: ModelRequest, host: string): ModelError {
  const { headers, body } = answer;
  const details = { status, rawAnswer: body.slice(0, RAW_CHARS), rate: readRateHeaders(headers, Date.now()) };
  if (status < 400) {
    const location = headers.location;
    const to = typeof location === "string" && URL.canParse(location) ? new URL(location).host : "another path";
    const message =
      status >= 300
        ? `${host} redirects to ${to}; it is not followed because the customers' texts would go there. Set the base URL to the final address if you trust it.`
        : `${host} answered with status ${status} instead of 200. Check that the base URL is a model server's.`;
    return new ModelError("config", message, details);
  }
  const now = Date.now();
  const { failure, said, sentence, retryAfterMs: wait } = httpFailure(status, body, retryAfterMs(headers, now), now);
  const advice = failure === "daily-quota" && wait !== null ? goesOnAt(now, wait) : ADVICE[failure];
  const quoted = advice === undefined ? null : quotable(sentence, request.text);
  const message = `${host} answered ${said}${quoted === null ? "" : ` (${quoted})`}.${advice === undefined ? "" : ` ${advice}`}`;
  return new ModelError(failure, message, { ...details, retryAfterMs: wait });
}

/** @param waitMs what the server asked to wait */
function goesOnAt(nowMs: number, waitMs: number): string {
  const minutes = Math.max(1, Math.ceil(waitMs / 60_000));
  const at = new Date(nowMs + minutes * 60_000).toISOString().slice(0, 16).replace("T", " ");
  return `It can go on at ${at} UTC (in ${Math.floor(minutes / 60)} h ${minutes % 60} min).`;
}

function brokenExchange(error: ExchangeError, host: string, options: OpenAiCompatibleOptions): ModelError {
  const { kind, sent, code, cause } = error;
  const after = sent ? "after the request was sent, so it may have been billed" : "before anything was sent";
  const unknown: FailureClass = sent ? "unknown-outcome" : "transient";
  switch (kind) {
    case "aborted":
      return new ModelError(unknown, `The call to ${host} was given up ${after}.`, { cause });
    case "deadline":
      return new ModelError(unknown, `${host} did not answer within ${options.attemptMs} ms; given up ${after}.`);
    case "too-large":
      return new ModelError(
        "malformed",
        `${host} sent more than ${options.maxBodyBytes ?? MAX_BODY_BYTES} bytes; it was cut off.`,
      );
    case "connection": {
      const failure = connectionFailure(code, sent);
      const what =
        failure === "config" ? `cannot be used: ${connectionTrouble(code)}` : `broke ${after} (${code || "closed"})`;
      return new ModelError(failure, `The connection to ${host} ${what}.`, { cause });
    }
  }
}

function unreachable(error: ExchangeError, host: string): QuerymillError {
  const why =
    error.kind === "deadline"
      ? `no answer within ${CHECK_MS} ms`
      : error.kind === "aborted"
        ? "the check was stopped"
        : connectionTrouble(error.code);
  const message = `The model server at ${host} cannot be reached: ${why}. Check that it runs and that the base URL is right.`;
  return new QuerymillError("MODEL_UNREACHABLE", message, { cause: error });
}

function connectionTrouble(code: string): string {
  if (code === "ENOTFOUND") return "no such host (ENOTFOUND)";
  if (code === "ECONNREFUSED") return "nothing listens there (ECONNREFUSED)";
  if (code === "UND_ERR_CONNECT_TIMEOUT") return "connecting took too long (UND_ERR_CONNECT_TIMEOUT)";
  if (connectionFailure(code, false) === "config") return `its TLS certificate or protocol is refused (${code})`;
  return code === "" ? "the connection was closed" : `the connection failed (${code})`;
}

function kindOfBody(body: string): string {
  const start = body.trimStart().slice(0, 1);
  if (start === "") return "an empty body";
  return start === "<" ? "HTML" : start === "{" || start === "[" ? "other JSON" : "something else";
}
