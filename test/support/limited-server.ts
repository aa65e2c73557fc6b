import type { RateHeaders } from "../../src/rate-limits.ts";

export interface Arrival {
  readonly headers: RateHeaders;
  /** null: let through; else ms until there is room. */
  readonly refusedMs: number | null;
}

/** A server's limits, asked when a request arrives. */
export interface ServerLimits {
  arrive(nowMs: number, tokens: number): Arrival;
}

/** An answer that says nothing of limits. */
export const SILENT: RateHeaders = {
  limitRequests: null,
  remainingRequests: null,
  limitTokens: null,
  remainingTokens: null,
  resetRequestsMs: null,
  resetTokensMs: null,
};

/** Continuous buckets that start full, as the large providers run them. Limits per period; 0: none. */
export class BucketServer implements ServerLimits {
  #requests: number;
  #tokens: number;
  #limits: { requests: number; tokens: number };
  readonly #periodMs: number;
  #atMs: number;

  constructor(requests: number, tokens: number, { periodMs = 60_000, nowMs = 0 } = {}) {
    this.#limits = { requests, tokens };
    [this.#requests, this.#tokens] = [requests, tokens];
    this.#periodMs = periodMs;
    this.#atMs = nowMs;
  }

  setLimits(requests: number, tokens: number): void {
    this.#limits = { requests, tokens };
  }

  arrive(nowMs: number, tokens: number): Arrival {
    const { requests: rpm, tokens: tpm } = this.#limits;
    const share = (nowMs - this.#atMs) / this.#periodMs;
    this.#atMs = nowMs;
    this.#requests = Math.min(rpm, this.#requests + share * rpm);
    this.#tokens = Math.min(tpm, this.#tokens + share * tpm);
    const waits = [rpm > 0 ? (1 - this.#requests) / rpm : 0, tpm > 0 ? (tokens - this.#tokens) / tpm : 0];
    const waitMs = Math.max(...waits) * this.#periodMs;
    // Two sides that count the same in floating point differ in the last digits.
    const refused = waitMs > 1e-3;
    if (!refused) {
      this.#requests -= 1;
      this.#tokens -= tokens;
    }
    const reset = (left: number, limit: number) =>
      limit > 0 ? Math.ceil(((limit - left) / limit) * this.#periodMs) : null;
    return {
      headers: {
        limitRequests: rpm || null,
        limitTokens: tpm || null,
        remainingRequests: rpm > 0 ? Math.max(0, Math.floor(this.#requests)) : null,
        remainingTokens: tpm > 0 ? Math.max(0, Math.floor(this.#tokens)) : null,
        resetRequestsMs: reset(this.#requests, rpm),
        resetTokensMs: reset(this.#tokens, tpm),
      },
      refusedMs: refused ? Math.ceil(waitMs) : null,
    };
  }
}

/** Requests counted in fixed windows. */
export class WindowServer implements ServerLimits {
  #window = 0;
  #used = 0;
  readonly #limit: number;
  readonly #windowMs: number;

  constructor(limit: number, windowMs: number) {
    this.#limit = limit;
    this.#windowMs = windowMs;
  }

  arrive(nowMs: number): Arrival {
    const window = Math.floor(nowMs / this.#windowMs);
    if (window !== this.#window) [this.#window, this.#used] = [window, 0];
    const resetMs = Math.ceil((window + 1) * this.#windowMs - nowMs);
    const refused = this.#used >= this.#limit;
    if (!refused) this.#used += 1;
    return {
      headers: {
        ...SILENT,
        limitRequests: this.#limit,
        remainingRequests: this.#limit - this.#used,
        resetRequestsMs: resetMs,
      },
      refusedMs: refused ? resetMs : null,
    };
  }
}
