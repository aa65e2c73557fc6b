import type { Prompt } from "../llm/provider.ts";
import { promptChars } from "../llm/usage.ts";
import type { Usage } from "../record.ts";
import { type Estimate, exactly } from "./estimate.ts";
import type { AskedEndpoint, Forecast } from "./forecast.ts";
import type { Lengths } from "./lengths.ts";

/** UTF-16 units per token: few for terse and foreign text, many for plain English. */
const CHARS_PER_TOKEN: Estimate = { from: 4.5, expected: 3.8, to: 3 };
/** An answer's tokens. */
const ANSWER: Estimate = { from: 60, expected: 130, to: 260 };
/** Calls for one item: repairs and retries. */
const CALLS: Estimate = { from: 1, expected: 1.02, to: 1.1 };
/** What stands around a text in its message. */
const FRAME_CHARS = 45;
/** Providers keep no shorter prompt in their cache. */
const CACHEABLE_TOKENS = 1_024;

/** Before any call was made: texts and prompt are measured, how they become tokens and how long answers are is not known yet. */
export function guessForecast(
  prompt: Pick<Prompt, "system" | "schema">,
  lengths: Lengths,
  endpoints: readonly AskedEndpoint[],
): Forecast {
  const stable = promptChars(prompt);
  const each = (of: (bound: keyof Estimate) => number): Estimate => ({
    from: of("from"),
    expected: of("expected"),
    to: of("to"),
  });
  const calls = each((bound) => Math.ceil(lengths.items[bound] * CALLS[bound]));
  const fixed = each((bound) => Math.ceil(stable / CHARS_PER_TOKEN[bound]));
  const inputTokens = each((bound) =>
    Math.ceil(calls[bound] * (fixed[bound] + (lengths.chars[bound] + FRAME_CHARS) / CHARS_PER_TOKEN[bound])),
  );
  const outputTokens = each((bound) => Math.ceil(calls[bound] * ANSWER[bound]));
  const cached = each((bound) => (fixed[bound] < CACHEABLE_TOKENS ? 0 : Math.max(0, calls[bound] - 1) * fixed[bound]));
  const priced = endpoints.map((endpoint) => ({
    ...endpoint,
    without: costs(endpoint, inputTokens, outputTokens, exactly(0)),
    with: costs(endpoint, inputTokens, outputTokens, cached),
  }));
  const withoutCacheUsd = cheapestToDearest(priced.map((one) => one.without));
  const withCacheUsd = cheapestToDearest(priced.map((one) => one.with));
  const fixedUsd = cheapestToDearest(
    endpoints.map((one) =>
      costs(
        one,
        each((bound) => calls[bound] * fixed[bound]),
        exactly(0),
        exactly(0),
      ),
    ),
  );
  return {
    calls,
    inputTokens,
    outputTokens,
    costUsd: between(withCacheUsd, withoutCacheUsd),
    withoutCacheUsd,
    withCacheUsd,
    fixedPrompt: {
      tokens: fixed,
      inputShare: share(calls.expected * fixed.expected, inputTokens.expected),
      costShare:
        fixedUsd === null || withoutCacheUsd === null ? null : share(fixedUsd.expected, withoutCacheUsd.expected),
    },
    cachedShare: null,
    byEndpoint: priced.map((one) => ({
      endpoint: one.endpoint,
      model: one.model,
      share: null,
      costUsd: between(one.with, one.without),
    })),
    durationMs: null,
  };
}

/** Whether providers cache is only known when one has answered: from the best case to the worst. */
function between(low: Estimate | null, high: Estimate | null): Estimate | null {
  if (low === null || high === null) return null;
  return { from: low.from, expected: (low.expected + high.expected) / 2, to: high.to };
}

function costs({ costOf }: AskedEndpoint, input: Estimate, output: Estimate, cached: Estimate): Estimate | null {
  const at = (bound: keyof Estimate): number | null => costOf(usageOf(input[bound], output[bound], cached[bound]));
  const [from, expected, to] = [at("from"), at("expected"), at("to")];
  return from === null || expected === null || to === null ? null : { from, expected, to };
}

/** Nobody knows yet which of several endpoints will answer how much. */
function cheapestToDearest(all: readonly (Estimate | null)[]): Estimate | null {
  const known = all.filter((one) => one !== null);
  if (known.length < all.length || known.length === 0) return null;
  return {
    from: Math.min(...known.map(({ from }) => from)),
    expected: known.reduce((sum, { expected }) => sum + expected, 0) / known.length,
    to: Math.max(...known.map(({ to }) => to)),
  };
}

function usageOf(inputTokens: number, outputTokens: number, cachedInputTokens: number): Usage {
  return { inputTokens, outputTokens, cachedInputTokens, cacheWriteTokens: 0, reasoningTokens: 0 };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.min(1, part / whole);
}
