import type { ChannelType, Delivery } from "./channel.ts";
import { cut, oneLine } from "./plain-notification.ts";

const LONGEST_REASON = 240;
/** What a receiver may ask to wait: longer than this it is asked again all the same. */
const LONGEST_WAIT_MS = 60 * 60 * 1_000;

/** What of an HTTP answer decides. */
export interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly location: string | null;
  readonly body: string;
}

/** 2xx is delivered; 408, 425, 429 and 5xx come again; everything else would be refused again. */
export function verdictOf(answer: Answer, type: ChannelType, nowMs: number): Delivery {
  const { status, retryAfter, location, body } = answer;
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const said = oneLine(body);
  const reason = cut(`it answered ${status}${said === "" ? "" : `: ${said}`}`, LONGEST_REASON);
  if (status === 408 || status === 425 || status === 429 || status >= 500)
    return { kind: "later", reason, afterMs: waitOf(retryAfter, nowMs) };
  if (status >= 300 && status < 400)
    return {
      kind: "refused",
      reason: `it answered ${status}, a redirect${location === null ? "" : ` to ${hostOf(location)}`}, and redirects are not followed`,
      advice: "Give the address that it leads to.",
    };
  return { kind: "refused", reason, advice: adviceFor(status, type) };
}

/** A mail server's answer: 5xx is refused for good, 4xx comes again. @param code null when there was none */
export function mailVerdict(code: number | null, message: string): Delivery {
  const reason = cut(oneLine(message), LONGEST_REASON);
  if (code === null || code < 500) return { kind: "later", reason, afterMs: null };
  const advice =
    code === 530 || code === 534 || code === 535
      ? "Check user and password in the SMTP address."
      : "Check from and to, and what the server lets this user send.";
  return { kind: "refused", reason, advice };
}

function adviceFor(status: number, type: ChannelType): string {
  if (type === "pagerduty")
    return "Check the integration key: it is that of an Events API v2 integration, in the region of the address.";
  if (type === "webhook")
    return status === 401 || status === 403
      ? "Check that the receiver has the same signing secret."
      : "Check the address and what the receiver expects.";
  return status === 404 || status === 410 || status === 401 || status === 403
    ? "Its webhook is gone or was never this one: make a new one there and set its address."
    : "Check the address of its webhook.";
}

/** Seconds or an HTTP date, in ms from now. @returns null when it says nothing usable */
function waitOf(retryAfter: string | null, nowMs: number): number | null {
  if (retryAfter === null || retryAfter.trim() === "") return null;
  const seconds = Number(retryAfter);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(retryAfter) - nowMs;
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, LONGEST_WAIT_MS) : null;
}

/** No more of it: a path may hold what is secret. */
function hostOf(location: string): string {
  return URL.canParse(location) ? new URL(location).host : "another place";
}
