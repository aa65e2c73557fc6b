import type { Settlement } from "./outcome.ts";
import type { ClassificationRecord } from "./record.ts";
import type { QueueEntry } from "./state/retry-queue.ts";

export type Queued = Settlement & { readonly outcome: "retryQueued" };
export type Dead = Settlement & { readonly outcome: "deadLetter" };
export const isQueued = (settlement: Settlement): settlement is Queued => settlement.outcome === "retryQueued";
export const isDead = (settlement: Settlement): settlement is Dead => settlement.outcome === "deadLetter";

/** What a retry queue or the dead letters keep of an outcome. */
export function queueEntryOf(settlement: Queued | Dead, nowMs: number): QueueEntry {
  const { key, queue, failure, message, contentHash, attempts, executionId } = settlement;
  const payload: QueuePayload = {
    attempts,
    executionId,
    ...(settlement.record ? { record: settlement.record } : {}),
    ...(settlement.outcome === "deadLetter" ? { rawAnswer: settlement.rawAnswer } : {}),
  };
  return settlement.outcome === "retryQueued"
    ? {
        key,
        queue,
        dueMs: settlement.dueMs,
        round: settlement.round,
        failure,
        message,
        alike: settlement.alike,
        contentHash,
        payload,
      }
    : { key, queue, dueMs: nowMs, round: 0, failure, message, alike: 0, contentHash, payload };
}

/** What only the disk holds of a queue entry. */
export interface QueuePayload {
  readonly attempts: number;
  readonly executionId: string;
  readonly rawAnswer?: string | null;
  /** The paid record, when only writing or marking has to be done again. */
  readonly record?: ClassificationRecord;
}
