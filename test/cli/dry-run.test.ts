import { expect, test } from "vitest";
import { lastEvent, makeDatabase, makeWorkspace, queries, runFlags, serveModel } from "../support/workspace.ts";

test("it counts, samples and prices for nothing, and leaves no trace in MongoDB, at the model or here", async () => {
  const space = makeWorkspace();
  const { uri, client, name } = await makeDatabase();
  const collection = client.db(name).collection("conversation_set");
  await collection.insertMany([...queries(40), ...Array.from({ length: 10 }, () => ({ channel: "chat" }))] as never[]);
  const server = await serveModel();
  space.write("querymill.yaml", "prices:\n  drawn-1: { input: 1, output: 2 }\n");
  const flags = ["run", "--store", uri, "--base-url", server.baseUrl, "--model", "drawn-1", "--dry-run"];
  const { code, stdout } = await space.querymill(flags);
  expect(code).toBe(0);
  expect(stdout).toMatch(/items +50 +50 unprocessed/);
  expect(stdout).toMatch(/skipped +about 10 +of 50 looked at: no text 10/);
  expect(stdout).toMatch(/calls +40 – 44/);
  expect(stdout).toMatch(/cost +\$\d+\.\d+ – \d+\.\d+/);
  expect(stdout).toMatch(/time +unknown until this job has records +at --concurrent 5/);
  expect(stdout).toContain("Nothing was asked, spent or written.");
  const limited = lastEvent((await space.querymill([...flags, "--limit", "5", "--json"])).stdout);
  expect(limited).toMatchObject({ event: "dry-run", unprocessed: 50, items: 5, sampled: 5, obstacles: [] });
  expect(server.ledger().received).toBe(0);
  expect((await client.db(name).listCollections().toArray()).map((one) => one.name)).toEqual(["conversation_set"]);
  expect(await collection.indexes()).toHaveLength(1);
  expect(await collection.countDocuments({ processed: { $exists: true } })).toBe(0);
  expect(() => space.digest("batch_files")).toThrow("ENOENT");
});

test("once the job has records, tokens and time come from them; an unknown price stays unknown", async () => {
  const space = makeWorkspace();
  await space.seed(queries(60));
  const server = await serveModel({ latency: "fixed:20" });
  expect((await space.querymill(["run", ...runFlags(server), "--limit", "20"])).code).toBe(0);
  const paid = server.ledger().ok;
  const before = space.digest();
  const { stdout } = await space.querymill(["run", ...runFlags(server), "--dry-run"]);
  expect(stdout).toMatch(/20 records of this job/);
  expect(stdout).toMatch(/cost +price unknown; give it in querymill.yaml under prices/);
  expect(stdout).toMatch(/time +\d.* s +at --concurrent 5/);
  expect(space.digest()).toBe(before);
  expect(server.ledger().ok).toBe(paid);
});

test("it tells what would stop the run: another job's target, changed settings", async () => {
  const space = makeWorkspace();
  await space.seed(queries(3));
  const server = await serveModel();
  expect((await space.querymill(["run", ...runFlags(server)])).code).toBe(0);
  const other = [...runFlags(server).slice(0, -1), "other", "--dry-run", "--json"];
  expect(lastEvent((await space.querymill(["run", ...other])).stdout)).toMatchObject({
    obstacles: [expect.stringContaining("sentimental_analysis is written by job inbox")],
  });
  const changed = await space.querymill([
    "run",
    "--store",
    "store.db",
    "--job",
    "inbox",
    "--model",
    "offline",
    "--dry-run",
  ]);
  expect(changed.code).toBe(0);
  expect(changed.stdout).toContain("was started with other settings");
});

test("what would be skipped is sampled from everywhere, and a folder that cannot be written is told", async () => {
  const space = makeWorkspace();
  await space.seed([...queries(150), ...Array.from({ length: 150 }, (_, at) => ({ _id: at, ticket: { body: "x" } }))]);
  space.write("taken", "");
  const run = ["run", "--store", "store.db", "--model", "offline", "--dry-run", "--batch-dir"];
  const { stdout } = await space.querymill([...run, "taken/state"]);
  expect(stdout).toMatch(/\d\d % would be skipped\. If their text is in other fields, set source\.text/);
  expect(stdout).toContain("doctor --sample 3 shows what the model would see.");
  expect(stdout).toMatch(/taken\/state cannot be written: .* Name another with --batch-dir/);
  const none = await space.querymill([...run, "state", "--filter", '{"channel": "fax"}']);
  expect(none.stdout).toContain("No unprocessed item fits the filter.");
  expect(none.stdout).not.toContain("cannot be written");
});
