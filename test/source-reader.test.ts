import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Item, keyOf } from "../src/item.ts";
import { MARK_FIELDS } from "../src/job.ts";
import { SourceReader } from "../src/source-reader.ts";
import type { Source, Store } from "../src/store.ts";
import { makeItem } from "../src/stores/mapping.ts";
import { openSqliteStore } from "../src/stores/sqlite.ts";
import { StoreWatch } from "../src/traffic/store-watch.ts";

const ITEMS = 1_500;
let folder: string;
let store: Store;
/** Page sizes that were asked for. */
let asked: number[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "querymill-reader-"));
  store = await openSqliteStore(join(folder, "store.sqlite"));
  const documents = Array.from({ length: ITEMS }, (_, n) => ({ _id: n, text: `My lamp ${n} flickers` }));
  await store.insert("queries", documents);
  asked = [];
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

function readerOf(
  limit: number | null,
  isKnown: (key: string) => boolean = () => false,
  startBehind: string | null = null,
): SourceReader {
  const source = store.source({ collection: "queries", mark: MARK_FIELDS, filter: null, fields: null });
  const counting: Source = new Proxy(source, {
    get: (inner, name) =>
      name === "readUnprocessed"
        ? (after: string | null, count: number) => {
            asked.push(count);
            return inner.readUnprocessed(after, count);
          }
        : Reflect.get(inner, name).bind(inner),
  });
  return new SourceReader({
    source: counting,
    makeItem: (document) => makeItem(document, { text: null, maxChars: 24_000 }),
    isKnown,
    quietInMs: null,
    now: Date.now,
    limit,
    startBehind,
    watch: new StoreWatch({ storeMs: 1_000, now: Date.now }),
    signal: new AbortController().signal,
  });
}

const keysOf = (readings: Awaited<ReturnType<SourceReader["take"]>>): string[] =>
  readings.map(({ read }) => (read as Item).key);

describe("reading ahead", () => {
  it("reads every document once, in order, and never more than 1,000 ahead", async () => {
    const reader = readerOf(null);
    const seen: string[] = [];
    for (let taken = await reader.take(70); taken.length > 0; taken = await reader.take(70)) {
      seen.push(...keysOf(taken));
      expect(reader.buffered).toBeLessThanOrEqual(800);
    }
    expect(seen).toEqual(Array.from({ length: ITEMS }, (_, n) => keyOf(n)));
  });

  it("reads no more than a limit leaves", async () => {
    const reader = readerOf(25);
    for (let left = 25; left > 0; left -= 5) expect(await reader.take(5)).toHaveLength(5);
    expect(asked.reduce((sum, count) => sum + count, 0)).toBe(25);
  });

  it("goes past the limit for documents that are known already", async () => {
    const reader = readerOf(25, (key) => Number(key.replace(/\D+/g, "")) < 900);
    const taken = await reader.take(25);
    expect(taken).toHaveLength(25);
    expect(Math.max(...asked)).toBe(25);
  });
});

it("begins behind a cursor when it is given one, and at the start once it was rewound", async () => {
  const before = readerOf(null);
  await before.take(300);
  for (let ordinal = 1; ordinal <= 300; ordinal += 1) before.settle(ordinal);
  const { cursor } = before.progress();
  const reader = readerOf(null, () => false, cursor);
  expect(reader.progress()).toEqual({ settled: 0, cursor });
  // A cursor stands behind a page, and the first one is short.
  expect(keysOf(await reader.take(1))).toEqual([keyOf(100)]);
  expect(reader.startedBehind).toBe(true);
  reader.rewind();
  expect(reader.startedBehind).toBe(false);
  expect(reader.progress().cursor).toBeNull();
});

it("knows up to where everything is settled, whatever is settled first", async () => {
  const reader = readerOf(null);
  const taken = [...(await reader.take(100)), ...(await reader.take(100))];
  for (const { ordinal } of taken.slice(1).reverse()) reader.settle(ordinal);
  expect(reader.progress()).toEqual({ settled: 0, cursor: null });
  reader.settle(taken[0]!.ordinal);
  expect(reader.progress().settled).toBe(200);
  expect(reader.progress().cursor).not.toBeNull();
});
