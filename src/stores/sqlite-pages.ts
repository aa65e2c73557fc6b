import type { StatementSync } from "node:sqlite";
import { EJSON } from "bson";
import type { Filter } from "../filter.ts";
import { matches } from "../filter.ts";
import type { ItemKey } from "../item.ts";
import { documentOf } from "./sqlite-body.ts";

export interface Row {
  readonly key: ItemKey;
  readonly body: string;
}
export interface OrderedRow extends Row {
  readonly seq: number;
}
export interface RowPage {
  readonly rows: readonly Row[];
  /** Order number of the last row; the one asked from when there is none. */
  readonly seq: number;
  readonly last: boolean;
}
/** Rows that are looked at in one go. */
export const SLICE_ROWS = 1_000;
const PAGE_BYTES = 16_000_000;
export const NO_ROWS: RowPage = { rows: [], seq: 0, last: true };

/** A page of a query's rows behind `after`; with a filter in slices, between which other requests are served. */
export async function readMatching(
  select: StatementSync | null,
  filterText: string | null,
  after: number,
  limit: number,
): Promise<RowPage> {
  const filter = filterOf(filterText);
  if (select === null) return { ...NO_ROWS, seq: after };
  const slice = (from: number, count: number) =>
    pageOf(select.iterate(from, count + 1) as Iterable<unknown> as Iterable<OrderedRow>, count);
  if (filter === null) {
    const page = slice(after, limit);
    return page.rows.length === 0 ? { ...page, seq: after } : page;
  }
  const found: OrderedRow[] = [];
  let bytes = 0;
  for (let from = after; ; await breath()) {
    const page = slice(from, SLICE_ROWS);
    for (const row of page.rows as readonly OrderedRow[]) {
      if (!matches(filter, documentOf(row.key, row.body))) continue;
      if (found.length === limit || (found.length > 0 && bytes + row.body.length > PAGE_BYTES))
        return { rows: found, seq: found.at(-1)!.seq, last: false };
      found.push(row);
      bytes += row.body.length;
    }
    if (page.last) return { rows: found, seq: found.at(-1)?.seq ?? after, last: true };
    from = page.seq;
  }
}

/** Takes at most `limit` rows and 16 MB; one more row tells that there are more. */
export function pageOf(rows: Iterable<OrderedRow>, limit: number): RowPage {
  const taken: OrderedRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (taken.length === limit || (taken.length > 0 && bytes + row.body.length > PAGE_BYTES))
      return { rows: taken, seq: taken.at(-1)?.seq ?? 0, last: false };
    taken.push(row);
    bytes += row.body.length;
  }
  return { rows: taken, seq: taken.at(-1)?.seq ?? 0, last: true };
}

export function filterOf(text: string | null): Filter | null {
  return text === null ? null : (EJSON.parse(text) as Filter);
}

/** Lets the thread serve what has arrived meanwhile. */
export function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
