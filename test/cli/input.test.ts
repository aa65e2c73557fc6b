import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { parse } from "csv-parse/sync";
import { expect, test } from "vitest";
import type { ModelServer } from "../support/model-server.ts";
import { lastEvent, makeWorkspace, serveModel, type Workspace } from "../support/workspace.ts";

const asking = (server: ModelServer): string[] => ["--model", "drawn-1", "--base-url", server.baseUrl, "--no-wait"];
const run = (space: Workspace, server: ModelServer, ...args: string[]) =>
  space.querymill(["run", ...asking(server), ...args]);
const rowsOf = (space: Workspace, name: string): Record<string, string>[] =>
  parse(readFileSync(space.path(name)), { columns: true });
const text = (id: string): string => `[doc:${id}] My parcel ${id} has not arrived`;
const asked = (server: ModelServer): Record<string, number> =>
  Object.fromEntries([...server.ledger().perDoc].map(([id, { requests }]) => [id, requests]));

test("every row comes back in its place with all its columns, its outcome and its classification", async () => {
  const server = await serveModel({ fail: (id) => (id === "c" ? "refusal" : null) });
  const space = makeWorkspace();
  space.write(
    "tickets.csv",
    `\ufeffNr;Kanal;Text;Betrag\r\n7;mail;"${text("a")}\r\nund ""mehr""; viel";=1+1\r\n8;chat;;-2\r\n9;mail;${text("c")};\r\n`,
  );
  const { code, stdout } = await run(space, server, "--input", "tickets.csv", "--output", "out.csv", "--json");
  expect(code).toBe(3);
  expect(stdout).toContain('"3 rows are in out.csv."');
  const written = readFileSync(space.path("out.csv"), "utf8");
  expect(written).toMatch(/^Nr;Kanal;Text;Betrag;item;outcome;reason;category;/);
  const rows = parse(written, { columns: true, delimiter: ";" }) as Record<string, string>[];
  expect(rows.map(({ Nr, outcome, reason }) => [Nr, outcome, reason])).toEqual([
    ["7", "classified", ""],
    ["8", "skipped", "no text"],
    ["9", "deadLetter", expect.stringMatching(/^content: /)],
  ]);
  expect(rows[0]!.Text).toBe(`${text("a")}\r\nund "mehr"; viel`);
  // Not run as formulas by a spreadsheet.
  expect(rows.map(({ Betrag }) => Betrag)).toEqual(["'=1+1", "'-2", ""]);
  expect(rows[0]!.category).not.toBe("");
  expect(rows[1]!.category).toBe("");
  expect(readdirSync(space.folder).sort()).toEqual(["batch_files", "out.csv", "tickets.csv"]);
});

test("a file that grew asks for its new rows only, also when the last line had no end", async () => {
  const server = await serveModel();
  const space = makeWorkspace();
  space.write("in.csv", `id,text\n1,${text("a")}\n2,${text("b")}`);
  expect((await run(space, server, "--input", "in.csv", "--quiet")).code).toBe(0);
  appendFileSync(space.path("in.csv"), `\n3,${text("c")}\n`);
  const { stdout } = await run(space, server, "--input", "in.csv", "--output", "out.csv", "--json");
  expect(stdout).toContain("3 rows of in.csv, 1 of them new.");
  expect(lastEvent(stdout)).toMatchObject({ read: 1, classified: 1, jobTotals: { classified: 3 } });
  expect(asked(server)).toEqual({ a: 1, b: 1, c: 1 });
  expect(rowsOf(space, "out.csv").map(({ id, outcome }) => [id, outcome])).toEqual([
    ["1", "classified"],
    ["2", "classified"],
    ["3", "classified"],
  ]);
});

test.each([
  ["a row changed", (file: string) => file.replace("parcel b", "letter b"), "line 3 is not what it was"],
  ["a row went", (file: string) => file.replace(/3,.*\n/, ""), "it has 2 rows and had 3"],
  ["a row came in between", (file: string) => file.replace("2,", "9,new\n2,"), "line 3 is not what it was"],
])("a file of which %s is refused, and --fresh asks for what is new only", async (_name, change, message) => {
  const server = await serveModel();
  const space = makeWorkspace();
  space.write("in.csv", `id,text\n1,${text("a")}\n2,${text("b")}\n3,${text("c")}\n`);
  const flags = ["--input", "in.csv", "--id-column", "id"];
  expect((await run(space, server, ...flags, "--quiet")).code).toBe(0);
  space.write("in.csv", change(readFileSync(space.path("in.csv"), "utf8")));
  const refused = await run(space, server, ...flags, "--quiet");
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain(`in.csv: its rows changed since they were read: ${message}. Rows may only`);
  expect(server.ledger().received).toBe(3);
  const fresh = await run(space, server, ...flags, "--fresh", "--output", "out.csv", "--quiet");
  expect(fresh.code).toBe(0);
  expect(server.ledger().received).toBeLessThanOrEqual(4);
  const rows = rowsOf(space, "out.csv");
  expect(rows.map(({ outcome }) => outcome)).toEqual(rows.map(() => "classified"));
  expect(asked(server)).toMatchObject({ a: 1, c: 1 });
});

test("a changed file that was read anew, and whose run was refused, does not ask again for what is done", async () => {
  const server = await serveModel();
  const space = makeWorkspace();
  space.write("in.csv", `id,text\n1,${text("a")}\n2,${text("b")}\n`);
  expect((await run(space, server, "--input", "in.csv", "--quiet")).code).toBe(0);
  space.write("in.csv", `id,text\n1,${text("a")}\n2,${text("x")}\n`);
  const away = ["--model", "drawn-1", "--base-url", "http://127.0.0.1:9/v1"];
  expect((await space.querymill(["run", ...away, "--input", "in.csv", "--fresh", "--quiet"])).code).toBe(2);
  expect((await run(space, server, "--input", "in.csv", "--quiet")).code).toBe(0);
  expect(asked(server)).toEqual({ a: 1, b: 1, x: 1 });
});

test("an id that stands twice gets an ordinal, the same each time, and is told", async () => {
  const server = await serveModel();
  const space = makeWorkspace();
  space.write("in.csv", `Ticket ID,text\n7,${text("a")}\n7,${text("b")}\n8,${text("c")}\n7,${text("d")}\n`);
  const flags = ["--input", "in.csv", "--id-column", "ticket id", "--output", "out.csv", "--overwrite"];
  const { stdout } = await run(space, server, ...flags);
  expect(stdout).toContain("2 rows have an id that an earlier row has, the first in line 3");
  expect(rowsOf(space, "out.csv").map(({ item }) => item)).toEqual(["7", "7#2", "8", "7#3"]);
  appendFileSync(space.path("in.csv"), `7,${text("e")}\n`);
  expect((await run(space, server, ...flags)).code).toBe(0);
  expect(rowsOf(space, "out.csv").map(({ item }) => item)).toEqual(["7", "7#2", "8", "7#3", "7#4"]);
  expect(asked(server)).toEqual({ a: 1, b: 1, c: 1, d: 1, e: 1 });
});

test("other commands know the job by its file, with the text as it was read", async () => {
  const server = await serveModel({ fail: (id) => (id === "b" ? "refusal" : null) });
  const space = makeWorkspace();
  space.write("in.csv", `id,text,Body Of It\n1,ignored,${text("a")}\n2,ignored,${text("b")}\n`);
  const file = ["--input", "in.csv"];
  expect((await run(space, server, ...file, "--id-column", "id", "--text-column", "body of it")).code).toBe(3);
  const got = await space.querymill(["get", "1", ...file, "--json"]);
  expect(JSON.parse(got.stdout)).toMatchObject({ _id: "1", text: text("a") });
  expect((await space.querymill(["status", ...file])).stdout).toContain("1 classified");
  server.reset({ fail: () => null });
  const retried = await space.querymill(["retry", ...file, ...asking(server).slice(0, 4), "--yes", "--json"]);
  expect([retried.code, lastEvent(retried.stdout).classified]).toEqual([0, 1]);
});

test("columns that are named as the run's own, or as a store's fields, are kept and told", async () => {
  const server = await serveModel();
  const space = makeWorkspace();
  space.write("in.csv", `category,processed,_row,a.b,text\nx,true,y,z,${text("a")}\n`);
  const { stdout } = await run(space, server, "--input", "in.csv", "--output", "out.csv");
  expect(stdout).toContain("category is querymill_category");
  expect(rowsOf(space, "out.csv")).toMatchObject([
    { category: "x", processed: "true", _row: "y", "a.b": "z", outcome: "classified", querymill_category: /./ },
  ]);
});

test("rows with fields of their own go from JSONL to CSV and to Parquet and back", async () => {
  const server = await serveModel();
  const space = makeWorkspace();
  space.write(
    "in.jsonl",
    `{"_id":{"$oid":"64b000000000000000000001"},"messages":[{"role":"user","content":"${text("a")}"}]}\n{"_id":5,"text":"${text("b")}","tags":["x"]}\n`,
  );
  expect((await run(space, server, "--input", "in.jsonl", "--output", "out.csv")).code).toBe(0);
  expect(rowsOf(space, "out.csv")).toMatchObject([
    { item: "64b000000000000000000001", outcome: "classified", text: "", tags: "" },
    { _id: "5", outcome: "classified", tags: '["x"]' },
  ]);
  expect((await run(space, server, "--input", "in.jsonl", "--output", "out.parquet")).code).toBe(0);
  expect(
    (await run(space, server, "--input", "out.parquet", "--text-column", "text", "--output", "again.jsonl")).code,
  ).toBe(0);
  const again = readFileSync(space.path("again.jsonl"), "utf8").trimEnd().split("\n");
  expect(again.map((line) => JSON.parse(line))).toMatchObject([
    { text: null, outcome: "classified", querymill_outcome: "skipped" },
    { text: text("b"), tags: '["x"]', querymill_outcome: "classified" },
  ]);
});

test("another model than a file was begun with is refused with the ways that --input has, and they work", async () => {
  const server = await serveModel();
  const space = makeWorkspace();
  space.write("in.csv", `text\n${text("a")}\n${text("b")}\n`);
  expect((await space.querymill(["run", "--model", "offline", "--input", "in.csv", "--quiet"])).code).toBe(0);
  const flags = ["--input", "in.csv"];
  const { code, stderr } = await run(space, server, ...flags, "--redact", "all", "--quiet");
  expect(code).toBe(2);
  expect(stderr).toMatch(/And with the old items: +--reclassify stale --accept-changes +\(first with --dry-run/);
  expect(stderr).toMatch(/Keep them apart: +--batch-dir DIR/);
  expect(stderr).not.toContain("--target-collection");
  const again = ["--reclassify", "stale", "--accept-changes"];
  const looked = await run(space, server, ...flags, ...again, "--dry-run", "--json");
  expect(lastEvent(looked.stdout)).toMatchObject({ items: 2, again: { items: 2 }, obstacles: [] });
  expect((await run(space, server, ...flags, "--batch-dir", "other", "--quiet")).code).toBe(0);
  // Without another text, the reclassification alone undoes what differs.
  const alone = await run(space, server, ...flags, "--reclassify", "stale", "--dry-run", "--json");
  expect(lastEvent(alone.stdout)).toMatchObject({ items: 2, again: { items: 2 }, obstacles: [] });
  const done = await run(space, server, ...flags, "--reclassify", "stale", "--json");
  expect(lastEvent(done.stdout)).toMatchObject({ classified: 2, exitCode: 0 });
});

test("--fresh with another model says which answers stay, before and in the run", async () => {
  const server = await serveModel();
  const space = makeWorkspace();
  space.write("in.csv", `text\n${text("a")}\n${text("b")}\n`);
  expect((await space.querymill(["run", "--model", "offline", "--input", "in.csv", "--quiet"])).code).toBe(0);
  const note = "2 items have answers of another model and stay as they are: --reclassify stale asks them again.";
  const looked = await run(space, server, "--input", "in.csv", "--fresh", "--dry-run");
  expect(looked.stdout).toContain(note);
  const { code, stdout } = await run(space, server, "--input", "in.csv", "--fresh", "--output", "out.csv");
  expect([code, stdout]).toEqual([0, expect.stringContaining(note)]);
  expect(server.ledger().received).toBe(0);
});

test("a column that could identify rows is named, and get says how a row without one is called", async () => {
  const space = makeWorkspace();
  space.write("in.csv", `Ticket_ID,text\n5010,${text("a")}\n5011,${text("b")}\n`);
  space.write("twice.csv", `id,text\n1,${text("a")}\n1,${text("b")}\n`);
  const flags = ["--model", "offline", "--input"];
  const first = await space.querymill(["run", ...flags, "in.csv"]);
  expect(first.stdout).toContain("The column Ticket_ID looks like an id: --id-column Ticket_ID would use it.");
  expect((await space.querymill(["run", ...flags, "twice.csv"])).stdout).not.toContain("looks like an id");
  const { code, stderr } = await space.querymill(["get", "5010", "--input", "in.csv"]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/told apart by their number.*With --id-column NAME/)]);
});
