import { expect, test } from "vitest";
import { lastEvent, makeWorkspace, queries, runFlags, serveModel } from "../support/workspace.ts";

/** A workspace with 60 queries and a model that costs some USD a call. */
async function dearSpace() {
  const space = makeWorkspace();
  await space.seed(queries(60));
  space.write("querymill.yaml", "prices:\n  drawn-1: { input: 1000, output: 1000 }\n");
  return { space, server: await serveModel() };
}

test("without --pilot it is free: it says what all would take and leaves no trace", async () => {
  const { space, server } = await dearSpace();
  const before = space.digest();
  const { code, stdout } = await space.querymill(["estimate", ...runFlags(server)]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/items +60 +60 unprocessed/);
  expect(stdout).toMatch(
    /fixed +[\d,]+ – [\d,]+ in every call +rules and taxonomy: \d\d % of the input, \d\d % of the bill/,
  );
  expect(stdout).toContain("Nothing was asked, spent or written.");
  expect(space.digest()).toBe(before);
  expect(server.ledger().received).toBe(0);
});

test("a pilot spends only with --yes where there is no terminal, and says why", async () => {
  const { space, server } = await dearSpace();
  const refused = await space.querymill(["estimate", "--pilot", "20", ...runFlags(server)]);
  expect(refused.code).toBe(2);
  expect(refused.stdout).toMatch(/a pilot asks openai-compatible\/drawn-1 about 20 of 60 items/);
  expect(refused.stderr).toContain("A pilot needs --yes where there is no terminal to ask at.");
  const json = await space.querymill(["estimate", "--pilot", "20", ...runFlags(server), "--json"]);
  expect(json.code).toBe(2);
  expect(lastEvent(json.stdout)).toMatchObject({ event: "error", code: "USAGE" });
  const many = await space.querymill(["estimate", "--pilot", "9", ...runFlags(server)]);
  expect(many.code).toBe(2);
  expect(many.stderr).toContain('--pilot: expected an integer from 10 to 5,000; got "9"');
  const offline = await space.querymill(["estimate", "--pilot", "20", "--store", "store.db", "--model", "offline"]);
  expect(offline.stderr).toContain("The offline model costs nothing");
  expect(server.ledger().received).toBe(0);
  expect(() => space.digest("batch_files")).toThrow("ENOENT");
});

test("a pilot of a model without a price says so in plain words, and goes on without figures", async () => {
  const { space, server } = await dearSpace();
  space.write("querymill.yaml", "");
  const { code, stdout } = await space.querymill(["estimate", "--pilot", "10", ...runFlags(server), "--yes"]);
  expect(code).toBe(0);
  expect(stdout).toContain("The price of openai-compatible/drawn-1 is not known");
  expect(stdout).toContain("The pilot asked about 10 items. Its answers are in");
  expect(stdout).not.toContain("unknown price");
});

test("the answers of a pilot are kept: the run after it asks for the rest only", async () => {
  const { space, server } = await dearSpace();
  const { code, stdout } = await space.querymill(["estimate", "--pilot", "20", ...runFlags(server), "--yes", "--json"]);
  expect(code).toBe(0);
  expect(lastEvent(stdout)).toMatchObject({
    event: "estimate",
    pilot: { asked: 20, classified: 20, failed: 0, modelCalls: 20 },
    unprocessed: 40,
    items: 40,
    basedOnRecords: 20,
    calls: { expected: 40 },
  });
  const { costUsd } = lastEvent(stdout) as { costUsd: { from: number; to: number } };
  const later = await space.querymill(["run", ...runFlags(server), "--dry-run"]);
  expect(later.stdout).toMatch(/20 random answers of the pilot of \d{4}-\d\d-\d\d/);
  const run = lastEvent((await space.querymill(["run", ...runFlags(server), "--json"])).stdout);
  expect(run).toMatchObject({ read: 40, classified: 40 });
  expect(run.costUsd).toBeGreaterThan(costUsd.from);
  expect(run.costUsd).toBeLessThan(costUsd.to);
  expect(server.ledger()).toMatchObject({ received: 60, docsPaidTwice: 0 });
  const none = await space.querymill(["estimate", "--pilot", "20", ...runFlags(server), "--yes"]);
  expect(none.stdout).toContain("inbox has no unprocessed item with a text: there is nothing to ask.");
});

test("a file that was never run is read in first, with --pilot too, and the run after it reads it no more", async () => {
  const space = makeWorkspace();
  const server = await serveModel();
  const rows = Array.from({ length: 30 }, (_, at) => `${at},"[doc:r${at}] My parcel ${at} has not arrived"\n`);
  space.write("new.csv", `id,Frage\n${rows.join("")}`);
  const flags = ["--input", "new.csv", "--text-column", "Frage", "--base-url", server.baseUrl, "--model", "drawn-1"];
  const free = await space.querymill(["estimate", ...flags]);
  expect(free.stderr).toBe("");
  expect(free.stdout).toMatch(/items +30 +30 unprocessed/);
  expect(server.ledger().received).toBe(0);
  const pilot = await space.querymill(["estimate", "--pilot", "10", ...flags, "--yes", "--json"]);
  expect(lastEvent(pilot.stdout)).toMatchObject({ event: "estimate", pilot: { asked: 10 }, items: 20 });
  const run = await space.querymill(["run", ...flags, "--json"]);
  expect(lastEvent(run.stdout)).toMatchObject({ read: 20, classified: 20 });
  expect(server.ledger()).toMatchObject({ received: 30, docsPaidTwice: 0 });
  const missing = await space.querymill(["estimate", "--input", "nwe.csv", "--model", "offline"]);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain("nwe.csv: there is no such file");
});
