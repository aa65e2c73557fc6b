import { didYouMean } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import type { ItemKey } from "../item.ts";
import { FAILURE_KINDS, type QueueName } from "../outcome.ts";
import type { Recorder } from "../recorder.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { QueueEntry, RetryQueue } from "../state/retry-queue.ts";

/** Which waiting items and dead letters; all when nothing is given. */
export interface RetrySelection {
  /** What has to be done again: `model`, `store`, `mark`. */
  readonly queue?: string;
  /** Class of the failure, such as `label-unknown`. */
  readonly failure?: string;
}

export interface RetryPreview {
  readonly deadLetters: readonly Omit<QueueEntry, "payload">[];
  readonly waiting: readonly Omit<QueueEntry, "payload">[];
}

/** What was made due. */
export interface Requeued {
  readonly deadLetters: readonly ItemKey[];
  readonly waiting: readonly ItemKey[];
}

/** What {@link requeue} would touch; changes nothing. */
export function previewRequeue(
  { deadLetters, retryQueue }: Pick<BatchFileManager, "deadLetters" | "retryQueue">,
  selection: RetrySelection,
): RetryPreview {
  return { deadLetters: deadLetters.list(selection), waiting: retryQueue.list(selection) };
}

/**
 * Makes the selected items due now, with all their rounds before them; dead letters return to the retry queue. An item
 * is in the retry queue before it leaves the dead letters, so a crash in between loses none.
 * @param active items that are worked on just now, which are left alone
 * @throws QuerymillError USAGE for a queue or a failure that nothing is called
 */
export async function requeue(
  manager: BatchFileManager,
  recorder: Recorder,
  selection: RetrySelection,
  { nowMs, active }: { readonly nowMs: number; readonly active: Set<ItemKey> },
): Promise<Requeued> {
  const found = previewRequeue(manager, selection);
  if (found.deadLetters.length + found.waiting.length === 0) refuseUnknown(manager, selection);
  const isFree = ({ key }: { readonly key: ItemKey }): boolean => !active.has(key);
  const deadLetters = found.deadLetters.filter(isFree);
  const waiting = found.waiting.filter(isFree);
  const keys = { deadLetters: deadLetters.map(({ key }) => key), waiting: waiting.map(({ key }) => key) };
  const all = [...keys.deadLetters, ...keys.waiting];
  // Nobody may take one before it is where it belongs: settled meanwhile, it would come back.
  for (const key of all) active.add(key);
  try {
    await makeDue(manager.retryQueue, manager.retryQueue, waiting, nowMs);
    await makeDue(manager.deadLetters, manager.retryQueue, deadLetters, nowMs);
    if (keys.deadLetters.length > 0) await recorder.requeue(keys.deadLetters);
    await manager.deadLetters.remove(keys.deadLetters);
  } finally {
    for (const key of all) active.delete(key);
  }
  return keys;
}

/** What is there now may be named, and what Querymill itself names; anything else is a typing error. */
function refuseUnknown(manager: BatchFileManager, { queue, failure }: RetrySelection): void {
  const { deadLetters, waiting } = previewRequeue(manager, {});
  const all = [...deadLetters, ...waiting];
  for (const [what, given, known] of [
    ["queue", queue, new Set([...QUEUES, ...all.map((entry) => entry.queue)])],
    ["failure", failure, new Set([...FAILURE_KINDS, ...all.map((entry) => entry.failure)])],
  ] as const) {
    if (given === undefined || known.has(given)) continue;
    throw new QuerymillError(
      "USAGE",
      `requeue: there is no ${what} ${given}.${didYouMean(given, known) || ` There are: ${[...known].join(", ")}.`}`,
    );
  }
}

const QUEUES: readonly string[] = ["model", "store", "mark"] satisfies QueueName[];
/** Entries moved together: bounds memory, since payloads are read from disk. */
const GROUP = 200;

async function makeDue(
  from: RetryQueue,
  to: RetryQueue,
  entries: readonly Omit<QueueEntry, "payload">[],
  nowMs: number,
): Promise<void> {
  for (let at = 0; at < entries.length; at += GROUP) {
    const group: QueueEntry[] = [];
    for (const { key } of entries.slice(at, at + GROUP)) {
      const entry = await from.read(key);
      if (entry !== null) group.push({ ...entry, dueMs: nowMs, round: 0, alike: 0 });
    }
    await to.add(group);
  }
}
