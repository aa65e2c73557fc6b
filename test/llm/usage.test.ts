import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { estimateTokens, estimateUsage, loadPricing, makePricing, sumUsage, ZERO_USAGE } from "../../src/llm/usage.ts";

const USAGE = {
  inputTokens: 1_000,
  cachedInputTokens: 600,
  cacheWriteTokens: 100,
  outputTokens: 200,
  reasoningTokens: 150,
};

describe("the user's own prices", () => {
  const pricing = makePricing({
    "mill-1": { input: 2, cachedInput: 0.5, cacheWrite: 3, output: 10 },
    "here/plain": { input: 1, output: 4 },
  });

  it("charge each token once: cached and written parts of the input at their own price, reasoning as output", () => {
    expect(pricing.costOf(USAGE, "any", "mill-1")).toBeCloseTo((300 * 2 + 600 * 0.5 + 100 * 3 + 200 * 10) / 1e6, 12);
  });

  it("charge cached tokens as input where they have no price of their own", () => {
    expect(pricing.costOf(USAGE, "here", "plain")).toBeCloseTo((1_000 * 1 + 200 * 4) / 1e6, 12);
    expect(pricing.costOf(USAGE, "there", "plain")).toBeNull();
  });

  it("hold for the dated id that a server returns", () => {
    expect(pricing.priceOf("any", "mill-1-2026-01-31")?.output).toBe(10);
    expect(pricing.priceOf("any", "mill-1-20260131")?.output).toBe(10);
    expect(pricing.priceOf("any", "mill-1-large")).toBeNull();
  });

  it("are not mistaken for members of every object", () => {
    expect(makePricing({}).priceOf("any", "constructor")).toBeNull();
  });

  it("never make more of a sum than of its parts", () => {
    const tokens = fc.integer({ min: 0, max: 1e6 });
    const usage = fc.record({
      inputTokens: tokens,
      cachedInputTokens: fc.constant(0),
      cacheWriteTokens: fc.constant(0),
      outputTokens: tokens,
      reasoningTokens: fc.constant(0),
    });
    fc.assert(
      fc.property(usage, usage, (a, b) => {
        const [one, other, both] = [a, b, sumUsage(a, b)].map(
          (each) => pricing.costOf(each, "any", "mill-1") as number,
        );
        expect(both).toBeCloseTo(one! + other!, 9);
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

describe("the built-in price list", () => {
  it("knows providers' models, cached input apart, and loses to the user's own", async () => {
    const pricing = await loadPricing({ "gpt-4.1-mini": { input: 9, output: 9 } });
    const price = pricing.priceOf("openai", "gpt-4o-mini");
    expect(price?.input).toBeGreaterThan(0);
    expect(price?.cachedInput).toBeLessThan(price?.input as number);
    expect(pricing.priceOf("openai", "gpt-4o-mini-2024-07-18")).toEqual(price);
    expect(pricing.priceOf("openai", "gpt-4.1-mini")).toEqual({ input: 9, output: 9 });
  });

  it.each([
    ["anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001"],
    ["google", "gemini-2.5-flash", "gemini-2.5-flash"],
    ["vertex", "gemini-2.5-flash", "gemini-2.5-flash"],
    ["xai", "grok-4", "grok-4-0709"],
    ["deepseek", "deepseek-chat", "deepseek-chat"],
    ["openrouter", "google/gemini-2.5-flash", "google/gemini-2.5-flash"],
  ])("charges cached and written tokens of %s/%s at their own prices", async (provider, model, returned) => {
    const pricing = await loadPricing({});
    const price = pricing.priceOf(provider, model)!;
    expect(pricing.priceOf(provider, returned)).toEqual(price);
    expect(price.cachedInput).toBeLessThan(price.input);
    if (provider === "anthropic") expect(price.cacheWrite).toBeGreaterThan(price.input);
    const { input, cachedInput = input, cacheWrite = input, output } = price;
    expect(pricing.costOf(USAGE, provider, returned)).toBeCloseTo(
      (300 * input + 600 * cachedInput + 100 * cacheWrite + 200 * output) / 1e6,
      12,
    );
  });

  it.each([
    ["mistral", "mistral-small-latest"],
    ["@ai-sdk/mistral", "mistral-small-latest"],
    ["groq", "llama-3.3-70b-versatile"],
    ["cerebras", "llama3.1-8b"],
    ["azure", "gpt-4o-mini"],
    ["bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0"],
    ["cohere", "command-r-08-2024"],
  ])("knows %s/%s", async (provider, model) => {
    expect((await loadPricing({})).priceOf(provider, model)?.output).toBeGreaterThan(0);
  });

  it("has no price for a local or unknown server, even under the name of a sold model", async () => {
    const pricing = await loadPricing({});
    expect(pricing.costOf(USAGE, "ollama", "gpt-4o-mini")).toBeNull();
    expect(pricing.costOf(USAGE, "openai-compatible", "gpt-4o-mini")).toBeNull();
    expect(pricing.costOf(USAGE, "openai", "no-such-model")).toBeNull();
  });

  it("is not needed for the offline classifier, which is free", () => {
    expect(makePricing({}).costOf(USAGE, "offline", "offline-1")).toBe(0);
  });
});

describe("estimates", () => {
  it("round up and take nothing as cached", () => {
    expect(estimateTokens(10, 4)).toBe(3);
    expect(estimateUsage(300, 31)).toEqual({ ...ZERO_USAGE, inputTokens: 100, outputTokens: 11 });
  });
});
