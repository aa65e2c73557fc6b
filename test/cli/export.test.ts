import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { lastEvent, makeWorkspace } from "../support/workspace.ts";

const bin = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));
const FLAGS = ["--store", "store.db", "--job", "inbox"];

const record = (_id: unknown, changes: object = {}) => ({
  _id,
  job: "inbox",
  category: "billing_payment",
  subcategory: null,
  summary: "Charged twice",
  labels: { old_dimension: "x" },
  alternatives: [
    { label: "refund_return", p: 0.2 },
    { label: "other", p: 0.1 },
  ],
  confidence: { category: 0.8, sentiment: 0.5 },
  reviewReasons: ["low-confidence", "text-truncated"],
  needsReview: true,
  usage: { inputTokens: 10 },
  costUsd: null,
  classifiedAt: new Date("2026-01-31T00:00:00Z"),
  ...changes,
});

test("CSV has one stable row of columns, nested fields flattened, lists joined, and no formula to run", async () => {
  const space = makeWorkspace();
  const hostile = ["=1+1", "+1", "-1", "@sum", "\tx", 'say "hi", twice\nand more'];
  await space.seed(
    hostile.map((summary, at) => record(`T-${at}`, { summary })),
    "sentimental_analysis",
  );
  expect((await space.querymill(["export", ...FLAGS, "--output", "out.csv"])).code).toBe(0);
  const text = readFileSync(space.path("out.csv"), "utf8");
  const [header = "", first = ""] = text.split("\n");
  expect(header).toMatch(/^_id,job,category,subcategory,sentiment,urgency,language,summary,.*,classifiedAt,other$/);
  expect(header).toContain("confidence.category,confidence.sentiment");
  expect(first).toContain("T-0,inbox,billing_payment,,,,,'=1+1,refund_return 0.2; other 0.1,0.8,");
  expect(first).toContain("low-confidence; text-truncated");
  // Labels of an earlier taxonomy are kept, in a column of their own.
  expect(first).toContain('"{""labels"":{""old_dimension"":""x""}}"');
  for (const risky of ["=1+1", "+1", "-1", "@sum", "\tx"]) expect(text).not.toContain(`,${risky},`);
  expect(text).toContain('"say ""hi"", twice\nand more"');
});

test("JSON lines hold every record once over many pages, in the same bytes each time", async () => {
  const space = makeWorkspace();
  await space.seed(
    Array.from({ length: 1_203 }, (_, at) => record(at)),
    "sentimental_analysis",
  );
  const { stdout } = await space.querymill(["export", ...FLAGS, "--output", "a.jsonl", "--json"]);
  expect(lastEvent(stdout)).toMatchObject({ event: "export:end", records: 1_203, format: "jsonl" });
  const lines = readFileSync(space.path("a.jsonl"), "utf8").trimEnd().split("\n");
  expect(new Set(lines.map((line) => JSON.parse(line)._id)).size).toBe(1_203);
  expect(JSON.parse(lines[0]!)).toMatchObject({
    labels: { old_dimension: "x" },
    classifiedAt: { $date: "2026-01-31T00:00:00Z" },
  });
  const again = await space.querymill(["export", ...FLAGS, "--output", "-", "--format", "jsonl"]);
  expect(again.stdout).toBe(readFileSync(space.path("a.jsonl"), "utf8"));
});

test("an existing file is replaced only with --overwrite, and no half file is left behind", async () => {
  const space = makeWorkspace();
  await space.seed([record(1)], "sentimental_analysis");
  space.write("mine.csv", "precious");
  const refused = await space.querymill(["export", ...FLAGS, "--output", "mine.csv"]);
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toContain("mine.csv exists already and is not replaced unasked. Add --overwrite");
  expect(readFileSync(space.path("mine.csv"), "utf8")).toBe("precious");
  expect((await space.querymill(["export", ...FLAGS, "--output", "mine.csv", "--overwrite"])).code).toBe(0);
  expect(readFileSync(space.path("mine.csv"), "utf8")).toContain("billing_payment");
  expect((await space.querymill(["export", ...FLAGS, "--output", "none/out.csv"])).code).toBe(2);
  expect(readdirSync(space.folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test.each([
  [["--output", "out.txt"], "out.txt has no ending that says the format. Add --format jsonl or --format csv."],
  [["--output", "-"], "stdout has no ending that says the format"],
  [["--output", "a.csv", "--format", "xml"], '--format: expected jsonl, csv, parquet; got "xml".'],
  [[], "--output is needed"],
])("%j is refused with what to type", async (flags, words) => {
  const { code, stderr } = await makeWorkspace().querymill(["export", ...FLAGS, ...flags]);
  expect(code).toBe(2);
  expect(stderr).toContain(words);
});

test("when the reader goes away it ends quietly", async () => {
  const space = makeWorkspace();
  await space.seed(
    Array.from({ length: 3_000 }, (_, at) => record(at)),
    "sentimental_analysis",
  );
  const child = spawn(
    "/bin/sh",
    ["-c", `'${process.execPath}' '${bin}' export ${FLAGS.join(" ")} --output - --format csv | head -1`],
    { cwd: space.folder, env: { PATH: process.env.PATH ?? "" } },
  );
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (part: string) => {
      text[name] += part;
    });
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  expect(text.stderr).toBe("");
  expect(text.stdout).toMatch(/^_id,[^\n]*\n$/);
});
