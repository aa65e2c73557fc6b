import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../errors.ts";
import type { ItemKey } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { type GrowingState, type GrownPage, saveGrowing } from "../state/growing.ts";
import type { UpdatedDocument } from "../store.ts";
import { insist } from "../traffic/insist.ts";
import { type GrownItemsOptions, grownAmong, grownOf, OUTCOMES } from "./grown-items.ts";
import { finishPage, type GrowingOptions, orStop, takePage } from "./grown-page.ts";

/** What told of changed texts. */
type FoundBy = "change-stream" | "updated-at" | "sweep";

const PAGE = 500;
/** Changes that were written late, or by a clock that is behind, are looked at once more. */
const OVERLAP_MS = 2 * 60_000;
/** So much the clocks of those who write documents may be behind ours. */
const SKEW_MS = 60_000;
/** A sweep rests this many times as long as its last page took, and never less. */
const SWEEP_REST = 4;
const SWEEP_REST_MS = 50;
/** Keys that were told of and are not looked at yet; for more of them a sweep begins. */
const MOST_TOLD = 100_000;
/** Keys that are remembered as looked at before the old ones among them are forgotten. */
const MOST_LOOKED = 20_000;
/** How long closing may wait for a question that is under way, in ms. */
const CLOSE_MS = 5_000;

/**
 * Finds settled items whose texts changed, and takes their marks away, so that the run reads them as any other item.
 * Beside the run in continuous mode; before anything is read in the others. Three ways lead to them: what the change
 * stream tells, what documents say of their last change, and now and then a comparison of all of them. Each only points
 * at documents: what counts is the text, so an equal one costs nothing, and our own marks are no change.
 *
 * A group is written down with its keys, counted in the journal, unmarked, and crossed out: a process that dies in
 * between does the same group again, without those that have been classified since.
 */
export class Growing {
  readonly #options: GrowingOptions;
  readonly #growing: NonNullable<JobSettings["growing"]>;
  #state: GrowingState;
  /** Not looked at yet, with the place in the change stream before each was told of; the earliest first. */
  readonly #told = new Map<ItemKey, { readonly before: string | null }>();
  /** More was told than is remembered: a sweep finds it. */
  #overflowed = false;
  /** Documents that were looked at within the overlap, by when they say they were changed. */
  readonly #looked = new Map<ItemKey, number>();
  #turn: Promise<void> = Promise.resolve();
  #running: Promise<void> | null = null;
  readonly #closing = new AbortController();
  /** Items of this execution that lost their marks. */
  found = 0;
  /** Why looking for changes does not work at the moment. */
  trouble: string | null = null;

  constructor(options: GrowingOptions, state: GrowingState) {
    this.#options = { ...options, signal: AbortSignal.any([options.signal, this.#closing.signal]) };
    this.#growing = options.settings.growing!;
    this.#state = state;
  }

  /** Before anything is read: looks for what changed since; in continuous mode begins to look on beside the run. */
  async begin(): Promise<void> {
    const { settings, note, open } = this.#options;
    const { updatedAt, sweepEveryMs } = this.#growing;
    if (settings.mode === "continuous") {
      const isTold = open.source.watch !== undefined && settings.watch !== "off";
      if (!isTold && updatedAt === null && sweepEveryMs === null)
        note(
          "Nothing tells of changed conversations here, so they are not classified again: no change stream is watched, and neither source.updatedAt nor source.sweepEvery is set.",
        );
      this.#running = this.#lookOn();
      return;
    }
    const { watch, signal } = this.#options;
    await orStop(this.#options, async () => {
      await this.#options.recovered;
      if (updatedAt !== null) await insist(() => this.#lookAtUpdated(), watch, signal);
      // Where nothing else tells, all of them are compared: those too that an earlier sweep has behind it.
      const always = updatedAt === null && sweepEveryMs === null;
      if (always) this.#state = { ...this.#state, sweep: null };
      if (always || this.#sweepIsDue())
        do await this.#sweepPage();
        while (this.#state.sweep !== null && !this.#stopped);
    });
    const items = this.found.toLocaleString("en-US");
    if (this.found > 0)
      note(`${items} ${this.found === 1 ? "item is" : "items are"} classified again, since the text changed.`);
  }

  /**
   * Somebody changed these documents, marked or on their way. Resolves when those that are marked have been looked at; the
   * others are when they are stored.
   * @param before place in the change stream from which they are told of again
   */
  async changed(keys: readonly ItemKey[], before: string | null): Promise<void> {
    for (const key of keys) {
      const earlier = this.#told.get(key);
      // Each telling is one of its own: a look that is under way may have read the text before it.
      if (earlier !== undefined || this.#told.size < MOST_TOLD)
        this.#told.set(key, earlier ? { ...earlier } : { before });
      else this.#overflowed = true;
    }
    await this.#inTurn(() => this.#lookAtTold());
  }

  /** Place in the change stream from which another process has to read on, for what was not looked at; null: any. */
  get owedFrom(): string | null {
    for (const { before } of this.#told.values()) if (before !== null) return before;
    return null;
  }

  /** Resolves when it looks no more. */
  async close(): Promise<void> {
    this.#closing.abort();
    // A question to the store that takes long is left alone: what it would have found is found by the next process.
    const late = delay(CLOSE_MS, undefined, { ref: false });
    await Promise.race([this.#running, late]);
  }

  async #lookOn(): Promise<void> {
    const { settings, steadyNow } = this.#options;
    const everyMs = settings.intervalSeconds * 1_000;
    let lookAtMs = steadyNow();
    while (!this.#stopped) {
      const startedMs = steadyNow();
      let restMs = everyMs;
      const worked = await this.#inTurn(async () => {
        if (this.#state.page !== null) await this.#take(this.#state.page);
        await this.#lookAtTold();
        if (this.#growing.updatedAt !== null && steadyNow() >= lookAtMs) {
          await this.#lookAtUpdated();
          lookAtMs = startedMs + everyMs;
        }
        if (this.#sweepIsDue()) {
          const pageMs = steadyNow();
          await this.#sweepPage();
          restMs = Math.min(everyMs, Math.max(SWEEP_REST_MS, SWEEP_REST * (steadyNow() - pageMs)));
        }
      });
      if (worked && this.#growing.updatedAt !== null)
        restMs = Math.min(restMs, Math.max(SWEEP_REST_MS, lookAtMs - steadyNow()));
      await delay(restMs, undefined, { signal: this.#options.signal }).catch(() => {});
    }
  }

  /** One after the other: groups of marks have numbers. Trouble is told once and shown; the next turn tries again. @returns whether it worked */
  async #inTurn(action: () => Promise<void>): Promise<boolean> {
    const { events, executionId } = this.#options;
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => {});
    try {
      await turn;
      this.trouble = null;
      return true;
    } catch (error) {
      if (this.#stopped) return false;
      const reason = `changed conversations cannot be looked for: ${messageOf(error)}`;
      if (this.trouble !== reason) events.emit("execution:wait", { executionId, reason, untilMs: null, items: 0 });
      this.trouble = reason;
      return false;
    }
  }

  /** What the change stream told of, but for what is on its way: that is looked at when it is stored. */
  async #lookAtTold(): Promise<void> {
    const idle = [...this.#told].filter(([key]) => !this.#options.active.has(key));
    for (let at = 0; at < idle.length && !this.#stopped; at += PAGE) {
      const page = idle.slice(at, at + PAGE);
      const looked = await this.#takeGrown(
        page.map(([key]) => key),
        "change-stream",
      );
      for (const [key, told] of page) if (looked.has(key) && this.#told.get(key) === told) this.#told.delete(key);
    }
  }

  /** Documents that say they were changed after they were settled. */
  async #lookAtUpdated(): Promise<void> {
    const { open, settings, now } = this.#options;
    const sinceMs = Math.max(0, this.#state.lookedMs - OVERLAP_MS);
    const nowMs = now();
    let latestMs = this.#state.lookedMs;
    const pages = open.source.readUpdated(settings.job, sinceMs)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const page = await pages.next();
        if (page.done || this.#stopped) break;
        const fresh = page.value.filter((one) => this.#isNews(one));
        const looked = await this.#takeGrown(
          fresh.map(({ key }) => key),
          "updated-at",
        );
        for (const { updatedAtMs } of page.value)
          if (updatedAtMs !== null && updatedAtMs <= nowMs) latestMs = Math.max(latestMs, updatedAtMs);
        // Only what the next look may meet again: pages come in no order, and there may be millions.
        for (const { key, updatedAtMs } of fresh)
          if (looked.has(key) && updatedAtMs! >= latestMs - OVERLAP_MS) this.#looked.set(key, updatedAtMs!);
        if (this.#looked.size > MOST_LOOKED) this.#forgetLooked(latestMs);
      }
    } finally {
      await pages.return?.();
    }
    this.#forgetLooked(latestMs);
    if (latestMs > this.#state.lookedMs) await this.#save({ lookedMs: latestMs });
  }

  #forgetLooked(latestMs: number): void {
    for (const [key, atMs] of this.#looked) if (atMs < latestMs - OVERLAP_MS) this.#looked.delete(key);
  }

  #isNews({ key, updatedAtMs, mark }: UpdatedDocument): boolean {
    if (updatedAtMs === null || mark === null || this.#looked.get(key) === updatedAtMs) return false;
    return mark.atMs === null || updatedAtMs > mark.atMs - SKEW_MS;
  }

  #sweepIsDue(): boolean {
    const { sweepEveryMs } = this.#growing;
    const { sweep, sweptMs } = this.#state;
    if (sweep !== null || this.#overflowed) return true;
    if (sweepEveryMs === null) return false;
    const nowMs = this.#options.now();
    // A clock that was set back does not put it off for longer than one round.
    return sweptMs === null || nowMs - sweptMs >= sweepEveryMs || sweptMs > nowMs;
  }

  /** Compares one page of settled items with what they were made from, and notes how far it is. */
  async #sweepPage(): Promise<void> {
    const { open, settings, watch, signal, now } = this.#options;
    if (this.#state.sweep === null) this.#overflowed = false;
    const at = this.#state.sweep ?? { sinceMs: now(), outcome: OUTCOMES[0]!, cursor: null };
    const { outcome } = at;
    const page = await insist(
      () => open.source.readMarked({ job: settings.job, outcome }, at.cursor, PAGE),
      watch,
      signal,
    );
    const grown = await insist(() => grownAmong(page.documents, outcome, this.#grownItems()), watch, signal);
    if (grown.length > 0) await this.#takeGrown(grown, "sweep");
    const next = page.last ? OUTCOMES[OUTCOMES.indexOf(outcome) + 1] : outcome;
    if (next === undefined) await this.#save({ sweep: null, sweptMs: at.sinceMs });
    else await this.#save({ sweep: { ...at, outcome: next, cursor: page.last ? null : page.cursor } });
  }

  /**
   * Looks at the texts of these settled items, and takes the marks away from those that have another one now.
   * @returns those that were looked at: what is on its way is not
   */
  async #takeGrown(keys: readonly ItemKey[], foundBy: FoundBy): Promise<ReadonlySet<ItemKey>> {
    const { open, settings, active, sink, recorder, watch, signal, now } = this.#options;
    const idle = keys.filter((key) => !active.has(key));
    const looked = new Set(idle);
    if (idle.length === 0) return looked;
    // Then nothing that is marked has still to be noted as stored: after a crash it would be taken back twice.
    await sink.landed();
    const marks = await insist(() => open.source.settledBy(settings.job, idle), watch, signal);
    const { comparableMs } = this.#state;
    const wanted =
      foundBy === "sweep" ? new Map([...marks].filter(([, { atMs }]) => (atMs ?? 0) >= comparableMs)) : marks;
    const grown = await insist(() => grownOf(wanted, this.#grownItems()), watch, signal);
    for (const [outcome, found] of grown) {
      const ready = found.filter((key) => !active.has(key));
      for (const key of found) if (active.has(key)) looked.delete(key);
      if (ready.length === 0) continue;
      const number = outcome === "deadLetter" ? null : (recorder.state.unmarkedPages ?? 0) + 1;
      const page: GrownPage = { number, outcome, keys: ready, atMs: now() };
      await this.#save({ page });
      await this.#take(page);
      this.#say(ready.length, foundBy);
    }
    return looked;
  }

  async #take(page: GrownPage): Promise<void> {
    await takePage(this.#options, page);
    await this.#save({ page: null });
    this.#options.poke();
  }

  #say(items: number, foundBy: FoundBy): void {
    const { events, executionId } = this.#options;
    this.found += items;
    events.emit("items:grown", { executionId, items, foundBy });
  }

  #grownItems(): GrownItemsOptions {
    const { open, adapters, manager } = this.#options;
    return { ...open, ...adapters, deadLetters: manager.deadLetters };
  }

  async #save(change: Partial<GrowingState>): Promise<void> {
    const { files, folder } = this.#options.manager;
    this.#state = { ...this.#state, ...change };
    await saveGrowing(files, folder, this.#state);
  }

  get #stopped(): boolean {
    return this.#options.signal.aborted;
  }
}

/**
 * Finishes what an earlier process was about to do, and makes ready for more.
 * @returns null when settled items are left alone
 */
export async function openGrowing(options: GrowingOptions): Promise<Growing | null> {
  const { settings, manager, fingerprint, now } = options;
  if (settings.retryOnly !== null) return null;
  const before = await finishPage(options);
  if (settings.growing?.again !== true) return null;
  const { mapping } = fingerprint;
  const first = { format: 1 as const, mapping, comparableMs: 0, lookedMs: 0, sweep: null, sweptMs: null, page: null };
  const state = before ?? { ...first, ...manager.identity };
  return new Growing(options, state.mapping === mapping ? state : { ...state, mapping, comparableMs: now() });
}
