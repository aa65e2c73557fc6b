import { AsyncLocalStorage } from "node:async_hooks";
import type { LanguageModelV4, LanguageModelV4CallOptions } from "@ai-sdk/provider";
import { ModelError, messageOf, QuerymillError } from "../errors.ts";
import { compressedAnswer, refusedCall, strangeAnswer } from "./call-errors.ts";
import { codeOf, type HttpAnswer } from "./http-exchange.ts";
import { connectionFailure, quotable } from "./http-failure.ts";
import { checkKey, type ModelHost, openModelHost, parseBaseUrl } from "./model-host.ts";
import type { ModelProvider, ModelReply } from "./provider.ts";
import { MODEL_PROVIDERS, secretSettings } from "./providers.ts";
import { readRateHeaders } from "./rate-headers.ts";
import { loadSdkPackage, makeSdkModel } from "./sdk-package.ts";
import { readSdkReply } from "./sdk-reply.ts";
import { makeRequestWriter } from "./sdk-request.ts";

export interface AiSdkOptions {
  /** `anthropic`, `google`, … or the package's own name. */
  readonly provider: string;
  /** Package of the AI SDK that speaks to it. */
  readonly packageName: string;
  /** What the provider calls it. */
  readonly model: string;
  /** Name of the endpoint in events and records. */
  readonly endpoint: string;
  /** As the package has it; null: it knows itself. */
  readonly baseUrl: string | null;
  /** null when none is needed, or the settings do instead. */
  readonly apiKey: string | null;
  /** What the package is told besides: a region, a resource, other credentials. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Most connections; calls beyond them wait for one. At least the number of slots. */
  readonly connections: number;
  /** To connect, in ms. */
  readonly connectMs: number;
  /** From sending to the last byte, in ms. */
  readonly attemptMs: number;
  /** A longer answer is cut off and counts as malformed. @default 4 MiB */
  readonly maxBodyBytes?: number;
}

/** Anthropic's limits, also at Amazon, leave out what is read from the cache. */
const CACHE_UNCOUNTED: readonly string[] = ["@ai-sdk/anthropic", "@ai-sdk/amazon-bedrock"];
/** Requests written again in one call after a form was refused: as many as there are forms to learn. */
const MAX_RESENDS = 6;
const CHECK_ADVICE = "Check the network, and the base URL if one was given.";
/** What a package gets where its server takes no key, so that it does not look for one itself. */
const NO_KEY = "none";
/** Of a request without a customer in it: nothing repeats this. */
const NO_TEXT = "\u0000";

/** One call on its way through a package: what our connection saw of it. */
interface Passage {
  readonly text: string;
  readonly signal: AbortSignal;
  /** True: the request is only looked at, and not sent. */
  readonly probe: boolean;
  url: URL | null;
  answer: HttpAnswer | null;
  failure: ModelError | null;
}

const passages = new AsyncLocalStorage<Passage>();

/**
 * A provider with a protocol of its own. Its package of the AI SDK writes the request and reads the answer; the way
 * there, deadlines, failures and limits are ours, as for every other server, and nothing is retried. Answers are asked
 * for by JSON schema, else by a forced tool call, else in JSON mode, else by the prompt alone; refused parts are left
 * out. Both are learned from the first refusals, which cost nothing, and within the same call.
 * @throws QuerymillError CONFIG_INVALID when the package is missing, or what it is told cannot be used
 */
export async function openAiSdk(options: AiSdkOptions): Promise<ModelProvider> {
  const { provider, packageName, model: name, endpoint, baseUrl, apiKey, settings = {} } = options;
  checkKey(apiKey);
  const base = baseUrl === null ? null : parseBaseUrl(baseUrl);
  const factory = await loadSdkPackage(packageName);
  const known = MODEL_PROVIDERS[provider];
  const secrets = [...(apiKey === null ? [] : [apiKey]), ...secretSettings(provider, settings)];
  const host = openModelHost({ ...options, secrets });
  const loggedIn = known?.insteadOfKey?.every((setting) => setting in settings) ?? false;
  const model = makeSdkModel(factory, {
    name,
    packageName,
    settings: {
      ...settings,
      ...(baseUrl === null ? {} : { baseURL: baseUrl }),
      ...(apiKey === null && loggedIn ? {} : { apiKey: apiKey ?? NO_KEY }),
      fetch: (input, init) => pass(host, input, init),
    },
  });
  const requests = makeRequestWriter(packageName);
  const elsewhere = base !== null && baseUrl !== known?.baseUrl;

  return {
    provider,
    model: name,
    endpoint,
    label: elsewhere ? `${provider}/${name} at ${base.origin}` : `${provider}/${name}`,
    remote: true,
    confidenceKind: "self-rated",
    cachedIsUncounted: CACHE_UNCOUNTED.includes(packageName),

    async check(signal) {
      const url = base ?? (await urlOfCalls(model, packageName, signal, secrets));
      await host.reach(url, [], signal, CHECK_ADVICE);
    },

    async call(request, signal) {
      for (let resends = 0; ; resends++) {
        const { options: asked, form } = requests.write(request);
        const passage = newPassage(request.text, signal, false);
        try {
          const result = await passages.run(passage, () => generate(model, asked, passage));
          return withConnection(readSdkReply(result, name, request.maxOutputTokens), passage);
        } catch (error) {
          const { answer } = passage;
          if (answer !== null && resends < MAX_RESENDS && requests.learn(answer.status, answer.body, form)) continue;
          throw passage.failure ?? failureOf(error, passage, packageName, secrets);
        }
      }
    },

    close: () => host.close(),
  };
}

function newPassage(text: string, signal: AbortSignal, probe: boolean): Passage {
  return { text, signal, probe, url: null, answer: null, failure: null };
}

/** Stands in for `fetch` inside of a package: one request, without redirects, over our own connections. */
async function pass(host: ModelHost, input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const passage = passages.getStore();
  if (passage === undefined) throw new Error("a request outside of any call");
  const url = new URL(typeof input === "object" && "url" in input ? input.url : input);
  passage.url = url;
  if (passage.probe) throw new Error("not sent");
  try {
    const answer = await host.post(url, headersOf(init), bodyOf(init), passage.signal);
    passage.answer = answer;
    const refused = answer.status === 200 ? compressedAnswer(answer, url.host) : null;
    if (refused !== null) throw refused;
    const status = answer.status === 200 ? errorStatus(answer.body) : answer.status;
    if (status !== null) throw refusedCall(answer, status, passage.text, { host: url.host });
    return new Response(answer.body, { headers: { "content-type": "application/json" } });
  } catch (error) {
    if (error instanceof ModelError) passage.failure = error;
    throw error;
  }
}

function headersOf({ headers }: RequestInit): string[] {
  const list = ["accept", "application/json", "accept-encoding", "identity"];
  for (const [name, value] of new Headers(headers))
    if (!/^(accept|accept-encoding|content-length|host|connection)$/.test(name)) list.push(name, value);
  return list;
}

function bodyOf({ body }: RequestInit): Uint8Array {
  if (typeof body === "string") return Buffer.from(body);
  if (body instanceof Uint8Array) return body;
  throw new Error("a body that is neither text nor bytes");
}

/** Calls the package. Until it has a request to send (it may be logging in somewhere) only the signal can end it. */
function generate(model: LanguageModelV4, asked: LanguageModelV4CallOptions, passage: Passage) {
  const { signal } = passage;
  if (signal.aborted) throw givenUp(signal);
  return new Promise<Awaited<ReturnType<LanguageModelV4["doGenerate"]>>>((resolve, reject) => {
    const onAbort = (): void => {
      if (passage.url === null) reject(givenUp(signal));
    };
    signal.addEventListener("abort", onAbort);
    Promise.resolve(model.doGenerate(asked))
      .finally(() => signal.removeEventListener("abort", onAbort))
      .then(resolve, reject);
  });
}

function givenUp(signal: AbortSignal): ModelError {
  return new ModelError("transient", "The call was given up before anything was sent.", { cause: signal.reason });
}

function withConnection(reply: Omit<ModelReply, "latencyMs" | "rate">, { answer }: Passage): ModelReply {
  return {
    ...reply,
    latencyMs: answer?.latencyMs ?? 0,
    rate: answer === null ? null : readRateHeaders(answer.headers, Date.now()),
  };
}

/** For what our connection saw nothing wrong with: an answer of another form, or a request that could not be made. */
function failureOf(
  error: unknown,
  { answer, url, text }: Passage,
  packageName: string,
  secrets: readonly string[],
): ModelError {
  if (error instanceof ModelError) return error;
  const host = url?.host ?? packageName;
  if (answer !== null) return strangeAnswer(answer, host, "an answer of its protocol");
  const code = codeOf(error);
  const failure = code === "" ? "config" : connectionFailure(code, false);
  return new ModelError(failure, `${packageName} could not make the request${reasonOf(error, text, secrets)}`, {
    cause: error,
  });
}

/** @returns the status in the body of an error that came with 200, as gateways do it; null when it is none */
function errorStatus(body: string): number | null {
  if (!/^\s*\{\s*"(error"\s*:\s*\{|type"\s*:\s*"error")/.test(body)) return null;
  const code = Number(/"(?:code|status)"\s*:\s*"?(\d{3})\b/.exec(body)?.[1]);
  return code >= 400 && code <= 599 ? code : 502;
}

function reasonOf(error: unknown, text: string, secrets: readonly string[]): string {
  const sentence = messageOf(error).replace(/\s+/g, " ").slice(0, 300);
  const clean = secrets.some((secret) => sentence.includes(secret)) ? null : quotable(sentence, text);
  return clean === null ? "." : `: ${clean}`;
}

/** Where a package sends its requests: it writes one, which is not sent. @throws QuerymillError MODEL_UNREACHABLE */
async function urlOfCalls(
  model: LanguageModelV4,
  packageName: string,
  signal: AbortSignal,
  secrets: readonly string[],
): Promise<URL> {
  const passage = newPassage(NO_TEXT, signal, true);
  const asked: LanguageModelV4CallOptions = { prompt: [{ role: "user", content: [{ type: "text", text: "?" }] }] };
  try {
    await passages.run(passage, () => generate(model, asked, passage));
  } catch (error) {
    if (passage.url === null)
      throw new QuerymillError(
        "MODEL_UNREACHABLE",
        `${packageName} could not make a request${reasonOf(error, NO_TEXT, secrets)}`,
        { cause: error },
      );
  }
  return passage.url!;
}
