/** What the calls of one model cost, and what they brought. */
export interface ModelUsage {
  /** Items that it answered; an item that is classified again counts again. */
  readonly items: number;
  readonly calls: number;
  readonly inputTokens: number;
  /** Part of `inputTokens`. */
  readonly cachedInputTokens: number;
  readonly outputTokens: number;
  /** USD of calls with a known price. */
  readonly costUsd: number;
  /** USD of calls that may have been billed though no answer came. */
  readonly uncertainUsd: number;
  /** Calls without a known price: not part of `costUsd`. */
  readonly unpricedCalls: number;
}

/** By UTC month (`2026-11`), then by model (`openai/gpt-5-mini`; {@link UNKNOWN_MODEL} for calls of which that is not known). */
export type MonthlyUsage = Readonly<Record<string, Readonly<Record<string, ModelUsage>>>>;

/** Of calls that were lost at a crash, and of all calls before months were kept by model. */
export const UNKNOWN_MODEL = "unknown";
/** Answers for equal texts, which took no call. */
export const CACHED = "cache";

export const NO_USAGE: ModelUsage = {
  items: 0,
  calls: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  costUsd: 0,
  uncertainUsd: 0,
  unpricedCalls: 0,
};

/** @returns the sum; what `b` does not say counts as 0 */
export function addUsage(a: ModelUsage, b: Partial<ModelUsage>): ModelUsage {
  return {
    items: a.items + (b.items ?? 0),
    calls: a.calls + (b.calls ?? 0),
    inputTokens: a.inputTokens + (b.inputTokens ?? 0),
    cachedInputTokens: a.cachedInputTokens + (b.cachedInputTokens ?? 0),
    outputTokens: a.outputTokens + (b.outputTokens ?? 0),
    costUsd: a.costUsd + (b.costUsd ?? 0),
    uncertainUsd: a.uncertainUsd + (b.uncertainUsd ?? 0),
    unpricedCalls: a.unpricedCalls + (b.unpricedCalls ?? 0),
  };
}

/** @returns the usage with more of one month and model in it */
export function withUsage(usage: MonthlyUsage, month: string, model: string, more: Partial<ModelUsage>): MonthlyUsage {
  const models = usage[month] ?? {};
  return { ...usage, [month]: { ...models, [model]: addUsage(models[model] ?? NO_USAGE, more) } };
}
