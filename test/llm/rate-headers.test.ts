import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseWaitMs, readRateHeaders, retryAfterMs } from "../../src/llm/rate-headers.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const DAY_MS = 86_400_000;

describe("a wait", () => {
  it.each([
    ["2", 2_000],
    ["0.5", 500],
    ["0", 0],
    ["120ms", 120],
    ["6m0s", 360_000],
    ["1h2m3.5s", 3_723_500],
    ["1d", DAY_MS],
    ["Tue, 24 Nov 2026 12:00:30 GMT", 30_000],
    ["Tue, 24 Nov 2026 11:00:00 GMT", 0],
    ["2026-11-24T12:01:00Z", 60_000],
    [String(NOW + 5_000), 5_000],
    [String(NOW / 1_000 + 5), 5_000],
    ["99999999999", DAY_MS],
    ["-5", null],
    ["soon", null],
    ["", null],
    ["1e9", null],
    ["NaN", null],
    ["12 parsecs", null],
    ["Mon, garbage", null],
  ])("written %j is %j ms", (text, ms) => {
    expect(parseWaitMs(text, NOW)).toBe(ms);
  });

  it("is never negative, endless or not a number, whatever is written", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String), fc.date().map(String)), (text) => {
        const ms = parseWaitMs(text, NOW);
        expect(ms === null || (ms >= 0 && ms <= DAY_MS)).toBe(true);
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});

describe("retry-after", () => {
  it("is taken in ms where the server gives it", () => {
    expect(retryAfterMs({ "retry-after-ms": "1500", "retry-after": "2" }, NOW)).toBe(1_500);
    expect(retryAfterMs({ "retry-after-ms": "soon", "retry-after": "2" }, NOW)).toBe(2_000);
    expect(retryAfterMs({ "retry-after": ["3", "9"] }, NOW)).toBe(3_000);
    expect(retryAfterMs({}, NOW)).toBeNull();
  });
});

describe("rate headers", () => {
  it("are read in the form of OpenAI and Groq", () => {
    const headers = {
      "x-ratelimit-limit-requests": "500",
      "x-ratelimit-remaining-requests": "499",
      "x-ratelimit-reset-requests": "120ms",
      "x-ratelimit-limit-tokens": "30000",
      "x-ratelimit-remaining-tokens": "29000",
      "x-ratelimit-reset-tokens": "2s",
    };
    expect(readRateHeaders(headers, NOW)).toEqual({
      limitRequests: 500,
      remainingRequests: 499,
      limitTokens: 30_000,
      remainingTokens: 29_000,
      resetRequestsMs: 120,
      resetTokensMs: 2_000,
    });
  });

  it("are read in other forms, and are null where nothing sensible is said", () => {
    expect(
      readRateHeaders({ "anthropic-ratelimit-requests-reset": "2026-11-24T12:00:10Z" }, NOW)?.resetRequestsMs,
    ).toBe(10_000);
    expect(readRateHeaders({ "x-ratelimit-limit": "20", "x-ratelimit-reset": String(NOW + 1_000) }, NOW)).toMatchObject(
      { limitRequests: 20, resetRequestsMs: 1_000 },
    );
    expect(readRateHeaders({ "x-ratelimit-limit-requests": "many" }, NOW)).toBeNull();
    expect(readRateHeaders({ "content-type": "application/json" }, NOW)).toBeNull();
  });
});
