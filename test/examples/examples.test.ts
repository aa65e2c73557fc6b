import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { startModelServer } from "../support/model-server.ts";

const run = promisify(execFile);
let folder: string;
let client: MongoClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "querymill-examples-"));
  client = await new MongoClient(inject("mongoReplicaUri")).connect();
});
afterAll(async () => {
  await client.db("examples").dropDatabase();
  await client.close();
  await rm(folder, { recursive: true, force: true });
});

/** The URI of the test's server with a database of these tests in it. */
function mongodbUri(): string {
  const uri = new URL(inject("mongoReplicaUri"));
  uri.pathname = "/examples";
  return uri.href;
}

const example = (
  name: string,
  env: Record<string, string>,
  ...args: string[]
): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, [join("examples", name), ...args], { env: { ...process.env, BATCH_DIR: folder, ...env } });

test("offline.ts classifies three queries and skips the empty one, each time it is run", async () => {
  for (let time = 0; time < 2; time += 1) {
    const { stdout } = await example("offline.ts", {}, folder);
    const lines = stdout.trim().split("\n");
    expect(lines[0]).toBe("classified 3, skipped 1");
    expect(lines.slice(1).map((line) => line.split(" ")[0])).toEqual(["a-1", "a-2", "a-3"]);
  }
});

test("own-model.ts asks a server by its address, shows progress and what it cost", async () => {
  const server = await startModelServer();
  const source = client.db("examples").collection<{ _id: string; text: string }>("conversation_set");
  await source.insertMany(
    Array.from({ length: 30 }, (_, index) => ({ _id: `q${index}`, text: `[doc:q${index}] My lamp ${index} flickers` })),
  );
  const { stdout } = await example("own-model.ts", {
    BASE_URL: server.baseUrl,
    MODEL: "stub",
    MONGODB_URI: mongodbUri(),
  });
  await server.close();
  expect(stdout).toMatch(/completed: 30 classified, 0 dead letters, \$0\.\d+/);
  expect(server.ledger()).toMatchObject({ docsPaid: 30, docsPaidTwice: 0 });
});

test("own-client.ts uses the application's client, taxonomy and text fields, and leaves the client open", async () => {
  const mails = client
    .db("examples")
    .collection<{ _id: number; mail: { subject: string; body: string } }>("guest_mails");
  await mails.insertMany([
    { _id: 1, mail: { subject: "Invoice", body: "I need an invoice for the deposit" } },
    { _id: 2, mail: { subject: "Noise", body: "It was too loud to sleep" } },
    { _id: 3, mail: { subject: "", body: " " } },
  ]);
  const { stdout } = await example("own-client.ts", { MONGODB_URI: mongodbUri() });
  expect(stdout).toBe("2 classified, 1 skipped\n2 topics stored\n");
});
