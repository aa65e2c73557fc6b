import { hostname } from "node:os";
import { QuerymillError } from "../errors.ts";
import { keyOf, type SkipReason } from "../item.ts";
import { type JobSettings, mappingHash } from "../job.ts";
import { applyReopening } from "../outcome.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { Journal } from "../state/journal.ts";
import { OwnerLock } from "../state/owner.ts";
import type { Source, SourceDocument } from "../store.ts";
import type { Adapters } from "./adapters.ts";
import { openExistingStore } from "./existing-store.ts";
import { inspectLeftover, uncleanMessage } from "./recovery.ts";

/** What became of a job's skipped items under the present settings. */
export interface SkippedItems {
  /** Marked in the source as skipped by this job. */
  readonly skipped: number;
  /** Of these, items that have a text now: `source.text` was set, or the document was mended. */
  readonly readable: number;
  /** Why the others would be skipped again. */
  readonly reasons: Readonly<Partial<Record<SkipReason, number>>>;
}

const PAGE = 500;

/** Counts; changes nothing. @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED, COLLECTION_MISSING */
export async function countSkipped(settings: JobSettings, adapters: Adapters): Promise<SkippedItems> {
  return await withSource(settings, adapters, (source) => visitSkipped(source, settings, adapters, async () => {}));
}

/**
 * Takes the marks of those that have a text now away, page by page, so that the next run reads them. Holds the job's
 * lock meanwhile. Ended in between, the rest stays marked and can be brought back the same way.
 * @returns with `settingsChanged`: the next run has to be told that it may go on with another mapping
 * @throws QuerymillError JOB_HELD, STATE_UNCLEAN, and as {@link countSkipped}
 */
export async function reopenSkipped(
  settings: JobSettings,
  adapters: Adapters,
): Promise<SkippedItems & { readonly settingsChanged: boolean }> {
  const manager = new BatchFileManager(settings.batchDir, settings);
  await manager.files.makeFolder(manager.folder);
  const owner = { pid: process.pid, host: hostname(), executionId: "retry", since: new Date().toISOString() };
  const lock = OwnerLock.take(manager.folder, owner, settings.job);
  try {
    const leftover = await inspectLeftover(manager);
    if (leftover.unclean) throw new QuerymillError("STATE_UNCLEAN", uncleanMessage(settings, leftover, null));
    let { state } = leftover;
    const before = leftover.checkpoint?.fingerprint.mapping;
    const settingsChanged = before !== undefined && before !== mappingHash(settings);
    const after = { seq: leftover.stateSeq, segments: leftover.scan.segments };
    const { files, journalFolder, identity } = manager;
    const journal = await Journal.open(files, journalFolder, identity, () => state, after);
    try {
      const found = await withSource(settings, adapters, (source) =>
        visitSkipped(source, settings, adapters, async (keys) => {
          await source.unmark(keys);
          for (const key of keys) {
            // A job that started over has forgotten what it skipped before.
            if (state.totals.skipped === 0) break;
            journal.note({ kind: "reopened", key, outcome: "skipped" });
            state = applyReopening(state, "skipped");
          }
          await journal.flush();
        }),
      );
      return { ...found, settingsChanged };
    } finally {
      await journal.close();
    }
  } finally {
    lock.release();
  }
}

async function visitSkipped(
  source: Source,
  { job }: JobSettings,
  { makeItem }: Adapters,
  visit: (readable: readonly string[]) => Promise<void>,
): Promise<SkippedItems> {
  let skipped = 0;
  let readable = 0;
  const reasons: Partial<Record<SkipReason, number>> = {};
  for (let after: string | null = null, last = false; !last; ) {
    const page: { documents: readonly SourceDocument[]; cursor: string; last: boolean } = await source.readMarked(
      { job, outcome: "skipped" },
      after,
      PAGE,
    );
    const keys: string[] = [];
    for (const document of page.documents) {
      const read = makeItem(document);
      if ("text" in read) keys.push(keyOf(document._id));
      else reasons[read.reason] = (reasons[read.reason] ?? 0) + 1;
    }
    skipped += page.documents.length;
    readable += keys.length;
    if (keys.length > 0) await visit(keys);
    after = page.cursor;
    last = page.last;
  }
  return { skipped, readable, reasons };
}

async function withSource<T>(
  settings: JobSettings,
  { fields }: Adapters,
  work: (source: Source) => Promise<T>,
): Promise<T> {
  const { sourceCollection, mark, filter } = settings;
  const store = await openExistingStore(settings);
  try {
    const source = store.source({ collection: sourceCollection, mark, filter, fields });
    await source.inspect();
    return await work(source);
  } finally {
    await store.close();
  }
}
