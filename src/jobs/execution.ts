import type { Events, ExecutionEnd, PauseHolder, RunSnapshot, StopReason } from "../events.ts";
import type { BudgetPer, LiveChanges } from "./live-changes.ts";
import type { Requeued, RetrySelection } from "./requeue.ts";

export interface PauseOptions {
  /** Who said so, for the log and the panel. */
  readonly by?: string | null;
  /** @default "operator" */
  readonly holder?: PauseHolder;
}

/** One run of one job, from the outside. */
export interface Execution {
  readonly events: Events;
  /**
   * Runs to the end. Once only.
   * @throws QuerymillError for what is refused before anything was spent
   */
  run(): Promise<ExecutionEnd>;
  /** Drain: no new calls, those in flight come home (at most `deadlines.drainMs`). */
  stop(reason: StopReason): void;
  /** At once: cuts the calls in flight. Safe; their answers may be paid again. @default "signal" */
  abort(reason?: StopReason): void;
  /**
   * No new calls until it is resumed, nothing is read or retried; calls in flight come home and are stored, and the job
   * stays held. No deadline of an item, no alarm and no forecast counts the time. In the snapshot: `state`, `paused`.
   */
  pause(reason?: string | null, options?: PauseOptions): void;
  /** Goes on, unless another holder still pauses it. Nothing when it is not paused. */
  resume(options?: PauseOptions): void;
  /** Most calls at once from now on; those in flight beyond them come home. @throws QuerymillError USAGE */
  setConcurrency(calls: number | "auto"): Promise<void>;
  /** What a budget in USD is for when nothing else is said: as the settings said last. @default "job" */
  readonly budgetPer: BudgetPer;
  /**
   * Lower than what is spent, the run stops as it does when a budget is spent. null: no budget.
   * @throws QuerymillError USAGE; MODEL_UNPRICED
   */
  setBudget(usd: number | null): Promise<void>;
  /**
   * Dead letters and waiting retries are due now, with all their rounds before them; what is worked on just now is not.
   * @throws QuerymillError USAGE before execution:start
   */
  requeue(selection?: RetrySelection): Promise<Requeued>;
  /** Other settings from now on: all of them, or none. @throws QuerymillError USAGE, MODEL_UNPRICED, CONFIG_INVALID */
  change(changes: LiveChanges): Promise<void>;
  snapshot(): RunSnapshot;
  /**
   * An endpoint takes no new calls; those in flight come home. While every endpoint is told so, the run waits.
   * @throws QuerymillError USAGE when it has none of that name, or none yet
   */
  drainEndpoint(name: string): void;
  /** It takes calls again: after a drain, or after it refused us and was left out. @throws QuerymillError USAGE */
  resumeEndpoint(name: string): void;
}
