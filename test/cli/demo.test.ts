import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { DEMO_DOCUMENTS } from "../../src/cli/demo-queries.ts";
import { lastEvent, makeDatabase, makeWorkspace, serveModel } from "../support/workspace.ts";

const run = promisify(execFile);

test("without a key, a network or a setting it ends with bars, a sum and commands that work when typed", async () => {
  const space = makeWorkspace();
  space.write("querymill.yaml", "store: mongodb://127.0.0.1:1/mine\nlimit: 3\n");
  const env = { MONGODB_URI: "mongodb://127.0.0.1:1/mine", QUERYMILL_MODEL: "openai/nobody", QUERYMILL_LIMIT: "3" };
  const { code, stdout } = await space.querymill(["demo"], env);
  expect(code).toBe(0);
  expect(stdout).toContain(`read ${DEMO_DOCUMENTS.length} = classified`);
  expect(stdout).toContain("✔ adds up");
  for (const words of [
    "  Category\n",
    "  Sentiment  by word lists: a hint\n",
    "  Urgency  by word lists: a hint\n",
    "█",
    "querymill_demo_results in ",
  ])
    expect(stdout).toContain(words);
  const [, next = ""] = stdout.split("  Next\n");
  const commands = [...next.matchAll(/^ {4}(node \S+ .*?)(?: {2,}.*)?$/gm)].map(([, command]) => command!);
  expect(commands.map((command) => command.split(" ")[2])).toEqual(["export", "get", "demo", "run"]);
  // The page stays open until somebody closes it.
  for (const command of commands.filter((one) => !one.includes("--dashboard"))) {
    const typed = command.replace(/^node/, `'${process.execPath}'`);
    const { stdout: said } = await run("/bin/sh", ["-c", typed], { cwd: space.folder, env: { LANG: "C.UTF-8" } });
    expect(said).not.toBe("");
  }
  expect(readFileSync(space.path("results.csv"), "utf8").split("\n").length).toBeGreaterThan(200);
});

test("it starts afresh each time, and says the same as events", async () => {
  const space = makeWorkspace();
  const first = lastEvent((await space.querymill(["demo", "--json"])).stdout);
  const again = lastEvent((await space.querymill(["demo", "--json"])).stdout);
  for (const end of [first, again])
    expect(end).toMatchObject({
      event: "execution:end",
      job: "demo",
      read: DEMO_DOCUMENTS.length,
      inFlight: 0,
      exitCode: 0,
    });
  expect(again.labels).toEqual(first.labels);
  expect((again.jobTotals as { classified: number }).classified).toBe(again.classified);
  const status = lastEvent((await space.querymill(["status", "--demo", "--json"])).stdout);
  expect(status.jobs).toMatchObject([{ job: "demo", state: "idle", lastEnd: { read: DEMO_DOCUMENTS.length } }]);
});

test("only typed flags take it to a MongoDB and a model, and --limit holds there", async () => {
  const space = makeWorkspace();
  const { uri, client, name } = await makeDatabase();
  const server = await serveModel();
  const flags = ["--store", uri, "--base-url", server.baseUrl, "--model", "drawn-1", "--limit", "20", "--json"];
  for (let round = 1; round <= 2; round++) {
    expect((await space.querymill(["demo", ...flags])).code).toBe(0);
    expect(server.ledger()).toMatchObject({ ok: 20 * round });
  }
  const db = client.db(name);
  expect(await db.collection("querymill_demo_results").countDocuments()).toBeLessThanOrEqual(20);
  expect(await db.collection("querymill_demo_queries").countDocuments()).toBe(DEMO_DOCUMENTS.length);
  expect((await db.listCollections().toArray()).map((one) => one.name).sort()).toEqual([
    "querymill_demo_queries",
    "querymill_demo_results",
    "querymill_leases",
  ]);
});

test("a second demo is refused while one runs, and does not touch its data", async () => {
  const space = makeWorkspace();
  const server = await serveModel({ latency: "fixed:30000" });
  const { child } = space.start(["demo", "--base-url", server.baseUrl, "--model", "drawn-1", "--json"]);
  await new Promise<void>((resolve) => {
    child.stdout?.on("data", (text: string) => text.includes("execution:start") && resolve());
  });
  const second = await space.querymill(["demo"]);
  expect(second.code).toBe(2);
  expect(second.stderr).toContain(`held by process ${child.pid} on`);
  const item = await space.querymill(["get", "T-1001", "--demo"]);
  expect(item.stdout).toContain("not marked");
});
