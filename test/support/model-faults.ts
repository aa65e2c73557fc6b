import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";

/** An answer to send as it is. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What can go wrong instead of a plain answer, or with it. */
export type Fault = Answer | FaultName;
export type FaultName = Silence | keyof typeof REFUSALS | keyof typeof TRANSPORT | keyof typeof CONTENT;

/** Faults that cost nothing: no answer was produced. */
export const REFUSALS = {
  "429": error(429, "Rate limit reached for requests", "requests", "rate_limit_exceeded"),
  "500": error(500, "The server had an error while processing your request", "server_error", null),
  "503": error(503, "Service is overloaded", "server_error", null),
  "529": error(529, "Overloaded", "overloaded_error", null),
  "401": error(401, "Incorrect API key provided: sk-abc***xyz.", "invalid_request_error", "invalid_api_key"),
  "403": error(403, "Country, region, or territory not supported", "request_forbidden", "unsupported_country"),
  "404": error(404, "The model `nonsense` does not exist", "invalid_request_error", "model_not_found"),
  "402": error(402, "Insufficient credits", "invalid_request_error", null),
  "insufficient-quota": error(
    429,
    "You exceeded your current quota, check your plan and billing details.",
    "insufficient_quota",
    "insufficient_quota",
  ),
  "daily-quota": error(
    429,
    "Rate limit reached on requests per day (RPD): Limit 1000. Please try again in 6h2m0s.",
    "requests",
    "rate_limit_exceeded",
  ),
  "context-length": error(
    400,
    "This model's maximum context length is 8192 tokens. Please reduce the length of the messages.",
    "invalid_request_error",
    "context_length_exceeded",
  ),
} as const satisfies Record<string, Answer>;

type Send = (response: ServerResponse, answer: Answer, redirectTo: string) => void;

/** Faults that come before an answer was produced, though the request was received. */
export type Silence = "reset-before" | "hang";

/** Faults on the way of an answer that was produced. */
export const TRANSPORT = {
  "reset-after": (response) => {
    response.socket?.resetAndDestroy();
  },
  "half-body": (response, { body }) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
    response.write(body.slice(0, body.length / 2));
  },
  "half-body-reset": (response, { body }) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
    response.write(body.slice(0, body.length / 2), () => response.socket?.resetAndDestroy());
  },
  drip: (response, { body }) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
    let at = 0;
    const timer = setInterval(() => response.write(body.charAt(at++)), 20);
    response.once("close", () => clearInterval(timer));
  },
  gzip: (response, { body }) => {
    response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
    response.end(gzipSync(body));
  },
  redirect: (response, _answer, redirectTo) => {
    response.writeHead(307, { location: redirectTo });
    response.end();
  },
  huge: (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const block = " ".repeat(256 * 1_024);
    const more = (): void => {
      if (!response.destroyed) response.write(block, more);
    };
    more();
  },
  html200: (response) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end("<!doctype html><title>Sign in</title>");
  },
  null200: (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end("null");
  },
} as const satisfies Record<string, Send>;

export interface Completion {
  content: string | null;
  refusal: string | null;
  finish: string;
  usage: Record<string, unknown> | null;
}

/** Faults in what the model answered. They are paid. */
export const CONTENT = {
  malformed: (completion) => ({ ...completion, content: `Sure. ${(completion.content ?? "").slice(0, 20)}` }),
  "unknown-label": (completion) => ({
    ...completion,
    content: JSON.stringify({ ...JSON.parse(completion.content ?? "{}"), category: "no_such_label_at_all" }),
  }),
  "two-objects": (completion) => ({
    ...completion,
    content: `${completion.content}\n${JSON.stringify({ ...JSON.parse(completion.content ?? "{}"), language: "xx" })}`,
  }),
  length: (completion) => ({ ...completion, content: (completion.content ?? "").slice(0, 30), finish: "length" }),
  refusal: (completion) => ({ ...completion, content: null, refusal: "I can't help with that." }),
  "content-filter": (completion) => ({ ...completion, content: "", finish: "content_filter" }),
  empty: (completion) => ({ ...completion, content: "" }),
  "usage-missing": (completion) => ({ ...completion, usage: null }),
  "usage-absurd": (completion) => ({ ...completion, usage: { prompt_tokens: -3, completion_tokens: 1e12 } }),
} as const satisfies Record<string, (completion: Completion) => Completion>;

/** @returns an error body as OpenAI writes them */
export function error(status: number, message: string, type: string, code: string | null, param?: string): Answer {
  return { status, body: JSON.stringify({ error: { message, type, param: param ?? null, code } }) };
}

/** Parameters that a server may be told not to take. */
export type Refusable = "temperature" | "max_tokens" | "max_completion_tokens" | "json_schema" | "json_object";

/** @returns the 400 for the first refused thing that the request holds, as OpenAI words it */
export function refusedParameter(request: Record<string, unknown>, refuses: readonly Refusable[]): Answer | null {
  const format = (request.response_format as { type?: string } | undefined)?.type;
  for (const name of refuses) {
    if (format === name)
      return error(400, `This model does not support response format \`${name}\`.`, "invalid_request_error", null);
    if (request[name] === undefined) continue;
    const other = name === "max_tokens" ? " Use 'max_completion_tokens' instead." : "";
    const message = `Unsupported parameter: '${name}' is not supported with this model.${other}`;
    return error(400, message, "invalid_request_error", "unsupported_parameter", name);
  }
  return null;
}
