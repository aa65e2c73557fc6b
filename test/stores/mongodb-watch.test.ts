import { setTimeout as delay } from "node:timers/promises";
import { queryObjects } from "node:v8";
import { type Db, type Document, MongoClient } from "mongodb";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { parseFilter } from "../../src/filter.ts";
import { keyOf } from "../../src/item.ts";
import { MARK_FIELDS, type MarkFields } from "../../src/job.ts";
import type { Source, SourceChange, SourceOptions } from "../../src/store.ts";
import { JobStore } from "../../src/stores/job-store.ts";
import { type MongoStore, openMongoStore } from "../../src/stores/mongodb.ts";
import { until } from "../support/patience.ts";

const RENAMED: MarkFields = { processed: "doneByBot", processedAt: "doneAt", processedBy: "bot" };
const by = { job: "j", executionId: "e", outcome: "classified" } as const;
let client: MongoClient;
let store: MongoStore;
let db: Db;
let made = 0;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const uri = inject("mongoReplicaUri");
  client = await new MongoClient(uri).connect();
  const name = `watch_${process.pid}`;
  db = client.db(name);
  store = await openMongoStore(uri, name, { connectTimeoutMs: 5_000, client });
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(async () => {
  await db.dropDatabase();
  await client.close();
});

/** Watches from now on, and knows what was told. */
async function watched(source: Source, resumeAfter: string | null = null) {
  const changes: SourceChange[] = [];
  const states: (string | null)[] = [];
  const tokens: string[] = [];
  let calls = 0;
  const stopping = new AbortController();
  const ended = source.watch!({
    resumeAfter,
    signal: stopping.signal,
    onChanges: (some, token) => {
      if (some.length > 0) calls += 1;
      changes.push(...some);
      tokens.push(token);
    },
    onState: (trouble) => states.push(trouble),
  });
  const stop = async (): Promise<void> => {
    stopping.abort();
    await ended;
  };
  stops.push(stop);
  await until(() => states.length > 0);
  return { changes, states, tokens, calls: () => calls, ended, stop };
}

/** What was told up to a document that is inserted now. */
async function upToNow({ changes }: { readonly changes: readonly SourceChange[] }, name: string) {
  const end = keyOf(`end-${changes.length}`);
  await db.collection(name).insertOne({ _id: `end-${changes.length}` } as Document);
  await until(() => changes.some(({ key }) => key === end));
  return changes.filter(({ key }) => !key.includes("end-")).map(({ key, kind }) => `${kind} ${key}`);
}

function sourceOf(changes: Partial<SourceOptions> = {}) {
  made += 1;
  const collection = `source_${made}`;
  const options = { collection, mark: MARK_FIELDS, filter: null, fields: ["text"], ...changes };
  return { name: collection, options, source: store.source(options), rows: db.collection<Document>(collection) };
}

describe("changes that are told", () => {
  it("are inserts, documents without their mark, and texts that were changed, each with its kind", async () => {
    const { name, source, rows } = sourceOf();
    await store.insert(
      name,
      [1, 2, 3, 4, 5].map((_id) => ({ _id, text: "a", processed: true, processedAt: new Date() })),
    );
    await store.insert(name, [{ _id: 6, text: "a" }]);
    const seen = await watched(source);
    await rows.insertOne({ _id: 7 as never, text: "new" });
    await rows.updateOne({ _id: 1 as never }, { $unset: { processed: "" } });
    await rows.updateOne({ _id: 2 as never }, { $set: { processed: false } });
    await rows.updateOne({ _id: 3 as never }, { $set: { text: "b" } });
    await rows.replaceOne({ _id: 4 as never }, { text: "c" });
    await rows.replaceOne({ _id: 5 as never }, { text: "d", processed: true });
    await rows.updateOne({ _id: 6 as never }, { $set: { text: "b" } });
    expect((await upToNow(seen, name)).sort()).toEqual(
      ["new 1", "new 2", "new 7", "pending 4", "pending 6", "text 3", "text 5"].map((told) =>
        told.replace(/\d/, (digit) => keyOf(Number(digit))),
      ),
    );
  });

  it("are grouped: thousands of inserts are a few calls", async () => {
    const { name, source } = sourceOf();
    await store.insert(name, []);
    const seen = await watched(source);
    await store.insert(
      name,
      Array.from({ length: 5_000 }, (_, _id) => ({ _id, text: "a" })),
    );
    await until(() => seen.changes.length === 5_000);
    expect(seen.calls()).toBeLessThan(250);
  });

  it("are forgotten once they are told", async () => {
    const { name, source } = sourceOf();
    await store.insert(name, []);
    const seen = await watched(source);
    const tell = async (from: number): Promise<number> => {
      await store.insert(
        name,
        Array.from({ length: 3_000 }, (_, at) => ({ _id: from + at, text: "a" })),
      );
      await until(() => seen.changes.length === from + 3_000);
      return queryObjects(Promise, { format: "count" }) as number;
    };
    const before = await tell(0);
    expect((await tell(3_000)) - before).toBeLessThan(1_000);
  });

  it.each([
    ["the usual mark fields", MARK_FIELDS],
    ["renamed mark fields", RENAMED],
  ])("are never our own marks, with %s", async (_, mark) => {
    const { name, source } = sourceOf({ mark, fields: null });
    const ids = Array.from({ length: 3_000 }, (_, at) => at);
    await store.insert(
      name,
      ids.map((_id) => ({ _id, text: "a" })),
    );
    const seen = await watched(source);
    const keys = ids.map(keyOf);
    await source.mark([{ keys, at: new Date(0), by }]);
    // Marked anew by another execution: the server writes only the parts that differ.
    await source.mark([{ keys, at: new Date(1), by: { ...by, executionId: "f", outcome: "skipped" } }]);
    expect(await upToNow(seen, name)).toEqual([]);
    expect(seen.calls()).toBe(1);
  });

  it("are neither another job's marks nor fields that nobody reads, when it is known what is read", async () => {
    const { name, source, rows } = sourceOf();
    await store.insert(name, [{ _id: 1, text: "a" }]);
    const seen = await watched(source);
    await store
      .source({ collection: name, mark: RENAMED, filter: null, fields: null })
      .mark([{ keys: [keyOf(1)], at: new Date(), by }]);
    await rows.updateOne({ _id: 1 as never }, { $set: { "agent.name": "x" }, $push: { tags: "y" as never } });
    expect(await upToNow(seen, name)).toEqual([]);
  });

  it("fit the filter, and come too when a document begins to fit", async () => {
    const filter = parseFilter({ $or: [{ "via.channel": "email" }, { urgent: true }] });
    const { name, source, rows } = sourceOf({ filter });
    await store.insert(name, [
      { _id: 1, text: "a", via: { channel: "chat" } },
      { _id: 2, text: "a", via: { channel: "chat" } },
    ]);
    const seen = await watched(source);
    await rows.insertOne({ _id: 3 as never, text: "a", via: { channel: "chat" } });
    await rows.insertOne({ _id: 4 as never, text: "a", via: { channel: "email" } });
    await rows.updateOne({ _id: 1 as never }, { $set: { "via.channel": "email" } });
    await rows.updateOne({ _id: 2 as never }, { $set: { text: "b" } });
    await until(() => seen.changes.length === 2);
    await delay(200);
    expect(seen.changes.map(({ key }) => key).sort()).toEqual([keyOf(1), keyOf(4)]);
  });

  it("come without marks, too, where the source is only read", async () => {
    const { name, options, rows } = sourceOf();
    await store.insert(name, [{ _id: 1, text: "a" }]);
    const sides = new JobStore({ source: store, target: store, marks: `${name}_target` });
    const source = sides.source({ ...options, mark: null });
    await source.prepare();
    const seen = await watched(source);
    await source.mark([{ keys: [keyOf(1)], at: new Date(), by: { ...by, outcome: "skipped" } }]);
    await rows.updateOne({ _id: 1 as never }, { $set: { text: "b" } });
    await rows.insertOne({ _id: 2 as never, text: "a" });
    expect((await upToNow(seen, name)).sort()).toEqual([`new ${keyOf(2)}`, `text ${keyOf(1)}`].sort());
  });
});

describe("the place to go on from", () => {
  it("brings what happened since, also when nobody watched", async () => {
    const { name, source, rows } = sourceOf();
    await store.insert(name, []);
    const first = await watched(source);
    await rows.insertOne({ _id: 1 as never, text: "a" });
    await until(() => first.changes.length === 1);
    await first.stop();
    await rows.insertOne({ _id: 2 as never, text: "a" });
    const second = await watched(source, first.tokens.at(-1)!);
    await until(() => second.changes.length > 0);
    expect(second.changes).toEqual([{ key: keyOf(2), kind: "new" }]);
  });

  it("that the server does not know is said, and watching begins anew from now", async () => {
    const { name, source, rows } = sourceOf();
    await store.insert(name, []);
    const seen = await watched(source, JSON.stringify({ _data: "no token" }));
    await until(() => seen.states.includes(null));
    expect(seen.states).toEqual([expect.stringMatching(/no longer known .* begins anew$/), null]);
    await rows.insertOne({ _id: 1 as never, text: "a" });
    await until(() => seen.changes.length === 1);
  });

  it("that cannot be read at all is none", async () => {
    const { name, source } = sourceOf();
    await store.insert(name, []);
    expect((await watched(source, "{")).states).toEqual([null]);
  });

  it("begins anew when the collection was dropped", async () => {
    const { name, source, rows } = sourceOf();
    await store.insert(name, [{ _id: 1, text: "a" }]);
    const seen = await watched(source);
    await rows.drop();
    await until(() => seen.states.length >= 3);
    expect(seen.states).toEqual([null, expect.stringContaining("dropped or renamed"), null]);
    await rows.insertOne({ _id: 2 as never, text: "a" });
    await until(() => seen.changes.some(({ key }) => key === keyOf(2)));
  });
});

describe("a server without change streams", () => {
  it("is said once, and watching ends", async () => {
    const uri = inject("mongoStandaloneUri");
    const standalone = await openMongoStore(uri, `watch_${process.pid}`, { connectTimeoutMs: 5_000 });
    stops.push(() => standalone.close());
    const source = standalone.source({ collection: "any", mark: MARK_FIELDS, filter: null, fields: null });
    const seen = await watched(source);
    await seen.ended;
    expect(seen.states).toEqual([expect.stringMatching(/standalone|may not read/)]);
  });

  it("has none for a view", async () => {
    const { name } = sourceOf();
    await store.insert(name, [{ _id: 1, text: "a" }]);
    await db.createCollection(`${name}_view`, { viewOn: name, pipeline: [] });
    const seen = await watched(store.source({ collection: `${name}_view`, mark: null, filter: null, fields: null }));
    await seen.ended;
    expect(seen.states).toEqual(["it is a view, which has no change stream"]);
  });
});
