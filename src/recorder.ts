import type { Clocks } from "./clocks.ts";
import type { Counters, JobTotals } from "./counters.ts";
import type { EventMap, Events, ExecutionEnd } from "./events.ts";
import {
  type Absorbed,
  addSpend,
  applyAbsorbed,
  applyReopening,
  applyRequeue,
  applySettlement,
  applySpend,
  applyUnmarking,
  COUNTER_OF,
  type JobState,
  NO_SPEND,
  type Settlement,
  type Spend,
  type Unmarking,
} from "./outcome.ts";
import type { ClassificationRecord } from "./record.ts";
import type { Journal, JournalEntry } from "./state/journal.ts";

export interface RecorderOptions extends Clocks {
  readonly events: Events;
  readonly executionId: string;
  readonly state: JobState;
  /** Last journal record that is applied in `state`. */
  readonly seq: number;
}

/**
 * Puts every outcome into the journal and keeps the counts, which are a fold of what the journal acknowledged: nothing
 * is counted that a crash could take back.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  #journal: Journal | null = null;
  #state: JobState;
  #appliedSeq: number;
  #spend: Spend = NO_SPEND;
  #absorbedUsd = 0;
  readonly counts = { read: 0, classified: 0, skipped: 0, retryQueued: 0, deadLetters: 0, recovered: 0, cacheHits: 0 };
  readonly labels: Record<string, Record<string, number>> = {};
  #savedUsd: number | null = 0;
  /** What was masked in the texts of classified items, by kind. */
  readonly redacted: Record<string, number> = {};
  readonly skippedReasons: Record<string, number> = {};
  readonly deadLetterReasons: Record<string, number> = {};
  /** Items that this execution sent to a retry queue: `waiting` there, or `back` in a slot. Each is read once. */
  readonly #queued = new Map<string, "waiting" | "back">();
  /** Items that became dead letters in this execution, with the class of their failure. */
  readonly #dead = new Map<string, string>();
  /** What admitted items have cost that are not settled yet: an item between two attempts was paid for already. */
  readonly #open = new Map<string, () => Spend>();
  /** Settled items by the second of the steady clock, for the rate of the last 30 s. */
  readonly #perSecond = new Map<number, number>();

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#state = options.state;
    this.#appliedSeq = options.seq;
  }

  /** The journal is opened after the recorder, since each of its segments begins with the recorder's state. */
  attach(journal: Journal): void {
    this.#journal = journal;
  }

  get state(): JobState {
    return this.#state;
  }
  get totals(): JobTotals {
    return this.#state.totals;
  }
  /** Every journal record up to here is in `state`. */
  get appliedSeq(): number {
    return this.#appliedSeq;
  }
  get spend(): Spend {
    return this.#spend;
  }
  /** USD of `spend` that other processes have spent. */
  get absorbedUsd(): number {
    return this.#absorbedUsd;
  }
  /** USD of items that are not settled yet, not part of `spend`. What may have been billed counts as billed. */
  get openUsd(): number {
    let usd = 0;
    for (const spend of this.#open.values()) usd += spend().costUsd + spend().uncertainUsd;
    return usd;
  }

  /**
   * An item was admitted to a slot: for the first time, or back from the retry queue that this execution sent it to.
   * @param spend what it has cost so far, asked for until it is settled or released
   */
  admit(key: string, spend?: () => Spend): void {
    if (spend !== undefined) this.#open.set(key, spend);
    if (this.#queued.get(key) === "waiting") {
      this.#queued.set(key, "back");
      this.counts.retryQueued -= 1;
    } else this.counts.read += 1;
  }

  /** An admitted item goes back unsettled: a later run reads it again. What it cost is kept. */
  async release(key: string, spend: Spend): Promise<void> {
    const atMs = this.#options.now();
    try {
      if (spend.calls > 0)
        this.#apply(await this.#append({ kind: "released", key, spend, atMs }), applySpend(this.#state, spend, atMs));
    } finally {
      this.#putBack(key, spend);
    }
  }

  /**
   * Durable when it returns. An item whose outcome the journal refuses goes back.
   * @param admittedMs when it got its first slot, by the steady clock; null when it needed none
   * @returns the seq of the journal record, for the sink
   */
  async settle(settlement: Settlement, latencyMs: number | null, admittedMs: number | null = null): Promise<number> {
    const seq = await this.#append({ kind: "settled", settlement }).catch((error) => {
      this.#putBack(settlement.key, settlement.spend);
      throw error;
    });
    this.#apply(seq, applySettlement(this.#state, settlement));
    this.#count(settlement, latencyMs, admittedMs);
    return seq;
  }

  /** Takes an outcome back: the item changed in flight and will be read again, or the store refused its record. */
  async reopen(key: string, outcome: "classified" | "skipped" | "deadLetter"): Promise<void> {
    this.#apply(await this.#append({ kind: "reopened", key, outcome }), applyReopening(this.#state, outcome));
    this.counts[COUNTER_OF[outcome]] -= 1;
    this.counts.read -= 1;
    this.#dead.delete(key);
  }

  /** Dead letters went to a retry queue. What died in this execution waits again, and is not read twice. */
  async requeue(keys: readonly string[]): Promise<void> {
    const items = keys.length;
    this.#apply(await this.#append({ kind: "requeued", items }), applyRequeue(this.#state, items));
    for (const key of keys) {
      const failure = this.#dead.get(key);
      if (failure === undefined) continue;
      this.#dead.delete(key);
      this.#queued.set(key, "waiting");
      this.counts.deadLetters -= 1;
      this.counts.retryQueued += 1;
      decrement(this.deadLetterReasons, failure);
    }
  }

  /** Settled items lost their marks, to be classified again. Counted once, however often it is told. */
  async unmarked(unmarking: Unmarking): Promise<void> {
    this.#apply(await this.#append({ kind: "unmarked", ...unmarking }), applyUnmarking(this.#state, unmarking));
  }

  /**
   * Counts what others did of a range, once.
   * @param failed its items that wait in the retry queue or are dead letters now
   */
  async absorb(
    absorbed: Absorbed & { readonly counters: Counters },
    work: Pick<ExecutionEnd, "labels" | "skippedReasons" | "deadLetterReasons" | "redacted">,
    failed: { readonly waiting: readonly string[]; readonly dead: ReadonlyMap<string, string> },
  ): Promise<void> {
    const { number, counters, atMs } = absorbed;
    if (number <= (this.#state.absorbedRanges ?? 0)) return;
    const entry = { kind: "absorbed", number, counters, atMs } as const;
    this.#apply(await this.#append(entry), applyAbsorbed(this.#state, absorbed));
    for (const name of Object.keys(this.counts) as (keyof typeof this.counts)[]) this.counts[name] += counters[name];
    const { modelCalls, costUsd, uncertainUsd, savedUsd, unpricedCalls } = counters;
    this.#spend = addSpend(this.#spend, {
      ...counters,
      calls: modelCalls,
      unpricedCalls: costUsd === null ? Math.max(1, unpricedCalls) : unpricedCalls,
      costUsd: costUsd ?? 0,
      uncertainUsd: uncertainUsd ?? 0,
    });
    this.#absorbedUsd += (costUsd ?? 0) + (uncertainUsd ?? 0);
    this.#savedUsd = this.#savedUsd === null || savedUsd === null ? null : this.#savedUsd + savedUsd;
    for (const [dimension, labels] of Object.entries(work.labels)) {
      this.labels[dimension] ??= {};
      addCounts(this.labels[dimension], labels);
    }
    addCounts(this.skippedReasons, work.skippedReasons);
    addCounts(this.deadLetterReasons, work.deadLetterReasons);
    addCounts(this.redacted, work.redacted);
    for (const key of failed.waiting) this.#queued.set(key, "waiting");
    for (const [key, failure] of failed.dead) this.#dead.set(key, failure);
  }

  /** Calls that were under way when an earlier process died: perhaps billed, counted here. */
  async crashed(keys: readonly string[], spend: Spend): Promise<void> {
    const atMs = this.#options.now();
    this.#apply(await this.#append({ kind: "crash", keys, spend, atMs }), applySpend(this.#state, spend, atMs));
    this.#spend = addSpend(this.#spend, spend);
  }

  /** Outcomes of an earlier process, found in the journal: already in `state`, counted for this execution. */
  countRecovered(settlement: Settlement): void {
    this.admit(settlement.key);
    const { savedUsd: _, ...rest } = settlement;
    this.#count({ ...rest, spend: NO_SPEND }, null);
    if (settlement.outcome === "classified") this.counts.recovered += 1;
  }

  counters(pending: number): Counters {
    const { counts } = this;
    const spend = this.#spend;
    const known = spend.unpricedCalls === 0;
    return {
      ...counts,
      inFlight: counts.read - counts.classified - counts.skipped - counts.retryQueued - counts.deadLetters,
      pending,
      studentAnswers: 0,
      modelCalls: spend.calls,
      repairCalls: spend.repairCalls,
      hedgedCalls: spend.hedgedCalls,
      uncertainCalls: spend.uncertainCalls,
      unpricedCalls: spend.unpricedCalls,
      inputTokens: spend.inputTokens,
      cachedInputTokens: spend.cachedInputTokens,
      outputTokens: spend.outputTokens,
      reasoningTokens: spend.reasoningTokens,
      costUsd: known ? spend.costUsd : null,
      uncertainUsd: known ? spend.uncertainUsd : null,
      savedUsd: known ? this.#savedUsd : null,
    };
  }

  /** Settled items a second over the last 30 s (or since the start, when shorter). @param sinceMs by the steady clock */
  rate(sinceMs: number): number {
    const now = this.#options.steadyNow();
    const from = Math.max(sinceMs, now - 30_000);
    let items = 0;
    for (const [second, count] of this.#perSecond) {
      if (second * 1000 < now - 31_000) this.#perSecond.delete(second);
      else if ((second + 1) * 1000 > from) items += count;
    }
    return items / Math.max(1, (now - from) / 1000);
  }

  async #append(entry: JournalEntry): Promise<number> {
    return await this.#journal!.append(entry);
  }

  #putBack(key: string, spend: Spend): void {
    if (this.#queued.get(key) === "back") {
      this.#queued.set(key, "waiting");
      this.counts.retryQueued += 1;
    } else this.counts.read -= 1;
    this.#open.delete(key);
    this.#spend = addSpend(this.#spend, spend);
  }

  #apply(seq: number, state: JobState): void {
    this.#state = state;
    if (seq > this.#appliedSeq) this.#appliedSeq = seq;
  }

  #count(settlement: Settlement, latencyMs: number | null, admittedMs: number | null = null): void {
    this.counts[COUNTER_OF[settlement.outcome]] += 1;
    if (settlement.outcome === "retryQueued") this.#queued.set(settlement.key, "waiting");
    else this.#queued.delete(settlement.key);
    this.#open.delete(settlement.key);
    this.#spend = addSpend(this.#spend, settlement.spend);
    const second = Math.floor(this.#options.steadyNow() / 1000);
    this.#perSecond.set(second, (this.#perSecond.get(second) ?? 0) + 1);
    if (settlement.outcome === "classified") this.#countRecord(settlement.record, settlement.savedUsd);
    if (settlement.outcome === "skipped") increment(this.skippedReasons, settlement.reason);
    if (settlement.outcome === "deadLetter") {
      increment(this.deadLetterReasons, settlement.failure);
      this.#dead.set(settlement.key, settlement.failure);
    }
    if (!this.#options.events.wants("item:settled")) return;
    const event: EventMap["item:settled"] = {
      executionId: this.#options.executionId,
      key: settlement.key,
      outcome: settlement.outcome,
      reason:
        settlement.outcome === "skipped"
          ? settlement.reason
          : settlement.outcome === "classified"
            ? null
            : settlement.failure,
      attempts: settlement.attempts,
      latencyMs,
      costUsd: settlement.spend.unpricedCalls > 0 ? null : settlement.spend.costUsd,
      decidedBy: settlement.outcome === "classified" ? settlement.record.decidedBy : null,
      durationMs: admittedMs === null ? null : this.#options.steadyNow() - admittedMs,
    };
    this.#options.events.emit("item:settled", event);
  }

  /** @param savedUsd undefined when the model was asked */
  #countRecord(record: ClassificationRecord, savedUsd: number | null | undefined): void {
    this.#countLabels(record);
    for (const [kind, places] of Object.entries(record.redacted ?? {}))
      this.redacted[kind] = (this.redacted[kind] ?? 0) + places;
    if (savedUsd === undefined) return;
    this.counts.cacheHits += 1;
    this.#savedUsd = this.#savedUsd === null || savedUsd === null ? null : this.#savedUsd + savedUsd;
  }

  #countLabels(record: Readonly<Record<string, unknown>> | { [K in (typeof COUNTED)[number]]: string | null }): void {
    for (const dimension of COUNTED) {
      const label = (record as Record<string, string | null>)[dimension];
      if (typeof label !== "string") continue;
      let counts = this.labels[dimension];
      if (counts === undefined) {
        counts = {};
        this.labels[dimension] = counts;
      }
      increment(counts, label);
    }
  }
}

const COUNTED = ["category", "sentiment", "urgency", "language"] as const;

function addCounts(counts: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + count;
}

function increment(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

function decrement(counts: Record<string, number>, name: string): void {
  const left = (counts[name] ?? 0) - 1;
  if (left > 0) counts[name] = left;
  else delete counts[name];
}
