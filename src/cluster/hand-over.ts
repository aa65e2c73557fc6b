import type { ItemKey } from "../item.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { QueueEntry, RetryQueue } from "../state/retry-queue.ts";
import type { MarkGroup, Source } from "../store.ts";
import type { HandedEntry, HandedOver } from "./ports.ts";

/** Entries sent together. */
const AT_ONCE = 100;

type Queues = Pick<BatchFileManager, "retryQueue" | "deadLetters">;

/** Brings what failed in a range to where the job finds it. What was brought and has not changed is not brought again. */
export class HandOver {
  readonly #handed: HandedOver;
  readonly #range: string;
  /** What is there already, by kind and key. */
  readonly #sent = new Map<string, string>();

  constructor(handed: HandedOver, range: string) {
    this.#handed = handed;
    this.#range = range;
  }

  /** Durable when it returns. */
  async bring({ retryQueue, deadLetters }: Queues): Promise<void> {
    await this.#bring("retry", retryQueue);
    await this.#bring("dead", deadLetters);
  }

  async #bring(kind: HandedEntry["kind"], queue: RetryQueue): Promise<void> {
    const fresh = [...queue.keys()].filter((key) => this.#sent.get(kind + key) !== versionOf(queue, key));
    for (let at = 0; at < fresh.length; at += AT_ONCE) {
      const keys = fresh.slice(at, at + AT_ONCE);
      const entries: HandedEntry[] = [];
      const versions: string[] = [];
      for (const key of keys) {
        // Before it is read: one that is replaced meanwhile is brought again.
        versions.push(versionOf(queue, key));
        const entry = await queue.read(key);
        if (entry !== null) entries.push({ kind, key, entry: JSON.stringify(entry) });
      }
      await this.#handed.add(this.#range, entries);
      for (const [order, key] of keys.entries()) this.#sent.set(kind + key, versions[order]!);
    }
  }
}

/** What the job's own queues took over of a range. */
export interface TakenOver {
  readonly waiting: readonly ItemKey[];
  /** With the class of their failure. */
  readonly dead: ReadonlyMap<ItemKey, string>;
}

/**
 * Puts what a range has handed over into the job's own queues; durable when it returns, and doing it twice changes nothing.
 * What the source says was settled otherwise since is left out.
 */
export async function takeOver(
  handed: HandedOver,
  range: string,
  { retryQueue, deadLetters }: Queues,
  source: Pick<Source, "settledBy">,
  job: string,
): Promise<TakenOver> {
  const waiting: ItemKey[] = [];
  const dead = new Map<ItemKey, string>();
  for await (const entries of handed.of(range)) {
    const marks = await source.settledBy(
      job,
      entries.map(({ key }) => key),
    );
    const belongs = ({ kind, key }: HandedEntry): boolean => {
      const outcome: MarkGroup["by"]["outcome"] | undefined = marks.get(key)?.outcome;
      return kind === "dead" ? outcome === "deadLetter" : outcome === undefined;
    };
    const read = entries.filter(belongs).map(({ kind, entry }) => ({ kind, entry: JSON.parse(entry) as QueueEntry }));
    const [retries, letters] = [
      read.filter(({ kind }) => kind === "retry"),
      read.filter(({ kind }) => kind === "dead"),
    ];
    await retryQueue.add(retries.map(({ entry }) => entry));
    await deadLetters.add(letters.map(({ entry }) => entry));
    waiting.push(...retries.map(({ entry }) => entry.key));
    for (const { entry } of letters) dead.set(entry.key, entry.failure);
  }
  return { waiting, dead };
}

function versionOf(queue: RetryQueue, key: ItemKey): string {
  const entry = queue.get(key);
  return entry === null ? "" : `${entry.dueMs} ${entry.round} ${entry.queue}`;
}
