import type { Usage } from "../record.ts";

/** Input beyond this many tokens in one call is a counting error. */
const ABSURD_INPUT_TOKENS = 100_000_000;
/** Answers this many times longer than the limit are a counting error. */
const ABSURD_OUTPUT_FACTOR = 10;

/**
 * @param usage counts as a server gave them; cached, written and reasoning tokens are parts of the input and the output
 * @returns null when they cannot be true: not whole numbers from 0, no input at all, parts larger than the whole, an
 * answer far above its limit
 */
export function saneUsage(usage: Readonly<Record<keyof Usage, unknown>>, maxOutputTokens: number): Usage | null {
  const inputTokens = count(usage.inputTokens);
  const cachedInputTokens = count(usage.cachedInputTokens);
  const cacheWriteTokens = count(usage.cacheWriteTokens);
  const outputTokens = count(usage.outputTokens);
  const reasoningTokens = count(usage.reasoningTokens);
  if (inputTokens === null || cachedInputTokens === null || cacheWriteTokens === null) return null;
  if (outputTokens === null || reasoningTokens === null) return null;
  const sane =
    inputTokens > 0 &&
    inputTokens < ABSURD_INPUT_TOKENS &&
    cachedInputTokens + cacheWriteTokens <= inputTokens &&
    reasoningTokens <= outputTokens &&
    outputTokens <= ABSURD_OUTPUT_FACTOR * maxOutputTokens;
  return sane ? { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } : null;
}

function count(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
