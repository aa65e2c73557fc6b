import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, QuerymillError } from "../errors.ts";
import { Events, type StopReason } from "../events.ts";
import type { WorkerReport } from "../fleet.ts";
import { fingerprintOf, type JobSettings, slotCeiling } from "../job.ts";
import type { Adapters } from "../jobs/adapters.ts";
import type { Store } from "../store.ts";
import { insist } from "../traffic/insist.ts";
import { StoreWatch } from "../traffic/store-watch.ts";
import { sweepFolders } from "./left-folders.ts";
import { uncountedBudget } from "./open-allowance.ts";
import { type Dispatcher, type FleetStore, type Handout, NO_ORDERS, type PlannedRange } from "./ports.ts";
import { questionOf, refuseOtherQuestion } from "./question.ts";
import { LASTING, RangeRun } from "./range-run.ts";
import { isNearItsEnd, shareSlots, type Wanted } from "./share-slots.ts";
import type { WorkerEnd, WorkerEvent } from "./worker-event.ts";
import { WorkerFigures } from "./worker-figures.ts";

export interface WorkerOptions {
  readonly settings: JobSettings;
  /** Stores and providers that it opens stay open between ranges. */
  readonly adapters: Adapters;
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  /** Ends when there has been nothing to do for so long, in ms; null: never. */
  readonly idleMs: number | null;
  readonly tell: (event: WorkerEvent) => void;
}

/** How often slots are shared out anew, and how often a worker says what it does and hears what it is told, in ms. */
const TICK_MS = 50;
const REPORT_MS = 1_000;
const WAIT_MS = 1_000;
/** How often it looks whether it may begin a range again, in ms. */
const TOLD_MS = 500;
/** After a range that somebody else has, in ms: a run without workers may have all of them. */
const BUSY_MS = 300;
/** After a range failed, the next one waits so long, doubling up to a minute, in ms. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** How often folders of ranges that were lost are looked for, in ms. */
const SWEEP_MS = 30_000;
/** Ranges at once: the next one begins while the last calls of the one before come home. */
const RANGES_AT_ONCE = 2;

/** A process that takes ranges of a job until it is stopped. */
export class Worker {
  readonly name = `${hostname().slice(0, 40)}-${process.pid}-${randomBytes(2).toString("hex")}`;
  /** What happens in its ranges. */
  readonly events = new Events();
  readonly #options: WorkerOptions;
  readonly #fleet: FleetStore;
  readonly #watch: StoreWatch;
  readonly #stopping = new AbortController();
  readonly #runs = new Set<RangeRun>();
  readonly #startedAtMs = Date.now();
  readonly #figures = new WorkerFigures();
  #orders = NO_ORDERS;
  /** A `stop` that was said before this one came is for those who were there. */
  #since: number | null = null;
  #pauseMs = 0;
  #trouble: string | null = null;
  #exitCode = 0;
  #ranges = 0;
  #refused: QuerymillError | null = null;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { settings, store } = options;
    this.#fleet = store.fleet!(settings.targetCollection);
    this.#watch = new StoreWatch({ storeMs: null, now: () => performance.now() });
  }

  /** @throws QuerymillError FINGERPRINT_CHANGED when the run asks another question; CONFIG_INVALID when it tells a budget that is not counted here */
  async run(): Promise<WorkerEnd> {
    const { tell } = this.#options;
    tell({ event: "worker:start", worker: this.name });
    const ticker = setInterval(() => this.#shareCalls(), TICK_MS);
    const reporting = this.#report();
    try {
      await this.#work();
    } finally {
      this.#stopping.abort();
      clearInterval(ticker);
      await reporting;
      await this.#fleet.board.leave(this.name).catch(() => {});
    }
    if (this.#refused !== null) throw this.#refused;
    const end = { ranges: this.#ranges, settled: this.#figures.settled, exitCode: this.#exitCode };
    tell({ event: "worker:end", worker: this.name, message: this.#trouble, ...end });
    return end;
  }

  /** Takes no more ranges; those it has go back with what is done kept. */
  stop(reason: StopReason = "signal"): void {
    this.#stopping.abort();
    for (const { execution } of this.#runs) execution.stop(reason);
  }

  abort(): void {
    this.stop();
    for (const { execution } of this.#runs) execution.abort();
  }

  async #work(): Promise<void> {
    const { settings } = this.#options;
    const idleMs = this.#options.idleMs ?? Number.POSITIVE_INFINITY;
    const running = new Set<Promise<void>>();
    let [idleSinceMs, sweptMs] = [performance.now(), performance.now()];
    // A pause holds for those that come later too.
    await insist(() => this.#hear(), this.#watch, this.#stopping.signal).catch(() => {});
    let own = await sweepFolders(settings, this.#fleet.book).catch(() => []);
    while (!this.#stopping.signal.aborted) {
      if (this.#pauseMs > 0) await this.#sleep(this.#pauseMs);
      if (!this.#hasRoom()) {
        // A pause comes to an end; after a stop only another run gives work.
        if (this.#runs.size > 0 || !this.#isEnding()) idleSinceMs = performance.now();
        else if (performance.now() - idleSinceMs >= idleMs) break;
        await this.#sleep(this.#mayBegin() ? TICK_MS : TOLD_MS);
        continue;
      }
      const [name, ...rest] = own;
      own = rest;
      const found = await this.#next(name ?? null);
      if (found === null) {
        if (this.#runs.size > 0) idleSinceMs = performance.now();
        else if (performance.now() - idleSinceMs >= idleMs) break;
        else if (performance.now() - sweptMs > SWEEP_MS) {
          sweptMs = performance.now();
          own = await sweepFolders(settings, this.#fleet.book).catch(() => []);
        }
        continue;
      }
      const { range, handout } = found;
      const alone = range.state === "taken" || range.crashes > 0;
      // What ended a worker may end this one: nothing else is in its hands then.
      if (alone) await Promise.all(running);
      if (this.#stopping.signal.aborted) {
        await handout?.giveBack();
        break;
      }
      const run = this.#begin(range, alone);
      const done = this.#finish(run, handout).finally(() => running.delete(done));
      running.add(done);
      idleSinceMs = performance.now();
      if (alone) await done;
    }
    await Promise.all(running);
  }

  /** A range to try, as it stands in the plan. */
  async #next(name: string | null): Promise<{ range: PlannedRange; handout: Handout | null } | null> {
    const { dispatcher } = this.#options;
    let handout: Handout | null = null;
    try {
      handout = name === null ? await dispatcher.next(WAIT_MS, this.#stopping.signal) : null;
      const wanted = name ?? handout?.range;
      if (wanted === undefined) return null;
      await this.#checkPlan();
      const { book } = this.#fleet;
      const range = await book.find(wanted);
      const isFree =
        range?.state === "waiting" || (range?.state === "taken" && (name !== null || !(await book.isHeld(wanted))));
      if (range !== null && isFree) return { range, handout };
      await handout?.settle();
      return null;
    } catch (error) {
      this.#setTrouble(error);
      // Nobody else gets what stays in these hands.
      await handout?.giveBack();
      await this.#sleep(WAIT_MS);
      return null;
    }
  }

  #begin(range: PlannedRange, alone: boolean): RangeRun {
    const { settings, adapters } = this.#options;
    const run = new RangeRun({
      settings,
      adapters,
      fleet: this.#fleet,
      range,
      worker: this.name,
      alone,
      watch: this.#watch,
    });
    this.#runs.add(run);
    this.#shareCalls();
    return run;
  }

  #shareCalls(): void {
    const wanted = this.#wanted();
    const { settings, adapters } = this.#options;
    adapters.pool?.bound(slotCeiling({ ...settings, concurrent: wanted.calls }));
    shareSlots([...this.#runs], wanted);
  }

  async #finish(run: RangeRun, handout: Handout | null): Promise<void> {
    const { tell } = this.#options;
    const { name, items } = run.range;
    const startedMs = performance.now();
    run.execution.events.pipeTo(this.events);
    run.execution.events.on("execution:start", () =>
      tell({ event: "range:taken", worker: this.name, range: name, items }),
    );
    const told = { event: "range:end", worker: this.name, range: name } as const;
    try {
      const { result, end } = await run.run();
      const durationMs = Math.round(performance.now() - startedMs);
      if (result === "lost") await this.#fleet.book.excuse(name).catch(() => {});
      if (result === "given-back" || result === "busy") await handout?.giveBack();
      else await handout?.settle();
      if (result === "busy") return await this.#sleep(BUSY_MS);
      tell({ ...told, result, read: end?.read ?? 0, durationMs, message: end?.message ?? null });
      if (end !== null) this.#figures.count(end);
      if (result === "done" || result === "dead") {
        this.#ranges += 1;
        this.#pauseMs = 0;
        this.#trouble = null;
        await sweepFolders(this.#options.settings, this.#fleet.book, name).catch(() => []);
      }
      if (end?.stopReason != null && LASTING.has(end.stopReason)) {
        this.#exitCode = 4;
        this.#trouble = end.message ?? `stopped: ${end.stopReason}`;
        this.stop("stop-requested");
      } else if (end?.stopReason === "store") this.#slowDown();
    } catch (error) {
      if (!(error instanceof QuerymillError)) throw error;
      this.#setTrouble(error);
      this.#slowDown();
      await handout?.giveBack().catch(() => {});
      tell({ ...told, result: "failed", read: 0, durationMs: 0, message: error.message });
    } finally {
      this.#runs.delete(run);
    }
  }

  #slowDown(): void {
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2));
  }

  #setTrouble(error: unknown): void {
    const trouble = messageOf(error);
    if (error instanceof QuerymillError && error.code === "FINGERPRINT_CHANGED") {
      this.#refuse(error);
      return;
    }
    if (trouble !== this.#trouble) this.#options.tell({ event: "worker:wait", worker: this.name, reason: trouble });
    this.#trouble = trouble;
  }

  #refuse(error: QuerymillError): void {
    this.#refused = error;
    this.stop("stop-requested");
  }

  /** What every execution of this worker is to be told. */
  #wanted(): Wanted {
    const { settings } = this.#options;
    return {
      calls: this.#orders.concurrent ?? settings.concurrent,
      most: settings.concurrentMax,
      orders: this.#orders,
    };
  }

  #mayBegin(): boolean {
    return this.#orders.paused === null && !this.#isEnding();
  }

  #hasRoom(): boolean {
    if (!this.#mayBegin()) return false;
    const runs = [...this.#runs];
    if (runs.length === 0) return true;
    return runs.length < RANGES_AT_ONCE && runs.every(isNearItsEnd);
  }

  #isEnding(): boolean {
    return this.#orders.ending !== null;
  }

  async #report(): Promise<void> {
    while (!this.#stopping.signal.aborted || this.#runs.size > 0) {
      try {
        await this.#fleet.board.report(this.#asReport());
        await this.#hear();
        await this.#checkPlan();
      } catch (error) {
        this.#setTrouble(error);
      }
      await this.#sleep(REPORT_MS, this.#runs.size > 0);
    }
  }

  async #hear(): Promise<void> {
    this.#orders = await this.#fleet.board.orders();
    this.#since ??= this.#orders.version;
    const { settings, adapters } = this.#options;
    const uncounted = adapters.allowance ? null : uncountedBudget(settings, this.#orders.budget);
    if (uncounted !== null) this.#refuse(uncounted);
    if (!this.#isEnding()) return;
    const isNew = this.#orders.version > this.#since;
    if (this.#orders.ending === "stop" && isNew) this.stop("stop-requested");
    else for (const { execution } of this.#runs) execution.stop("stop-requested");
  }

  /** Another taxonomy, model or mapping would give results that cannot be compared. */
  async #checkPlan(): Promise<void> {
    const { settings, adapters } = this.#options;
    const plan = await this.#fleet.book.plan();
    if (plan === null || plan.job !== settings.job) return;
    refuseOtherQuestion(
      settings.job,
      plan.question,
      questionOf(settings, fingerprintOf(settings, adapters.prompt.version)),
    );
  }

  #asReport(): WorkerReport {
    const snapshots = [...this.#runs].map(({ execution }) => execution.snapshot());
    return {
      name: this.name,
      host: hostname(),
      pid: process.pid,
      state: this.#state(),
      ranges: [...this.#runs].map(({ range }) => range.name),
      ...this.#figures.with(snapshots, this.#wanted(), this.#options.adapters.pool !== null),
      startedAtMs: this.#startedAtMs,
      trouble: this.#trouble,
    };
  }

  #state(): WorkerReport["state"] {
    if (this.#stopping.signal.aborted || this.#isEnding()) return "draining";
    if (this.#orders.paused !== null) return "paused";
    return this.#runs.size > 0 ? "running" : "idle";
  }

  async #sleep(ms: number, always = false): Promise<void> {
    await delay(ms, undefined, always ? {} : { signal: this.#stopping.signal }).catch(() => {});
  }
}
