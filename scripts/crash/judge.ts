import { contentHashOf, type ItemKey, keyOf } from "../../src/item.ts";
import { MARK_FIELDS } from "../../src/job.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import type { SourceDocument, Store } from "../../src/store.ts";
import type { CliEvent } from "../../test/support/cli.ts";
import { uniform } from "../../test/support/model-draw.ts";
import type { Fault, ModelServerOptions } from "../../test/support/model-server.ts";

export const SOURCE = "conversation_set";
const TARGET = "sentimental_analysis";
export const JOB = "crash";

/** How long one call may take, in ms, and from when on an answer may have been given up. */
export const ATTEMPT_MS = 2_000;
const LATE_MS = 1_500;

/** What became of all items, judged from outside: by the stores and by what the model server was asked. */
export interface Findings {
  readonly items: number;
  readonly classified: number;
  readonly skipped: number;
  readonly deadLetters: number;
  /** In no place at all when everything should be settled. */
  readonly lost: number;
  /** In two places, or in the target without being in the source. */
  readonly doubled: number;
  /** Records and marks that are not what the server answered for this very text. */
  readonly wrong: number;
  /** Innocent items that ended as dead letters, by cause. */
  readonly buried: Readonly<Record<string, number>>;
  /** Usable answers that were produced a second time. */
  readonly paidAgain: number;
  /** Of these, the ones for an item whose outcome the program had acknowledged before. */
  readonly paidAfterAcknowledgement: number;
  /** Answers so late that the program may have given up on them: it counts those as perhaps paid. */
  readonly late: number;
  /** Two usable answers for one item in the same life of the process. */
  readonly paidTwiceInOneLife: number;
  /** Examples of what is wrong, for a person. */
  readonly examples: readonly string[];
}

/** What one life of the process left behind. */
export interface Life {
  /** Items whose answer was produced or under way, and not acknowledged when the process ended. */
  readonly inHand: number;
  readonly acknowledged: number;
}

/** Knows every item, what the server answered for it and what the program acknowledged; decides what is right. */
export class Judge {
  readonly ids: string[] = [];
  readonly #seed: string;
  /** Counts lives of the process, from 1. */
  #life = 0;
  /** Life in which a request came, and when, until it is answered. */
  readonly #asked = new Map<string, { life: number; atMs: number }>();
  /** Lives that usable answers belong to, and the labels of all of them: they are a function of the item. */
  readonly #answers = new Map<string, { lives: number[]; labels: Readonly<Record<string, unknown>> }>();
  #late = 0;
  /** Items of this life whose call is, or can be, paid. */
  #open = new Set<string>();
  /** First life in which an outcome was acknowledged for good. */
  readonly #acknowledged = new Map<string, number>();

  /** @param seed decides texts, faults and latencies */
  constructor(seed: string) {
    this.#seed = seed;
  }

  /** Items that were acknowledged for good. */
  get settled(): number {
    return this.#acknowledged.size;
  }

  /** New documents; some have no text. */
  make(count: number): SourceDocument[] {
    return Array.from({ length: count }, () => {
      const _id = `k${String(this.ids.length + 1).padStart(6, "0")}`;
      this.ids.push(_id);
      return this.#isEmpty(_id) ? { _id } : { _id, text: textOf(_id), channel: "email" };
    });
  }

  /** How the model server is to behave; it tells the judge of every call. */
  get server(): ModelServerOptions {
    return {
      fail: (id, attempt) => {
        const fault = this.#faultOf(id, attempt);
        this.#asked.set(`${id}/${attempt}`, { life: this.#life, atMs: performance.now() });
        if (fault === null || fault === "refusal" || fault === "malformed") this.#open.add(id);
        return fault;
      },
      content: (id, attempt, value) => {
        const fault = this.#faultOf(id, attempt);
        const { life, atMs } = this.#asked.get(`${id}/${attempt}`)!;
        this.#asked.delete(`${id}/${attempt}`);
        const isLate = performance.now() - atMs > LATE_MS;
        if (isLate) this.#late += 1;
        const labels = { ...value, summary: `What ${id} is about.` };
        const known = this.#answers.get(id) ?? { lives: [] as number[], labels };
        if (fault !== "malformed" && !isLate) known.lives.push(life);
        this.#answers.set(id, known);
        return JSON.stringify(labels);
      },
      throttleHeaders: { "retry-after-ms": "30" },
    };
  }

  /** A process begins. */
  begin(): void {
    this.#life += 1;
    this.#open = new Set();
  }

  /** It is over. @param events all it said @param untilMs what it said from this moment on, it said without power */
  end(events: readonly CliEvent[], untilMs: number): Life {
    let acknowledged = 0;
    for (const { event, key, outcome, time } of events) {
      if (event !== "item:settled" || Date.parse(time as string) >= untilMs) continue;
      const id = JSON.parse(key as string) as string;
      acknowledged += 1;
      this.#open.delete(id);
      if (outcome !== "retryQueued" && !this.#acknowledged.has(id)) this.#acknowledged.set(id, this.#life);
    }
    return { inHand: this.#open.size, acknowledged };
  }

  /** Looks into source, target and queues. To be asked when a run has ended by itself. */
  async decide(store: Store, batchDir: string): Promise<Findings> {
    const records = await recordsOf(store);
    const documents = await this.#documents(store);
    const { retryQueue, deadLetters } = await queuesOf(batchDir);
    const counts = { classified: 0, skipped: 0, deadLetters: 0, lost: 0, doubled: 0, wrong: 0 };
    const buried: Record<string, number> = {};
    const examples: string[] = [];
    const note = (what: "lost" | "doubled" | "wrong", id: string, why: string): void => {
      counts[what] += 1;
      if (examples.length < 20) examples.push(`${id} ${what}: ${why}`);
    };
    for (const id of this.ids) {
      const key = keyOf(id);
      const mark = documents.get(id)?.processedBy as { outcome?: string; job?: string } | undefined;
      const record = records.get(id);
      const dead = deadLetters.get(key);
      const places = [
        ...(record === undefined ? [] : ["classified"]),
        ...(mark?.outcome === "skipped" ? ["skipped"] : []),
        ...(dead === null ? [] : ["deadLetter"]),
        ...(retryQueue.get(key) === null ? [] : ["retryQueue"]),
      ];
      const [place] = places;
      if (place === undefined) note("lost", id, `in no place, mark ${JSON.stringify(mark)}`);
      else if (places.length > 1) note("doubled", id, `in ${places.join(" and ")}`);
      else if (place === "retryQueue") note("lost", id, "still waits in the retry queue");
      else {
        if (place === "classified" || place === "skipped") counts[place] += 1;
        else counts.deadLetters += 1;
        const problem = this.#problem(id, place, mark, record);
        if (problem !== null) note("wrong", id, problem);
        if (dead !== null && !this.#isRefused(id)) buried[dead.failure] = (buried[dead.failure] ?? 0) + 1;
      }
      records.delete(id);
    }
    for (const id of records.keys()) note("doubled", String(id), "in the target, not in the source");
    return { items: this.ids.length, ...counts, buried, late: this.#late, ...this.#payments(), examples };
  }

  /** Usable answers beyond the first of each item, and which of them no death excuses. */
  #payments(): Pick<Findings, "paidAgain" | "paidAfterAcknowledgement" | "paidTwiceInOneLife"> {
    const found = { paidAgain: 0, paidAfterAcknowledgement: 0, paidTwiceInOneLife: 0 };
    for (const [id, { lives }] of this.#answers) {
      found.paidAgain += Math.max(0, lives.length - 1);
      found.paidTwiceInOneLife += lives.length - new Set(lives).size;
      const acknowledged = this.#acknowledged.get(id) ?? Number.POSITIVE_INFINITY;
      found.paidAfterAcknowledgement += lives.filter((life) => life > acknowledged).length;
    }
    return found;
  }

  /** Answers paid again by the life that lost them. */
  lostAnswers(): Map<number, number> {
    const lost = new Map<number, number>();
    for (const { lives } of this.#answers.values()) {
      for (const life of lives.toSorted((a, b) => a - b).slice(0, -1)) lost.set(life, (lost.get(life) ?? 0) + 1);
    }
    return lost;
  }

  #problem(
    id: string,
    place: string,
    mark: { outcome?: string; job?: string } | undefined,
    record: SourceDocument | undefined,
  ): string | null {
    if (mark?.job !== JOB || mark.outcome !== place) return `${place}, but marked ${JSON.stringify(mark)}`;
    if (place === "skipped") return this.#isEmpty(id) ? null : "skipped, though it has a text";
    if (this.#isEmpty(id)) return `${place}, though it has no text`;
    if (record === undefined) return null;
    if (record.contentHash !== contentHashOf(textOf(id))) return "its record was made from another text";
    const labels = this.#answers.get(id)?.labels;
    if (labels === undefined) return "it has a record, and the server was never asked";
    const wrong = ["category", "sentiment", "summary"].filter((name) => record[name] !== labels[name]);
    return wrong.length === 0 ? null : `${wrong.join(", ")} are not what the server answered`;
  }

  async #documents(store: Store): Promise<Map<unknown, SourceDocument>> {
    const source = store.source({ collection: SOURCE, mark: MARK_FIELDS, filter: null, fields: null });
    const found = new Map<unknown, SourceDocument>();
    for (let at = 0; at < this.ids.length; at += PAGE) {
      const keys: ItemKey[] = this.ids.slice(at, at + PAGE).map(keyOf);
      for (const document of await source.readByKeys(keys)) found.set(document._id, document);
    }
    return found;
  }

  #isEmpty(id: string): boolean {
    return uniform(`${this.#seed}/${id}`, 31) < 0.03;
  }

  #isRefused(id: string): boolean {
    return uniform(`${this.#seed}/${id}`, 32) < 0.02;
  }

  #faultOf(id: string, attempt: number): Fault | null {
    if (this.#isRefused(id)) return "refusal";
    const random = uniform(`${this.#seed}/${id}/${attempt}`, 33);
    if (random < 0.02) return "429";
    if (random < 0.05) return "500";
    if (random < 0.053) return "hang";
    return random < 0.075 && attempt === 1 ? "malformed" : null;
  }
}

const PAGE = 1_000;

const textOf = (id: string): string => `[doc:${id}] My parcel number ${id} has not arrived, where is it?`;

async function recordsOf(store: Store): Promise<Map<unknown, SourceDocument>> {
  const records = new Map<unknown, SourceDocument>();
  const target = store.target(TARGET);
  for (let page = await target.readAll(null, PAGE); ; page = await target.readAll(page.cursor, PAGE)) {
    for (const record of page.documents) records.set(record._id, record);
    if (page.last) return records;
  }
}

async function queuesOf(batchDir: string): Promise<Pick<BatchFileManager, "retryQueue" | "deadLetters">> {
  const { retryQueue, deadLetters } = new BatchFileManager(batchDir, { job: JOB });
  await retryQueue.open({ readOnly: true });
  await deadLetters.open({ readOnly: true });
  return { retryQueue, deadLetters };
}
