import { createServer } from "node:net";
import { type CommandStartedEvent, MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from "vitest";
import { parseFilter } from "../../src/filter.ts";
import { keyOf } from "../../src/item.ts";
import { MARK_FIELDS } from "../../src/job.ts";
import type { SourceOptions } from "../../src/store.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { recordWith } from "../contract/store-contract.ts";
import { type Mongod, startMongod } from "../support/mongod.ts";

const database = `mongodb_${process.pid}`;
const optionsOf = (collection: string): SourceOptions => ({
  collection,
  mark: MARK_FIELDS,
  filter: null,
  fields: null,
});
const at = new Date(0);
const by = { job: "j", executionId: "e", outcome: "classified" } as const;
let client: MongoClient;
const seen: CommandStartedEvent[] = [];

beforeAll(async () => {
  client = new MongoClient(inject("mongoReplicaUri"), {
    monitorCommands: true,
    w: 1,
    readPreference: "secondaryPreferred",
  });
  client.on("commandStarted", (event) => seen.push(event));
  await client.connect();
});
afterAll(async () => {
  await client.db(database).dropDatabase();
  await client.close();
});

describe("opening", () => {
  it("names host and port and never the login when no server answers", async () => {
    const port = await freePort();
    const uri = `mongodb://anna:s%40cret-w0rd@127.0.0.1:${port}/x`;
    const error = await openMongoStore(uri, "x", { connectTimeoutMs: 300 }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "STORE_UNREACHABLE" });
    expect(error.message).toContain(`127.0.0.1:${port}`);
    expectNoLogin(error, ["anna", "s%40cret", "s@cret", "w0rd"]);
  });

  it("says that the login was refused, without saying the login", async () => {
    const uri = inject("mongoStandaloneUri").replace("mongodb://", "mongodb://anna:wrong-w0rd@");
    const error = await openMongoStore(uri, "x", { connectTimeoutMs: 5_000 }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "STORE_REFUSED" });
    expectNoLogin(error, ["anna", "w0rd"]);
  });

  it.each(["http://anna:w0rd@host", "mongodb://anna:w0rd@", "mongodb://anna:w/0rd@host:x/db"])(
    "refuses what is no connection string (%#) as a mistake in usage",
    async (uri) => {
      const error = await openMongoStore(uri, "x", { connectTimeoutMs: 300 }).catch((thrown) => thrown);
      expect(error).toMatchObject({ code: "USAGE" });
      expectNoLogin(error, ["anna", "w0rd", "0rd"]);
    },
  );

  it("does not close a client it was given", async () => {
    const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
    await store.close();
    expect(await client.db(database).command({ ping: 1 })).toMatchObject({ ok: 1 });
  });
});

describe("with a given client that acknowledges weakly", () => {
  it("asks for a majority, the journal and a time limit on every write, and reads from the primary", async () => {
    const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
    seen.length = 0;
    await store.insert("weak", [{ _id: 1 }]);
    const source = store.source(optionsOf("weak"));
    await source.prepare();
    await source.readUnprocessed(null, 1);
    await source.mark([{ keys: [keyOf(1)], at, by }]);
    await store.target("weak_target").write([{ key: keyOf(1), record: recordWith({}) }]);
    await store.lease.acquire("weak", { job: "j", ownerId: "o", host: "h", pid: 1, executionId: "e" }, 1_000);
    const writes = seen.filter(({ commandName }) => ["update", "insert", "findAndModify"].includes(commandName));
    expect(writes.length).toBeGreaterThanOrEqual(6);
    for (const { command } of writes)
      expect(command.writeConcern).toMatchObject({ w: "majority", j: true, wtimeout: 20_000 });
    for (const { command } of seen.filter(({ commandName }) => commandName === "find")) {
      expect(command.readConcern).toMatchObject({ level: "majority" });
      expect(command.$readPreference?.mode ?? "primary").toBe("primary");
    }
  });
});

describe("the index of unprocessed documents", () => {
  it("is built once, said once, and makes a page behind many marked ones cost its own length", async () => {
    const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
    const documents = Array.from({ length: 5_000 }, (_, _id) => (_id < 4_500 ? { _id, processed: true } : { _id }));
    await store.insert("large", documents);
    const source = store.source(optionsOf("large"));
    expect(await source.prepare()).toEqual([expect.stringContaining("Built the indexes")]);
    expect(await store.source(optionsOf("large")).prepare()).toEqual([]);
    const first = await source.readUnprocessed(null, 100);
    seen.length = 0;
    await source.readUnprocessed(first.cursor, 100);
    const { $db, lsid, $clusterTime, readConcern, ...find } = seen.find(
      ({ commandName }) => commandName === "find",
    )!.command;
    const plan = await client.db(database).command({ explain: find, verbosity: "executionStats" });
    expect(plan.executionStats.totalKeysExamined).toBeLessThanOrEqual(103);
    expect(plan.executionStats.totalDocsExamined).toBeLessThanOrEqual(102);
    expect(JSON.stringify(plan.queryPlanner.winningPlan)).not.toContain('"SORT"');
  });

  it("may vanish while a cursor is out: reading goes on behind it, each document once", async () => {
    const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
    await store.insert(
      "vanish",
      [1, 2, 3, 4].map((_id) => (_id === 1 ? { _id, processed: false } : { _id })),
    );
    const source = store.source(optionsOf("vanish"));
    await source.prepare();
    const first = await source.readUnprocessed(null, 2);
    await client.db(database).collection("vanish").dropIndexes();
    const rest = await store.source(optionsOf("vanish")).readUnprocessed(first.cursor, 10);
    expect([...first.documents, ...rest.documents].map(({ _id }) => _id)).toEqual([2, 3, 4, 1]);
  });

  it("may not be used by a filter on the mark itself to lose the mark's own condition", async () => {
    const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
    await store.insert("clash", [{ _id: 1, processed: true }, { _id: 2 }]);
    const filter = parseFilter({ processed: { $in: [true, null] } });
    const page = await store.source({ ...optionsOf("clash"), filter }).readUnprocessed(null, 10);
    expect(page.documents.map(({ _id }) => _id)).toEqual([2]);
  });
});

it("gives pages of one server reply at most when documents are large, each once", async () => {
  const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
  const text = "x".repeat(7_000_000);
  await store.insert("heavy", [
    { _id: 1, text },
    { _id: 2, text },
    { _id: 3, text },
    { _id: 4, text: "y".repeat(16_000_000) },
  ]);
  const source = store.source(optionsOf("heavy"));
  const ids: unknown[] = [];
  let cursor: string | null = null;
  let pages = 0;
  for (let last = false; !last; pages++) {
    const page = await source.readUnprocessed(cursor, 100);
    ids.push(...page.documents.map(({ _id }) => _id));
    ({ cursor, last } = page);
  }
  expect(ids).toEqual([1, 2, 3, 4]);
  expect(pages).toBeGreaterThanOrEqual(2);
  await store.drop("heavy");
});

it("refuses a view as a source that cannot be marked", async () => {
  const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
  await store.insert("seen", [{ _id: 1 }]);
  await client.db(database).createCollection("view", { viewOn: "seen", pipeline: [] });
  const refused = store.source(optionsOf("view")).prepare();
  await expect(refused).rejects.toMatchObject({ code: "SOURCE_NOT_MARKABLE" });
});

it("reads without marks also after the server was away when it was asked first", async () => {
  const uri = inject("mongoReplicaUri");
  const own = await new MongoClient(uri).connect();
  onTestFinished(() => own.close());
  const store = await openMongoStore(uri, database, { connectTimeoutMs: 5_000, client: own });
  await store.insert("away", [{ _id: 1 }]);
  const source = store.source({ ...optionsOf("away"), mark: null });
  await own.close();
  await expect(source.readUnprocessed(null, 1)).rejects.toThrow();
  await own.connect();
  expect((await source.readUnprocessed(null, 1)).documents).toEqual([{ _id: 1 }]);
});

describe("a target with rules of its own", () => {
  it("refuses the records that break them, says so without their text, and writes the others", async () => {
    const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
    await client.db(database).createCollection("ruled", { validator: { category: { $ne: "secret words" } } });
    await client.db(database).collection("ruled").createIndex({ summary: 1 }, { unique: true });
    const records = ["a", "b", "a", "c"].map((summary, n) => ({
      key: keyOf(n),
      record: recordWith({ summary, category: n === 1 ? "secret words" : "billing" }),
    }));
    const results = await store.target("ruled").write(records);
    expect(results.map(({ status }) => status)).toEqual(["written", "refused", "refused", "written"]);
    expect(results[1]).toMatchObject({ message: expect.stringContaining("121") });
    expect(results[2]).toMatchObject({ message: expect.stringContaining("summary_1") });
    expect(JSON.stringify(results)).not.toContain("secret words");
  });

  it("takes many writers of the same records at once: every one is told that it wrote", async () => {
    const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
    const records = Array.from({ length: 50 }, (_, n) => ({ key: keyOf(n), record: recordWith({}) }));
    const writers = Array.from({ length: 8 }, () => store.target("raced").write(records));
    for (const results of await Promise.all(writers))
      expect(new Set(results.map(({ status }) => status))).toEqual(new Set(["written"]));
    expect(await store.target("raced").count()).toBe(50);
  });
});

it("says that a document refuses its mark, which is not a store that is away", async () => {
  const store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
  await client.db(database).createCollection("locked", { validator: { $or: [{ locked: null }, { processed: null }] } });
  await client
    .db(database)
    .collection<{ _id: number; locked?: boolean }>("locked")
    .insertMany([{ _id: 1 }, { _id: 2, locked: true }]);
  const source = store.source(optionsOf("locked"));
  await expect(source.mark([{ keys: [keyOf(2)], at, by }])).rejects.toMatchObject({ code: "STORE_REFUSED" });
  await expect(source.mark([{ keys: [keyOf(1)], at, by }])).resolves.toBeUndefined();
});

describe("a server that asks for a login", () => {
  const root = { user: "root", password: "t0p-secret" };
  let mongod: Mongod;
  let admin: MongoClient;
  const uriOf = (user: string) => mongod.uri.replace("mongodb://", `mongodb://${user}:w0rd@`).replace(/\?.*$/, "");
  beforeAll(async () => {
    mongod = await startMongod("standalone", root);
    admin = await new MongoClient(mongod.uri, { auth: { username: root.user, password: root.password } }).connect();
    await admin
      .db("support")
      .collection<{ _id: number }>("set")
      .insertMany([{ _id: 1 }, { _id: 2 }]);
    const resource = { db: "support", collection: "set" };
    await admin.db("admin").command({
      createRole: "marker",
      privileges: [{ resource, actions: ["find", "update", "listIndexes"] }],
      roles: [],
    });
    for (const [user, roles] of [
      ["reader", [{ role: "read", db: "support" }]],
      ["marker", ["marker"]],
      ["nobody", []],
    ] as const)
      await admin.db("admin").command({ createUser: user, pwd: "w0rd", roles });
  });
  afterAll(async () => {
    await admin.close();
    await mongod.stop();
  });

  it("refuses to open without a login", async () => {
    const refused = openMongoStore(mongod.uri, "support", { connectTimeoutMs: 5_000 });
    await expect(refused).rejects.toMatchObject({ code: "STORE_REFUSED" });
  });

  it("says before anything is spent that the source may not be marked, and changes nothing", async () => {
    await using opened = disposable(await openMongoStore(uriOf("reader"), "support", { connectTimeoutMs: 5_000 }));
    const refused = opened.store.source(optionsOf("set")).prepare();
    await expect(refused).rejects.toMatchObject({ code: "SOURCE_NOT_MARKABLE" });
    expect(await admin.db("support").collection("set").find().toArray()).toEqual([{ _id: 1 }, { _id: 2 }]);
  });

  it("works without the right to build an index, and says that it is slower", async () => {
    await using opened = disposable(await openMongoStore(uriOf("marker"), "support", { connectTimeoutMs: 5_000 }));
    const source = opened.store.source(optionsOf("set"));
    expect(await source.prepare()).toEqual([expect.stringContaining("slower")]);
    expect((await source.readUnprocessed(null, 10)).documents).toHaveLength(2);
    const written = opened.store.target("elsewhere").write([{ key: keyOf(1), record: recordWith({}) }]);
    await expect(written).rejects.toMatchObject({ code: "STORE_REFUSED" });
  });

  it("refuses a user without any rights", async () => {
    const refused = openMongoStore(uriOf("nobody"), "support", { connectTimeoutMs: 5_000 });
    await expect(refused).rejects.toMatchObject({ code: "STORE_REFUSED" });
  });
});

it("fails without the login in any message when the server dies in between", async () => {
  const mongod = await startMongod("standalone");
  const store = await openMongoStore(mongod.uri, "x", { connectTimeoutMs: 500 });
  await store.insert("set", [{ _id: 1 }]);
  process.kill(mongod.pid, "SIGKILL");
  const error = await store
    .target("t")
    .write([{ key: keyOf(1), record: recordWith({ summary: "private" }) }])
    .catch((e) => e);
  expect(error).toMatchObject({ code: "STORE_FAILED" });
  expectNoLogin(error, ["private"]);
  await store.close();
  await mongod.stop();
});

function disposable(store: Awaited<ReturnType<typeof openMongoStore>>) {
  return { store, [Symbol.asyncDispose]: () => store.close() };
}

function expectNoLogin(error: Error, secrets: readonly string[]): void {
  const cause = error.cause as Error;
  const all = [error.message, error.stack, cause.message, cause.stack, JSON.stringify(error.cause)].join("\n");
  for (const secret of secrets) expect(all).not.toContain(secret);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
