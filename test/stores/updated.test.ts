import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MongoClient } from "mongodb";
import { afterEach, describe, expect, inject, it } from "vitest";
import { keyOf } from "../../src/item.ts";
import { MARK_FIELDS } from "../../src/job.ts";
import type { Source, Store, UpdatedDocument } from "../../src/store.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const AT_MS = Date.UTC(2026, 10, 26, 12, 30, 0);
const MINUTE_MS = 60_000;
const markedBy = (job: string, outcome = "classified") => ({
  processed: true,
  processedAt: new Date(AT_MS),
  processedBy: { job, executionId: "e", outcome },
});
const sourceOf = (store: Store, path: string | null = "meta.changed"): Source =>
  store.source({ collection: "c", mark: MARK_FIELDS, filter: null, fields: ["text"], updatedAt: path });

async function openMongo(): Promise<{ store: Store; client: MongoClient; db: string }> {
  const uri = inject("mongoReplicaUri");
  const db = `updated_${process.pid}_${Date.now()}`;
  const client = await new MongoClient(uri, { monitorCommands: true }).connect();
  closing.push(() => client.close());
  closing.push(() => client.db(db).dropDatabase());
  return { store: await openMongoStore(uri, db, { connectTimeoutMs: 5_000, client }), client, db };
}

async function openSqlite(): Promise<{ store: Store; path: string }> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-updated-"));
  closing.push(() => rm(folder, { recursive: true }));
  const path = join(folder, "store.db");
  const store = await openSqliteStore(path);
  closing.push(() => store.close());
  return { store, path };
}

async function all(source: Source, sinceMs: number): Promise<UpdatedDocument[]> {
  const found: UpdatedDocument[] = [];
  for await (const page of source.readUpdated("j", sinceMs)) found.push(...page);
  return found;
}

describe.each([
  ["MongoDB", openMongo],
  ["the embedded store", openSqlite],
])("documents that say when they were changed, over %s", (_, open) => {
  it("are found in whichever way they say it, when the job has settled them", async () => {
    const { store } = await open();
    const late = AT_MS + MINUTE_MS;
    const times: Record<string, unknown> = {
      date: new Date(late),
      text: new Date(late).toISOString(),
      offset: "2026-11-26T02:31:00-10:00",
      seconds: late / 1_000,
      ms: late,
    };
    const early: Record<string, unknown> = {
      date: new Date(AT_MS - MINUTE_MS),
      text: new Date(AT_MS - MINUTE_MS).toISOString(),
      seconds: (AT_MS - MINUTE_MS) / 1_000,
      ms: AT_MS - MINUTE_MS,
      none: null,
      word: "now",
      list: [],
    };
    await store.insert("c", [
      ...Object.entries(times).map(([_id, changed]) => ({ _id, meta: { changed }, ...markedBy("j") })),
      ...Object.entries(early).map(([name, changed]) => ({
        _id: `early ${name}`,
        meta: { changed },
        ...markedBy("j"),
      })),
      { _id: "open", meta: { changed: late } },
      { _id: "other's", meta: { changed: late }, ...markedBy("other") },
      { _id: "by hand", meta: { changed: late }, processed: true },
      { _id: "skipped", meta: { changed: late }, ...markedBy("j", "skipped") },
    ]);
    const source = sourceOf(store);
    await source.prepare();
    const found = (await all(source, AT_MS)).filter(({ updatedAtMs }) => updatedAtMs !== null && updatedAtMs > AT_MS);
    expect(found.map(({ key }) => key).sort()).toEqual([...Object.keys(times), "skipped"].map(keyOf).sort());
    for (const { updatedAtMs } of found) expect(updatedAtMs).toBe(late);
    expect(found.find(({ key }) => key === keyOf("skipped"))?.mark).toEqual({ outcome: "skipped", atMs: AT_MS });
    const asked = ["date", "open", "other's", "by hand", "skipped", "gone"].map(keyOf);
    expect(await source.settledBy("j", asked)).toEqual(
      new Map([
        [keyOf("date"), { outcome: "classified", atMs: AT_MS }],
        [keyOf("skipped"), { outcome: "skipped", atMs: AT_MS }],
      ]),
    );
  });
});

it("MongoDB looks along an index, however many are settled; it is built once, and only where changes are asked for", async () => {
  const { store, client, db } = await openMongo();
  const documents = Array.from({ length: 3_000 }, (_, at) => ({
    _id: at,
    meta: { changed: new Date(AT_MS - 3_000 + at) },
    ...markedBy("j"),
  }));
  await store.insert("c", documents);
  expect((await sourceOf(store, null).prepare()).join()).not.toContain("meta.changed");
  expect((await sourceOf(store).prepare()).join()).toContain(
    "Built the index querymill_updated_meta.changed on c, so that looking for changed documents costs little.",
  );
  expect(await sourceOf(store).prepare()).toEqual([]);
  await client.db(db).command({ profile: 2 });
  expect(await all(sourceOf(store), AT_MS - 11)).toHaveLength(10);
  await client.db(db).command({ profile: 0 });
  const [find] = await client
    .db(db)
    .collection("system.profile")
    .find({ ns: `${db}.c`, "command.find": "c", "command.projection": { $exists: true }, nreturned: 10 })
    .toArray();
  expect(find?.docsExamined).toBe(10);
  expect(find?.keysExamined).toBeLessThan(30);
});

it("MongoDB says that it works slower where no index may be built, and takes one that is there under any name", async () => {
  const { store, client, db } = await openMongo();
  await store.insert("c", [{ _id: 1, meta: { changed: AT_MS + 1 }, ...markedBy("j") }]);
  const onlyRead = store.source({
    collection: "c",
    mark: null,
    filter: null,
    fields: null,
    updatedAt: "meta.changed",
  });
  expect((await onlyRead.prepare()).join()).toMatch(
    /c has no index on meta\.changed.*build one on \{meta\.changed: 1\}/,
  );
  expect(await all(onlyRead, AT_MS)).toEqual([{ key: keyOf(1), updatedAtMs: AT_MS + 1, mark: null }]);
  await client.db(db).collection("c").createIndex({ "meta.changed": 1, other: 1 });
  expect(await onlyRead.prepare()).toEqual([]);
  expect(await all(onlyRead, AT_MS)).toHaveLength(1);
});

it("the embedded store looks along an index too", async () => {
  const { store, path } = await openSqlite();
  await store.insert("c", [{ _id: 1, meta: { changed: new Date(AT_MS) }, ...markedBy("j") }]);
  await sourceOf(store).prepare();
  expect(await all(sourceOf(store), AT_MS - 1)).toHaveLength(1);
  const onlyRead = { collection: "c", mark: null, filter: null, fields: null, updatedAt: "meta.changed" };
  expect((await store.source(onlyRead).prepare()).join()).toContain("goes through all of c at each poll");
  using database = new DatabaseSync(path, { readOnly: true });
  const indexes = database.prepare("select name, sql from sqlite_schema where name like 'updated_%'").all();
  expect(indexes).toHaveLength(1);
  const expression = /\((case .*)\)$/s.exec(String(indexes[0]!.sql))![1]!;
  const table = /on (documents_\d+)/.exec(String(indexes[0]!.sql))![1]!;
  const plan = database.prepare(`explain query plan select seq from ${table} where ${expression} > 5`).all();
  expect(String(plan[0]!.detail)).toContain("USING");
});
