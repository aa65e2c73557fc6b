import type { FailureClass } from "../errors.ts";
import { parseWaitMs } from "./rate-headers.ts";

/** A longer wait than this is a quota that batch mode does not sit out. */
const LONGEST_PAUSE_MS = 600_000;
/** How much of a body is searched. */
const SEARCHED_CHARS = 8_192;

export interface HttpFailure {
  readonly failure: FailureClass;
  /** What the server said, e.g. `429 rate_limit_exceeded`: its status and codes, none of its free text. */
  readonly said: string;
  /** The server's own sentence, at most 300 characters. May quote what it was sent: see {@link quotable}. */
  readonly sentence: string | null;
  /** The parameter it complains about, if it names one. */
  readonly parameter: string | null;
  readonly retryAfterMs: number | null;
}

/**
 * The table of statuses and error bodies of OpenAI-compatible servers (and of the gateways in front of others): what
 * kind of failure each is. The status decides where it is sure; codes and sentences of the body decide where providers
 * use one status for several things (400, 403, 404, 429, 500).
 * @param retryAfterMs what the headers asked for; a wait that only the body names is used when they did not
 * @param nowMs epoch ms
 */
export function httpFailure(status: number, body: string, retryAfterMs: number | null, nowMs: number): HttpFailure {
  const error = readError(body);
  const rest = status === 429 || error.sentence === null ? body : error.more;
  const words = `${error.codes.join(" ")} ${error.sentence ?? ""} ${rest.slice(0, SEARCHED_CHARS)}`.toLowerCase();
  const wait = retryAfterMs ?? waitInWords(words, nowMs);
  return {
    failure: failureOf(status, words, wait),
    said: [String(status), ...error.codes].join(" "),
    sentence: error.sentence,
    parameter: error.parameter,
    retryAfterMs: wait,
  };
}

/**
 * What kind of failure a connection that broke is.
 * @param code of the socket or HTTP client's error, e.g. `ECONNREFUSED`
 * @param sent whether any of the request may have reached the server
 */
export function connectionFailure(code: string, sent: boolean): FailureClass {
  if (/^(ENOTFOUND|EPROTO|UND_ERR_INVALID_ARG)$|^ERR_TLS_|^ERR_SSL_|CERT|SIGNATURE|^UND_ERR_PRX_TLS$/.test(code))
    return "config";
  return sent ? "unknown-outcome" : "transient";
}

/**
 * @param text what the server was sent
 * @returns the sentence if it repeats nothing of the text and holds nothing like a key, else null
 */
export function quotable(sentence: string | null, text: string): string | null {
  if (sentence === null || /\b(sk|gsk|pk|key|bearer)[-_ ]\S{6}|[A-Za-z0-9_*-]{32}/i.test(sentence)) return null;
  const window = 12;
  const known = text.toLowerCase();
  const asked = sentence.toLowerCase();
  if (known.length < window) return asked.includes(known) ? null : sentence;
  for (let at = 0; at + window <= asked.length; at++) if (known.includes(asked.slice(at, at + window))) return null;
  return sentence;
}

function failureOf(status: number, words: string, wait: number | null): FailureClass {
  switch (status) {
    case 402:
      return "billing";
    case 408:
    case 409:
    case 424:
    case 425:
    case 498:
    case 499:
      return "transient";
    case 413:
      return "too-long";
    case 429:
      return throttleOf(words, wait);
    case 501:
    case 505:
      return "config";
  }
  if (status >= 500)
    return /more system memory|out of memory.*load|model .*not found/.test(words) ? "config" : "transient";
  if (status < 400) return "config";
  if (status === 400 || status === 403 || status === 422) {
    if (BILLING.test(words)) return "billing";
    if (MODERATED.test(words)) return "content";
  }
  if (status === 400 || status === 422) {
    if (/json_validate_failed|tool_use_failed/.test(words)) return "malformed";
    if (!/max_(completion_)?tokens['"`]* (or '[a-z_]+' )?is too large/.test(words) && TOO_LONG.test(words))
      return "too-long";
  }
  return "config";
}

const BILLING =
  /insufficient_quota|billing_hard_limit|billing_not_active|account_deactivated|spend(ing)?[ _]?limit|credit balance|insufficient (balance|credits?|funds)|out of credits|(exceeded your current|monthly) quota|payment required|plan and billing|billing_error|credits? (are|is) depleted|no credits left|calls? ?\/ ?month/;
const MODERATED =
  /content_filter|content management policy|responsibleaipolicy|content_policy|moderation|was flagged|invalid_prompt|safety system|prohibited_content/;
const TOO_LONG =
  /context_length|context length|context window|context size|maximum context|prompt is too long|input is too long|too many (input )?tokens|reduce the length|string_above_max_length|exceed context limit|exceeds? the (maximum|available|limit)[a-z ]* (tokens|context)|request too large/;
const PER_MINUTE = /per[ _-]?(minute|second)|\b[rt]p[ms]\b/;
const PER_DAY = /per[ _-]?day|\b[rt]pd\b|daily/;

/** One request above the whole limit never fits. A minute's limit passes by itself whatever else the body says; a day's limit is more than a pause; no money is neither. */
function throttleOf(words: string, wait: number | null): FailureClass {
  if (/request too large|must be reduced/.test(words)) return "too-long";
  const long = wait !== null && wait > LONGEST_PAUSE_MS;
  if (PER_DAY.test(words)) return "daily-quota";
  if (PER_MINUTE.test(words)) return long ? "daily-quota" : "throttled";
  if (BILLING.test(words)) return "billing";
  return long ? "daily-quota" : "throttled";
}

interface ServerError {
  readonly codes: readonly string[];
  readonly sentence: string | null;
  readonly parameter: string | null;
  /** What a gateway passes on of the error behind it. */
  readonly more: string;
}

/** Knows `{error: {…}}`, `{error: "…"}`, `[{error: {…}}]`, `{object: "error", …}`, `{detail: …}`. */
function readError(body: string): ServerError {
  const root = objectOf(parse(body));
  const inner = root?.error ?? root?.errors ?? root;
  const error = objectOf(inner);
  if (error === null)
    return { codes: [], sentence: typeof inner === "string" ? oneLine(inner) : null, parameter: null, more: "" };
  const detail = objectOf(error.detail);
  const sentence = error.message ?? detail?.msg ?? detail?.message ?? error.detail;
  const location = detail?.loc;
  const parameter = error.param ?? (Array.isArray(location) ? location.at(-1) : null);
  const codes = [error.code, error.type, error.status, objectOf(error.innererror)?.code, detail?.type];
  return {
    codes: [
      ...new Set(codes.filter((code): code is string => typeof code === "string" && /^[\w.-]{1,60}$/.test(code))),
    ],
    sentence: typeof sentence === "string" ? oneLine(sentence) : null,
    more: error.metadata === undefined ? "" : JSON.stringify(error.metadata),
    parameter: typeof parameter === "string" && /^[\w.[\]]{1,60}$/.test(parameter) ? parameter : null,
  };
}

function waitInWords(words: string, nowMs: number): number | null {
  const found =
    /(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)?(?:ms|[smhd]))+)/.exec(words)?.[1] ??
    /"retrydelay": ?"(\d+(?:\.\d+)?s)"/.exec(words)?.[1] ??
    /(?:try again|retry) (?:in|after) (\d{1,6}) seconds?/.exec(words)?.[1];
  return found === undefined ? null : parseWaitMs(found, nowMs);
}

function objectOf(value: unknown): Record<string, unknown> | null {
  const one: unknown = Array.isArray(value) ? value[0] : value;
  return typeof one === "object" && one !== null && !Array.isArray(one) ? (one as Record<string, unknown>) : null;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, 300)
    .toWellFormed();
}
