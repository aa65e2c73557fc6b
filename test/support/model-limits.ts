import { type Answer, REFUSALS } from "./model-faults.ts";

export interface LimitOptions {
  /** Limits per minute, as buckets that fill continuously. 0: none. */
  rpm?: number;
  tpm?: number;
  /** Headers of every 429, such as `retry-after`. */
  throttleHeaders?: Record<string, string>;
}

export interface Taken {
  /** What the server tells of its limits, with whatever it answers. */
  readonly headers: Record<string, string>;
  /** The 429, when the request did not fit. */
  readonly refused: Answer | null;
}

/** @returns takes one request of so many tokens out of the buckets */
export function makeLimits({ rpm = 0, tpm = 0, throttleHeaders }: LimitOptions): (tokens: number) => Taken {
  let [requestsLeft, tokensLeft, filledMs] = [rpm, tpm, performance.now()];
  return (tokens) => {
    if (rpm === 0 && tpm === 0) return { headers: {}, refused: null };
    const now = performance.now();
    const minutes = (now - filledMs) / 60_000;
    filledMs = now;
    requestsLeft = Math.min(rpm, requestsLeft + minutes * rpm);
    tokensLeft = Math.min(tpm, tokensLeft + minutes * tpm);
    const waits = [rpm > 0 ? (1 - requestsLeft) / rpm : 0, tpm > 0 ? (tokens - tokensLeft) / tpm : 0];
    const waitMs = Math.ceil(Math.max(...waits) * 60_000);
    if (waitMs <= 0) {
      requestsLeft -= 1;
      tokensLeft -= tokens;
    }
    const headers = { ...limitHeaders("requests", rpm, requestsLeft), ...limitHeaders("tokens", tpm, tokensLeft) };
    if (waitMs <= 0) return { headers, refused: null };
    const wait = { "retry-after": String(Math.ceil(waitMs / 1_000)), "retry-after-ms": String(waitMs) };
    return { headers, refused: { ...REFUSALS["429"], headers: { ...headers, ...wait, ...throttleHeaders } } };
  };
}

function limitHeaders(name: string, limit: number, left: number): Record<string, string> {
  if (limit === 0) return {};
  return {
    [`x-ratelimit-limit-${name}`]: String(limit),
    [`x-ratelimit-remaining-${name}`]: String(Math.max(0, Math.floor(left))),
    [`x-ratelimit-reset-${name}`]: `${Math.max(0, Math.ceil(((limit - left) / limit) * 60_000))}ms`,
  };
}
