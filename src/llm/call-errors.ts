import { type FailureClass, ModelError, QuerymillError } from "../errors.ts";
import type { ExchangeError, HttpAnswer } from "./http-exchange.ts";
import { connectionFailure, httpFailure, quotable } from "./http-failure.ts";
import { readRateHeaders, retryAfterMs } from "./rate-headers.ts";

/** How much of a body is kept for the dead letter. */
const RAW_CHARS = 65_536;

/** What messages say of the server that was asked. */
export interface Asked {
  /** With port, without credentials. */
  readonly host: string;
  /** What to do when it knows no such model; null for the general advice. */
  readonly onUnknownModel?: string | null;
  /** Whether an own server, which is no provider's, was sent a key; null for a provider's. */
  readonly keySent?: boolean | null;
}

const ADVICE: Partial<Readonly<Record<FailureClass, string>>> = {
  billing: "Top up the account or raise its limit, then run again: nothing is lost.",
  "daily-quota": "It can go on when the quota is whole again.",
  config: "Check the model's name, the key and the base URL.",
};

const NO_KEY = "No key was sent: set QUERYMILL_API_KEY in the environment or in .env to the key of this server.";
const WRONG_KEY =
  "The key that was sent is not taken: check the variable QUERYMILL_API_KEY, or the one that keyVariable names for this endpoint.";

/**
 * The error for an answer that is a refusal, classified by status and body.
 * @param status the one that counts, which some gateways give in the body of a 200
 * @param text what the server was sent: none of it is quoted
 */
export function refusedCall(answer: HttpAnswer, status: number, text: string, asked: Asked): ModelError {
  const { headers, body } = answer;
  const { host } = asked;
  const now = Date.now();
  const details = { status, rawAnswer: body.slice(0, RAW_CHARS), rate: readRateHeaders(headers, now) };
  if (status < 400) {
    const location = headers.location;
    const to = typeof location === "string" && URL.canParse(location) ? new URL(location).host : "another path";
    const message =
      status >= 300
        ? `${host} redirects to ${to}; it is not followed because the customers' texts would go there. Set the base URL to the final address if you trust it.`
        : `${host} answered with status ${status} instead of 200. Check that the base URL is a model server's.`;
    return new ModelError("config", message, details);
  }
  const { failure, said, sentence, retryAfterMs: wait } = httpFailure(status, body, retryAfterMs(headers, now), now);
  const advice = adviceOn(failure, status, wait, asked, now);
  const quoted = advice === undefined ? null : quotable(sentence, text);
  const message = `${host} answered ${said}${quoted === null ? "" : ` (${quoted})`}.${advice === undefined ? "" : ` ${advice}`}`;
  return new ModelError(failure, message, { ...details, retryAfterMs: wait });
}

/** @returns the error for an answer that is compressed, else null */
export function compressedAnswer({ headers, status }: HttpAnswer, host: string): ModelError | null {
  const encoding = headers["content-encoding"];
  if (encoding === undefined || encoding === "" || encoding === "identity") return null;
  return new ModelError(
    "config",
    `${host} answered with content-encoding ${String(encoding).slice(0, 20)} though identity was asked for; compressed answers are not read because a small one can fill the memory. Turn compression off there.`,
    { status },
  );
}

/** The error for a 200 that holds no answer. @param expected such as `a chat completion` */
export function strangeAnswer({ status, body }: HttpAnswer, host: string, expected: string): ModelError {
  return new ModelError(
    "malformed",
    `${host} answered ${status} with ${kindOfBody(body)} instead of ${expected}. Check that the base URL is a model server's.`,
    { status, rawAnswer: body.slice(0, RAW_CHARS) },
  );
}

/** The error for a request without a whole answer. */
export function brokenCall(
  error: ExchangeError,
  host: string,
  limits: { readonly deadlineMs: number; readonly maxBodyBytes: number },
): ModelError {
  const { kind, sent, code, cause } = error;
  const after = sent ? "after the request was sent, so it may have been billed" : "before anything was sent";
  const unknown: FailureClass = sent ? "unknown-outcome" : "transient";
  switch (kind) {
    case "aborted":
      return new ModelError(unknown, `The call to ${host} was given up ${after}.`, { cause });
    case "deadline":
      return new ModelError(unknown, `${host} did not answer within ${limits.deadlineMs} ms; given up ${after}.`);
    case "too-large":
      return new ModelError("malformed", `${host} sent more than ${limits.maxBodyBytes} bytes; it was cut off.`);
    case "connection": {
      const failure = connectionFailure(code, sent);
      const what =
        failure === "config" ? `cannot be used: ${connectionTrouble(code)}` : `broke ${after} (${code || "closed"})`;
      return new ModelError(failure, `The connection to ${host} ${what}.`, { cause });
    }
  }
}

/** @param advice what to do @param waitedMs how long the check waited */
export function unreachable(error: ExchangeError, host: string, advice: string, waitedMs: number): QuerymillError {
  const why =
    error.kind === "deadline"
      ? `no answer within ${waitedMs} ms`
      : error.kind === "aborted"
        ? "the check was stopped"
        : connectionTrouble(error.code);
  const message = `The model server at ${host} cannot be reached: ${why}. ${advice}`;
  return new QuerymillError("MODEL_UNREACHABLE", message, { cause: error });
}

function adviceOn(
  failure: FailureClass,
  status: number,
  waitMs: number | null,
  { onUnknownModel = null, keySent = null }: Asked,
  nowMs: number,
): string | undefined {
  if (failure === "daily-quota" && waitMs !== null) return goesOnAt(nowMs, waitMs);
  if (failure === "config" && status === 404 && onUnknownModel !== null) return onUnknownModel;
  if (failure === "config" && status === 401 && keySent !== null) return keySent ? WRONG_KEY : NO_KEY;
  return ADVICE[failure];
}

/** @param waitMs what the server asked to wait */
function goesOnAt(nowMs: number, waitMs: number): string {
  const minutes = Math.max(1, Math.ceil(waitMs / 60_000));
  const at = new Date(nowMs + minutes * 60_000).toISOString().slice(0, 16).replace("T", " ");
  return `It can go on at ${at} UTC (in ${Math.floor(minutes / 60)} h ${minutes % 60} min).`;
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
