import type { OutputColumn, OutputValues } from "../files/table-writer.ts";
import { type ListSides, listItems } from "./list-items.ts";
import type { ResultQuery } from "./query.ts";

/** Items in memory at a time. */
const PAGE = 500;
/** A page that finds little goes on after so long. */
const PAGE_MS = 10_000;

/** Of a file of items without a record. `at`: when it failed, is due or was skipped; empty where that is not known. */
export const OUTCOME_COLUMNS: readonly OutputColumn[] = ["id", "outcome", "failure", "message", "at"].map((name) => ({
  name,
}));

/** Items that failed, wait, were skipped or are pending, in the order of their list, each once. */
export async function* rowsWithoutRecord(sides: ListSides, query: ResultQuery): AsyncGenerator<OutputValues> {
  let after: string | null = null;
  do {
    const page = await listItems(sides, { query, order: "newest", after, limit: PAGE, maxMs: PAGE_MS });
    for (const { id, outcome, reviewReasons, summary, atMs } of page.items) {
      const at = atMs === null ? null : new Date(atMs).toISOString();
      yield { id, outcome, failure: reviewReasons[0] ?? null, message: summary, at };
    }
    after = page.next;
  } while (after !== null);
}
