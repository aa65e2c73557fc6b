import { batch, signal } from "@preact/signals";
import type { ItemPage, ItemRow } from "../../src/dashboard/api.ts";
import { get, sayError, withQuery } from "../client.ts";

const PAGE = 50;
/** A page may be empty though there is a next one, when the search took too long: so many more are asked for at once. */
const MOST_EMPTY = 10;

/** The list of items as far as it was loaded; it outlives the view, so that going back finds it as it was. */
export interface LoadedItems {
  readonly q: string;
  readonly order: string;
  readonly rows: readonly ItemRow[];
  readonly next: string | null;
  readonly count: ItemPage["count"];
  readonly command: string | null;
  /** What is other than was asked for. */
  readonly note: string | null;
  readonly loading: boolean;
  readonly error: string | null;
}

const NOTHING: LoadedItems = {
  q: "",
  order: "",
  rows: [],
  next: null,
  count: null,
  command: null,
  note: null,
  loading: false,
  error: null,
};
export const loaded = signal<LoadedItems>(NOTHING);
let request: AbortController | null = null;

/** Loads the first page of a query; the same query once more only with `anew`. */
export async function loadItems(q: string, order: string, anew = false): Promise<void> {
  const present = loaded.peek();
  const isSame = present.q === q && present.order === order;
  if (isSame && !anew && (present.command !== null || present.loading)) return;
  loaded.value = { ...(isSame ? present : NOTHING), q, order, loading: true };
  await ask(null, (page) => ({ rows: page.items }));
}

/** Loads the page after the last row. Rows that came before stay where they are. */
export async function loadMore(): Promise<void> {
  const { next, loading, rows } = loaded.peek();
  if (next === null || loading) return;
  loaded.value = { ...loaded.peek(), loading: true };
  const known = new Set(rows.map(({ key }) => key));
  await ask(next, (page) => ({ rows: [...rows, ...page.items.filter(({ key }) => !known.has(key))] }));
}

async function ask(after: string | null, take: (page: ItemPage) => Pick<LoadedItems, "rows">): Promise<void> {
  request?.abort();
  const own = new AbortController();
  request = own;
  const { q, order } = loaded.peek();
  try {
    const pageAfter = (cursor: string | null): Promise<ItemPage> =>
      get<ItemPage>(withQuery("/items", { q, order, after: cursor, limit: PAGE }), own.signal);
    let page = await pageAfter(after);
    for (let turn = 0; turn < MOST_EMPTY && page.items.length === 0 && page.next !== null; turn++)
      page = { ...(await pageAfter(page.next)), count: page.count };
    batch(() => {
      const { next, count, command, note } = page;
      const before = loaded.peek();
      loaded.value = {
        ...before,
        ...take(page),
        next,
        count: count ?? before.count,
        command,
        note,
        loading: false,
        error: null,
      };
    });
  } catch (error) {
    if (!own.signal.aborted) loaded.value = { ...loaded.peek(), loading: false, error: sayError(error) };
  }
}
