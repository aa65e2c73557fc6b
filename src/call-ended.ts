import type { FailureClass } from "./errors.ts";
import type { Usage } from "./record.ts";

/** What became of one call that was sent. Ids, counts, ms, USD: nothing of what was asked or answered. */
export interface CallEnded {
  readonly executionId: string;
  /** Of the item. */
  readonly key: string;
  readonly endpoint: string;
  readonly provider: string;
  /** The model that was asked. */
  readonly model: string;
  /** The one that answered; null without an answer. */
  readonly responseModel: string | null;
  /** `answered` also when the answer was of no use; `cut-off`: we gave it up, since another was faster or the run is stopped. */
  readonly result: "answered" | "cut-off" | FailureClass;
  readonly finish: "stop" | "length" | "content" | null;
  /** Of this item, from 1. */
  readonly attempt: number;
  readonly repair: boolean;
  /** Wall clock. */
  readonly endedAtMs: number;
  /** null for one of two calls that was cut off. */
  readonly durationMs: number | null;
  /** null when nothing was billed, or perhaps only. */
  readonly usage: Usage | null;
  /** USD; null when the price is unknown. */
  readonly costUsd: number | null;
  /** USD of what may have been billed though no answer came; null when it is unknown. */
  readonly uncertainUsd: number | null;
}
