import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { MARK_FIELDS } from "../../src/job.ts";
import { ALL_RECORDS } from "../../src/selection.ts";
import type { LeaseHolder, Store } from "../../src/store.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { mayDo } from "../../src/stores/mongodb-rights.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { startMongod } from "../support/mongod.ts";

const database = `inspect_${process.pid}`;
const holder: LeaseHolder = { job: "inbox", ownerId: "o1", host: "h", pid: 7, executionId: "e1" };
const options = (collection: string) => ({ collection, mark: MARK_FIELDS, filter: null, fields: null });
let folder: string;
let client: MongoClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "querymill-inspect-"));
  client = await new MongoClient(inject("mongoReplicaUri")).connect();
});
afterAll(async () => {
  await client.db(database).dropDatabase();
  await client.close();
  await rm(folder, { recursive: true });
});

describe.each([
  ["sqlite", () => openSqliteStore(join(folder, "store.db"))],
  ["mongodb", () => openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000 })],
] as const)("looking at %s without changing it", (_, open) => {
  let store: Store;
  beforeAll(async () => {
    store = await open();
    await store.insert("seen", [{ _id: 1, processed: true }, { _id: 2 }, { _id: 3, processed: false }]);
  });
  afterAll(() => store.close());

  it("tells documents, marking and index, which prepare builds and looking does not", async () => {
    const source = store.source(options("seen"));
    const before = { documents: 3, indexed: false, mayBuildIndex: true, notMarkable: null };
    expect(await source.inspect()).toEqual(before);
    expect(await source.countUnprocessed(5_000)).toBe(2);
    expect((await source.readUnprocessed(null, 10)).documents).toHaveLength(2);
    expect(await source.inspect()).toEqual(before);
    await source.prepare();
    expect(await source.inspect()).toEqual({ ...before, indexed: true });
  });

  it("names the nearest collections for one that is missing", async () => {
    await expect(store.source(options("sean")).inspect()).rejects.toMatchObject({
      code: "COLLECTION_MISSING",
      message: expect.stringContaining("seen (3 documents)"),
    });
  });

  it("says who writes a target, and who holds it now, without taking it", async () => {
    expect(await store.lease.look("target")).toBeNull();
    const taken = await store.lease.acquire("target", holder, 60_000);
    expect(await store.lease.look("target")).toEqual({ job: "inbox", holder });
    if (taken.status === "held") await store.lease.release("target", "o1", taken.fence);
    expect(await store.lease.look("target")).toEqual({ job: "inbox", holder: null });
    const next = await store.lease.acquire("target", { ...holder, ownerId: "o2" }, 1);
    expect(next).toEqual({ status: "held", fence: 2 });
    await store.lease.forget("target");
    expect(await store.lease.look("target")).toBeNull();
  });
});

it("tells a view, which can neither be marked nor indexed", async () => {
  const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000 });
  await client.db(database).createCollection("a_view", { viewOn: "seen", pipeline: [] });
  const found = await store.source(options("a_view")).inspect();
  expect(found).toMatchObject({ mayBuildIndex: false, indexed: false, notMarkable: expect.stringContaining("a view") });
  await store.close();
});

it("tells a reader without rights from a user with them", async () => {
  const mongod = await startMongod("standalone", { user: "root", password: "root" });
  try {
    const uri = new URL(mongod.uri);
    const connect = async (user: string): Promise<MongoClient> =>
      await new MongoClient(`mongodb://${user}:${user}@${uri.host}/?authSource=admin`).connect();
    const root = await connect("root");
    await root.db("support").collection("seen").insertOne({ text: "a" });
    await root.db("admin").command({ createUser: "reader", pwd: "reader", roles: [{ role: "read", db: "support" }] });
    expect(await mayDo(root.db("support"), "seen", "createIndex")).toBe(true);
    await root.close();
    const readerUri = `mongodb://reader:reader@${uri.host}/support?authSource=admin`;
    const store = await openMongoStore(readerUri, "support", { connectTimeoutMs: 5_000 });
    expect(await store.source(options("seen")).inspect()).toEqual({
      documents: 1,
      indexed: false,
      mayBuildIndex: false,
      notMarkable: "the user of the store's URI has no update right",
    });
    const { search } = store.target("seen");
    expect(await search.prepare()).toEqual([
      expect.stringMatching(/no index querymill_classified_at, and the user may not build one on .*listed by id only/),
      expect.stringMatching(/no index querymill_review, and the user may not build one/),
    ]);
    const page = await search.find({ selection: ALL_RECORDS, order: "newest", after: null, limit: 5, maxMs: 5_000 });
    expect(page).toMatchObject({ documents: [{ text: "a" }], order: "id", next: null });
    await store.close();
  } finally {
    await mongod.stop();
  }
});
