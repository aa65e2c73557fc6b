import type { Item, ItemKey, Skipped } from "../item.ts";
import { byKey } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { Privacy } from "../redaction/privacy.ts";
import { readingsOf } from "../results/id-readings.ts";
import { isOfTenant } from "../results/tenant-items.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { QueueEntry } from "../state/retry-queue.ts";
import type { SourceDocument, Store } from "../store.ts";
import { makeItem } from "../stores/mapping.ts";
import { isSettled, outcomesOf } from "../stores/target-marks.ts";

/** One item with everything that is known of it. */
export interface FoundItem {
  readonly key: ItemKey;
  /** The source's document; null when only its record is left. */
  readonly document: SourceDocument | null;
  /** What the model is shown, or why nothing is. */
  readonly read: Item | Skipped | null;
  readonly record: SourceDocument | null;
  /** Records that it replaced, oldest first: documents of `history.ts`. */
  readonly history: readonly SourceDocument[];
  /** It is marked: no run reads it. */
  readonly marked: boolean;
  readonly retry: QueueEntry | null;
  readonly deadLetter: QueueEntry | null;
}

/**
 * Every item that a typed id can mean: in the source, in the target, in the job's queues. Changes nothing.
 * @returns more than one when different documents fit
 */
export async function findItem(settings: JobSettings, store: Store, text: string): Promise<FoundItem[]> {
  return await findByKeys(
    settings,
    store,
    readingsOf(text).map(({ key }) => key),
  );
}

/** As {@link findItem}, of keys. */
export async function findByKeys(settings: JobSettings, store: Store, keys: readonly ItemKey[]): Promise<FoundItem[]> {
  const { sourceCollection, targetCollection, mark, mapping, redaction, batchDir, tenant, job } = settings;
  const privacy = Privacy.of(redaction);
  const source = store.source({ collection: sourceCollection, mark, filter: null, fields: null });
  const documents = byKey((await source.readByKeys(keys)).filter((document) => isOfTenant(settings, document)));
  const target = store.target(targetCollection);
  const records = byKey(await target.readByKeys(keys));
  const inTarget = settings.markIn === "target";
  const notes = inTarget ? byKey(await store.target(outcomesOf(targetCollection)).readByKeys(keys)) : null;
  const { retryQueue, deadLetters } = new BatchFileManager(batchDir, { tenant, job });
  await retryQueue.open({ readOnly: true });
  await deadLetters.open({ readOnly: true });
  // A store may find an id under another spelling than was asked for (1 and 1.0): what it returns counts.
  const candidates = new Set([...documents.keys(), ...records.keys(), ...keys]);
  const found: FoundItem[] = [];
  for (const key of candidates) {
    const document = documents.get(key) ?? null;
    const item: FoundItem = {
      key,
      document,
      read: document === null ? null : makeItem(document, mapping, privacy),
      record: records.get(key) ?? null,
      history: await target.history(key),
      marked: notes === null ? document?.[mark.processed] === true : isSettled(records.has(key), notes.get(key)),
      retry: await retryQueue.read(key),
      deadLetter: await deadLetters.read(key),
    };
    if (item.document ?? item.record ?? item.retry ?? item.deadLetter ?? item.history[0]) found.push(item);
  }
  return found;
}
