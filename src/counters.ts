/** What an execution has done so far. Always `read = classified + skipped + retryQueued + deadLetters + inFlight`. */
export interface Counters {
  /** Items admitted to a slot in this execution, from whatever origin, each once. */
  read: number;
  classified: number;
  skipped: number;
  retryQueued: number;
  deadLetters: number;
  inFlight: number;
  /** Read ahead and not admitted: goes back untouched. Not part of the sum. */
  pending: number;
  /** Part of `classified`: found answered in the journal of an earlier execution. */
  recovered: number;
  cacheHits: number;
  studentAnswers: number;
  /** Calls that were sent, repairs and retries included. */
  modelCalls: number;
  repairCalls: number;
  /** Second calls for items whose first call took long; only with `hedge`. */
  hedgedCalls: number;
  /** Calls that may have been billed though no answer came (timeouts, resets after sending). */
  uncertainCalls: number;
  /** Calls answered by a model without a known price. */
  unpricedCalls: number;
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  /** USD; null when any answered call has no known price, never 0 for unknown. */
  costUsd: number | null;
  /** USD estimated for `uncertainCalls`; null when the price is unknown. */
  uncertainUsd: number | null;
  /** USD not spent thanks to cache and student. null when unknown. */
  savedUsd: number | null;
}

/** Distinct items of the job by their present outcome, over all executions. */
export interface JobTotals {
  classified: number;
  skipped: number;
  retryQueued: number;
  deadLetters: number;
  modelCalls: number;
  costUsd: number | null;
  uncertainUsd: number | null;
}
