import type { Classifier, Step, Task } from "./classify.ts";
import { ModelError, messageOf, QuerymillError } from "./errors.ts";
import { type StopReason, stopReasonOf } from "./events.ts";
import { Feed, type FeedOptions, type Waiting } from "./feed.ts";
import type { Outcome, Settlement } from "./outcome.ts";
import type { Plan } from "./plan.ts";
import type { Recorder } from "./recorder.ts";
import type { BatchFiles } from "./state/batch-file.ts";
import type { Journal } from "./state/journal.ts";
import type { Budget } from "./traffic/budget.ts";
import { CallMeter } from "./traffic/call-meter.ts";
import type { Endpoint } from "./traffic/endpoint.ts";
import { RunBreaker } from "./traffic/run-breaker.ts";

export interface PipelineOptions extends Omit<FeedOptions, "stopping"> {
  readonly deadlines: { readonly itemMs: number; readonly idleMs: number; readonly drainMs: number };
  readonly runBreaker: { readonly share: number; readonly window: number };
  readonly budget: Budget | null;
  readonly classifier: Classifier;
  readonly endpoint: Endpoint;
  readonly recorder: Recorder;
  readonly journal: Journal;
  readonly batches: BatchFiles;
  /** Fires when the run is to stop; made outside, since reading ends with it too. */
  readonly stopping: AbortController;
  /** Why no call may go out just now (the store's lease is late, …), or null. Asked before each call and every 500 ms. */
  readonly holdReason: () => string | null;
  /** Called after each settled item: saves checkpoints when they are due. */
  readonly onSettled: () => void;
}

/** How long storing may go on after the calls in flight were cut off, in ms. */
const STORE_GRACE_MS = 2_000;

/**
 * Moves items through the stages: feed → slot → call → journal → sink. Each slot pulls one item at a time and nothing
 * waits in order for anything else: an item between two attempts holds no slot, a slow one holds only its own.
 *
 * States: running → stopping (no new calls; calls in flight come home) → ended. `abort` cuts the calls in flight too.
 */
export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #feed: Feed;
  /** Items between two attempts, with when they may be tried again (steady clock). */
  readonly #backoff = new Map<Task, { atMs: number; reason: string }>();
  readonly #calls: CallMeter;
  readonly #stopping: AbortController;
  readonly #aborting = new AbortController();
  readonly #breaker: RunBreaker;
  /** Items in a slot, from admission to the journal. */
  #working = 0;
  #wakers: (() => void)[] = [];
  #stopReason: StopReason | null = null;
  #stopMessage: string | null = null;
  #failure: unknown = null;
  #lastSettledMs: number;
  #idleSaid = false;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#stopping = options.stopping;
    this.#aborting.signal.addEventListener("abort", () => {
      setTimeout(() => options.sink.stop(), STORE_GRACE_MS).unref();
    });
    this.#breaker = new RunBreaker(options.runBreaker);
    const startedMs = options.steadyNow();
    this.#lastSettledMs = startedMs;
    this.#calls = new CallMeter(options.slots, options.steadyNow);
    this.#feed = new Feed(
      { ...options, stopping: options.stopping.signal },
      {
        rate: () => options.recorder.rate(startedMs),
        waiting: () => this.#backoff.size,
        quiet: () => this.#working + this.#backoff.size === 0,
        settle: (settlements) => this.#settleAll(settlements),
        wake: () => this.#wake(),
      },
    );
  }

  get stopReason(): StopReason | null {
    return this.#stopReason ?? (this.#feed.limitReached ? "limit" : null);
  }
  get stopMessage(): string | null {
    return this.#stopMessage;
  }
  get waiting(): Waiting | null {
    return this.#feed.waiting;
  }
  get pending(): number {
    return this.#feed.pending;
  }
  /** What is in flight, and how well the slots are used. */
  get calls(): Pick<CallMeter, "inFlight" | "utilization" | "oldestMs"> {
    return this.#calls;
  }
  get backoff(): { count: number; nextAtMs: number | null; reason: string | null } {
    let next: { atMs: number; reason: string } | null = null;
    for (const entry of this.#backoff.values()) if (next === null || entry.atMs < next.atMs) next = entry;
    return { count: this.#backoff.size, nextAtMs: next?.atMs ?? null, reason: next?.reason ?? null };
  }

  /**
   * Runs until everything is settled, or it was stopped.
   * @throws bugs; trouble of disk and store is a reason to stop
   */
  async run(first: Parameters<Feed["run"]>[0]): Promise<void> {
    const ticker = setInterval(() => this.#tick(), 500);
    try {
      const slots = Array.from({ length: this.#options.slots }, () => this.#slot());
      await Promise.all([this.#feed.run(first).catch((error) => this.#fail(error)), ...slots]);
    } finally {
      clearInterval(ticker);
      this.#feed.clear();
    }
    await this.#options.sink.drain();
    if (this.#failure !== null) throw this.#failure;
  }

  /** No new calls; those in flight come home, at most `drainMs`. */
  stop(reason: StopReason, message: string | null = null): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopReason = reason;
    this.#stopMessage = message;
    this.#options.events.emit("execution:drain", {
      executionId: this.#options.executionId,
      inFlight: this.#calls.inFlight,
      reason,
    });
    this.#stopping.abort();
    setTimeout(() => this.#aborting.abort(), this.#options.deadlines.drainMs).unref();
    this.#wake();
  }

  /**
   * Cuts the calls in flight: their items go back, their answers may be paid again. What is answered and cannot be
   * stored soon, stays in the journal.
   */
  abort(): void {
    this.stop("signal");
    this.#aborting.abort();
  }

  async #slot(): Promise<void> {
    try {
      for (let task = await this.#next(); task !== null; task = await this.#next()) {
        await this.#work(task);
        this.#working -= 1;
        if (this.#feed.ended || this.#feed.empty) this.#wake();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The next item that may be worked on, counted as `#working` at once; null when there will be none. */
  async #next(): Promise<Task | null> {
    for (;;) {
      if (this.#stopped) {
        for (const task of this.#backoff.keys()) {
          this.#backoff.delete(task);
          await this.#release(task);
        }
        return null;
      }
      const task = this.#nextDue() ?? this.#feed.take();
      if (task !== undefined) {
        this.#working += 1;
        return task;
      }
      if (this.#feed.ended && this.#backoff.size === 0 && this.#working === 0) {
        this.#wake();
        return null;
      }
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
  }

  #nextDue(): Task | undefined {
    if (this.#backoff.size === 0) return undefined;
    const now = this.#options.steadyNow();
    for (const [task, { atMs }] of this.#backoff) {
      if (atMs > now) continue;
      this.#backoff.delete(task);
      return task;
    }
    return undefined;
  }

  async #work(task: Task): Promise<void> {
    const { endpoint, recorder, journal, steadyNow, mode, deadlines } = this.#options;
    if (task.admittedMs === null) {
      task.admittedMs = steadyNow();
      recorder.admit(task.item.key, () => task.spend);
    }
    for (;;) {
      if (!(await this.#mayCall(task))) return await this.#release(task);
      try {
        if (endpoint.provider.remote) journal.note({ kind: "start", key: task.item.key });
        const step = await this.#call(task);
        if (step === null) return await this.#release(task);
        if (step.next === "settle") return await this.#finish(task, step.outcome, step.latencyMs);
        this.#sayFailed(task, step);
        if (step.next === "retry") {
          this.#backoff.set(task, { atMs: steadyNow() + step.afterMs, reason: step.message });
          return;
        }
        if (step.next !== "stop") continue;
        if (mode === "continuous" && step.reason === "daily-quota") endpoint.rest(deadlines.itemMs, step.message);
        else this.stop(step.reason, step.message);
      } finally {
        this.#options.budget?.settle();
      }
    }
  }

  /** One call. @returns null when it was cut off by {@link abort} */
  async #call(task: Task): Promise<Step | null> {
    this.#calls.begin(task);
    try {
      return await this.#options.classifier.step(task, this.#aborting.signal);
    } catch (error) {
      if (error instanceof ModelError) return null;
      throw error;
    } finally {
      this.#calls.end(task);
    }
  }

  /** Waits until a call may go out, and reserves what it costs. @returns false when the item has to go back instead */
  async #mayCall(task: Task): Promise<boolean> {
    const { endpoint, budget, holdReason, steadyNow } = this.#options;
    while (!this.#stopped) {
      const reserved = holdReason() === null ? (budget?.reserve() ?? "go") : "wait";
      if (reserved === "spent") this.stop("budget", "The budget is spent.");
      if (reserved === "wait") await new Promise<void>((resolve) => this.#wakers.push(resolve));
      if (reserved !== "go") continue;
      if (endpoint.tryEnter()) return true;
      budget?.settle();
      const sinceMs = steadyNow();
      await endpoint.waitForChange(this.#stopping.signal);
      task.restedMs += steadyNow() - sinceMs;
    }
    return false;
  }

  async #finish(task: Task, outcome: Outcome, latencyMs: number | null): Promise<void> {
    const { executionId, now, runBreaker, mode, endpoint, deadlines } = this.#options;
    const { item, origin, attempts, spend } = task;
    await this.#settle(
      { ...outcome, key: item.key, origin, contentHash: item.contentHash, attempts, spend, executionId, atMs: now() },
      task.ordinal,
      latencyMs,
    );
    // A hint that nobody waits for.
    if (task.batchId !== null) this.#options.batches.settle(task.batchId).catch(() => {});
    if (!this.#breaker.record(outcome.outcome === "classified")) return;
    const last = "message" in outcome ? outcome.message : "";
    const message = `At least ${Math.round(runBreaker.share * 100)} % of the last ${this.#breaker.seen} items failed; the last one: ${last}`;
    this.#breaker.reset();
    if (mode === "batch") this.stop("run-breaker", message);
    else endpoint.rest(deadlines.itemMs, message);
  }

  async #settle(settlement: Settlement, ordinal: number | null, latencyMs: number | null): Promise<void> {
    const { recorder, sink, reader, onSettled, steadyNow } = this.#options;
    await sink.room();
    const seq = await recorder.settle(settlement, latencyMs);
    sink.push(seq, settlement);
    if (ordinal !== null) reader.settle(ordinal);
    this.#lastSettledMs = steadyNow();
    this.#idleSaid = false;
    onSettled();
  }

  async #settleAll(settlements: Plan["settlements"]): Promise<void> {
    const { recorder } = this.#options;
    await Promise.all(
      settlements.map(async ({ ordinal, recovered, ...settlement }) => {
        recorder.admit(settlement.key);
        if (recovered) recorder.counts.recovered += 1;
        await this.#settle(settlement as Settlement, ordinal, null);
      }),
    );
  }

  /** The item goes back as it came: a later run reads it again. */
  async #release(task: Task): Promise<void> {
    this.#options.active.delete(task.item.key);
    await this.#options.recorder.release(task.item.key, task.spend);
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
    this.#feed.wake();
  }

  /** Twice a second: wakes what waits for a time, and looks for what goes on for too long. */
  #tick(): void {
    const { endpoint, deadlines, mode, now, steadyNow, executionId, events } = this.#options;
    if (!this.#stopped && mode === "batch" && endpoint.troubleMs() > deadlines.itemMs) {
      const { pauseReason } = endpoint.snapshot(0);
      this.stop(
        "run-breaker",
        `${endpoint.name} has answered nothing for ${Math.round(deadlines.itemMs / 60_000)} min: ${pauseReason ?? "every call fails"}`,
      );
    }
    if (!this.#idleSaid && this.#calls.inFlight > 0 && steadyNow() - this.#lastSettledMs > deadlines.idleMs) {
      this.#idleSaid = true;
      events.emit("execution:wait", {
        executionId,
        reason: `nothing was settled for ${Math.round(deadlines.idleMs / 1000)} s`,
        untilMs: now(),
        items: this.#calls.inFlight,
      });
    }
    this.#feed.tick();
    this.#wake();
  }

  #sayFailed(task: Task, step: Exclude<Step, { next: "settle" }>): void {
    const { events, executionId, endpoint } = this.#options;
    if (!events.wants("call:failed")) return;
    const nextInMs = step.next === "retry" ? Math.round(step.afterMs) : null;
    events.emit("call:failed", {
      executionId,
      endpoint: endpoint.name,
      failure: step.failure,
      message: step.message,
      attempt: task.attempts,
      nextInMs,
    });
  }

  /** What ends a run: trouble of disk or store is a reason to stop, anything else a bug to report. */
  #fail(error: unknown): void {
    if (this.#stopped && error instanceof Error && error.name === "AbortError") return;
    const reason = error instanceof QuerymillError ? stopReasonOf(error.code) : undefined;
    if (reason === undefined) this.#failure ??= error;
    this.stop(reason ?? "store", messageOf(error));
    // As long as answers can be journaled, the calls in flight come home.
    if (reason !== "disk" || this.#options.journal.failure !== null) this.#aborting.abort();
  }
}
