import { type Asked, Asker, type AskerOptions } from "./asker.ts";
import { Backoff } from "./backoff.ts";
import type { Task } from "./classify.ts";
import { messageOf, QuerymillError } from "./errors.ts";
import type { StopReason } from "./events.ts";
import { Feed } from "./feed.ts";
import type { FeedOptions, Waiting } from "./feed-options.ts";
import type { Outcome, Settlement } from "./outcome.ts";
import type { Pause } from "./pause.ts";
import type { Plan } from "./plan.ts";
import type { Recorder } from "./recorder.ts";
import type { BatchFiles } from "./state/batch-file.ts";
import { stopReasonOf } from "./stop-reason.ts";
import type { CallMeter } from "./traffic/call-meter.ts";
import { IdleAlarm } from "./traffic/idle-alarm.ts";
import { RunBreaker } from "./traffic/run-breaker.ts";

export interface PipelineOptions
  extends Omit<FeedOptions, "stopping">,
    Omit<AskerOptions, "stopping" | "aborting" | "stop"> {
  readonly deadlines: AskerOptions["deadlines"] & { readonly idleMs: number; readonly drainMs: number };
  readonly runBreaker: { readonly share: number; readonly window: number };
  readonly recorder: Recorder;
  readonly batches: BatchFiles;
  /** While it is held no call is begun and nothing is read. */
  readonly pause: Pause;
  /** Waits for a model that does not answer, for however long. @default false */
  readonly patient?: boolean;
  /** Fires when the run is to stop; made outside, since reading ends with it too. */
  readonly stopping: AbortController;
  /** Called after each settled item: saves checkpoints when they are due. */
  readonly onSettled: () => void;
}

type Took = [latencyMs: number | null, admittedMs?: number | null];

/** How long storing may go on after the calls in flight were cut off, in ms. */
const STORE_GRACE_MS = 2_000;
/** Items that are begun in one turn of the event loop: more would hold it up. */
const BEGUN_AT_ONCE = 64;
/**
 * Moves items through the stages: feed → slot → call → journal → sink. A slot is the right to have one call in flight; it
 * is free again with the answer, while the journal still makes that safe. Nothing waits in order for anything else: an
 * item between two attempts holds no slot, a slow one holds only its own.
 *
 * States: running → stopping (no new calls; calls in flight come home) → ended. `abort` cuts the calls in flight too.
 */
export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #feed: Feed;
  readonly #backoff = new Backoff();
  readonly #asker: Asker;
  readonly #stopping: AbortController;
  readonly #aborting = new AbortController();
  readonly #breaker: RunBreaker;
  readonly #ended = Promise.withResolvers<void>();
  /** Items in a slot: from admission to the answer. */
  #working = 0;
  /** Items with an outcome that is not yet in the journal: at most as many as there are slots. */
  #settling = 0;
  #more: NodeJS.Immediate | null = null;
  #stopReason: StopReason | null = null;
  #stopMessage: string | null = null;
  #failure: unknown = null;
  readonly #idle: IdleAlarm;

  constructor(options: PipelineOptions) {
    const { gateway, recorder, steadyNow } = options;
    this.#options = options;
    this.#stopping = options.stopping;
    this.#aborting.signal.addEventListener("abort", () => {
      setTimeout(() => options.sink.stop(), STORE_GRACE_MS).unref();
    });
    this.#breaker = new RunBreaker(options.runBreaker);
    const startedMs = steadyNow();
    this.#idle = new IdleAlarm(options.deadlines.idleMs, steadyNow);
    this.#asker = new Asker({
      ...options,
      holdReason: () => (options.pause.current === null ? options.holdReason() : "paused"),
      stopping: options.stopping.signal,
      aborting: this.#aborting.signal,
      stop: (reason, message) => this.stop(reason, message),
    });
    gateway.onCapacity = () => this.#begin();
    this.#feed = new Feed(
      { ...options, stopping: options.stopping.signal },
      {
        capacity: () => gateway.capacity,
        rate: () => recorder.rate(startedMs),
        waiting: () => this.#backoff.size,
        quiet: () => this.#working + this.#settling + this.#backoff.size === 0,
        settle: (settlements) => this.#settleAll(settlements),
        wake: () => this.#begin(),
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
  get calls(): Pick<CallMeter<Task>, "inFlight" | "utilization" | "oldestMs" | "oldest"> {
    return this.#asker.calls;
  }
  /** Items between two attempts. */
  get backoff(): Backoff["first"] {
    return this.#backoff.first;
  }

  /**
   * Runs until everything is settled, or it was stopped.
   * @throws bugs; trouble of disk and store is a reason to stop
   */
  async run(first: Parameters<Feed["run"]>[0]): Promise<void> {
    const ticker = setInterval(() => this.#tick(), 500);
    try {
      await this.#feed.run(first).catch((error) => this.#fail(error));
      this.#begin();
      await this.#ended.promise;
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
      inFlight: this.#asker.calls.inFlight,
      reason,
    });
    this.#stopping.abort();
    setTimeout(() => this.#aborting.abort(), this.#options.deadlines.drainMs).unref();
    this.wake();
  }

  /**
   * Cuts the calls in flight: their items go back, their answers may be paid again. What is answered and cannot be
   * stored soon, stays in the journal.
   */
  abort(reason: StopReason = "signal"): void {
    this.stop(reason);
    this.#aborting.abort();
  }

  /** Told of what was changed from outside: `requeued` retries are due, `poke` the source has changed. */
  get feed(): Pick<Feed, "requeued" | "poke" | "passSinceMs"> {
    return this.#feed;
  }

  /** A pause is over: the time it took was nobody's. @param sinceMs when it began, by the steady clock */
  unpaused(sinceMs: number): void {
    this.#backoff.excuse(sinceMs, this.#options.steadyNow());
    this.#idle.reset();
    this.wake();
  }

  /** Puts items into slots as long as there are both. */
  #begin(): void {
    const { gateway, reader, pause } = this.#options;
    if (this.#stopped) this.#releaseBackoff();
    for (
      let begun = 0;
      !this.#stopped && pause.current === null && this.#working < gateway.slots && this.#settling < gateway.capacity;
      begun += 1
    ) {
      if (begun >= BEGUN_AT_ONCE) {
        this.#more ??= setImmediate(() => {
          this.#more = null;
          this.#begin();
        });
        break;
      }
      gateway.soonest = reader.ended && this.#feed.pending < gateway.capacity;
      const task = this.#backoff.takeDue(this.#options.steadyNow) ?? this.#feed.take();
      if (task === undefined) break;
      this.#working += 1;
      void this.#run(task);
    }
    if (this.#working + this.#settling > 0) return;
    if (this.#feed.ended && (this.#stopped || this.#backoff.size + this.#feed.planned === 0)) this.#ended.resolve();
    else if (this.#feed.empty) this.#feed.wake();
  }

  /** Takes an item through its slot and to the journal. */
  async #run(task: Task): Promise<void> {
    let asked: Asked | null = null;
    try {
      this.#admit(task);
      asked = await this.#asker.ask(task);
      if (asked.next === "settle") this.#judge(asked.outcome);
    } catch (error) {
      this.#fail(error);
    }
    this.#working -= 1;
    this.#settling += 1;
    this.#begin();
    try {
      if (asked?.next === "settle") await this.#finish(task, asked.outcome, asked.latencyMs);
      if (asked?.next === "go-back") await this.#release(task);
      if (asked?.next === "wait") this.#putOff(task, asked.afterMs, asked.reason);
    } catch (error) {
      this.#fail(error);
    }
    this.#settling -= 1;
    this.#begin();
  }

  #admit(task: Task): void {
    if (task.admittedMs !== null) return;
    task.admittedMs = this.#options.steadyNow();
    this.#options.recorder.admit(task.item.key, () => task.spend);
  }

  async #finish(task: Task, outcome: Outcome, latencyMs: number | null): Promise<void> {
    const { executionId, now } = this.#options;
    const { item, origin, attempts, spend } = task;
    const base = { key: item.key, origin, contentHash: item.contentHash, attempts, spend, executionId, atMs: now() };
    await this.#settle(
      task.answerKey === null ? { ...outcome, ...base } : { ...outcome, ...base, answerKey: task.answerKey },
      task.ordinal,
      latencyMs,
      task.admittedMs,
    );
    const told = this.#tellTwins(task, outcome);
    if (told !== null) await told;
    // A hint that nobody waits for.
    if (task.batchId !== null) this.#options.batches.settle(task.batchId).catch(() => {});
  }

  /** Those that waited for the answer to an equal item have it, or are asked themselves. */
  #tellTwins(task: Task, outcome: Outcome): Promise<void> | null {
    const { answers } = this.#options;
    if (answers === null) return null;
    const { hits, ask } = answers.settled(task, outcome);
    this.#feed.askNow(ask);
    return hits.length === 0 ? null : this.#settleAll(hits);
  }

  #putOff(task: Task, afterMs: number, reason: string): void {
    this.#backoff.add(task, this.#options.steadyNow() + afterMs, reason);
    const twin = this.#options.answers?.oneMore(task);
    if (twin !== undefined) this.#feed.askNow([twin]);
  }

  /** Ends a run whose items mostly fail, before another call is made. */
  #judge(outcome: Outcome): void {
    const { runBreaker, mode, gateway, deadlines } = this.#options;
    if (!this.#breaker.record(outcome.outcome === "classified")) return;
    const last = "message" in outcome ? outcome.message : "";
    const message = `At least ${Math.round(runBreaker.share * 100)} % of the last ${this.#breaker.seen} items failed; the last one: ${last}`;
    this.#breaker.reset();
    if (mode === "batch") this.stop("run-breaker", message);
    else for (const endpoint of gateway.endpoints) endpoint.rest(deadlines.itemMs, message);
  }

  async #settle(settlement: Settlement, ordinal: number | null, ...took: Took): Promise<void> {
    const { recorder, sink, reader, onSettled } = this.#options;
    await sink.room();
    const seq = await recorder.settle(settlement, ...took);
    sink.push(seq, settlement);
    if (ordinal !== null) reader.settle(ordinal);
    this.#idle.reset();
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
    this.#feed.askNow(this.#options.answers?.gaveUp(task) ?? []);
    await this.#options.recorder.release(task.item.key, task.spend);
  }

  #releaseBackoff(): void {
    for (const task of this.#backoff.takeAll()) {
      this.#settling += 1;
      this.#release(task)
        .catch((error) => this.#fail(error))
        .finally(() => {
          this.#settling -= 1;
          this.#begin();
        });
    }
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Looks again at what it follows: the pause, the budget, what is due. */
  wake(): void {
    this.#asker.wake();
    this.#feed.wake();
    this.#begin();
  }

  /** Twice a second: wakes what waits for a time, and looks for what goes on for too long. */
  #tick(): void {
    const { deadlines, mode, patient = false, steadyNow, executionId, events, pause } = this.#options;
    const triedMs = steadyNow() - (pause.endedMs ?? Number.NEGATIVE_INFINITY);
    const stuck = mode === "batch" && pause.current === null ? this.#asker.stuck(triedMs) : null;
    if (stuck !== null && !(patient && stuck.reason === "run-breaker")) this.stop(stuck.reason, stuck.message);
    if (this.#asker.calls.inFlight > 0 && this.#idle.rings())
      events.emit("execution:wait", {
        executionId,
        reason: `nothing was settled for ${Math.round(deadlines.idleMs / 1000)} s`,
        untilMs: this.#options.now(),
        items: this.#asker.calls.inFlight,
      });
    this.#feed.tick();
    this.wake();
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
