import { Cron } from "croner";
import { type Clocks, onWall, systemClocks } from "../clocks.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import { Events, type ExecutionEnd, type RunSnapshot, type StopReason } from "../events.ts";
import type { JobSettings } from "../job.ts";
import { Pause } from "../pause.ts";
import type { Adapters } from "./adapters.ts";
import type { Execution, PauseOptions } from "./execution.ts";
import { JobExecution } from "./job-execution.ts";
import { checkBudget, checkConcurrency, type LiveChanges } from "./live-changes.ts";
import type { Requeued, RetrySelection } from "./requeue.ts";

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
  readonly #paused: Pause;
  /** What was changed of the settings since the start. */
  #changes: LiveChanges = {};

  constructor(settings: JobSettings, adapters: Adapters, clocks = systemClocks) {
    this.#settings = settings;
    this.#adapters = adapters;
    this.#clocks = clocks;
    this.#paused = new Pause(clocks.steadyNow);
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

  abort(reason: StopReason = "signal"): void {
    this.stop(reason);
    this.#current?.abort(reason);
  }

  pause(reason: string | null = null, options: PauseOptions = {}): void {
    const { by = null, holder = "operator" } = options;
    const isNew = this.#paused.begin(holder, reason, by);
    if (this.#current !== null) this.#current.pause(reason, options);
    else if (isNew) this.events.emit("execution:pause", { executionId: this.#lastId, reason, by, holder });
  }

  resume(options: PauseOptions = {}): void {
    const { by = null, holder = "operator" } = options;
    const { sinceMs } = this.#paused;
    this.#paused.end(holder);
    if (this.#current !== null) this.#current.resume(options);
    else if (sinceMs !== null && this.#paused.endedMs !== null && this.#paused.sinceMs === null)
      this.events.emit("execution:unpause", {
        executionId: this.#lastId,
        by,
        pausedMs: this.#paused.endedMs - sinceMs,
      });
  }

  async setConcurrency(calls: number | "auto"): Promise<void> {
    checkConcurrency(calls);
    await this.change({ concurrent: calls });
  }

  async setBudget(usd: number | null): Promise<void> {
    checkBudget(usd);
    const { budget } = { ...this.#settings, ...this.#changes };
    await this.change({ budget: usd === null ? null : { usd, per: budget?.per ?? "job" } });
  }

  async requeue(selection: RetrySelection = {}): Promise<Requeued> {
    return await this.#running().requeue(selection);
  }

  /** Holds for all later runs too. */
  async change(changes: LiveChanges): Promise<void> {
    const all = { ...this.#changes, ...changes };
    await (this.#current ?? new JobExecution(this.#settings, this.#adapters, this.#clocks)).change(all);
    this.#changes = all;
  }

  get #lastId(): string {
    return this.#last?.end.executionId ?? "";
  }

  drainEndpoint(name: string): void {
    this.#running().drainEndpoint(name);
  }

  resumeEndpoint(name: string): void {
    this.#running().resumeEndpoint(name);
  }

  #running(): JobExecution {
    if (this.#current !== null) return this.#current;
    throw new QuerymillError(
      "USAGE",
      "No scheduled run is under way, so there is nothing to drain, resume or requeue now. Wait for the next time.",
    );
  }

  snapshot(): RunSnapshot {
    const paused = this.#paused.current;
    const snapshot =
      this.#current?.snapshot() ??
      this.#last?.snapshot ??
      new JobExecution(this.#settings, this.#adapters, this.#clocks).snapshot();
    return this.#current === null
      ? {
          ...snapshot,
          nowMs: this.#clocks.now(),
          state: paused === null ? "waiting" : "paused",
          paused: paused && { ...paused, sinceMs: onWall(this.#clocks, paused.sinceMs) },
          waiting: { reason: "next scheduled time", untilMs: this.#nextMs, items: 0 },
        }
      : snapshot;
  }

  async #runOnce(execution: JobExecution): Promise<void> {
    execution.events.pipeTo(this.events);
    this.#current = execution;
    await execution.change(this.#changes);
    for (const { holder, reason, by } of this.#paused.all) execution.pause(reason, { holder, by });
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
