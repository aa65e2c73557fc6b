import { makeTask, type Task } from "./classify.ts";
import { type Item, type ItemKey, keyOf, type Skipped } from "./item.ts";
import type { Answers } from "./lanes/answers.ts";
import { NO_SPEND, type Settlement } from "./outcome.ts";
import type { QueuePayload } from "./queue-entry.ts";
import { type ClassificationRecord, reviveRecord } from "./record.ts";
import type { Reading, SourceReader } from "./source-reader.ts";
import type { BatchFiles } from "./state/batch-file.ts";
import type { RetryQueue } from "./state/retry-queue.ts";
import type { Settled, Source, SourceDocument, Target } from "./store.ts";
import { insist } from "./traffic/insist.ts";
import { dueInMs } from "./traffic/retry.ts";
import type { StoreWatch } from "./traffic/store-watch.ts";

export interface PlannerOptions {
  readonly reader: SourceReader;
  readonly source: Source;
  readonly target: Target;
  readonly batches: BatchFiles;
  readonly retryQueue: RetryQueue;
  readonly deadLetters: RetryQueue;
  /** Waits before each retry round, in ms. */
  readonly rounds: readonly number[];
  readonly makeItem: (document: SourceDocument) => Item | Skipped;
  readonly batchSize: number;
  readonly executionId: string;
  readonly fence: number;
  /** Ask the target first: true when it holds records and the local state was lost. */
  readonly adopt: ((settled: Settled, item: Item) => boolean) | null;
  /** True for a record that a reclassification under way replaces: its item is not done. */
  readonly isReplaced: (settled: Settled) => boolean;
  /** A record of the target as the journal may have it: without what redaction keeps from the disk. */
  readonly concealed: (item: Item, record: ClassificationRecord) => ClassificationRecord;
  /** How long a document has to be left alone yet, in ms; null: none ever. */
  readonly quietInMs: ((document: SourceDocument, nowMs: number) => number) | null;
  /** Keys of items that are read ahead, in flight or not stored yet. */
  readonly active: Set<ItemKey>;
  /** Answers that are there already; null: every item is asked. */
  readonly answers: Answers | null;
  readonly watch: StoreWatch;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** Items end as dead letters with this sentence instead of being asked. @default null */
  readonly bury?: string | null;
}

/** What one round of planning brought: items for slots, and outcomes that need none. */
export interface Plan {
  readonly tasks: readonly Task[];
  /** Items that wait for the answer to an equal one: how many. */
  readonly parked: number;
  readonly settlements: readonly (Settlement & { readonly ordinal: number | null; readonly recovered: boolean })[];
}

type SettlementBase = Pick<
  Settlement,
  "key" | "origin" | "contentHash" | "attempts" | "spend" | "executionId" | "atMs"
>;

/** The error may hold the text. */
const UNSENT = "the redactor of this program failed or returned no text, so nothing was sent";
type Planned = Pick<Task, "item" | "origin" | "ordinal" | "earlier">;
interface Sorted extends Omit<Plan, "tasks"> {
  readonly ask: readonly { readonly planned: Planned; readonly answerKey: string | null }[];
}

/** Retries taken into one plan at most. */
const DUE_ITEMS = 100;

/** Makes batches: what comes next, its batch file written before any call. */
export class Planner {
  readonly #options: PlannerOptions;
  #batchNumber = 0;

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  /** The next batches from the source, at most `max` items together; none at the end of the range. */
  async fromSource(max: number): Promise<Plan & { readonly ended: boolean }> {
    const readings = await this.#options.reader.take(max);
    const { bury = null } = this.#options;
    const adopted = await this.#adopt(readings);
    const items: Planned[] = [];
    const settlements: Plan["settlements"][number][] = [...adopted.values()];
    for (const { ordinal, read } of readings) {
      const origin = this.#options.deadLetters.get(read.key) === null ? "source" : "deadLetter";
      if ("reason" in read) settlements.push({ ...this.#skipped(read, origin), ordinal, recovered: false });
      else if (bury !== null && !adopted.has(read.key))
        settlements.push({
          ...this.#settlement(read.key, origin, read.contentHash),
          outcome: "deadLetter",
          queue: "model",
          failure: "poison",
          message: bury,
          rawAnswer: null,
          ordinal,
          recovered: false,
        });
      else if (!adopted.has(read.key)) items.push({ item: read, origin, ordinal, earlier: null });
    }
    const sorted = await this.#sort(items);
    settlements.push(...sorted.settlements);
    const tasks: Task[] = [];
    const saved: Promise<void>[] = [];
    for (let at = 0; at < sorted.ask.length; at += this.#options.batchSize) {
      const batch = sorted.ask.slice(at, at + this.#options.batchSize);
      const batchId = this.#nextBatchId();
      saved.push(
        this.#options.batches.save(
          batchId,
          batch.map(({ planned }) => planned.item),
        ),
      );
      for (const { planned, answerKey } of batch)
        tasks.push(makeTask(planned.item, { ...planned, answerKey, batchId }));
    }
    await Promise.all(saved);
    return { tasks, settlements, parked: sorted.parked, ended: readings.length === 0 };
  }

  /** Retries that are due, at most `max`. Written and marked again without asking; asked again with the text as it is now. */
  async fromRetryQueue(max: number): Promise<Plan> {
    const { retryQueue, source, fence, makeItem, watch, signal } = this.#options;
    const due = this.#waiting()
      .filter((entry) => entry.dueInMs <= 0)
      .sort((a, b) => a.dueMs - b.dueMs)
      .slice(0, Math.min(max, DUE_ITEMS));
    const settlements: Plan["settlements"][number][] = [];
    const toAsk: typeof due = [];
    for (const entry of due) {
      const payload =
        entry.queue === "model" ? null : ((await retryQueue.read(entry.key))?.payload as QueuePayload | undefined);
      if (payload?.record === undefined) toAsk.push(entry);
      else
        settlements.push({
          ...this.#settlement(entry.key, "retryQueue", entry.contentHash),
          outcome: "classified",
          record: reviveRecord(payload.record, fence),
          ordinal: null,
          recovered: false,
        });
    }
    if (toAsk.length === 0) return { tasks: [], settlements, parked: 0 };
    const documents = await insist(() => source.readByKeys(toAsk.map(({ key }) => key)), watch, signal);
    const reads = new Map(documents.map((document) => makeItem(document)).map((read) => [read.key, read]));
    const items: Planned[] = [];
    for (const { key, round, failure, message, alike } of toAsk) {
      const read = reads.get(key) ?? { key, reason: "deleted from the source" as const };
      if ("reason" in read) {
        settlements.push({ ...this.#skipped(read, "retryQueue"), ordinal: null, recovered: false });
        continue;
      }
      items.push({ item: read, origin: "retryQueue", ordinal: null, earlier: { round, failure, message, alike } });
    }
    const { ask, parked, settlements: answered } = await this.#sort(items);
    const tasks = ask.map(({ planned, answerKey }) => makeTask(planned.item, { ...planned, answerKey }));
    return { tasks, parked, settlements: [...settlements, ...answered] };
  }

  /** ms until the first retry that nobody works on may be made, 0 or less when one is due; null when there is none. */
  nextDueInMs(): number | null {
    const waiting = this.#waiting();
    return waiting.length === 0 ? null : waiting.reduce((next, { dueInMs }) => Math.min(next, dueInMs), Infinity);
  }

  /**
   * These items, read from the source as they are now. Left out: those that are gone, and those that the target has or
   * that are not quiet, since the source brings them again if they are not done.
   */
  async fromKeys(keys: readonly ItemKey[]): Promise<Task[]> {
    const { source, target, makeItem, isReplaced, quietInMs, watch, signal, now } = this.#options;
    if (keys.length === 0) return [];
    const documents = await insist(() => source.readByKeys(keys), watch, signal);
    const settled = await insist(() => target.findSettled(keys), watch, signal);
    const done = new Map(
      settled.filter((found) => !isReplaced(found)).map(({ key, contentHash }) => [key, contentHash]),
    );
    const tasks: Task[] = [];
    for (const document of documents) {
      const read = makeItem(document);
      if ("reason" in read || (quietInMs?.(document, now()) ?? 0) > 0) continue;
      // A record of another text is what a conversation was before it grew.
      if (!done.has(read.key) || (done.get(read.key) ?? read.contentHash) !== read.contentHash)
        tasks.push(makeTask(read, { origin: "source", ordinal: null, earlier: null, answerKey: this.#begin(read) }));
    }
    return tasks;
  }

  /** Gives back what is only kept to be used again. */
  async rest(): Promise<void> {
    await this.#options.batches.trim();
  }

  /** Retries that nobody works on, with how long they still wait; in no order. */
  #waiting() {
    const { retryQueue, active, rounds, now } = this.#options;
    return [...retryQueue.keys()]
      .filter((key) => !active.has(key))
      .map((key) => retryQueue.get(key)!)
      .map((entry) => ({ ...entry, dueInMs: dueInMs(entry, rounds, now()) }));
  }

  #begin(item: Item): string | null {
    const { answers } = this.#options;
    if (answers === null) return null;
    const answerKey = answers.keyOf(item);
    answers.begin(answerKey);
    return answerKey;
  }

  /** Which of these items have an answer already, which wait for one that is on its way, and which are to be asked. */
  async #sort(items: readonly Planned[]): Promise<Sorted> {
    const { answers, target, watch, signal, active } = this.#options;
    if (answers === null)
      return { ask: items.map((planned) => ({ planned, answerKey: null })), settlements: [], parked: 0 };
    const keys = items.map(({ item }) => answers.keyOf(item));
    const found = await answers.find(keys, (from) => insist(() => target.findSettled(from), watch, signal));
    const ask: Sorted["ask"][number][] = [];
    const settlements: Plan["settlements"][number][] = [];
    let parked = 0;
    // Nothing is awaited from here on, so that no answer comes in between.
    for (const [at, planned] of items.entries()) {
      const answerKey = keys[at]!;
      const cached = found.get(answerKey) ?? answers.latest(answerKey);
      if (cached !== undefined) settlements.push(answers.hit(planned, cached));
      else if (answers.isAsked(answerKey) && answers.park(makeTask(planned.item, { ...planned, answerKey }))) {
        active.add(planned.item.key);
        parked += 1;
      } else {
        answers.begin(answerKey);
        ask.push({ planned, answerKey });
      }
    }
    return { ask, settlements, parked };
  }

  #nextBatchId(): string {
    this.#batchNumber += 1;
    return `${this.#options.executionId}-${String(this.#batchNumber).padStart(7, "0")}`;
  }

  /** Records that the target already has for the very same text and questions: only their marks were lost. */
  async #adopt(readings: readonly Reading[]): Promise<Map<ItemKey, Plan["settlements"][number]>> {
    const { adopt, target, fence, watch, signal } = this.#options;
    const adopted = new Map<ItemKey, Plan["settlements"][number]>();
    const items = new Map<ItemKey, { item: Item; ordinal: number }>();
    for (const { ordinal, read } of readings) if (!("reason" in read)) items.set(read.key, { item: read, ordinal });
    if (adopt === null || items.size === 0) return adopted;
    const settled = await insist(() => target.findSettled([...items.keys()]), watch, signal);
    const keys = settled.filter((found) => adopt(found, items.get(found.key)!.item)).map(({ key }) => key);
    if (keys.length === 0) return adopted;
    for (const { _id, ...document } of await insist(() => target.readByKeys(keys), watch, signal)) {
      const key = keyOf(_id);
      const { item, ordinal } = items.get(key)!;
      const found = this.#options.concealed(item, document as unknown as ClassificationRecord);
      const record = reviveRecord(found, fence);
      adopted.set(key, {
        ...this.#settlement(key, "source", item.contentHash),
        outcome: "classified",
        record,
        ordinal,
        recovered: true,
      });
    }
    return adopted;
  }

  #skipped(read: Skipped, origin: Settlement["origin"]): Settlement {
    const base = this.#settlement(read.key, origin, null);
    if (read.reason !== "redaction failed") return { ...base, outcome: "skipped", reason: read.reason };
    return {
      ...base,
      outcome: "deadLetter",
      queue: "model",
      failure: "redaction-failed",
      message: UNSENT,
      rawAnswer: null,
    };
  }

  #settlement(key: ItemKey, origin: Settlement["origin"], contentHash: string | null): SettlementBase {
    return {
      key,
      origin,
      contentHash,
      attempts: 0,
      spend: NO_SPEND,
      executionId: this.#options.executionId,
      atMs: this.#options.now(),
    };
  }
}
