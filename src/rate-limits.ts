/** What an endpoint takes, as its provider grants it; null where nothing was said. */
export interface RateLimits {
  /** Calls per minute. */
  readonly requestsPerMinute: number | null;
  /** Tokens per minute, input and output together. */
  readonly tokensPerMinute: number | null;
  /** Calls in 24 hours. */
  readonly requestsPerDay: number | null;
  /** Tokens in 24 hours, input and output together. */
  readonly tokensPerDay: number | null;
}

export const NO_LIMITS: RateLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  requestsPerDay: null,
  tokensPerDay: null,
};

/** What an endpoint said of its limits with an answer; null where it did not say. */
export interface RateHeaders {
  readonly limitRequests: number | null;
  readonly remainingRequests: number | null;
  readonly limitTokens: number | null;
  readonly remainingTokens: number | null;
  /** ms until the request limit is whole again. */
  readonly resetRequestsMs: number | null;
  readonly resetTokensMs: number | null;
}

/** One limit of an endpoint that holds now: the configured one, or what its answers said, whichever is smaller. */
export interface LimitSnapshot {
  readonly limit: number;
  /** What could be taken now, 0..limit. */
  readonly remaining: number;
  /** Share of the limit in use, 0..1. */
  readonly used: number;
  readonly origin: "config" | "headers";
}

export type LimiterSnapshot = { readonly [Name in keyof RateLimits]: LimitSnapshot | null };

/** Why the number of calls that may be in flight at an endpoint changed. */
export type LimitReason = "slow-start" | "clean-round" | "rate-limited" | "latency" | "ceiling";

/** The lowest of both, each for itself. */
export function strictest(a: RateLimits, b: RateLimits): RateLimits {
  const least = (name: keyof RateLimits): number | null =>
    a[name] === null || b[name] === null ? (a[name] ?? b[name]) : Math.min(a[name], b[name]);
  return {
    requestsPerMinute: least("requestsPerMinute"),
    tokensPerMinute: least("tokensPerMinute"),
    requestsPerDay: least("requestsPerDay"),
    tokensPerDay: least("tokensPerDay"),
  };
}
