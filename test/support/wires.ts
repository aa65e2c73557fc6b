// Protocols that are not OpenAI's, as a server sees them: what a request holds, and how an answer and a refusal look.
import type { Answer } from "./model-faults.ts";

type Json = Readonly<Record<string, unknown>>;

/** What a request asks, whatever its protocol. */
export interface Question {
  readonly model: string;
  /** The system text. */
  readonly rules: string;
  /** Of the user's first message. */
  readonly text: string;
  /** Earlier answers are shown to the model. */
  readonly isRepair: boolean;
  readonly schema: Json | null;
  /** Name of the tool that must be called; null: the answer is text. */
  readonly tool: string | null;
}

/** Tokens in the terms of the provider. */
export interface Tokens {
  readonly input: number;
  readonly cached: number;
  readonly written: number;
  readonly output: number;
  readonly reasoning: number;
}

export type Ending = "stop" | "length" | "refusal" | "blocked";

export interface Wire {
  /** Of the base URL. */
  readonly root: string;
  readonly model: string;
  /** The header that carries the key, and how. */
  readonly key: (key: string) => readonly [name: string, value: string];
  /** @returns null for another path */
  readonly isCall: (path: string) => boolean;
  read(path: string, body: Json): Question;
  answer(question: Question, content: string, ending: Ending, tokens: Tokens): Json;
  readonly refusals: Readonly<Record<Refusal, Answer>>;
}

/** What every provider can refuse, in its own words. */
export type Refusal =
  | "rate"
  | "overloaded"
  | "fault"
  | "invalid key"
  | "no credit"
  | "unknown model"
  | "too long"
  | "schema"
  | "temperature";

const answer = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  body: JSON.stringify(body),
  headers,
});
const anthropic = (status: number, type: string, message: string, headers: Readonly<Record<string, string>> = {}) =>
  answer(status, { type: "error", error: { type, message }, request_id: "req_011" }, headers);
const google = (code: number, status: string, message: string, details: readonly Json[] = []) =>
  answer(code, { error: { code, message, status, details } });
const mistral = (status: number, message: string, type: string, code: string, headers = {}) =>
  answer(status, { object: "error", message, type, param: null, code }, headers);

const textOf = (content: unknown): string =>
  typeof content === "string" ? content : ((content as { text: string }[])[0]?.text ?? "");

const ANTHROPIC: Wire = {
  root: "/v1",
  model: "claude-haiku-4-5",
  key: (key) => ["x-api-key", key],
  isCall: (path) => path === "/v1/messages",
  read(_path, body) {
    const messages = body.messages as { role: string; content: unknown }[];
    const tool = (body.tools as { name: string; input_schema: Json }[] | undefined)?.[0];
    const format = (body.output_config as { format?: { schema: Json } } | undefined)?.format;
    return {
      model: String(body.model),
      rules: textOf(body.system),
      text: textOf(messages[0]?.content),
      isRepair: messages.length > 1,
      schema: format?.schema ?? tool?.input_schema ?? null,
      tool: tool?.name ?? null,
    };
  },
  answer({ model, tool }, content, ending, { input, cached, written, output, reasoning }) {
    const reasons = {
      stop: tool ? "tool_use" : "end_turn",
      length: "max_tokens",
      refusal: "refusal",
      blocked: "refusal",
    };
    const part =
      tool === null
        ? { type: "text", text: content }
        : { type: "tool_use", id: "toolu_1", name: tool, input: JSON.parse(content) };
    return {
      id: "msg_013",
      type: "message",
      role: "assistant",
      model: `${model}-20251001`,
      content: ending === "refusal" ? [] : [part],
      stop_reason: reasons[ending],
      stop_sequence: null,
      usage: {
        input_tokens: input - cached - written,
        cache_creation_input_tokens: written,
        cache_read_input_tokens: cached,
        output_tokens: output,
        ...(reasoning > 0 ? { output_tokens_details: { thinking_tokens: reasoning } } : {}),
      },
    };
  },
  refusals: {
    rate: anthropic(
      429,
      "rate_limit_error",
      "This request would exceed your organization's rate limit of 50,000 input tokens per minute.",
      {
        "retry-after": "3",
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2099-01-01T00:00:00Z",
        "anthropic-ratelimit-tokens-limit": "50000",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "2099-01-01T00:00:00Z",
      },
    ),
    overloaded: anthropic(529, "overloaded_error", "Overloaded"),
    fault: anthropic(500, "api_error", "Internal server error"),
    "invalid key": anthropic(401, "authentication_error", "invalid x-api-key"),
    "no credit": anthropic(
      400,
      "invalid_request_error",
      "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
    ),
    "unknown model": anthropic(404, "not_found_error", "model: claude-nonsense"),
    "too long": anthropic(400, "invalid_request_error", "prompt is too long: 215000 tokens > 200000 maximum"),
    schema: anthropic(400, "invalid_request_error", "output_config.format: Extra inputs are not permitted"),
    temperature: anthropic(400, "invalid_request_error", "`temperature` is deprecated for this model."),
  },
};

const GOOGLE: Wire = {
  root: "/v1beta",
  model: "gemini-2.5-flash",
  key: (key) => ["x-goog-api-key", key],
  isCall: (path) => /^\/v1beta\/models\/[^/]+:generateContent$/.test(path),
  read(path, body) {
    const contents = body.contents as { role: string; parts: { text: string }[] }[];
    const config = body.generationConfig as { responseJsonSchema?: Json } | undefined;
    const declared = (body.tools as { functionDeclarations: { name: string; parametersJsonSchema: Json }[] }[])?.[0]
      ?.functionDeclarations[0];
    return {
      model: /models\/([^/:]+):/.exec(path)![1]!,
      rules: (body.systemInstruction as { parts: { text: string }[] } | undefined)?.parts[0]?.text ?? "",
      text: contents[0]?.parts[0]?.text ?? "",
      isRepair: contents.length > 1,
      schema: config?.responseJsonSchema ?? declared?.parametersJsonSchema ?? null,
      tool: declared?.name ?? null,
    };
  },
  answer({ model, tool }, content, ending, { input, cached, output, reasoning }) {
    const usageMetadata = {
      promptTokenCount: input,
      cachedContentTokenCount: cached,
      candidatesTokenCount: output - reasoning,
      thoughtsTokenCount: reasoning,
      totalTokenCount: input + output,
    };
    const whole = { usageMetadata, modelVersion: `${model}-001`, responseId: "r1" };
    if (ending === "blocked") return { promptFeedback: { blockReason: "PROHIBITED_CONTENT" }, ...whole };
    const finishReason = { stop: "STOP", length: "MAX_TOKENS", refusal: "SAFETY" }[ending];
    const part = tool === null ? { text: content } : { functionCall: { name: tool, args: JSON.parse(content) } };
    const parts = ending === "refusal" ? {} : { content: { role: "model", parts: [part] } };
    return { candidates: [{ ...parts, finishReason, index: 0 }], ...whole };
  },
  refusals: {
    rate: google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing.", [
      {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        violations: [{ quotaId: "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", quotaValue: "10" }],
      },
      { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "3s" },
    ]),
    overloaded: google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    fault: google(500, "INTERNAL", "An internal error has occurred."),
    "invalid key": google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [
      { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" },
    ]),
    "no credit": google(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please add credits."),
    "unknown model": google(404, "NOT_FOUND", "models/gemini-nonsense is not found for API version v1beta."),
    "too long": google(
      400,
      "INVALID_ARGUMENT",
      "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    schema: google(
      400,
      "INVALID_ARGUMENT",
      "The specified schema produces a constraint that has too many states for serving.",
    ),
    temperature: google(400, "INVALID_ARGUMENT", "temperature is not supported by this model."),
  },
};

const MISTRAL: Wire = {
  root: "/v1",
  model: "mistral-small-latest",
  key: (key) => ["authorization", `Bearer ${key}`],
  isCall: (path) => path === "/v1/chat/completions",
  read(_path, body) {
    const messages = body.messages as { role: string; content: unknown }[];
    const format = body.response_format as { json_schema?: { schema: Json } } | undefined;
    const tool = (body.tools as { function: { name: string; parameters: Json } }[] | undefined)?.[0]?.function;
    return {
      model: String(body.model),
      rules: textOf(messages[0]?.content),
      text: textOf(messages[1]?.content),
      isRepair: messages.length > 2,
      schema: format?.json_schema?.schema ?? tool?.parameters ?? null,
      tool: tool?.name ?? null,
    };
  },
  answer({ model, tool }, content, ending, { input, cached, output }) {
    const call = { id: "c1", type: "function", function: { name: tool, arguments: content }, index: 0 };
    const message =
      tool === null
        ? { role: "assistant", content, tool_calls: null }
        : { role: "assistant", content: "", tool_calls: [call] };
    const reason = { stop: tool ? "tool_calls" : "stop", length: "length", refusal: "stop", blocked: "stop" }[ending];
    const said = ending === "refusal" || ending === "blocked" ? { ...message, content: "", tool_calls: null } : message;
    return {
      id: "cmpl-1",
      object: "chat.completion",
      created: 1,
      model: `${model}-2506`,
      choices: [{ index: 0, message: said, finish_reason: reason }],
      usage: {
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: input + output,
        prompt_tokens_details: { cached_tokens: cached },
      },
    };
  },
  refusals: {
    rate: mistral(429, "Rate limit exceeded", "rate_limited", "1300", { "retry-after": "3" }),
    overloaded: mistral(503, "Service unavailable.", "service_unavailable", "1000"),
    fault: mistral(500, "Internal Server Error", "internal_server_error", "1000"),
    "invalid key": answer(401, { detail: "Unauthorized" }),
    "no credit": mistral(402, "Your account has no credits left.", "payment_required", "1900"),
    "unknown model": mistral(400, "Invalid model: mistral-nonsense", "invalid_model", "1500"),
    "too long": mistral(
      400,
      "Prompt contains 45000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
      "invalid_request_invalid_args",
      "3051",
    ),
    schema: mistral(400, "response_format json_schema is not supported by this model", "invalid_request", "3001"),
    temperature: mistral(400, "temperature is not supported by this model", "invalid_request", "3001"),
  },
};

export const WIRES = { anthropic: ANTHROPIC, google: GOOGLE, mistral: MISTRAL } as const satisfies Record<string, Wire>;
export type WireName = keyof typeof WIRES;
