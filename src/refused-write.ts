import { QuerymillError } from "./errors.ts";
import { NO_SPEND, type Settlement } from "./outcome.ts";
import type { WriteResult } from "./store.ts";

/** The dead letter of a record that the store does not take. */
export function refusedOutcome(
  settlement: Settlement & { outcome: "classified" },
  result: WriteResult & { status: "refused" },
  nowMs: number,
): Settlement {
  const { record, ...rest } = settlement;
  return {
    ...rest,
    outcome: "deadLetter",
    origin: "source",
    queue: "store",
    failure: "store-refused",
    message: result.message,
    rawAnswer: null,
    record,
    spend: NO_SPEND,
    atMs: nowMs,
  };
}

/** Somebody else owns the job now. */
export function fencedError(job: string): QuerymillError {
  return new QuerymillError(
    "FENCED",
    `Another process has taken over job ${job} while this one was stopped. This one writes nothing more; what it journaled is stored by the next run here.`,
  );
}
