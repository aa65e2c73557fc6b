// How long the dashboard's lists and counts take over many records, on MongoDB and in an embedded store:
//   node bench/dashboard-data.ts --items 1000000 [--store mongodb|sqlite] [--uri mongodb://HOST]
// With --page instead: how long a browser takes from the link to the first overview and to the first row, on MongoDB.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ALL_RECORDS, type RecordCondition, type RecordOrder, type RecordSelection } from "../src/selection.ts";
import type { SourceDocument, Store } from "../src/store.ts";
import { openMongoStore } from "../src/stores/mongodb.ts";
import { openSqliteStore } from "../src/stores/sqlite.ts";
import { startMongod } from "../test/support/mongod.ts";
import { openPages } from "./dashboard-page.ts";

const { values } = parseArgs({
  options: {
    items: { type: "string", default: "1000000" },
    store: { type: "string" },
    uri: { type: "string" },
    page: { type: "boolean", default: false },
  },
});
const items = Number(values.items);
const DAY_MS = 86_400_000;
const DAYS = 56;
const MAX_MS = 60_000;
const endMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;
const CATEGORIES = [
  "billing_payment",
  "refund",
  "shipping",
  "account_access",
  "bug",
  "feature_request",
  "cancellation",
];

/** The first so many of a made-up target, in the order in which a run of eight weeks writes them. */
function record(at: number): SourceDocument {
  // A fixed sequence of numbers that look drawn.
  const draw = (salt: number, of: number): number => (Math.imul(at + 1, 2654435761 + salt * 40503) >>> 8) % of;
  const sure = 0.5 + draw(1, 1_000) / 2_000;
  const review = draw(2, 100) < 6;
  return {
    _id: `T-${String(at).padStart(9, "0")}`,
    job: "bench",
    category: at % 50_000 === 7 ? "rare" : CATEGORIES[draw(3, CATEGORIES.length)],
    subcategory: null,
    sentiment: ["negative", "neutral", "positive"][draw(4, 3)],
    urgency: ["low", "medium", "high", "critical"][draw(5, 4)],
    language: ["en", "de", "fr", "es"][draw(6, 4)],
    summary: `The customer of order ${at} asks about an invoice that was charged twice and wants to know when it is corrected.`,
    labels: {},
    alternatives: [{ label: "refund", p: 0.2 }],
    confidence: { category: review ? sure - 0.5 : sure, sentiment: 0.8, urgency: 0.7, language: 0.99 },
    confidenceKind: "self-rated",
    needsReview: review,
    reviewReasons: review ? ["low-confidence"] : [],
    decidedBy: "model",
    provider: "openai",
    model: "gpt-5-mini",
    endpoint: "main",
    promptVersion: "p-1234abcd",
    taxonomyVersion: "t-1234abcd",
    contentHash: "0123456789abcdef0123456789abcdef",
    usage: { inputTokens: 900, cachedInputTokens: 700, cacheWriteTokens: 0, outputTokens: 80, reasoningTokens: 0 },
    costUsd: 0.0004,
    latencyMs: 900,
    attempts: 1,
    executionId: `2026${Math.floor((at / items) * 20)}`,
    fence: 1,
    classifiedAt: new Date(endMs - DAYS * DAY_MS + Math.floor((at / items) * DAYS * DAY_MS)),
  };
}

const is = (field: string, ...of: RecordCondition["values"]): RecordCondition => ({
  field,
  is: "in",
  values: of,
  not: false,
});
const select = (...conditions: RecordCondition[]): RecordSelection => ({ ...ALL_RECORDS, conditions });
const LISTS: [string, RecordSelection, RecordOrder][] = [
  ["newest, unfiltered", ALL_RECORDS, "newest"],
  ["category:billing_payment urgency:high", select(is("category", "billing_payment"), is("urgency", "high")), "newest"],
  ["category:rare (20 in 1 M)", select(is("category", "rare")), "newest"],
  ["words that none has", select({ field: "summary", is: "contains", values: ["giraffe"], not: false }), "newest"],
  [
    "since: 7 days, sentiment:negative",
    { ...select(is("sentiment", "negative")), fromMs: endMs - 7 * DAY_MS },
    "newest",
  ],
  ["review", { ...select({ ...is("decidedBy", "person"), not: true }, is("needsReview", true)) }, "review"],
];

async function measure(store: Store): Promise<void> {
  const target = store.target("results");
  const told = (name: string, ms: number, what: string): void =>
    console.log(`  ${name.padEnd(40)} ${ms.toFixed(1).padStart(9)} ms  ${what}`);
  const timed = async <T>(name: string, work: () => Promise<T>, what: (value: T) => string): Promise<T> => {
    const began = performance.now();
    const value = await work();
    told(name, performance.now() - began, what(value));
    return value;
  };
  await timed(
    "building both indexes",
    async () => {
      while ((await target.search.prepare()).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    },
    () => "",
  );
  for (const [name, selection, order] of LISTS) {
    const find = (after: string | null, maxMs: number) =>
      target.search.find({ selection, order, after, limit: 50, maxMs });
    const first = await timed(
      `${name}: first page`,
      () => find(null, MAX_MS),
      ({ documents }) => `${documents.length} records`,
    );
    if (first.next !== null)
      await timed(
        `${name}: next page`,
        () => find(first.next, MAX_MS),
        ({ documents }) => `${documents.length} records`,
      );
    await timed(
      `${name}: count`,
      () => target.search.count(selection, 10_000, 500),
      (count) => JSON.stringify(count),
    );
  }
  const fields = ["category", "sentiment", "urgency", "language"];
  for (const days of [1, 28, 56]) {
    const bounds = Array.from({ length: days + 1 }, (_, at) => endMs - (days - at) * DAY_MS);
    await timed(
      `timeline of ${days} days`,
      () => target.search.timeline(fields, bounds, MAX_MS),
      (buckets) => `${buckets.reduce((sum, bucket) => sum + (bucket?.total ?? 0), 0).toLocaleString("en-US")} records`,
    );
  }
}

/** Of a dashboard that is opened over the records, several times; indexes are built before, as after the first use. */
async function measurePage(store: Store, uri: string, db: string): Promise<void> {
  while ((await store.target("results").search.prepare()).length > 0)
    await new Promise((resolve) => setTimeout(resolve, 20));
  const seen = await openPages(uri, db, "results", 5);
  for (const what of ["overview", "row"] as const) {
    const figures = seen.map((one) => one[what]).toSorted((a, b) => a - b);
    const [least, middle, most] = [figures[0]!, figures[Math.floor(figures.length / 2)]!, figures.at(-1)!];
    console.log(
      `  ${`from the link to the first ${what}`.padEnd(40)} ${middle.toFixed(0).padStart(6)} ms  (${least.toFixed(0)}–${most.toFixed(0)}, ${figures.length} times)`,
    );
  }
}

async function fill(write: (records: SourceDocument[]) => Promise<void>): Promise<void> {
  const began = performance.now();
  for (let at = 0; at < items; at += 10_000)
    await write(Array.from({ length: Math.min(10_000, items - at) }, (_, one) => record(at + one)));
  console.log(
    `  ${items.toLocaleString("en-US")} records written in ${((performance.now() - began) / 1_000).toFixed(0)} s`,
  );
}

if (values.store !== "mongodb" && !values.page) {
  const folder = await mkdtemp(join(tmpdir(), "querymill-bench-"));
  const store = await openSqliteStore(join(folder, "store.db"));
  console.log(store.description);
  await fill((records) => store.insert("results", records));
  await measure(store);
  await store.close();
  await rm(folder, { recursive: true });
}
if (values.store !== "sqlite") {
  const mongod = values.uri === undefined ? await startMongod("replica-set") : null;
  const [uri, db] = [values.uri ?? mongod!.uri, `bench_${process.pid}`];
  const store = await openMongoStore(uri, db, { connectTimeoutMs: 5_000 });
  console.log(store.description);
  await fill((records) => store.insert("results", records, "keep"));
  await (values.page ? measurePage(store, uri, db) : measure(store));
  await store.drop("results");
  await store.close();
  await mongod?.stop();
}
