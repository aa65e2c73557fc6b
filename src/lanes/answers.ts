import type { Task } from "../classify.ts";
import type { Item, ItemKey } from "../item.ts";
import { NO_SPEND, type Outcome, type Settlement } from "../outcome.ts";
import type { ClassificationRecord } from "../record.ts";
import type { Settled } from "../store.ts";
import { answerKeyOf } from "./answer-key.ts";
import type { AnswerCache, CachedAnswer } from "./cache.ts";
import { Twins } from "./twins.ts";

export interface AnswersOptions {
  readonly cache: AnswerCache;
  /** What an answer depends on beside the text: taxonomy, prompt, models, redaction. */
  readonly question: string;
  /** Endpoints whose answers are kept: those of the job's models, not of its fallbacks. */
  readonly endpoints: ReadonlySet<string>;
  readonly stamp: { readonly job: string; readonly executionId: string; readonly fence: number };
  readonly now: () => number;
}

/** An outcome that needed no call. */
export type Hit = Settlement & { readonly ordinal: number | null; readonly recovered: false };

const NOBODY = { hits: [], ask: [] };
const NO_USAGE = { inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0, reasoningTokens: 0 };

/**
 * The lane of answers that are there already: of this job's earlier calls, and of calls under way. An item goes on to the
 * model when this one has nothing for it.
 */
export class Answers {
  readonly #options: AnswersOptions;
  readonly #twins = new Twins();

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** Items that wait for the answer to an equal one. */
  get waiting(): number {
    return this.#twins.waiting;
  }

  /** For the user. */
  get notes(): readonly string[] {
    const { setAside, quarantine } = this.#options.cache;
    if (setAside === 0) return [];
    return [
      `Damaged: ${setAside} ${setAside === 1 ? "file" : "files"} of the answers kept for equal texts, set aside in ${quarantine}. Those texts are asked again.`,
    ];
  }

  keyOf({ text }: Item): string {
    return answerKeyOf(text, this.#options.question);
  }

  /**
   * Answers for these texts. One that a person has overruled since is forgotten.
   * @param findSettled asks the target about items whose answers would be used
   */
  async find(
    keys: readonly string[],
    findSettled: (items: readonly ItemKey[]) => Promise<readonly Settled[]>,
  ): Promise<ReadonlyMap<string, CachedAnswer>> {
    const found = await this.#options.cache.find(keys);
    if (found.size === 0) return found;
    const settled = await findSettled([...new Set([...found.values()].map(({ from }) => from))]);
    const overruled = new Set(settled.filter(({ decidedBy }) => decidedBy === "person").map(({ key }) => key));
    for (const [key, { from }] of found) {
      if (!overruled.has(from)) continue;
      this.#options.cache.forget([key]);
      found.delete(key);
    }
    return found;
  }

  /** Everything is asked anew: answers from before (epoch ms) are used no more, in later runs neither. */
  async askAnewSince(ms: number): Promise<void> {
    await this.#options.cache.useOnlySince(ms);
  }

  /** What came since {@link find} was asked. */
  latest(key: string): CachedAnswer | undefined {
    return this.#options.cache.inMemory(key);
  }

  isAsked(key: string): boolean {
    return this.#twins.isAsked(key);
  }

  /** The item will be asked: equal ones may wait for it. */
  begin(answerKey: string): void {
    this.#twins.begin(answerKey);
  }

  /** @returns false when the item has to be asked itself */
  park(task: Task): boolean {
    return task.answerKey !== null && this.#twins.park(task.answerKey, task);
  }

  /** @returns an item to ask beside the one that waits for its next attempt */
  oneMore({ answerKey }: Task): Task | undefined {
    return answerKey === null ? undefined : this.#twins.oneMore(answerKey);
  }

  /**
   * An item that was asked is settled, in the journal: its answer is kept, and given to those that wait for it.
   * @returns those that wait, each with its own record; or those that are to be asked themselves
   */
  settled(task: Task, outcome: Outcome): { readonly hits: readonly Hit[]; readonly ask: readonly Task[] } {
    const { answerKey, item } = task;
    if (answerKey === null) return NOBODY;
    const cached = this.#keep(answerKey, item.key, outcome);
    const free = this.#twins.end(answerKey, cached !== null);
    if (free.length === 0) return NOBODY;
    if (cached === null) return { hits: [], ask: free };
    return { hits: free.map((twin) => this.hit(twin, cached)), ask: [] };
  }

  /** An item that was to be asked goes back. @returns those that waited for it */
  gaveUp({ answerKey }: Task): readonly Task[] {
    return answerKey === null ? [] : this.#twins.end(answerKey, false);
  }

  /** @returns keys of the items that waited: a later run reads them again */
  clear(): readonly ItemKey[] {
    const keys = this.#twins.keys();
    this.#twins.clear();
    return keys;
  }

  /** What the journal holds is kept: a process that died may not have come to it. */
  recovered({ answerKey, key, ...outcome }: Settlement): void {
    if (answerKey) this.#keep(answerKey, key, outcome);
  }

  /** The item's outcome, made from an answer to its text. */
  hit(
    { item, origin, ordinal }: Pick<Task, "item" | "origin" | "ordinal">,
    { from, record: answer }: CachedAnswer,
  ): Hit {
    const { stamp, now } = this.#options;
    const record: ClassificationRecord = {
      ...answer,
      job: stamp.job,
      decidedBy: "cache",
      contentHash: item.contentHash,
      ...(item.redacted ? { redacted: item.redacted } : {}),
      cachedFrom: from,
      usage: NO_USAGE,
      costUsd: 0,
      latencyMs: 0,
      attempts: 0,
      executionId: stamp.executionId,
      fence: stamp.fence,
      classifiedAt: new Date(now()),
    };
    return {
      outcome: "classified",
      record,
      savedUsd: answer.costUsd,
      key: item.key,
      origin,
      contentHash: item.contentHash,
      attempts: 0,
      spend: NO_SPEND,
      executionId: stamp.executionId,
      atMs: now(),
      ordinal,
      recovered: false,
    };
  }

  async flush(): Promise<void> {
    await this.#options.cache.flush();
  }

  #keep(answerKey: string, from: ItemKey, outcome: Outcome): CachedAnswer | null {
    if (outcome.outcome !== "classified") return null;
    const { record } = outcome;
    if (record.decidedBy !== "model" || !this.#options.endpoints.has(record.endpoint)) return null;
    const cached = { from, atMs: +new Date(record.classifiedAt), record };
    this.#options.cache.put(answerKey, cached);
    return cached;
  }
}
