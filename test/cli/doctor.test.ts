import { expect, test } from "vitest";
import { lastEvent, makeDatabase, makeWorkspace, queries, serveModel } from "../support/workspace.ts";

test("it looks at everything in a MongoDB and changes nothing there, here, or at the model", async () => {
  const space = makeWorkspace();
  const { uri, client, name } = await makeDatabase();
  const db = client.db(name);
  await db.collection("conversation_set").insertMany(queries(7) as never[]);
  const server = await serveModel();
  const model = ["--base-url", server.baseUrl, "--model", "drawn-1"];
  const { code, stdout } = await space.querymill(["doctor", "--store", uri, ...model]);
  expect(code).toBe(0);
  for (const words of [
    /✔ Node +24\./,
    /✔ Store +mongodb \S+ replica set at mongodb:\/\/\S+, answers in \d+ ms/,
    /✔ Source +conversation_set: 7 unprocessed, of 7\n/,
    /✔ Index +not built yet; the next run builds it/,
    /✔ Marking +may write processed/,
    /✔ Target +sentimental_analysis: 0 records, written by no job yet/,
    /✔ Model +.*the host of http:\/\/127\.0\.0\.1:\d+\/v1 can be reached in \d+ ms\. Only the host was tried/,
    /▲ Price +the price of drawn-1 is not known/,
    /State folder +\S+batch_files/,
  ])
    expect(stdout).toMatch(words);
  expect(stdout).not.toContain("parcel");
  expect((await db.listCollections().toArray()).map((one) => one.name)).toEqual(["conversation_set"]);
  expect(await db.collection("conversation_set").indexes()).toHaveLength(1);
  expect(() => space.digest("batch_files")).toThrow("ENOENT");
  expect(server.ledger().received).toBe(0);
});

test("--call asks once, --sample shows what the model would see", async () => {
  const space = makeWorkspace();
  await space.seed(queries(3));
  const server = await serveModel();
  const flags = ["doctor", "--store", "store.db", "--base-url", server.baseUrl, "--model", "drawn-1"];
  const { stdout } = await space.querymill([...flags, "--call", "--sample", "2"]);
  expect(stdout).toMatch(/✔ Model +drawn-1 answered in \d+ ms \(.*\), as the taxonomy asks/);
  expect(server.ledger()).toMatchObject({ received: 1, ok: 1 });
  expect(stdout).toMatch(/│ \[doc:q(\d)\] My parcel number \1 has not arrived/);
  expect(stdout.match(/\[doc:q\d\]/g)).toHaveLength(2);
});

test("what would stop a run is exit 2, all of it at once", async () => {
  const space = makeWorkspace();
  const { uri, client, name } = await makeDatabase();
  await client.db(name).collection("queries").insertOne({ text: "a" });
  await client.db(name).createCollection("a_view", { viewOn: "queries", pipeline: [] });
  const missing = await space.querymill(["doctor", "--store", uri, "--source-collection", "querys", "--json"]);
  expect(missing.code).toBe(2);
  expect(lastEvent(missing.stdout)).toMatchObject({ event: "doctor", problems: 2 });
  expect(missing.stdout).toContain("Nearest: queries (1 document)");
  expect(missing.stdout).toContain("No model is chosen");
  const view = await space.querymill(["doctor", "--store", uri, "--source-collection", "a_view", "--model", "offline"]);
  expect(view.code).toBe(2);
  expect(view.stdout).toMatch(/✖ Marking +a_view cannot be marked, because it is a view/);
});

test("the budget of a model without a price and the target of another job are problems", async () => {
  const space = makeWorkspace();
  await space.seed(queries(1));
  expect((await space.querymill(["run", "--store", "store.db", "--model", "offline", "--job", "first"])).code).toBe(0);
  const server = await serveModel();
  const { code, stdout } = await space.querymill([
    ...["doctor", "--store", "store.db", "--job", "second"],
    ...["--base-url", server.baseUrl, "--model", "drawn-1", "--budget", "5"],
  ]);
  expect(code).toBe(2);
  expect(stdout).toMatch(/✖ Target +sentimental_analysis is written by job first, not second/);
  expect(stdout).toMatch(/✖ Price +the price of drawn-1 is not known, so the budget cannot be kept/);
  expect(stdout).toContain("2 problems");
});

test("a file that was never run is read in first, and --sample shows the column that was named", async () => {
  const space = makeWorkspace();
  space.write("new.jsonl", '{"id":"a","frage":"Where is it?","other":"no"}\n{"id":"b","frage":"Where is mine?"}\n');
  const flags = ["doctor", "--input", "new.jsonl", "--text-column", "frage", "--model", "offline"];
  const { code, stdout, stderr } = await space.querymill(flags);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toMatch(/✔ Input +2 rows of new\.jsonl\.\n/);
  expect(stdout).toMatch(/✔ Source +conversation_set: 2 unprocessed, of 2\n/);
  const sampled = await space.querymill([...flags, "--sample", "2"]);
  expect(sampled.stdout.match(/│ Where is (it|mine)\?/g)).toHaveLength(2);
  expect(sampled.stdout).not.toContain("│ no");
});

test("while a run holds a file's job, what is there already is looked at", async () => {
  const space = makeWorkspace();
  const server = await serveModel({ fail: () => "hang" });
  space.write("in.csv", "id,text\n1,Where is it?\n");
  const { child, ended } = space.start(["run", "--input", "in.csv", "--base-url", server.baseUrl, "--model", "m-1"]);
  await expect.poll(() => server.ledger().inFlight).toBe(1);
  const { stdout, stderr } = await space.querymill(["doctor", "--input", "in.csv", "--model", "offline"]);
  expect(stderr).toBe("");
  expect(stdout).toMatch(/✔ Source +conversation_set: 1 unprocessed, of 1\n/);
  expect(stdout).toMatch(/▲ Job +in-[0-9a-f]+ is running: process \d+/);
  child.kill("SIGKILL");
  await ended;
});
