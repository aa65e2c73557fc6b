import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { makeWorkspace } from "../support/workspace.ts";

const FLAGS = ["--store", "store.db", "--job", "inbox"];
const events = (stdout: string): Record<string, unknown>[] =>
  stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));

const record = (at: number) => ({
  _id: `T-${at}`,
  job: "inbox",
  category: at % 2 === 0 ? "billing_payment" : "refund_return",
  sentiment: "negative",
  urgency: "high",
  language: "de",
  summary: `Charged twice, order ${at}\u202e`,
  labels: {},
  confidence: { category: (at % 100) / 100 },
  needsReview: at % 100 < 60,
  reviewReasons: [],
  decidedBy: "model",
  costUsd: 0.0004,
  executionId: "20261126T101010-abcd",
  classifiedAt: new Date(Date.UTC(2026, 10, 1) + at * 60_000),
});

test("items lists what a query means in pages, and export --where writes the same", async () => {
  const space = makeWorkspace();
  await space.seed(
    Array.from({ length: 700 }, (_, at) => record(at)),
    "sentimental_analysis",
  );
  const query = "category:billing_payment confidence<0.5";
  const { stdout, code } = await space.querymill(["items", query, ...FLAGS, "--limit", "1000", "--json"]);
  expect(code).toBe(0);
  const listed = events(stdout);
  expect(listed).toHaveLength(175);
  expect(listed[0]).toMatchObject({ event: "item", id: "T-648", outcome: "classified", labels: { language: "de" } });
  expect(new Set(listed.map(({ id }) => id)).size).toBe(175);
  const first = await space.querymill(["items", ...query.split(" "), ...FLAGS, "--order", "review", "--limit", "3"]);
  expect(first.stdout).toContain("T-0 ");
  expect(first.stdout).toContain("175 in all, 3 shown");
  expect(first.stdout).toContain(`export --where '${query}' --store store.db --job inbox --output items.csv`);
  expect(first.stdout).not.toContain("\u202e");
  const zoned = await space.querymill(["items", "until:2026-11-01T08:46", ...FLAGS, "--timezone", "Australia/Eucla"]);
  expect(zoned.stdout).toMatch(/^\s*2026-11-01 08:45:00 /);
  expect(zoned.stdout.match(/T-\d+/g)).toEqual(["T-0"]);
  await space.querymill(["export", "--where", query, ...FLAGS, "--output", "some.jsonl"]);
  const ids = readFileSync(space.path("some.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line)._id);
  expect(ids.sort()).toEqual(listed.map(({ id }) => id).sort());
});

test("a wrong query is refused with what is meant, before a store is looked for", async () => {
  const space = makeWorkspace();
  for (const args of [
    ["items", "categry:x"],
    ["export", "--where", "categry:x", "--output", "out.csv"],
  ]) {
    const { code, stderr } = await space.querymill([...args, ...FLAGS]);
    expect(code).toBe(2);
    expect(stderr).toContain("Did you mean category?");
  }
  const dead = await space.querymill(["export", "--where", "outcome:dead", ...FLAGS, "--output", "out.csv"]);
  expect(dead.stderr).toContain("these items have no record");
  const order = await space.querymill(["items", ...FLAGS, "--order", "random"]);
  expect(order.stderr).toContain("expected newest, oldest, review, id");
});
