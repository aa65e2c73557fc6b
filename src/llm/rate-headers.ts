import type { RateHeaders } from "../rate-limits.ts";

/** Header names in lower case, as HTTP clients give them. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

const DAY_MS = 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS };

/** Where providers say the same thing, the most usual first. */
const NAMES = {
  limitRequests: [
    "x-ratelimit-limit-requests",
    "anthropic-ratelimit-requests-limit",
    "x-ratelimit-limit-req-minute",
    "x-ratelimit-limit",
  ],
  remainingRequests: [
    "x-ratelimit-remaining-requests",
    "anthropic-ratelimit-requests-remaining",
    "x-ratelimit-remaining-req-minute",
    "x-ratelimit-remaining",
  ],
  limitTokens: [
    "x-ratelimit-limit-tokens",
    "anthropic-ratelimit-tokens-limit",
    "x-ratelimit-limit-tokens-minute",
    "x-tokenlimit-limit",
  ],
  remainingTokens: [
    "x-ratelimit-remaining-tokens",
    "anthropic-ratelimit-tokens-remaining",
    "x-ratelimit-remaining-tokens-minute",
    "x-tokenlimit-remaining",
  ],
  resetRequestsMs: ["x-ratelimit-reset-requests", "anthropic-ratelimit-requests-reset", "x-ratelimit-reset"],
  resetTokensMs: ["x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset"],
} as const satisfies Record<keyof RateHeaders, readonly string[]>;

/**
 * What the answer says of the endpoint's limits.
 * @param nowMs epoch ms, for resets given as points in time
 * @returns null when it says nothing
 */
export function readRateHeaders(headers: ResponseHeaders, nowMs: number): RateHeaders | null {
  const count = (names: readonly string[]): number | null => {
    const value = first(headers, names);
    return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : null;
  };
  const reset = (names: readonly string[]): number | null => {
    const value = first(headers, names);
    return value === null ? null : parseWaitMs(value, nowMs);
  };
  const rate: RateHeaders = {
    limitRequests: count(NAMES.limitRequests),
    remainingRequests: count(NAMES.remainingRequests),
    limitTokens: count(NAMES.limitTokens),
    remainingTokens: count(NAMES.remainingTokens),
    resetRequestsMs: reset(NAMES.resetRequestsMs),
    resetTokensMs: reset(NAMES.resetTokensMs),
  };
  return Object.values(rate).every((value) => value === null) ? null : rate;
}

/** @returns what `retry-after-ms` or `retry-after` ask to wait, in ms, at most 24 h; null when there is nothing sensible */
export function retryAfterMs(headers: ResponseHeaders, nowMs: number): number | null {
  const exact = first(headers, ["retry-after-ms"]);
  if (exact !== null && /^\d+(\.\d+)?$/.test(exact)) return Math.min(DAY_MS, Math.ceil(Number(exact)));
  const value = first(headers, ["retry-after"]);
  return value === null ? null : parseWaitMs(value, nowMs);
}

/**
 * A wait in any of the forms that servers use: seconds (`2`, `0.5`), a duration (`6m0s`, `120ms`), a date (HTTP or
 * ISO), or a point in time in epoch seconds or ms. A date that has passed is no wait.
 * @returns ms, at most 24 h; null for negative numbers and anything else
 */
export function parseWaitMs(value: string, nowMs: number): number | null {
  const text = value.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return cappedMs(secondsOrEpochMs(Number(text), nowMs));
  if (/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) {
    let total = 0;
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g))
      total += Number(amount) * UNIT_MS[unit!]!;
    return cappedMs(total);
  }
  const date = /^[A-Z][a-z]{2},? |^\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : cappedMs(date - nowMs);
}

/** Within ten years of now it is a point in time (`nowMs` in either unit), else a number of seconds. */
function secondsOrEpochMs(value: number, nowMs: number): number {
  const tenYearsMs = 3_650 * DAY_MS;
  if (Math.abs(value - nowMs) < tenYearsMs) return value - nowMs;
  if (Math.abs(value * 1_000 - nowMs) < tenYearsMs) return value * 1_000 - nowMs;
  return value * 1_000;
}

function cappedMs(ms: number): number {
  return Math.min(DAY_MS, Math.max(0, Math.ceil(ms)));
}

function first(headers: ResponseHeaders, names: readonly string[]): string | null {
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined) return typeof value === "string" ? value.trim() : (value[0] ?? null);
  }
  return null;
}
