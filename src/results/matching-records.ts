import { EJSON } from "bson";
import type { OutputValues, TableFormat, WriteOptions } from "../files/table-writer.ts";
import type { RecordSelection } from "../selection.ts";
import type { SourceDocument, Target } from "../store.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { csvColumns } from "./csv-columns.ts";
import type { ResultQuery } from "./query.ts";
import { wrong } from "./query-terms.ts";

/** Records in memory at a time. */
const PAGE = 500;
/** A page without a match tells the caller that it goes on, after so long. */
const PAGE_MS = 10_000;

/** Records that meet a selection, in key order, each once. */
export async function* recordsMatching(target: Target, selection: RecordSelection): AsyncGenerator<SourceDocument> {
  let after: string | null = null;
  do {
    const page = await target.search.find({ selection, order: "id", after, limit: PAGE, maxMs: PAGE_MS });
    yield* page.documents;
    after = page.next;
  } while (after !== null);
}

/** How records are written to a file of a kind. */
export function recordTable(taxonomy: Taxonomy): {
  readonly row: (record: SourceDocument, format: TableFormat) => OutputValues;
  readonly options: Pick<WriteOptions, "columns" | "json">;
} {
  const columns = csvColumns(taxonomy);
  return {
    row: (record, format) =>
      format === "jsonl" ? record : Object.fromEntries(columns.map(({ header, value }) => [header, value(record)])),
    options: {
      columns: columns.map(({ header, type }) => ({ name: header, type })),
      json: (record) => EJSON.stringify(record, { relaxed: true }),
    },
  };
}

/** @throws QuerymillError USAGE when the query is about items without a record */
export function refuseWithoutRecords({ outcome }: ResultQuery): void {
  if (outcome !== "classified")
    throw wrong(`outcome:${outcome}: these items have no record, and an export writes records. Leave it out.`);
}
