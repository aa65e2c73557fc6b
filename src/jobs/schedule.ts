import { randomBytes } from "node:crypto";
import { type Clocks, onWall, systemClocks } from "../clocks.ts";
import { type ErrorCode, QuerymillError } from "../errors.ts";
import { Events, type ExecutionEnd, type RunSnapshot, type StopReason } from "../events.ts";
import { type JobSettings, slotCeiling } from "../job.ts";
import { Pause } from "../pause.ts";
import type { ScheduleSettings } from "../scheduling/schedule.ts";
import { type Due, type Passed, Timetable } from "../scheduling/timetable.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { openStateFolder } from "../state/files.ts";
import { loadScheduleState, saveScheduleState } from "../state/schedule-state.ts";
import type { Adapters } from "./adapters.ts";
import type { Execution, PauseOptions } from "./execution.ts";
import { JobExecution } from "./job-execution.ts";
import { type BudgetPer, checkBudget, checkConcurrency, type LiveChanges } from "./live-changes.ts";
import { refuseUnpricedBudget } from "./open-job.ts";
import type { Requeued, RetrySelection } from "./requeue.ts";

/** How often a wait looks at the clock, in ms: it may have been set, and the machine may have slept. */
const LOOK_MS = 1_000;
/** What keeps a run from beginning and mends itself, or is mended without touching the settings. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "STORE_UNREACHABLE",
  "STORE_FAILED",
  "MODEL_UNREACHABLE",
  "JOB_HELD",
  "FENCED",
  "STATE_UNWRITABLE",
]);
/** Why a run ended that would end the next one too, until a person has mended it. */
const LASTING: ReadonlySet<StopReason> = new Set(["authentication", "billing", "config"]);

/**
 * One execution at each time of the job's schedules, never two at once. A time that comes while a run of the same schedule
 * is under way is missed, and said; that of another schedule begins when the run has ended. Of the times of a schedule
 * that the clock is set past, one runs. A clock that is set back brings no time again that has run. Ends only when it is
 * stopped, or when a run ended for what only a person can mend.
 */
export class ScheduledExecution implements Execution {
  readonly events = new Events();
  readonly #settings: JobSettings;
  readonly #adapters: Adapters;
  readonly #clocks: Clocks;
  readonly #make: typeof JobExecution;
  readonly #schedules: readonly ScheduleSettings[];
  readonly #manager: BatchFileManager;
  #timetable: Timetable;
  #seed = randomBytes(4).toString("hex");
  /** Names of schedules whose last run was cut off, or is under way. */
  readonly #underWay = new Set<string>();
  /** Shown before the first run. */
  #idle: JobExecution | null;
  #current: JobExecution | null = null;
  #last: { end: ExecutionEnd; snapshot: RunSnapshot } | null = null;
  #stopped: StopReason | null = null;
  #wake: () => void = () => {};
  #waitsUntilMs: number | null = null;
  readonly #paused: Pause;
  /** What was changed of the settings since the start. */
  #changes: LiveChanges = {};

  /** @param make what one run is */
  constructor(settings: JobSettings, adapters: Adapters, clocks = systemClocks, make = JobExecution) {
    this.#make = make;
    this.#settings = settings;
    this.#adapters = adapters;
    this.#clocks = clocks;
    this.#paused = new Pause(clocks.steadyNow);
    this.#schedules = settings.schedules ?? [];
    this.#manager = new BatchFileManager(settings.batchDir, settings);
    this.#timetable = new Timetable(this.#schedules, this.#seed, clocks.now());
    this.#idle = new this.#make(settings, adapters, clocks);
  }

  async run(): Promise<ExecutionEnd> {
    for (const schedule of this.#schedules) refuseUnpricedBudget(this.#settingsOf(schedule), this.#adapters.pricingOf);
    const owed = await this.#open();
    let slept = true;
    while (this.#stopped === null) {
      const caughtUp = owed.shift();
      const due = caughtUp ?? this.#timetable.next();
      if (due === null) break;
      if (caughtUp === undefined && this.#clocks.now() < due.startMs) {
        this.#sayNext(due.startMs);
        slept = true;
        if (!(await this.#sleepUntil(due.startMs))) continue;
      }
      await this.#runDue(due, caughtUp !== undefined, slept ? "down" : "running");
      slept = false;
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

  get budgetPer(): BudgetPer {
    return (this.#changes.budget ?? this.#settings.budget)?.per ?? "job";
  }

  async setConcurrency(calls: number | "auto"): Promise<void> {
    checkConcurrency(calls);
    await this.change({ concurrent: calls });
  }

  async setBudget(usd: number | null): Promise<void> {
    checkBudget(usd);
    await this.change({ budget: usd === null ? null : { usd, per: this.budgetPer } });
  }

  async requeue(selection: RetrySelection = {}): Promise<Requeued> {
    return await this.#running().requeue(selection);
  }

  /** Holds for all later runs too. */
  async change(changes: LiveChanges): Promise<void> {
    const all = { ...this.#changes, ...changes };
    await (this.#current ?? new this.#make(this.#settings, this.#adapters, this.#clocks)).change(all);
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
    const nowMs = this.#clocks.now();
    const schedules = this.#timetable.snapshot(nowMs);
    if (this.#current !== null) return { ...this.#current.snapshot(), schedules };
    const before = this.#last?.snapshot ?? this.#idle!.snapshot();
    const waiting = { reason: "next scheduled time", untilMs: this.#waitsUntilMs, items: 0 };
    const current = this.#paused.current;
    const paused = current && { ...current, sinceMs: onWall(this.#clocks, current.sinceMs) };
    const state = paused === null ? "waiting" : "paused";
    return { ...before, nowMs, state, paused, waiting, schedules, slots: this.#nextSlots(before) };
  }

  /** Calls at once as they were, unless the next run was told another number. */
  #nextSlots({ slots }: RunSnapshot): RunSnapshot["slots"] {
    if (this.#changes.concurrent === undefined) return slots;
    const settings = { ...this.#settings, ...this.#changes };
    const ceiling = slotCeiling(settings);
    const automatic = settings.concurrent === "auto";
    return { ...slots, limit: automatic ? Math.min(slots.limit, ceiling) : ceiling, ceiling, automatic };
  }

  /**
   * Reads how far the schedules had come, and says what was missed since.
   * @returns the times to catch up with
   */
  async #open(): Promise<Due[]> {
    const { files, folder, identity } = this.#manager;
    await openStateFolder(files, folder);
    const state = await loadScheduleState(files, folder, identity);
    this.#seed = state?.seed ?? this.#seed;
    const nowMs = this.#clocks.now();
    this.#timetable = new Timetable(this.#schedules, this.#seed, nowMs);
    const owed: Due[] = [];
    for (const schedule of this.#schedules) {
      const { name, cron, timezone, catchUp } = schedule;
      const before = state?.schedules.find((other) => other.name === name);
      // What another schedule would have done tells nothing of this one.
      if (before === undefined || before.cron !== cron || before.timezone !== timezone) continue;
      this.#timetable.settle(name, before.settledMs, true);
      this.#timetable.lookAtClock(nowMs);
      const passed = this.#timetable.passed(name, nowMs);
      const missed = before.underWay ? withCutOff(passed, before.settledMs) : passed;
      if (passed !== null) this.#timetable.settle(name, passed.lastMs, false);
      if (missed === null) continue;
      this.events.emit("schedule:missed", { name, reason: "down", ...missed });
      if (catchUp === "once") owed.push({ schedule, timeMs: missed.lastMs, startMs: missed.lastMs });
    }
    await this.#save();
    return owed;
  }

  /** @param before why times that have passed beside the one that runs did not run */
  async #runDue(due: Due, caughtUp: boolean, before: "running" | "down"): Promise<void> {
    const { schedule, timeMs, startMs } = due;
    const { name } = schedule;
    if (!caughtUp) {
      this.#timetable.settle(name, timeMs, true);
      this.#settlePassed(name, before);
    }
    this.#underWay.add(name);
    await this.#save().catch(ignored);
    this.events.emit("schedule:run", { name, timeMs, delayMs: startMs - timeMs, caughtUp });
    await this.#execute(schedule, timeMs);
    if (this.#stopped !== "signal") this.#underWay.delete(name);
    this.#settlePassed(name, "running");
    await this.#save().catch(ignored);
  }

  async #execute(schedule: ScheduleSettings, timeMs: number): Promise<void> {
    if (this.#stopped !== null) return;
    const execution = new this.#make(this.#settingsOf(schedule), this.#adapters, this.#clocks);
    execution.events.pipeTo(this.events);
    this.#current = execution;
    this.#idle = null;
    await execution.change(this.#changes);
    for (const { holder, reason, by } of this.#paused.all) execution.pause(reason, { holder, by });
    try {
      const end = await execution.run();
      this.#last = { end, snapshot: execution.snapshot() };
      if (end.exitCode === 4 && end.stopReason !== null && LASTING.has(end.stopReason)) this.stop(end.stopReason);
    } catch (error) {
      this.#idle = execution;
      // Told to stop while it waited for store or model: nothing was begun.
      if (this.#stopped !== null && error instanceof QuerymillError && error.code === "RUN_STOPPED") return;
      if (!(error instanceof QuerymillError) || !PASSING.has(error.code)) throw error;
      const { code, message } = error;
      this.events.emit("schedule:failed", { name: schedule.name, timeMs, code, message });
    } finally {
      this.#current = null;
      this.#waitsUntilMs = null;
    }
  }

  #settingsOf({ changes }: ScheduleSettings): JobSettings {
    return { ...this.#settings, ...changes };
  }

  #sayNext(untilMs: number): void {
    if (this.#waitsUntilMs === untilMs) return;
    this.#waitsUntilMs = untilMs;
    this.events.emit("execution:wait", { executionId: this.#lastId, reason: "next scheduled time", untilMs, items: 0 });
  }

  /** Says which times have passed that are not going to run. */
  #settlePassed(name: string, reason: "running" | "down"): void {
    const passed = this.#timetable.passed(name, this.#clocks.now());
    if (passed === null) return;
    this.#timetable.settle(name, passed.lastMs, false);
    this.events.emit("schedule:missed", { name, reason, ...passed });
  }

  async #save(): Promise<void> {
    const { files, folder, identity } = this.#manager;
    const schedules = this.#schedules.map(({ name, cron, timezone, jitterSeconds }) => {
      const settledMs = this.#timetable.settledMs(name);
      return { name, cron, timezone, jitterSeconds, settledMs, underWay: this.#underWay.has(name) };
    });
    await saveScheduleState(files, folder, { format: 1, ...identity, seed: this.#seed, schedules });
  }

  /** @returns false when it was stopped, or the clock was set so that another time may come first */
  async #sleepUntil(untilMs: number): Promise<boolean> {
    while (this.#stopped === null) {
      const nowMs = this.#clocks.now();
      if (nowMs >= untilMs) return true;
      if (this.#timetable.lookAtClock(nowMs)) return false;
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

/** The time whose run was cut off did not run either. */
function withCutOff(passed: Passed | null, cutOffMs: number): Passed {
  return { times: (passed?.times ?? 0) + 1, firstMs: cutOffMs, lastMs: passed?.lastMs ?? cutOffMs };
}

/** A disk that cannot be written is told by the run itself; what is lost here is said as missed after a restart. */
function ignored(): void {}
