import type { Clocks } from "../clocks.ts";
import { QuerymillError } from "../errors.ts";
import type { ExecutionEnd } from "../events.ts";
import type { JobSettings } from "../job.ts";
import { EMPTY_JOB_STATE } from "../outcome.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { logExecution } from "../state/execution-log.ts";
import { stopReasonOf } from "../stop-reason.ts";
import { NO_COUNTERS } from "./no-counters.ts";

/** Keeps how an execution ended, once, for those who look later. What it cannot write is lost, and nothing else. */
export class ExecutionKeeper {
  readonly #manager: BatchFileManager;
  readonly #settings: JobSettings;
  readonly #executionId: string;
  readonly #clocks: Clocks;
  readonly #startedAtMs: number;
  readonly #startedMs: number;
  #kept = false;

  constructor(manager: BatchFileManager, settings: JobSettings, executionId: string, clocks: Clocks) {
    this.#manager = manager;
    this.#settings = settings;
    this.#executionId = executionId;
    this.#clocks = clocks;
    this.#startedAtMs = clocks.now();
    this.#startedMs = clocks.steadyNow();
  }

  async ended(end: ExecutionEnd): Promise<void> {
    if (this.#kept) return;
    this.#kept = true;
    const { files, folder, identity } = this.#manager;
    const { mode } = this.#settings;
    const times = { startedAtMs: this.#startedAtMs, endedAtMs: this.#clocks.now(), mode };
    await logExecution(files, folder, identity, { ...end, ...times }).catch(() => {});
  }

  /** It held the job and could not begin, or broke: nothing that is counted is known. */
  async failed(error: unknown): Promise<void> {
    const expected = error instanceof QuerymillError;
    const wasStopped = expected && error.code === "RUN_STOPPED";
    await this.ended({
      executionId: this.#executionId,
      job: this.#settings.job,
      status: wasStopped ? "stopped" : "failed",
      stopReason: expected ? (stopReasonOf(error.code) ?? (wasStopped ? "stop-requested" : null)) : null,
      message: expected ? error.message : "A bug in Querymill ended it.",
      ...NO_COUNTERS,
      waitingUntilQuiet: 0,
      durationMs: this.#clocks.steadyNow() - this.#startedMs,
      itemsPerSecond: 0,
      slotUtilization: 0,
      jobTotals: { ...EMPTY_JOB_STATE.totals },
      labels: {},
      skippedReasons: {},
      deadLetterReasons: {},
      redacted: {},
      damaged: 0,
      exitCode: expected ? 2 : 1,
    });
  }
}
