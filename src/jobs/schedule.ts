import { Cron } from "croner";
import { type Clocks, systemClocks } from "../clocks.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import { Events, type ExecutionEnd, type RunSnapshot, type StopReason } from "../events.ts";
import type { JobSettings } from "../job.ts";
import type { Adapters } from "./adapters.ts";
import type { Execution } from "./execution.ts";
import { JobExecution } from "./job-execution.ts";

/**
 * @returns the next times of a cron schedule
 * @throws QuerymillError USAGE when schedule or time zone cannot be read
 */
export function nextTimes(schedule: string, timezone: string | null, count: number, from: Date = new Date()): Date[] {
  try {
    return new Cron(schedule, { ...(timezone === null ? {} : { timezone }) }).nextRuns(count, from);
  } catch (error) {
    throw new QuerymillError(
      "USAGE",
      `--schedule ${JSON.stringify(schedule)} cannot be read: ${messageOf(error)}. Expected five or six fields such as "30 2 * * *" (02:30 every day), or @daily.`,
      { cause: error },
    );
  }
}

/** How often a wait looks at the clock, in ms: it may have been set, and the machine may have slept. */
const LOOK_MS = 1_000;

/**
 * One execution at each time of a cron schedule, never two at once: a time that comes while one still runs is missed, and
 * said. Of the times that the clock is set past, the first one runs. A clock that is set back brings no time again that
 * has run. Ends only when it is stopped.
 */
export class ScheduledExecution implements Execution {
  readonly events = new Events();
  readonly #settings: JobSettings;
  readonly #adapters: Adapters;
  readonly #clocks: Clocks;
  #current: JobExecution | null = null;
  #last: { end: ExecutionEnd; snapshot: RunSnapshot } | null = null;
  #stopped: StopReason | null = null;
  #wake: () => void = () => {};
  #nextMs: number | null = null;

  constructor(settings: JobSettings, adapters: Adapters, clocks = systemClocks) {
    this.#settings = settings;
    this.#adapters = adapters;
    this.#clocks = clocks;
    nextTimes(settings.schedule ?? "", settings.timezone, 1);
  }

  async run(): Promise<ExecutionEnd> {
    let ranMs = Number.NEGATIVE_INFINITY;
    let idle: JobExecution | null = null;
    while (this.#stopped === null) {
      const lookedMs = this.#clocks.now();
      const from = new Date(Math.max(lookedMs, ranMs));
      const [next] = nextTimes(this.#settings.schedule!, this.#settings.timezone, 1, from);
      if (next === undefined) break;
      idle ??= new JobExecution(this.#settings, this.#adapters, this.#clocks);
      this.#sayNext(next.getTime());
      if (!(await this.#sleepUntil(next.getTime(), lookedMs))) continue;
      await this.#runOnce(idle);
      idle = null;
      this.#nextMs = null;
      ranMs = next.getTime();
      this.#sayMissed(next, new Date(this.#clocks.now()));
    }
    if (this.#last === null)
      throw new QuerymillError("RUN_STOPPED", "Stopped before the first scheduled time: nothing was run.");
    return { ...this.#last.end, exitCode: this.#stopped === "signal" ? 0 : this.#last.end.exitCode };
  }

  stop(reason: StopReason): void {
    this.#stopped ??= reason;
    this.#current?.stop(reason);
    this.#wake();
  }

  abort(): void {
    this.stop("signal");
    this.#current?.abort();
  }

  drainEndpoint(name: string): void {
    this.#running().drainEndpoint(name);
  }

  resumeEndpoint(name: string): void {
    this.#running().resumeEndpoint(name);
  }

  #running(): JobExecution {
    if (this.#current !== null) return this.#current;
    throw new QuerymillError("USAGE", "No scheduled run is under way, so there is no endpoint to drain or resume now.");
  }

  snapshot(): RunSnapshot {
    const snapshot =
      this.#current?.snapshot() ??
      this.#last?.snapshot ??
      new JobExecution(this.#settings, this.#adapters, this.#clocks).snapshot();
    return this.#current === null
      ? {
          ...snapshot,
          nowMs: this.#clocks.now(),
          state: "waiting",
          waiting: { reason: "next scheduled time", untilMs: this.#nextMs, items: 0 },
        }
      : snapshot;
  }

  async #runOnce(execution: JobExecution): Promise<void> {
    execution.events.onAny((name, payload) => this.events.emit(name, payload as never));
    this.#current = execution;
    try {
      const end = await execution.run();
      this.#last = { end, snapshot: execution.snapshot() };
      // What only a person can mend would fail again at every time.
      if (end.exitCode === 4 && end.stopReason !== "daily-quota" && end.stopReason !== "budget")
        this.stop(end.stopReason ?? "config");
    } catch (error) {
      // Told to stop while it waited for store or model: nothing was begun.
      const isStopped = error instanceof QuerymillError && error.code === "RUN_STOPPED";
      if (this.#stopped === null || !isStopped) throw error;
    } finally {
      this.#current = null;
    }
  }

  #sayNext(nextMs: number): void {
    if (this.#nextMs === nextMs) return;
    this.#nextMs = nextMs;
    this.events.emit("execution:wait", {
      executionId: this.#last?.end.executionId ?? "",
      reason: "next scheduled time",
      untilMs: nextMs,
      items: 0,
    });
  }

  #sayMissed(ran: Date, now: Date): void {
    const missed = nextTimes(this.#settings.schedule!, this.#settings.timezone, 100, ran).filter(
      (time) => time <= now,
    ).length;
    if (missed > 0)
      this.events.emit("execution:wait", {
        executionId: this.#last?.end.executionId ?? "",
        reason: `${missed} scheduled times passed meanwhile and are missed`,
        untilMs: now.getTime(),
        items: 0,
      });
  }

  /** @returns false when it was stopped, or the clock was set back behind `lookedMs`: there may be an earlier time then */
  async #sleepUntil(untilMs: number, lookedMs: number): Promise<boolean> {
    while (this.#stopped === null) {
      const nowMs = this.#clocks.now();
      if (nowMs >= untilMs) return true;
      if (nowMs < lookedMs) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(LOOK_MS, untilMs - nowMs));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return false;
  }
}
