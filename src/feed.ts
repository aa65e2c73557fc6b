import type { Task } from "./classify.ts";
import type { FeedOptions, Slots, Waiting } from "./feed-options.ts";
import type { ItemKey } from "./item.ts";
import type { Plan } from "./plan.ts";

/** How far ahead of the slots items are planned: about this much work, in ms, and never more items. */
const AHEAD_MS = 10_000;
const AHEAD_ITEMS = 500;
/** Items of an unclean end that are read together: each may be a document of 16 MB. */
const AGAIN_ITEMS = 10;
/** With so many items between two attempts, new ones wait. */
const BACKOFF_ITEMS = 1_000;
/** Passes of batch mode over a source whose items keep changing while they are in flight. */
const MAX_PASSES = 3;
/** Ends of one wait that are closer together than this are the same, in ms. */
const SAME_END_MS = 1_000;
/** Passes that changes of the source begin are at least so far apart, in ms, and reading takes at most this share of the time. */
const WAKE_GAP_MS = 250;
const WAKE_SHARE = 0.1;
/** How often the retry queue is asked what is due, in ms. */
const DUE_CHECK_MS = 1_000;

/** Brings items to the slots: what an unclean end left, retries that are due, then the source; and knows when to wait. */
export class Feed {
  readonly #options: FeedOptions;
  readonly #slots: Slots;
  readonly #ready: Task[] = [];
  #aheadItems: number;
  #planned = 0;
  #lastDueCheckMs = 0;
  /** What was made due from outside is not waited for until everything else is done. */
  #isRequeued = false;
  #wakeUp: (() => void) | null = null;
  #ended = false;
  #limitReached = false;
  #waiting: Waiting | null = null;
  #poked = false;
  #passSinceMs: number | null;
  /** Planned from the source since others were looked for. */
  #passItems = 0;
  /** How long the last plan from the source took, in ms: at the end of a pass, the search for more. */
  #planMs = 0;

  constructor(options: FeedOptions, slots: Slots) {
    this.#options = options;
    this.#slots = slots;
    this.#passSinceMs = options.now();
    this.#aheadItems = Math.max(options.batchSize, Math.min(AHEAD_ITEMS, slots.capacity()));
  }

  /** No more items will come. */
  get ended(): boolean {
    return this.#ended;
  }
  get limitReached(): boolean {
    return this.#limitReached;
  }
  get waiting(): Waiting | null {
    return this.#waiting;
  }
  /** Read ahead and not taken. */
  get pending(): number {
    return this.#ready.length + this.#options.reader.buffered + (this.#options.answers?.waiting ?? 0);
  }
  /** Planned and not taken: what a limit leaves read is not among it. */
  get planned(): number {
    return this.#ready.length + (this.#options.answers?.waiting ?? 0);
  }
  /** Epoch ms of when the present pass over the source began; null between passes. */
  get passSinceMs(): number | null {
    return this.#passSinceMs;
  }
  get empty(): boolean {
    return this.#ready.length === 0;
  }

  /** The next item, or undefined when none is ready. */
  take(): Task | undefined {
    const task = this.#ready.shift();
    if (this.#ready.length < this.#aheadItems) this.wake();
    return task;
  }

  /** Looks again: an item was settled or taken, time has passed, the run was stopped. */
  wake(): void {
    const wakeUp = this.#wakeUp;
    this.#wakeUp = null;
    wakeUp?.();
  }

  /** Retries were made due from outside. */
  requeued(): void {
    this.#isRequeued = true;
    this.#lastDueCheckMs = 0;
    this.wake();
  }

  /** Somebody else changed the source: it is read again soon, from its start, as a poll does. */
  poke(): void {
    this.#poked = true;
    this.wake();
  }

  /** Called now and then: adapts how far to read ahead. */
  tick(): void {
    const { batchSize } = this.#options;
    const work = Math.ceil((this.#slots.rate() * AHEAD_MS) / 1000);
    this.#aheadItems = Math.max(batchSize, Math.min(AHEAD_ITEMS, Math.max(this.#slots.capacity(), work)));
    this.wake();
  }

  /**
   * Feeds until everything is done, or the run was stopped.
   * @param first items to do before anything else: `alone` one at a time, `again` in any order
   */
  async run(first: { alone: readonly ItemKey[]; again: readonly ItemKey[] }): Promise<void> {
    const { planner, active } = this.#options;
    try {
      for (const key of first.alone) {
        if (this.#stopped) break;
        this.#enqueue(await planner.fromKeys([key]));
        while (active.has(key) && !this.#stopped) await this.#change();
      }
      for (let at = 0; at < first.again.length && !this.#stopped; at += AGAIN_ITEMS) {
        this.#enqueue(await planner.fromKeys(first.again.slice(at, at + AGAIN_ITEMS)));
        while (this.#ready.length >= this.#aheadItems && !this.#stopped) await this.#change();
      }
      await this.#shareOut();
      let changedBefore = this.#options.sink.changed;
      for (let passes = 0; !this.#stopped; ) {
        if (await this.#fillUp()) {
          passes += 1;
          if (!(await this.#betweenPasses(passes, changedBefore))) break;
          changedBefore = this.#options.sink.changed;
        }
        if (this.#room() <= 0) {
          this.#limitReached = true;
          break;
        }
      }
      await this.#options.recovered;
    } finally {
      this.#ended = true;
      this.#slots.wake();
    }
  }

  /** Gives back what was not taken. */
  clear(): void {
    for (const task of this.#ready) this.#options.active.delete(task.item.key);
    this.#ready.length = 0;
    for (const key of this.#options.answers?.clear() ?? []) this.#options.active.delete(key);
  }

  /** Items that waited for the answer to an equal one, and have to be asked now. */
  askNow(tasks: readonly Task[]): void {
    this.#ready.push(...tasks);
  }

  /** Plans one round when there is need. @returns true when the source is worked off */
  async #fillUp(): Promise<boolean> {
    const { planner, retryQueue, steadyNow } = this.#options;
    const need = this.#aheadItems - this.#ready.length;
    if (this.#isPaused || need <= 0 || this.#slots.waiting() >= BACKOFF_ITEMS) {
      await this.#change();
      return false;
    }
    if (!this.#options.leaveRetries && retryQueue.size > 0 && steadyNow() - this.#lastDueCheckMs > DUE_CHECK_MS) {
      await this.#takeDue();
      if (this.#room() <= 0) return false;
    }
    if (this.#options.retriesOnly) return (planner.nextDueInMs() ?? 1) > 0;
    if (this.#passItems >= (this.#options.ownItems ?? Number.POSITIVE_INFINITY)) {
      await this.#shareOut();
      await this.#options.reader.restart();
    }
    const startedMs = steadyNow();
    const plan = await planner.fromSource(Math.min(Math.max(need, this.#options.batchSize), this.#room()));
    this.#planMs = steadyNow() - startedMs;
    this.#passItems += plan.tasks.length + plan.settlements.length + plan.parked;
    await this.#accept(plan);
    return plan.ended;
  }

  /** The source is worked off: what now? @returns false when the run is over */
  async #betweenPasses(passes: number, changedBefore: number): Promise<boolean> {
    const { mode, intervalMs, reader, sink, planner, retryQueue, now, steadyNow, retryWaitMs } = this.#options;
    if (mode === "batch") {
      // Only now is it known what comes back: everything in flight has to be settled and stored first.
      while (!this.#stopped && !(this.empty && this.#slots.quiet())) {
        if (this.#isRequeued && !this.#isPaused) await this.#takeDue();
        else await this.#change();
      }
      if (this.#stopped) return false;
      await this.#options.recovered;
      await sink.drain();
      const isPartial = reader.startedBehind;
      if (isPartial || (sink.changed > changedBefore && passes < MAX_PASSES)) {
        if (isPartial) await this.#shareOut();
        reader.rewind();
        return true;
      }
    }
    await this.#options.planner.rest();
    this.#passSinceMs = null;
    const endedMs = steadyNow();
    const sinceMs = endedMs - this.#options.pause.totalMs;
    const gapMs = Math.min(intervalMs(), Math.max(WAKE_GAP_MS, this.#planMs / WAKE_SHARE));
    while (!this.#stopped) {
      if (this.#isPaused) {
        this.#waiting = null;
        await this.#change();
        continue;
      }
      const waitedMs = steadyNow() - this.#options.pause.totalMs - sinceMs;
      const leftMs = (mode === "batch" ? (retryWaitMs ?? 0) : intervalMs()) - waitedMs;
      const dueInMs = this.#options.leaveRetries ? null : planner.nextDueInMs();
      if (dueInMs !== null && dueInMs <= 0) break;
      if (mode === "batch" && (dueInMs === null || dueInMs > leftMs)) return false;
      const quietInMs = mode === "batch" ? Number.POSITIVE_INFINITY : reader.quietInMs;
      const isWoken = mode !== "batch" && (this.#poked || quietInMs <= 0);
      if (leftMs <= 0 || (isWoken && steadyNow() - endedMs >= gapMs)) break;
      if (quietInMs < Math.min(leftMs, dueInMs ?? leftMs))
        this.#wait({ reason: "not quiet yet", untilMs: now() + quietInMs, items: reader.notQuiet.items });
      else if (dueInMs !== null && dueInMs < leftMs)
        this.#wait({ reason: "retry queues", untilMs: now() + dueInMs, items: retryQueue.size });
      else this.#wait({ reason: "next poll", untilMs: now() + leftMs, items: 0 });
      await this.#change();
    }
    this.#waiting = null;
    this.#poked = false;
    this.#passSinceMs = now();
    this.#lastDueCheckMs = 0;
    if (mode !== "batch") {
      await this.#shareOut();
      reader.rewind();
    }
    return !this.#stopped;
  }

  /** What is in flight here is unprocessed for all others: it has to be stored before they look. */
  async #shareOut(): Promise<void> {
    const { shareOut = null, retriesOnly, recovered, sink } = this.#options;
    if (shareOut === null || retriesOnly || this.#stopped) return;
    while (!this.#stopped && !(this.empty && this.#slots.quiet())) await this.#change();
    await recovered;
    await sink.drain();
    if (!this.#stopped) await shareOut();
    this.#passItems = 0;
  }

  async #takeDue(): Promise<void> {
    const { planner, steadyNow } = this.#options;
    const due = await planner.fromRetryQueue(this.#room());
    if (due.tasks.length + due.settlements.length + due.parked === 0) {
      this.#lastDueCheckMs = steadyNow();
      this.#isRequeued = false;
    }
    await this.#accept(due);
  }

  async #accept(plan: Plan): Promise<void> {
    this.#waiting = null;
    this.#planned += plan.settlements.length + plan.parked;
    for (const { key } of plan.settlements) this.#options.active.add(key);
    this.#enqueue(plan.tasks);
    if (plan.settlements.length > 0) await this.#slots.settle(plan.settlements);
  }

  #enqueue(tasks: readonly Task[]): void {
    if (tasks.length === 0) return;
    this.#planned += tasks.length;
    for (const task of tasks) {
      this.#options.active.add(task.item.key);
      this.#ready.push(task);
    }
    this.#sayPlanned(tasks);
    this.#slots.wake();
  }

  #sayPlanned(tasks: readonly Task[]): void {
    const { events, executionId } = this.#options;
    if (!events.wants("batch:planned")) return;
    for (const [batchId, batch] of Map.groupBy(tasks, (task) => task.batchId)) {
      if (batchId !== null) events.emit("batch:planned", { executionId, batchId, items: batch.length });
    }
  }

  #room(): number {
    return this.#options.limit === null ? Number.MAX_SAFE_INTEGER : this.#options.limit - this.#planned;
  }

  #wait(waiting: Waiting): void {
    const before = this.#waiting;
    this.#waiting = waiting;
    // The same end as two clocks tell it can be some ms apart.
    if (before?.reason === waiting.reason && Math.abs(before.untilMs - waiting.untilMs) < SAME_END_MS) return;
    const { events, executionId } = this.#options;
    events.emit("execution:wait", { executionId, ...waiting });
  }

  get #isPaused(): boolean {
    return this.#options.pause.current !== null;
  }

  get #stopped(): boolean {
    return this.#options.stopping.aborted;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeUp = resolve;
    });
  }
}
