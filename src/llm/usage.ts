import type { Price } from "../job.ts";
import type { Usage } from "../record.ts";
import type { Prompt } from "./provider.ts";

/** Tokens to money. */
export interface Pricing {
  /** USD per million tokens, or null when nobody knows: never a guess, never 0 for unknown. */
  priceOf(provider: string, model: string): Price | null;
  /** USD, or null when the price is unknown. */
  costOf(usage: Usage, provider: string, model: string): number | null;
}

/** Finds the price of a provider's model, or null. */
export type PriceList = (provider: string, model: string) => Price | null;

export const ZERO_USAGE: Usage = Object.freeze({
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
});

/** UTF-16 units per token, on the low side for European text so that estimates are not too small. */
const CHARS_PER_TOKEN = 3;

/** Our provider names where the price list has another. Providers that are not listed have no price there. */
const PROVIDER_IDS = new Map([
  ["openai", "openai"],
  ["anthropic", "anthropic"],
  ["google", "google"],
  ["groq", "groq"],
  ["mistral", "mistral"],
  ["openrouter", "openrouter"],
  ["deepseek", "deepseek"],
  ["together", "together"],
  ["fireworks", "fireworks"],
  ["cerebras", "cerebras"],
  ["xai", "x-ai"],
  ["azure", "azure"],
  ["bedrock", "aws"],
  ["vertex", "google"],
  ["cohere", "cohere"],
]);

/**
 * @param prices the user's own, by `model` or `provider/model`; they beat `list`. A price for `name` also holds for the
 * dated id (`name-2026-01-31`) that a server returns for it
 * @param list what to ask for models that are not in `prices`
 */
export function makePricing(prices: Readonly<Record<string, Price>>, list: PriceList = () => null): Pricing {
  const own = new Map(Object.entries(prices));
  const known = new Map<string, Price | null>();
  const find = (provider: string, model: string): Price | null => {
    if (provider === "offline") return { input: 0, output: 0 };
    const undated = model.replace(/-(\d{8}|\d{4}-\d{2}-\d{2})$/, "");
    for (const name of [`${provider}/${model}`, model, `${provider}/${undated}`, undated]) {
      const price = own.get(name);
      if (price !== undefined) return price;
    }
    return list(provider, model);
  };
  const priceOf = (provider: string, model: string): Price | null => {
    const key = `${provider}/${model}`;
    let price = known.get(key);
    if (price === undefined) {
      price = find(provider, model);
      known.set(key, price);
    }
    return price;
  };
  return {
    priceOf,
    costOf(usage, provider, model) {
      const price = priceOf(provider, model);
      return price === null ? null : cost(usage, price);
    },
  };
}

/**
 * {@link makePricing} over the built-in price list, as it stands at `at`. Local and unknown servers have no price there
 * (null, not 0), whatever their model is called. Loading takes some 50 ms: not for the start of a program.
 */
export async function loadPricing(prices: Readonly<Record<string, Price>>, at: Date = new Date()): Promise<Pricing> {
  const { calcPrice } = await import("@pydantic/genai-prices");
  return makePricing(prices, (provider, model) => {
    const providerId = PROVIDER_IDS.get(provider.replace(/^@ai-sdk\//, ""));
    if (providerId === undefined) return null;
    const found = calcPrice({ input_tokens: 1, output_tokens: 1 }, model, { providerId, timestamp: at });
    if (found === null || found.provider.id !== providerId) return null;
    const { input_mtok, cache_read_mtok, cache_write_mtok, output_mtok } = found.model_price;
    const [input, output] = [perMillion(input_mtok), perMillion(output_mtok)];
    if (input === null || output === null) return null;
    const [cachedInput, cacheWrite] = [perMillion(cache_read_mtok), perMillion(cache_write_mtok)];
    return {
      input,
      output,
      ...(cachedInput === null ? {} : { cachedInput }),
      ...(cacheWrite === null ? {} : { cacheWrite }),
    };
  });
}

/** @returns field by field */
export function sumUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
  };
}

/** @param ratio UTF-16 units per token @returns whole tokens, rounded up */
export function estimateTokens(chars: number, ratio: number = CHARS_PER_TOKEN): number {
  return Math.ceil(chars / ratio);
}

/** @returns length of the part of every call that stays the same. The schema is input too: providers count it. */
export function promptChars({ system, schema }: Pick<Prompt, "system" | "schema">): number {
  return system.length + JSON.stringify(schema).length;
}

/** For a call whose usage is unknown. Nothing is taken as cached. */
export function estimateUsage(promptChars: number, answerChars: number): Usage {
  return { ...ZERO_USAGE, inputTokens: estimateTokens(promptChars), outputTokens: estimateTokens(answerChars) };
}

/** Cached and cache-write tokens are parts of the input, so each token is charged once; reasoning is output. */
function cost(usage: Usage, price: Price): number {
  const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens } = usage;
  const plain = Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens);
  return (
    (plain * price.input +
      cachedInputTokens * (price.cachedInput ?? price.input) +
      cacheWriteTokens * (price.cacheWrite ?? price.input) +
      outputTokens * price.output) /
    1_000_000
  );
}

/** Prices in steps by prompt length count with their first step: a support query stays below the second. */
function perMillion(price: number | { base: number } | undefined): number | null {
  return typeof price === "number" ? price : (price?.base ?? null);
}
