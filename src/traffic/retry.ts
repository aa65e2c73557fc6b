import type { FailureClass } from "../errors.ts";
import type { RetryOptions } from "../job.ts";

/**
 * Delay before the next attempt: exponential with full jitter, so that calls which failed together do not come back
 * together ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 * @param failures attempts that have failed so far, integer >= 1
 * @param random uniform in [0, 1); pass Math.random
 * @returns milliseconds in [0, maxDelayMs)
 */
export function backoffMs(
  failures: number,
  options: Pick<RetryOptions, "baseDelayMs" | "maxDelayMs">,
  random: () => number,
): number {
  return random() * Math.min(options.maxDelayMs, options.baseDelayMs * 2 ** (failures - 1));
}

/** What an item has been through in this execution. */
export interface Trail {
  /** Failures that used a retry. */
  readonly failures: number;
  /** Attempts that may have been billed without an answer. */
  readonly uncertain: number;
  readonly repaired: boolean;
  readonly enlarged: boolean;
  readonly shortened: boolean;
}

export type Decision =
  /** Try again after a delay, without holding a slot. */
  | { readonly do: "retry"; readonly afterMs: number }
  /** Try again as soon as the endpoint may be called; uses no retry. */
  | { readonly do: "again" }
  | { readonly do: "repair" }
  | { readonly do: "enlarge" }
  | { readonly do: "shorten" }
  /** Used up for now: to the retry queue. */
  | { readonly do: "requeue" }
  | { readonly do: "bury" }
  /** Not the item's fault: it goes back, the run stops. */
  | { readonly do: "stop" };

/** A call whose outcome is unknown may have been billed: at most this many retries of it. */
const UNCERTAIN_RETRIES = 2;

/** The one retry table: what to do after a failed call, by its class. */
export function decide(failure: FailureClass, trail: Trail, options: RetryOptions, random: () => number): Decision {
  switch (failure) {
    case "throttled":
      return { do: "again" };
    case "transient":
      return trail.failures < options.retries
        ? { do: "retry", afterMs: backoffMs(trail.failures + 1, options, random) }
        : { do: "requeue" };
    case "unknown-outcome":
      return trail.failures < options.retries && trail.uncertain < UNCERTAIN_RETRIES
        ? { do: "retry", afterMs: backoffMs(trail.failures + 1, options, random) }
        : { do: "requeue" };
    case "malformed":
    case "label-unknown":
      return trail.repaired ? { do: "bury" } : { do: "repair" };
    case "truncated":
      return trail.enlarged ? { do: "bury" } : { do: "enlarge" };
    case "too-long":
      return trail.shortened ? { do: "bury" } : { do: "shorten" };
    case "content":
      return { do: "bury" };
    case "billing":
    case "daily-quota":
    case "config":
      return { do: "stop" };
  }
}

/** Due times are believed this far beyond the whole wait, in ms: clocks are put right in small steps, too. */
const CLOCK_SLACK_MS = 60_000;

/**
 * How long an item in a retry queue still has to wait. Its due time is by the wall clock, since it outlives the process:
 * one further ahead than its whole wait was written before the clock was set back, and the item is due at once.
 * @param entry its `round` as in the queue, 1 for the first wait
 * @returns ms, 0 or less when it is due
 */
export function dueInMs(
  entry: { readonly dueMs: number; readonly round: number },
  rounds: RetryOptions["rounds"],
  nowMs: number,
): number {
  const leftMs = entry.dueMs - nowMs;
  return leftMs > (rounds[entry.round - 1] ?? 0) + CLOCK_SLACK_MS ? 0 : leftMs;
}

/** Rounds that end with the very same failure this often in a row end in a dead letter. */
const ALIKE_LIMIT = 3;

/**
 * When an item that used its retries is tried again.
 * @param round rounds it has behind it, 0 when it fails for the first time
 * @param alike how often in a row it has now failed with the same failure, this time included
 * @returns ms until it is due, or null when it is a dead letter
 */
export function nextRoundMs(round: number, alike: number, options: Pick<RetryOptions, "rounds">): number | null {
  if (alike >= ALIKE_LIMIT) return null;
  return options.rounds[round] ?? null;
}
