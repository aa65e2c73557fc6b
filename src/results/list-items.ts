import type { ItemRow } from "../dashboard/api.ts";
import { QuerymillError } from "../errors.ts";
import { keyOf } from "../item.ts";
import type { JobSettings } from "../job.ts";
import type { RecordOrder } from "../selection.ts";
import type { Cursor, RecordCount, Source, Store } from "../store.ts";
import { rowOfEntry, rowOfKey, rowOfRecord } from "./item-row.ts";
import type { ResultQuery } from "./query.ts";
import { latestFirst, type Queue, QueueLook } from "./queue-look.ts";
import { isOfTenant } from "./tenant-items.ts";

/** What lists are made of. */
export interface ListSides {
  readonly settings: JobSettings;
  readonly store: Store;
  readonly queues: QueueLook;
}

export interface ListOptions {
  readonly query: ResultQuery;
  readonly order: RecordOrder;
  /** The `next` of an earlier page of the same list. */
  readonly after: Cursor | null;
  readonly limit: number;
  /** After so long a page ends with what it has, and goes on at its `next`. */
  readonly maxMs: number;
}

export interface ListedItems {
  readonly items: readonly ItemRow[];
  /** null at the end. Less than a page may come before the end. */
  readonly next: Cursor | null;
  /** Why the order is another one than was asked for; null when it is that. */
  readonly note: string | null;
}

const COUNT_MS = 400;

export function listSides(settings: JobSettings, store: Store): ListSides {
  return { settings, store, queues: new QueueLook(settings) };
}

/**
 * A page of items with one outcome. Classified ones come in the order that is asked for, those that failed the latest
 * first, skipped and pending ones as the source has them.
 * @throws QuerymillError USAGE for a cursor of another list; as the store
 */
export async function listItems(sides: ListSides, options: ListOptions): Promise<ListedItems> {
  const own = ownerOf(sides.settings);
  if (options.after !== null && !options.after.startsWith(own)) throw foreignPlace();
  const after = options.after === null ? null : options.after.slice(own.length);
  const page = await pageOf(sides, { ...options, after });
  return page.next === null ? page : { ...page, next: own + page.next };
}

/** What the places of a tenant's lists begin with: those of another one are refused. */
function ownerOf({ tenant }: JobSettings): string {
  return tenant === "default" ? "" : `${tenant} `;
}

async function pageOf(sides: ListSides, options: ListOptions): Promise<ListedItems> {
  const { outcome } = options.query;
  if (outcome === "classified") return await classified(sides, options);
  if (outcome === "retry" || outcome === "dead") return await queued(sides, outcome, options);
  return options.query.selection.keys === null
    ? await unclassified(sides, outcome, options)
    : await named(sides, outcome, options.query.selection.keys);
}

/** @returns null when it is not known in time */
export async function countItems(
  sides: ListSides,
  { outcome, selection }: ResultQuery,
  atMost: number,
): Promise<RecordCount | null> {
  const { settings, store, queues } = sides;
  if (outcome === "classified")
    return await store.target(settings.targetCollection).search.count(selection, atMost, COUNT_MS);
  if (outcome === "retry" || outcome === "dead")
    return { items: (await queues.entries(outcome, selection)).length, atLeast: false };
  if (outcome !== "pending" || selection.keys !== null) return null;
  const items = await sourceOf(sides).countUnprocessed(COUNT_MS);
  if (items === null) return null;
  // What waits in the retry queue is not processed either.
  const { retryQueue } = await queues.manager();
  return { items: Math.max(0, items - retryQueue.size), atLeast: false };
}

async function classified({ settings, store }: ListSides, { query, ...rest }: ListOptions): Promise<ListedItems> {
  const { search } = store.target(settings.targetCollection);
  const page = await search.find({ selection: query.selection, ...rest });
  const isOther = page.order !== rest.order && query.selection.keys === null;
  return {
    items: page.documents.map((record) => rowOfRecord(record, settings.taxonomy)),
    next: page.next,
    note: isOther ? `Ordered by id: the index for the order ${rest.order} is not there, or not yet.` : null,
  };
}

async function queued(
  { queues }: ListSides,
  outcome: Queue,
  { query, after, limit }: ListOptions,
): Promise<ListedItems> {
  const place = after === null ? null : placeIn(after, outcome);
  const all = await queues.entries(outcome, query.selection);
  const behind = place === null ? all : all.filter((entry) => latestFirst(place, entry) < 0);
  const page = behind.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map((entry) => rowOfEntry(entry, outcome === "dead" ? "deadLetter" : "retryQueued")),
    next: last !== undefined && behind.length > limit ? JSON.stringify([outcome, last.dueMs, last.key]) : null,
    note: null,
  };
}

async function unclassified(
  sides: ListSides,
  outcome: "skipped" | "pending",
  { after, limit, maxMs }: ListOptions,
): Promise<ListedItems> {
  const source = sourceOf(sides);
  const { job } = sides.settings;
  const deadline = performance.now() + maxMs;
  const items: ItemRow[] = [];
  for (let from = after; ; ) {
    const wanted = limit - items.length;
    const page =
      outcome === "skipped"
        ? await source.readMarked({ job, outcome }, from, wanted)
        : await source.readUnprocessed(from, wanted);
    const keys = page.documents.map(({ _id }) => keyOf(_id));
    const marks = outcome === "skipped" ? await source.settledBy(job, keys) : null;
    for (const key of keys)
      if (marks !== null || !(await sides.queues.has(key)))
        items.push(rowOfKey(key, outcome, marks?.get(key)?.atMs ?? null));
    if (page.last) return { items, next: null, note: null };
    if (items.length >= limit || performance.now() > deadline) return { items, next: page.cursor, note: null };
    from = page.cursor;
  }
}

async function named(sides: ListSides, outcome: "skipped" | "pending", keys: readonly string[]): Promise<ListedItems> {
  const { mark, sourceCollection: collection, filter } = sides.settings;
  const source = sides.store.source({ collection, mark, filter: null, fields: filter === null ? [] : null });
  const documents = await source.readByKeys(keys);
  const there = documents.filter((one) => isOfTenant(sides.settings, one)).map(({ _id }) => keyOf(_id));
  const marks = await source.settledBy(sides.settings.job, there);
  const items: ItemRow[] = [];
  for (const key of there) {
    const mark = marks.get(key);
    const fits =
      outcome === "skipped" ? mark?.outcome === "skipped" : mark === undefined && !(await sides.queues.has(key));
    if (fits) items.push(rowOfKey(key, outcome, mark?.atMs ?? null));
  }
  return { items, next: null, note: null };
}

function sourceOf({ settings, store }: ListSides): Source {
  const { sourceCollection: collection, mark, filter } = settings;
  return store.source({ collection, mark, filter, fields: [] });
}

function placeIn(after: Cursor, outcome: Queue): { dueMs: number; key: string } {
  try {
    const [of, dueMs, key] = JSON.parse(after) as unknown[];
    if (of === outcome && typeof dueMs === "number" && typeof key === "string") return { dueMs, key };
  } catch {
    // It is none of ours.
  }
  throw foreignPlace();
}

function foreignPlace(): QuerymillError {
  return new QuerymillError(
    "USAGE",
    "This place to go on from belongs to another list. Begin at the first page of this one.",
  );
}
