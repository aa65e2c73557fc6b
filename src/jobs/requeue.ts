import type { ItemKey } from "../item.ts";
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
 * @returns the keys
 */
export async function requeue(
  manager: BatchFileManager,
  recorder: Recorder,
  selection: RetrySelection,
  nowMs: number,
): Promise<ItemKey[]> {
  const { deadLetters, waiting } = previewRequeue(manager, selection);
  await makeDue(manager.retryQueue, manager.retryQueue, waiting, nowMs);
  await makeDue(manager.deadLetters, manager.retryQueue, deadLetters, nowMs);
  const buried = deadLetters.map(({ key }) => key);
  if (buried.length > 0) await recorder.requeue(buried.length);
  await manager.deadLetters.remove(buried);
  return [...buried, ...waiting.map(({ key }) => key)];
}

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
