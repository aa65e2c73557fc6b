import type { ItemKey } from "../item.ts";
import type { RecordCondition, RecordSelection } from "../selection.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { QueueEntry } from "../state/retry-queue.ts";

export type Entry = Omit<QueueEntry, "payload">;
export type Queue = "retry" | "dead";

/** How long what was read of the files holds, in ms. */
const FRESH_MS = 1_000;

/** Looks into the queues of a job while another process, or this one, works on them. Changes nothing. */
export class QueueLook {
  readonly #make: () => BatchFileManager;
  #read: { readonly atMs: number; readonly manager: Promise<BatchFileManager> } | null = null;

  constructor(settings: { readonly batchDir: string; readonly tenant: string; readonly job: string }) {
    this.#make = () => new BatchFileManager(settings.batchDir, settings);
  }

  /** @throws QuerymillError STATE_NEWER, STATE_DAMAGED */
  async manager(): Promise<BatchFileManager> {
    const nowMs = performance.now();
    if (this.#read === null || nowMs - this.#read.atMs > FRESH_MS) {
      const manager = this.#open();
      this.#read = { atMs: nowMs, manager };
      manager.catch(() => {
        this.#read = null;
      });
    }
    return await this.#read.manager;
  }

  /** Entries that meet a selection, the latest first. Its message stands for a summary. */
  async entries(queue: Queue, selection: RecordSelection): Promise<readonly Entry[]> {
    const { retryQueue, deadLetters } = await this.manager();
    const all = (queue === "dead" ? deadLetters : retryQueue).list();
    return all.filter((entry) => meets(entry, selection)).sort(latestFirst);
  }

  async has(key: ItemKey): Promise<boolean> {
    return (await this.manager()).retryQueue.get(key) !== null;
  }

  async #open(): Promise<BatchFileManager> {
    const manager = this.#make();
    await manager.retryQueue.open({ readOnly: true });
    await manager.deadLetters.open({ readOnly: true });
    return manager;
  }
}

export function latestFirst(a: Pick<Entry, "dueMs" | "key">, b: Pick<Entry, "dueMs" | "key">): number {
  return b.dueMs - a.dueMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

function meets(entry: Entry, { conditions, keys, fromMs, toMs }: RecordSelection): boolean {
  const { dueMs, key } = entry;
  if (keys !== null && !keys.includes(key)) return false;
  if ((fromMs !== null && dueMs < fromMs) || (toMs !== null && dueMs >= toMs)) return false;
  return conditions.every((condition) => isMet(entry, condition) !== condition.not);
}

function isMet(entry: Entry, { field, is, values }: RecordCondition): boolean {
  const text = field === "summary" ? entry.message : String(entry[field as "queue" | "failure"]);
  if (is === "contains") return values.some((value) => text.toLowerCase().includes(String(value).toLowerCase()));
  return values.some((value) => (is === "begins" ? text.startsWith(String(value)) : text === value));
}
