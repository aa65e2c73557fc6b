import type { Usage } from "../record.ts";
import type { Estimate } from "./estimate.ts";

/** What a run, or the rest of one, is expected to take. */
export interface Forecast {
  /** Calls, repairs and retries among them. */
  readonly calls: Estimate;
  readonly inputTokens: Estimate;
  readonly outputTokens: Estimate;
  /** USD; null when a price is unknown. */
  readonly costUsd: Estimate | null;
  /** USD when no call found anything in the provider's cache; null when a price is unknown. */
  readonly withoutCacheUsd: Estimate | null;
  /** USD when every call but the first ones found the whole fixed prompt there; null when a price is unknown. */
  readonly withCacheUsd: Estimate | null;
  /** What is the same in every call: rules, taxonomy, schema. */
  readonly fixedPrompt: {
    readonly tokens: Estimate;
    /** Of the input tokens, 0..1. */
    readonly inputShare: number;
    /** Of the cost, 0..1; null when a price is unknown. */
    readonly costShare: number | null;
  };
  /** Of the input tokens, those that the provider read from its cache, 0..1; null when no call was measured. */
  readonly cachedShare: number | null;
  readonly byEndpoint: readonly EndpointForecast[];
  /** From the first call to the last answer, in ms; null when no latency is known, or nobody knows how many calls go out at once. */
  readonly durationMs: Estimate | null;
}

export interface EndpointForecast {
  readonly endpoint: string;
  /** `openai/gpt-5-mini` */
  readonly model: string;
  /** Of the answers that were measured, 0..1; null when none were: the cost is then of everything being asked here. */
  readonly share: number | null;
  readonly costUsd: Estimate | null;
}

/** An endpoint that answers while nothing is wrong. */
export interface AskedEndpoint {
  readonly endpoint: string;
  readonly model: string;
  /** USD, by the model that is asked for; null when the price is unknown. */
  readonly costOf: (usage: Usage) => number | null;
}

/** How fast calls may go out. */
export interface Pace {
  /** Calls at once; null when that is found out on the way. */
  readonly slots: number | null;
  /** Infinity: no limit is known. */
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
}
