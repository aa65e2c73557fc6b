import { expect, test } from "vitest";
import type { AskedEndpoint, Pace } from "../../src/estimation/forecast.ts";
import { guessForecast } from "../../src/estimation/guess.ts";
import { lengthsOf } from "../../src/estimation/lengths.ts";
import { type MeasuredItem, measuredForecast } from "../../src/estimation/measured.ts";
import { makePricing } from "../../src/llm/usage.ts";

const PRICES = {
  small: { input: 1, cachedInput: 0.1, output: 4 },
  large: { input: 10, cachedInput: 1, output: 40 },
};
const pricing = makePricing(PRICES);
const endpoint = (name: string, model: string): AskedEndpoint => ({
  endpoint: name,
  model,
  costOf: (usage) => pricing.costOf(usage, "p", model),
});
const PROMPT = { system: "x".repeat(8_000), schema: {} };
const LENGTHS = lengthsOf(Array(1_000).fill(300), 0, 1_000);
const UNBOUNDED: Pace = { slots: 10, requestsPerMinute: Infinity, tokensPerMinute: Infinity };

/** 100 answers of 400 ms: 2,000 tokens of prompt, one for each three characters, 100 of answer. */
function answers(of: (at: number) => Partial<MeasuredItem> = () => ({})): MeasuredItem[] {
  return Array.from({ length: 100 }, (_, at) => ({
    chars: 100 + 4 * at,
    usage: {
      inputTokens: 2_000 + Math.round((100 + 4 * at) / 3),
      cachedInputTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 100,
      reasoningTokens: 0,
    },
    attempts: 1,
    latencyMs: 400,
    answeredMs: 1_000_000 + at * 40,
    executionId: "one",
    endpoint: "main",
    model: "small",
    costOf: (usage) => pricing.costOf(usage, "p", "small"),
    ...of(at),
  }));
}

test("a guess spans what is not known: characters of a token, lengths of answers, and whether the provider caches", () => {
  const { calls, inputTokens, costUsd, withCacheUsd, withoutCacheUsd, fixedPrompt, durationMs } = guessForecast(
    PROMPT,
    LENGTHS,
    [endpoint("main", "small")],
  );
  expect(calls).toEqual({ from: 1_000, expected: 1_020, to: 1_100 });
  expect(inputTokens.from).toBeLessThan(1_000 * (8_345 / 4.4));
  expect(inputTokens.to).toBeGreaterThan(1_000 * (8_345 / 3));
  expect(costUsd!.from).toBe(withCacheUsd!.from);
  expect(costUsd!.to).toBe(withoutCacheUsd!.to);
  expect(withCacheUsd!.expected).toBeLessThan(withoutCacheUsd!.expected * 0.6);
  expect(fixedPrompt.inputShare).toBeGreaterThan(0.95);
  expect(durationMs).toBeNull();
});

test("a prompt that is too short to be kept, or a model without a price for it, gets nothing from a cache", () => {
  const short = guessForecast({ ...PROMPT, system: "x".repeat(1_000) }, LENGTHS, [endpoint("main", "small")]);
  expect(short.withCacheUsd).toEqual(short.withoutCacheUsd);
  const plain = makePricing({ plain: { input: 1, output: 4 } });
  const none = guessForecast(PROMPT, LENGTHS, [
    { endpoint: "main", model: "plain", costOf: (usage) => plain.costOf(usage, "p", "plain") },
  ]);
  expect(none.withCacheUsd).toEqual(none.withoutCacheUsd);
  expect(guessForecast(PROMPT, LENGTHS, [endpoint("main", "nobody-knows")]).costUsd).toBeNull();
});

test("several endpoints: before an answer from the cheapest to the dearest, afterwards by their shares", () => {
  const two = [endpoint("eu", "small"), endpoint("us", "large")];
  const guess = guessForecast(PROMPT, LENGTHS, two);
  const [small, large] = two.map((one) => guessForecast(PROMPT, LENGTHS, [one]).costUsd!);
  expect(guess.costUsd).toMatchObject({ from: small!.from, to: large!.to });
  expect(guess.byEndpoint.map(({ share }) => share)).toEqual([null, null]);
  const items = answers((at) =>
    at % 4 === 0
      ? { endpoint: "us", model: "large", costOf: (usage) => pricing.costOf(usage, "p", "large") }
      : { endpoint: "eu" },
  );
  const { byEndpoint, costUsd } = measuredForecast({ items, failed: [] }, LENGTHS, two, UNBOUNDED, 8_000);
  expect(byEndpoint.map(({ endpoint, share }) => [endpoint, share])).toEqual([
    ["eu", 0.75],
    ["us", 0.25],
  ]);
  expect(byEndpoint[1]!.costUsd!.expected / costUsd!.expected).toBeCloseTo((0.25 * 10) / (0.75 + 2.5), 1);
});

test("the fixed prompt is found by the answers: its tokens, and its part of the bill", () => {
  const measured = measuredForecast(
    { items: answers(), failed: [] },
    LENGTHS,
    [endpoint("main", "small")],
    UNBOUNDED,
    9,
  );
  const { fixedPrompt, inputTokens, outputTokens, costUsd } = measured;
  expect(fixedPrompt.tokens.expected).toBe(2_000);
  expect(fixedPrompt.costShare).toBeCloseTo(2_000 / (2_099 + 400), 2);
  expect(inputTokens.expected).toBeCloseTo(1_000 * 2_100, -3);
  expect(outputTokens.expected).toBe(100_000);
  expect(costUsd!.expected).toBeCloseTo((2_100 + 400) / 1_000, 2);
});

test("time is that of the slots, or of the requests or tokens that are granted a minute", () => {
  const timeOf = (pace: Partial<Pace>) =>
    measuredForecast(
      { items: answers(), failed: [] },
      LENGTHS,
      [endpoint("main", "small")],
      { ...UNBOUNDED, ...pace },
      9,
    ).durationMs;
  const within = (range: { from: number; to: number } | null, ms: number): void => {
    expect(range!.from).toBeLessThanOrEqual(ms);
    expect(range!.to).toBeGreaterThanOrEqual(ms);
    expect(range!.to).toBeLessThan(ms * 1.2 + 2_000);
  };
  within(timeOf({}), 40_000);
  within(timeOf({ requestsPerMinute: 500 }), 120_000);
  within(timeOf({ tokensPerMinute: 220_000 }), 600_000);
  expect(timeOf({ slots: null })).toBeNull();
});

test("a price that is unknown for one answer makes the cost unknown, never smaller", () => {
  const items = answers((at) => (at === 50 ? { costOf: () => null } : {}));
  const { costUsd, withoutCacheUsd, fixedPrompt, inputTokens } = measuredForecast(
    { items, failed: [] },
    LENGTHS,
    [endpoint("main", "small")],
    UNBOUNDED,
    9,
  );
  expect([costUsd, withoutCacheUsd, fixedPrompt.costShare]).toEqual([null, null, null]);
  expect(inputTokens.expected).toBeGreaterThan(0);
});
