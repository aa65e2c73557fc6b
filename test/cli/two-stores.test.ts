import { MongoClient } from "mongodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mongod, startMongod } from "../support/mongod.ts";
import { lastEvent, makeDatabase, makeWorkspace, queries, serveModel } from "../support/workspace.ts";

const root = { user: "root", password: "t0p-secret" };
const reader = { user: "reader", password: "r3ad-0nly" };
let mongod: Mongod;
let admin: MongoClient;

beforeAll(async () => {
  mongod = await startMongod("standalone", root);
  admin = await new MongoClient(mongod.uri, { auth: { username: root.user, password: root.password } }).connect();
  const db = admin.db("desk");
  await db.collection("tickets").insertMany([...queries(9), { _id: "q10" }] as never[]);
  await db.createCollection("open_tickets", { viewOn: "tickets", pipeline: [{ $match: { _id: { $ne: "q1" } } }] });
  await db.command({ createUser: reader.user, pwd: reader.password, roles: [{ role: "read", db: "desk" }] });
});
afterAll(async () => {
  await admin.close();
  await mongod.stop();
});

function readerUri(): string {
  const uri = new URL(mongod.uri);
  uri.username = reader.user;
  uri.password = reader.password;
  uri.pathname = "/desk";
  uri.search = "?authSource=desk";
  return uri.href;
}

test("a source that may only be read, on a cluster of its own, is worked through with the marks in the target", async () => {
  const space = makeWorkspace();
  const target = await makeDatabase();
  const server = await serveModel();
  const env = { QUERYMILL_SOURCE_URI: readerUri(), QUERYMILL_TARGET_URI: target.uri };
  const job = ["--source-collection", "tickets", "--job", "inbox"];
  const model = ["--base-url", server.baseUrl, "--model", "drawn-1"];
  const refused = await space.querymill(["run", ...job, ...model], env);
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringMatching(/tickets cannot be marked, because .* --mark target/s),
  ]);
  expect(server.ledger().received).toBe(0);

  space.write("querymill.yaml", "mark: target\n");
  const looked = await space.querymill(["doctor", ...job, ...model], env);
  expect(looked.stdout).toMatch(/✔ Source store +mongodb \S+ standalone at mongodb:\/\/[\d.:]+\/desk/);
  expect(looked.stdout).toMatch(/✔ Target store +mongodb \S+ replica set/);
  expect(looked.stdout).toMatch(
    /✔ Marking +in sentimental_analysis and sentimental_analysis_outcomes; tickets is only read/,
  );
  const dry = await space.querymill(["run", ...job, ...model, "--dry-run", "--json"], env);
  expect(lastEvent(dry.stdout)).toMatchObject({
    unprocessed: 10,
    obstacles: [],
    sourceStore: expect.stringContaining("/desk"),
  });
  const before = await admin.db("desk").collection("tickets").find().toArray();
  const ran = await space.querymill(["run", ...job, ...model, "--json"], env);
  expect(ran.stdout).toMatch(/Documents are read from mongodb:\/\/[\d.:]+\/desk, records go to mongodb:\/\//);
  expect([ran.code, lastEvent(ran.stdout)]).toMatchObject([0, { read: 10, classified: 9, skipped: 1 }]);
  expect(await admin.db("desk").collection("tickets").find().toArray()).toEqual(before);
  const found = target.client.db(target.name);
  expect(await found.collection("sentimental_analysis").countDocuments()).toBe(9);
  expect(await found.collection("sentimental_analysis_outcomes").find().toArray()).toMatchObject([
    { _id: "q10", outcome: "skipped", job: "inbox" },
  ]);
  expect(await found.collection("querymill_leases").countDocuments()).toBe(1);
  const again = await space.querymill(["run", ...job, ...model, "--json"], env);
  expect([again.code, lastEvent(again.stdout)]).toMatchObject([0, { read: 0, modelCalls: 0 }]);

  const got = await space.querymill(["get", "q3", ...job, "--json"], env);
  expect(JSON.parse(got.stdout)).toMatchObject({ text: expect.stringContaining("[doc:q3]"), record: { job: "inbox" } });
  const skipped = await space.querymill(["get", "q10", ...job], env);
  expect(skipped.stdout).toContain("marked");
  const exported = await space.querymill(["export", "--output", "-", "--format", "jsonl", ...job], env);
  expect(exported.stdout.trimEnd().split("\n")).toHaveLength(9);
  const status = await space.querymill(["status", ...job], env);
  expect(status.code).toBe(0);
  for (const { stdout, stderr } of [refused, looked, dry, ran, again, got, skipped, exported, status])
    for (const secret of [reader.password, root.password]) expect(stdout + stderr).not.toContain(secret);
});

test("a view is read without an index, page by page", async () => {
  const space = makeWorkspace();
  const server = await serveModel();
  const { code, stdout } = await space.querymill(
    [
      ...["run", "--source-collection", "open_tickets", "--target-uri", "results.db", "--mark", "target", "--json"],
      ...["--base-url", server.baseUrl, "--model", "drawn-1"],
    ],
    { QUERYMILL_SOURCE_URI: readerUri() },
  );
  expect([code, lastEvent(stdout)]).toMatchObject([0, { read: 9, classified: 8, skipped: 1 }]);
});

test("a file as the source is left as it is, byte for byte", async () => {
  const space = makeWorkspace();
  await space.seed(queries(20), "conversation_set", "source.db");
  const server = await serveModel();
  const flags = ["--source-uri", "source.db", "--target-uri", "results.db", "--mark", "target"];
  const model = ["--base-url", server.baseUrl, "--model", "drawn-1"];
  const before = space.digest("source.db");
  const { code, stdout } = await space.querymill(["run", ...flags, ...model, "--json"]);
  expect([code, lastEvent(stdout)]).toMatchObject([0, { read: 20, classified: 20 }]);
  expect(space.digest("source.db")).toBe(before);
  const again = await space.querymill(["run", ...flags, ...model, "--json"]);
  expect(lastEvent(again.stdout)).toMatchObject({ read: 0 });
  const missing = await space.querymill([
    "doctor",
    "--source-uri",
    "none.db",
    "--target-uri",
    "results.db",
    "--model",
    "offline",
  ]);
  expect([missing.code, missing.stdout]).toEqual([2, expect.stringContaining("There is no store at")]);
});

test("the same collection on two stores is no conflict, on one it is; marks of two kinds are refused", async () => {
  const space = makeWorkspace();
  await space.seed(queries(2), "all", "source.db");
  const same = ["--source-collection", "all", "--target-collection", "all", "--model", "offline", "--mark", "target"];
  const apart = await space.querymill([
    "run",
    ...same,
    "--source-uri",
    "source.db",
    "--target-uri",
    "results.db",
    "--json",
  ]);
  expect([apart.code, lastEvent(apart.stdout)]).toMatchObject([0, { classified: 2 }]);
  const one = await space.querymill(["run", ...same, "--source-uri", "source.db", "--target-uri", "source.db"]);
  expect([one.code, one.stderr]).toEqual([2, expect.stringContaining('is "all", the source itself')]);
  space.write("querymill.yaml", "mark: { in: target, processed: done }\n");
  const both = await space.querymill(["run", "--store", "source.db", "--model", "offline"]);
  expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("mark.processed names a field of the source")]);
});
