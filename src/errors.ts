import type { RateHeaders } from "./rate-limits.ts";

/** Stable between minor versions; `docs/errors.md` has what each means and what to do. */
export type ErrorCode =
  | "USAGE"
  | "CONFIG_INVALID"
  | "TAXONOMY_INVALID"
  | "FILE_INVALID"
  | "MODEL_NOT_CHOSEN"
  | "MODEL_UNREACHABLE"
  | "MODEL_CALL_FAILED"
  | "MODEL_UNPRICED"
  | "STORE_UNREACHABLE"
  | "STORE_REFUSED"
  | "STORE_FAILED"
  | "COLLECTION_MISSING"
  | "SOURCE_NOT_MARKABLE"
  | "SOURCE_SHAPE"
  | "TARGET_TAKEN"
  | "JOB_HELD"
  | "FENCED"
  | "STATE_UNCLEAN"
  | "STATE_UNWRITABLE"
  | "STATE_DAMAGED"
  | "STATE_NEWER"
  | "FINGERPRINT_CHANGED"
  | "ITEM_NOT_FOUND"
  | "RUN_STOPPED"
  | "NOT_RUNNING"
  | "CONTROL_UNREACHABLE";

/** Every error Querymill throws on purpose. `message` is for people: what is wrong, why, what to do. */
export class QuerymillError extends Error {
  override readonly name = "QuerymillError";
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

/**
 * What kind of trouble a model call met, fixed once where the status or the body is seen.
 *
 * | class | examples | what happens |
 * |---|---|---|
 * | transient | connection reset before sending, 408, 409, 5xx, 529 | retried with backoff, then retry queue |
 * | throttled | 429 | the endpoint pauses; the item's retries are not used |
 * | billing | insufficient_quota, 402, spend limit | the run stops, items stay pending |
 * | daily-quota | 429 that names a day's limit, or a pause over 10 min | batch mode stops, continuous mode pauses |
 * | config | 401, 403, 404 model, TLS, bad schema 400 | the run stops, items stay pending |
 * | too-long | 400 context length, 413 | the text is cut once, then dead letter |
 * | truncated | finish_reason length | larger limit once, then dead letter |
 * | content | refusal, content filter, empty content | dead letter at once |
 * | malformed | no JSON, wrong type, HTML with status 200 | one repair call, then dead letter |
 * | label-unknown | a required label is still not in the taxonomy after the repair call | dead letter |
 * | unknown-outcome | our own timeout, reset after sending | retried at most twice, counted as perhaps paid |
 */
export const FAILURE_CLASSES = [
  "transient",
  "throttled",
  "billing",
  "daily-quota",
  "config",
  "too-long",
  "truncated",
  "content",
  "malformed",
  "label-unknown",
  "unknown-outcome",
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/** A model call that brought no usable answer. Carries no customer text in `message`. */
export class ModelError extends Error {
  override readonly name = "ModelError";
  readonly failure: FailureClass;
  /** HTTP status, or null when there was none. */
  readonly status: number | null;
  /** What the server asked to wait, in ms, capped at 24 h; null when it did not say. */
  readonly retryAfterMs: number | null;
  /** The body as received, at most 64 KiB, for the dead letter; never logged. */
  readonly rawAnswer: string | null;
  /** What the refusal's headers said of the endpoint's limits. */
  readonly rate: RateHeaders | null;
  constructor(
    failure: FailureClass,
    message: string,
    details: {
      status?: number;
      retryAfterMs?: number | null;
      rawAnswer?: string | null;
      rate?: RateHeaders | null;
      cause?: unknown;
    } = {},
  ) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.failure = failure;
    this.status = details.status ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.rawAnswer = details.rawAnswer ?? null;
    this.rate = details.rate ?? null;
  }
}

/** @returns the message of anything thrown */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
