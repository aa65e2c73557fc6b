import type { Clocks } from "./clocks.ts";
import { messageOf, QuerymillError } from "./errors.ts";
import type { Events, StopReason } from "./events.ts";
import type { ItemKey } from "./item.ts";
import { keysToRead, NO_SPEND, type Settlement } from "./outcome.ts";
import { isDead, isQueued, queueEntryOf } from "./queue-entry.ts";
import { type ClassificationRecord, reviveRecord } from "./record.ts";
import type { Recorder } from "./recorder.ts";
import { fencedError, refusedOutcome } from "./refused-write.ts";
import { rangesOf } from "./state/intervals.ts";
import type { Journal } from "./state/journal.ts";
import type { RetryQueue } from "./state/retry-queue.ts";
import { stopReasonOf } from "./stop-reason.ts";
import type { MarkGroup, Source, SourceDocument, Target } from "./store.ts";
import { insist } from "./traffic/insist.ts";
import { nextRoundMs } from "./traffic/retry.ts";
import type { StoreWatch } from "./traffic/store-watch.ts";

export interface SinkOptions extends Clocks {
  readonly source: Source;
  readonly target: Target;
  readonly retryQueue: RetryQueue;
  readonly deadLetters: RetryQueue;
  readonly recorder: Recorder;
  readonly journal: Journal;
  readonly events: Events;
  readonly job: string;
  readonly executionId: string;
  /** Token of this owner: what was journaled by an earlier one is written under it. */
  readonly fence: number;
  /** Waits before each retry round of a mark, in ms. */
  readonly rounds: readonly number[];
  readonly keyOf: (document: SourceDocument) => ItemKey;
  /** Whether a document is no longer what this outcome was made from. */
  readonly isChanged: (document: SourceDocument, settlement: Settlement) => boolean;
  /** The record as the target is to have it, when that is not the one of the journal; null when it always is. */
  readonly restored: ((document: SourceDocument, settlement: Settlement) => ClassificationRecord | null) | null;
  /** Seqs of outcomes that an earlier process journaled and did not store: they will be pushed. */
  readonly unsunk: Iterable<number>;
  readonly watch: StoreWatch;
  /** Asked before marks, which carry no fence. @throws QuerymillError FENCED when somebody else owns the job */
  readonly confirm: () => Promise<void>;
  /** Called once when writing can not go on. */
  readonly onFatal: (reason: StopReason, error: QuerymillError) => void;
  /** Called when the store knows of an item all that has to be known: it may be forgotten here. */
  readonly onStored: (key: ItemKey, left: "marked" | "changed" | "queued") => void;
}

/** Items written together at most, and how long the first of them waits at most. */
const GROUP_ITEMS = 500;
const GROUP_MS = 250;
const FLIGHTS = 2;
/** With this many journaled outcomes waiting for the store, slots wait too. */
const BACKLOG_ITEMS = 4_000;
export const RECOVERY_BACKLOG_ITEMS = 1_000;

interface Waiting {
  readonly seq: number;
  readonly settlement: Settlement;
}

/**
 * Brings journaled outcomes to where they belong, in groups: records to the target, failures to their queues, marks to
 * the source. Everything it does can be done twice without harm: it resends after any trouble with the store, and a
 * restart replays what was not confirmed.
 */
export class Sink {
  readonly #options: SinkOptions;
  #waiting: Waiting[] = [];
  readonly #pendingSeqs: Set<number>;
  readonly #flights = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | null = null;
  #roomWaiters: (() => void)[] = [];
  readonly #stopping = new AbortController();
  /** Documents that changed while in flight: they are unprocessed again. */
  changed = 0;

  constructor(options: SinkOptions) {
    this.#options = options;
    this.#pendingSeqs = new Set(options.unsunk);
  }

  /** @param seq of the journal record that holds the settlement */
  push(seq: number, settlement: Settlement): void {
    this.#pendingSeqs.add(seq);
    this.#waiting.push({ seq, settlement });
    if (this.#waiting.length >= GROUP_ITEMS) this.#takeOff();
    else this.#timer ??= setTimeout(() => this.#takeOff(true), GROUP_MS);
  }

  /** Journaled outcomes that the store does not have yet. */
  get unstored(): number {
    return this.#pendingSeqs.size;
  }

  /** Resolves when there is room for more. @param items that may wait: what is recovered leaves room for new answers */
  async room(items = BACKLOG_ITEMS): Promise<void> {
    // What an earlier process left is pending too: only what was brought here can make room.
    while (this.#waiting.length >= items && !this.#stopping.signal.aborted) {
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
    }
  }

  /** Resolves when what was pushed so far is stored, or writing became impossible. */
  async drain(): Promise<void> {
    while (this.#pendingSeqs.size > 0 && !this.#stopping.signal.aborted) {
      this.#takeOff(true);
      // What is pending and was never pushed is nobody's to wait for.
      if (this.#flights.size === 0) break;
      await Promise.race(this.#flights);
    }
    await Promise.all(this.#flights);
  }

  /** Resolves when what is being written now is written, and noted in the journal. */
  async landed(): Promise<void> {
    await Promise.all(this.#flights);
  }

  /** Gives up what is not stored yet: the journal has it. */
  stop(): void {
    this.#stopping.abort();
    this.#clearTimer();
    this.#wakeRoom();
  }

  /** Every outcome up to the returned seq is stored. Ask outside of promise callbacks, so that none is between journal and sink. */
  sunkSeq(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const seq of this.#pendingSeqs) if (seq < lowest) lowest = seq;
    return lowest === Number.POSITIVE_INFINITY ? this.#options.recorder.appliedSeq : lowest - 1;
  }

  /** @param partly also a group that is not full */
  #takeOff(partly = false): void {
    this.#clearTimer();
    while (
      this.#flights.size < FLIGHTS &&
      this.#waiting.length >= (partly ? 1 : GROUP_ITEMS) &&
      !this.#stopping.signal.aborted
    ) {
      const group = this.#waiting.splice(0, GROUP_ITEMS);
      const flight = this.#fly(group).finally(() => {
        this.#flights.delete(flight);
        this.#wakeRoom();
        this.#takeOff();
      });
      this.#flights.add(flight);
    }
    if (this.#waiting.length > 0 && !this.#stopping.signal.aborted)
      this.#timer ??= setTimeout(() => this.#takeOff(true), GROUP_MS);
  }

  async #fly(group: readonly Waiting[]): Promise<void> {
    try {
      await this.#store(group);
      for (const { seq } of group) this.#pendingSeqs.delete(seq);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const fatal =
        error instanceof QuerymillError
          ? error
          : new QuerymillError("STATE_UNWRITABLE", messageOf(error), { cause: error });
      this.stop();
      this.#options.onFatal(stopReasonOf(fatal.code) ?? "store", fatal);
    }
  }

  async #store(group: readonly Waiting[]): Promise<void> {
    const { source, retryQueue, deadLetters, journal, events, executionId, now, steadyNow } = this.#options;
    const startedMs = steadyNow();
    // Before the documents are looked at: what changes after that is later than the mark.
    const at = new Date(now());
    const settlements = group.map(({ settlement }) => settlement);
    const { present, changed, restored } = await this.#lookAgain(settlements);
    const refused = await this.#writeRecords(settlements, restored);
    await retryQueue.add(settlements.filter(isQueued).map((settlement) => queueEntryOf(settlement, now())));
    await deadLetters.add(
      settlements
        .filter(isDead)
        .filter(({ key }) => !changed.has(key))
        .map((settlement) => queueEntryOf(settlement, now())),
    );
    const toMark = settlements.filter(
      ({ key, outcome }) => outcome !== "retryQueued" && present.has(key) && !changed.has(key) && !refused.has(key),
    );
    const again = settlements.filter(({ key, outcome }) => outcome === "classified" && changed.has(key));
    if (again.length > 0)
      await this.#insist(() => this.#options.confirm().then(() => source.reopen?.(again.map(({ key }) => key))));
    const unmarked = await this.#mark(source, toMark, at);
    await retryQueue.remove(
      settlements.filter(({ key, outcome }) => outcome !== "retryQueued" && !unmarked.has(key)).map(({ key }) => key),
    );
    // Their text is another one, or is read once more: they are no dead letters any longer.
    await deadLetters.remove(
      settlements
        .filter(({ origin, outcome }) => origin === "deadLetter" && outcome !== "deadLetter")
        .map(({ key }) => key),
    );
    for (const settlement of settlements) {
      const { key, outcome } = settlement;
      // Taken back already; it is stored when its dead letter is.
      if (refused.has(key)) continue;
      if (changed.has(key) && outcome !== "retryQueued") {
        await this.#options.recorder.reopen(key, outcome);
        this.changed += 1;
      }
      this.#options.onStored(
        key,
        changed.has(key) ? "changed" : outcome === "retryQueued" || unmarked.has(key) ? "queued" : "marked",
      );
    }
    journal.note({ kind: "sunk", seqs: rangesOf(group.map(({ seq }) => seq)) });
    events.emit("sink:stored", {
      executionId,
      written: settlements.length,
      marked: toMark.length - unmarked.size,
      changed: changed.size,
      durationMs: steadyNow() - startedMs,
    });
  }

  /** One projected find of the group's documents: which are still there, and which are no longer what was classified. */
  async #lookAgain(settlements: readonly Settlement[]) {
    const { source, keyOf, isChanged } = this.#options;
    const restored = new Map<ItemKey, ClassificationRecord>();
    const byKey = new Map(
      settlements.filter(({ outcome }) => outcome !== "retryQueued").map((settlement) => [settlement.key, settlement]),
    );
    const present = new Set<ItemKey>();
    const changed = new Set<ItemKey>();
    if (byKey.size === 0) return { present, changed, restored };
    for (const keys of keysToRead([...byKey.values()])) {
      for (const document of await this.#insist(() => source.readByKeys(keys))) {
        const key = keyOf(document);
        const settlement = byKey.get(key);
        if (settlement === undefined) continue;
        present.add(key);
        const record = this.#options.restored?.(document, settlement);
        if (record) restored.set(key, record);
        if (isChanged(document, settlement)) changed.add(key);
      }
    }
    return { present, changed, restored };
  }

  /** @returns keys whose record the store refused for good: they have become dead letters */
  async #writeRecords(
    settlements: readonly Settlement[],
    restored: ReadonlyMap<ItemKey, ClassificationRecord>,
  ): Promise<Set<ItemKey>> {
    const { target, fence } = this.#options;
    const refused = new Set<ItemKey>();
    const classified = settlements.filter((settlement) => settlement.outcome === "classified");
    if (classified.length === 0) return refused;
    const records = classified.map(({ key, record }) => ({
      key,
      record: reviveRecord(restored.get(key) ?? record, fence),
    }));
    const results = await this.#insist(() => target.write(records));
    for (const [index, result] of results.entries()) {
      if (result.status === "fenced") throw fencedError(this.#options.job);
      if (result.status !== "refused") continue;
      refused.add(result.key);
      const dead = refusedOutcome(classified[index]!, result, this.#options.now());
      this.push(await this.#replace("classified", dead), dead);
    }
    return refused;
  }

  /** @returns keys that could not be marked: their mark is in the retry queue */
  async #mark(source: Source, settlements: readonly Settlement[], at: Date): Promise<Set<ItemKey>> {
    const unmarked = new Set<ItemKey>();
    if (settlements.length === 0) return unmarked;
    try {
      await this.#insist(() => this.#options.confirm().then(() => source.mark(this.#markGroups(settlements, at))));
    } catch (error) {
      if (!(error instanceof QuerymillError) || error.code !== "STORE_REFUSED") throw error;
      // One document refuses its mark: halve until it is alone, so that it holds up nobody else.
      const [only] = settlements;
      if (settlements.length === 1 && only !== undefined) {
        await this.#queueMark(only, error);
        return unmarked.add(only.key);
      }
      const middle = settlements.length >> 1;
      for (const half of [settlements.slice(0, middle), settlements.slice(middle)]) {
        for (const key of await this.#mark(source, half, at)) unmarked.add(key);
      }
    }
    return unmarked;
  }

  async #queueMark(settlement: Settlement, error: QuerymillError): Promise<void> {
    const { retryQueue, journal, rounds, now } = this.#options;
    if (settlement.outcome === "retryQueued") return;
    const before = retryQueue.get(settlement.key);
    const round = before?.queue === "mark" ? before.round : 0;
    const afterMs = nextRoundMs(round, 1, { rounds });
    const base = { ...settlement, origin: "source" as const, spend: NO_SPEND, atMs: now() };
    const failure = {
      queue: "mark" as const,
      failure: "mark-refused" as const,
      message: error.message,
      ...(settlement.outcome === "classified" ? { record: settlement.record } : {}),
    };
    const next: Settlement =
      afterMs === null || settlement.outcome !== "classified"
        ? { ...base, ...failure, outcome: "deadLetter", rawAnswer: null }
        : { ...base, ...failure, outcome: "retryQueued", dueMs: now() + afterMs, round: round + 1, alike: 1 };
    const seq = await this.#replace(settlement.outcome, next);
    await (next.outcome === "retryQueued" ? retryQueue : this.#options.deadLetters).add([queueEntryOf(next, now())]);
    if (next.outcome === "deadLetter") await retryQueue.remove([settlement.key]);
    journal.note({ kind: "sunk", seqs: [[seq, seq]] });
  }

  /** Takes an outcome back for another one, in one write of the journal: no crash comes between. @returns the new one's seq */
  async #replace(outcome: "classified" | "skipped" | "deadLetter", next: Settlement): Promise<number> {
    const { recorder } = this.#options;
    const reopened = recorder.reopen(next.key, outcome);
    recorder.admit(next.key);
    const [seq] = await Promise.all([recorder.settle(next, null), reopened]);
    return seq;
  }

  #markGroups(settlements: readonly Settlement[], at: Date): MarkGroup[] {
    const { job, executionId } = this.#options;
    const groups: MarkGroup[] = [];
    for (const outcome of ["classified", "skipped", "deadLetter"] as const) {
      const keys = settlements.filter((settlement) => settlement.outcome === outcome).map(({ key }) => key);
      if (keys.length > 0) groups.push({ keys, at, by: { job, executionId, outcome } });
    }
    return groups;
  }

  #insist<T>(action: () => Promise<T>): Promise<T> {
    return insist(action, this.#options.watch, this.#stopping.signal);
  }

  #clearTimer(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
  }

  #wakeRoom(): void {
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const wake of waiters) wake();
  }
}
