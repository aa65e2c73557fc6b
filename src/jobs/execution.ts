import type { Events, ExecutionEnd, RunSnapshot, StopReason } from "../events.ts";

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
  /** At once: cuts the calls in flight. Safe; their answers may be paid again. */
  abort(): void;
  snapshot(): RunSnapshot;
  /**
   * An endpoint takes no new calls; those in flight come home. While every endpoint is told so, the run waits.
   * @throws QuerymillError USAGE when it has none of that name, or none yet
   */
  drainEndpoint(name: string): void;
  /** It takes calls again: after a drain, or after it refused us and was left out. @throws QuerymillError USAGE */
  resumeEndpoint(name: string): void;
}
