import type { MongoClient } from "mongodb";
import { contentHashOf, keyOf } from "../../src/item.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import type { CliEvent } from "../../test/support/cli.ts";
import { type Arrivals, textOf } from "./arrivals.ts";
import type { Job } from "./job.ts";
import type { Provider } from "./provider.ts";

/** What became of one job's items. */
export interface Verdict {
  readonly job: string;
  readonly conversations: number;
  readonly grown: number;
  readonly touched: number;
  readonly classified: number;
  readonly skipped: number;
  readonly deadLetters: number;
  /** Dead letters by cause, without the ones that the provider always refuses. */
  readonly buried: Readonly<Record<string, number>>;
  /** In no place, or still waiting. */
  readonly lost: number;
  readonly doubled: number;
  /** Records of another text, or with other labels than the provider gave. */
  readonly wrong: number;
  /** Superseded records that are in the history, and answered texts whose record is nowhere. */
  readonly superseded: number;
  readonly missingInHistory: number;
  /** Usable answers beyond the first of each text. */
  readonly paidAgain: number;
  /** Of these, for a text whose outcome had been acknowledged. */
  readonly paidAfterAcknowledgement: number;
  readonly restarts: number;
  readonly examples: readonly string[];
}

/** Remembers when the program acknowledged what. */
export class Acknowledged {
  /** By item: when outcomes for good were told, epoch ms. */
  readonly #byItem = new Map<string, number[]>();

  take({ event, key, outcome, time }: CliEvent): void {
    if (event !== "item:settled" || outcome !== "classified") return;
    const id = JSON.parse(key as string) as string;
    const times = this.#byItem.get(id) ?? [];
    times.push(Date.parse(time as string));
    this.#byItem.set(id, times);
  }

  /** Which of an item's texts had an outcome acknowledged. @param answersMs of each text, by version from 1 */
  versions(id: string, answersMs: readonly (readonly number[])[]): ReadonlySet<number> {
    const answers = answersMs.flatMap((times, at) => times.map((atMs) => ({ atMs, version: at + 1 })));
    return new Set(
      (this.#byItem.get(id) ?? []).flatMap(
        (toldMs) => answers.filter(({ atMs }) => atMs <= toldMs).toSorted((a, b) => b.atMs - a.atMs)[0]?.version ?? [],
      ),
    );
  }

  /** How many usable answers of one text came after one of its answers had been acknowledged. */
  paidAfter(id: string, answersMs: readonly number[]): number {
    if (answersMs.length === 0) return 0;
    const first = Math.min(...answersMs);
    const acknowledgedMs = this.#byItem.get(id)?.find((atMs) => atMs >= first);
    return acknowledgedMs === undefined ? 0 : answersMs.filter((atMs) => atMs > acknowledgedMs).length;
  }
}

/** Looks into source, target, history and queues. The process has ended. */
export async function judge(
  client: MongoClient,
  job: Job,
  arrivals: Arrivals,
  provider: Provider,
  acknowledged: Acknowledged,
): Promise<Verdict> {
  const { db, collection, name } = job.options;
  const database = client.db(db);
  const records = new Map<string, Record<string, unknown>>();
  for await (const record of database.collection(`${collection}_answers`).find())
    records.set(String(record._id), record);
  const history = new Set<string>();
  for await (const { _id } of database
    .collection<{ _id: { contentHash: string } }>(`${collection}_answers_history`)
    .find())
    history.add(_id.contentHash);
  const marks = new Map<string, { outcome?: string } | undefined>();
  for await (const { _id, processedBy } of database.collection(collection).find({}, { projection: { processedBy: 1 } }))
    marks.set(String(_id), processedBy);
  const { retryQueue, deadLetters } = new BatchFileManager(job.batchDir, { job: name });
  await retryQueue.open({ readOnly: true });
  await deadLetters.open({ readOnly: true });

  const counts = { classified: 0, skipped: 0, deadLetters: 0, lost: 0, doubled: 0, wrong: 0, missingInHistory: 0 };
  const paid = { paidAgain: 0, paidAfterAcknowledgement: 0 };
  const buried: Record<string, number> = {};
  const examples: string[] = [];
  const note = (what: "lost" | "doubled" | "wrong" | "missingInHistory", id: string, why: string): void => {
    counts[what] += 1;
    if (examples.length < 20) examples.push(`${id} ${what}: ${why}`);
  };
  for (const { id, version } of arrivals.conversations.values()) {
    const record = records.get(id);
    const dead = deadLetters.get(keyOf(id));
    const mark = marks.get(id);
    const current = `${id}#${version}`;
    if (version === 0) {
      if (mark?.outcome === "skipped" && record === undefined) counts.skipped += 1;
      else note("lost", id, `has no text, and is marked ${JSON.stringify(mark)}`);
      continue;
    }
    if (retryQueue.get(keyOf(id)) !== null) note("lost", id, "still waits in the retry queue");
    else if (dead !== null && mark?.outcome === "deadLetter") {
      counts.deadLetters += 1;
      if (!provider.isRefused(id)) buried[dead.failure] = (buried[dead.failure] ?? 0) + 1;
    } else if (record === undefined) note("lost", id, `in no place, marked ${JSON.stringify(mark)}`);
    else if (dead !== null) note("doubled", id, "has a record and a dead letter");
    else if (mark?.outcome !== "classified") note("lost", id, `has a record, and is marked ${JSON.stringify(mark)}`);
    else if (record.contentHash !== contentHashOf(textOf(id, version)))
      note("wrong", id, "its record is of another text");
    else if (record.category !== provider.answers.get(current)?.category)
      note("wrong", id, "other labels than the answer");
    else counts.classified += 1;

    const answersMs = Array.from({ length: version }, (_, at) => provider.answers.get(`${id}#${at + 1}`)?.atMs ?? []);
    for (const ofText of answersMs) {
      paid.paidAgain += Math.max(0, ofText.length - 1);
      const after = acknowledged.paidAfter(id, ofText);
      paid.paidAfterAcknowledgement += after;
      if (after > 0) examples.push(`${id} asked ${after} times after an acknowledgement: ${ofText.join(", ")}`);
    }
    for (const each of acknowledged.versions(id, answersMs))
      if (record !== undefined && record.contentHash !== contentHashOf(textOf(id, each)))
        if (!history.has(contentHashOf(textOf(id, each))))
          note("missingInHistory", id, `text ${each} was classified once`);
  }
  return {
    job: name,
    conversations: arrivals.conversations.size,
    grown: arrivals.grown,
    touched: arrivals.touched,
    ...counts,
    buried,
    superseded: history.size,
    ...paid,
    restarts: job.restarts,
    examples,
  };
}
