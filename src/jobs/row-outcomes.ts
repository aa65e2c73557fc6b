import type { TableRow } from "../files/table.ts";
import { keyOf } from "../item.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { QueueEntry } from "../state/retry-queue.ts";
import type { SourceDocument } from "../store.ts";
import { makeItem } from "../stores/mapping.ts";
import { openExistingStore } from "./existing-store.ts";
import type { OpenInput } from "./input.ts";
import { pagesOf } from "./input-rows.ts";
import { RowIds } from "./row-ids.ts";

/** A row of a file and what became of it. */
export interface RowOutcome {
  readonly row: TableRow;
  /** `_id` of its item. */
  readonly id: unknown;
  readonly outcome: "classified" | "skipped" | "retryQueued" | "deadLetter" | "pending";
  /** Why it was skipped or failed; null for the others. */
  readonly reason: string | null;
  /** null unless classified. */
  readonly record: SourceDocument | null;
}

/** Every row that was read, in the order of the file, with its outcome as it stands now. Asks and changes nothing. */
export async function* rowOutcomes(input: OpenInput): AsyncGenerator<RowOutcome> {
  const { settings, table, form, identity, rows } = input;
  const { sourceCollection: collection, targetCollection, mark, mapping, batchDir, tenant, job } = settings;
  const { retryQueue, deadLetters } = new BatchFileManager(batchDir, { tenant, job });
  await retryQueue.open({ readOnly: true });
  await deadLetters.open({ readOnly: true });
  const store = await openExistingStore(settings);
  try {
    const source = store.source({ collection, mark, filter: null, fields: null });
    const target = store.target(targetCollection);
    const ids = new RowIds(identity, form, source);
    for await (const page of pagesOf(table.rows())) {
      const read = page.filter(({ row }) => row <= rows);
      const documents = await ids.documentsOf(read);
      const keys = documents.map(({ _id }) => keyOf(_id));
      const records = new Map((await target.readByKeys(keys)).map((record) => [keyOf(record._id), record]));
      const open = keys.filter((key) => !records.has(key) && !deadLetters.get(key) && !retryQueue.get(key));
      const stored = new Map((await source.readByKeys(open)).map((document) => [keyOf(document._id), document]));
      for (const [at, row] of read.entries()) {
        const key = keys[at]!;
        const record = records.get(key) ?? null;
        const id = documents[at]!._id;
        // A row that is classified again and failed has a record from before: it is not what the run came to.
        const failure = failed(deadLetters.get(key), retryQueue.get(key));
        if (failure !== null) yield { row, id, record, ...failure };
        else if (record !== null) yield { row, id, outcome: "classified", reason: null, record };
        else yield { row, id, record, ...withoutRecord(stored.get(key)) };
      }
    }
  } finally {
    await store.close();
  }

  function withoutRecord(document: SourceDocument | undefined): Pick<RowOutcome, "outcome" | "reason"> {
    if (document === undefined || document[mark.processed] !== true) return { outcome: "pending", reason: null };
    const { outcome } = (document[mark.processedBy] ?? {}) as { outcome?: unknown };
    if (outcome === "deadLetter")
      return { outcome: "deadLetter", reason: "what failed was removed from the dead letters" };
    const read = makeItem(document, mapping);
    return { outcome: "skipped", reason: "reason" in read ? read.reason : null };
  }
}

type Failure = Omit<QueueEntry, "payload"> | null;

function failed(dead: Failure, waiting: Failure): Pick<RowOutcome, "outcome" | "reason"> | null {
  const entry = dead ?? waiting;
  if (entry === null) return null;
  return { outcome: dead === null ? "retryQueued" : "deadLetter", reason: `${entry.failure}: ${entry.message}` };
}
