import type { Counters } from "../counters.ts";

/** Of an execution that has done nothing yet. */
export const NO_COUNTERS: Readonly<Counters> = {
  read: 0,
  classified: 0,
  skipped: 0,
  retryQueued: 0,
  deadLetters: 0,
  inFlight: 0,
  pending: 0,
  recovered: 0,
  cacheHits: 0,
  studentAnswers: 0,
  modelCalls: 0,
  repairCalls: 0,
  hedgedCalls: 0,
  uncertainCalls: 0,
  unpricedCalls: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  costUsd: 0,
  uncertainUsd: 0,
  savedUsd: 0,
};
