import { readFileSync } from "node:fs";
import { ObjectId } from "bson";
import { parse } from "csv-parse/sync";
import { stringify } from "csv-stringify/sync";
import { expect, test } from "vitest";
import {
  lastEvent,
  makeDatabase,
  makeWorkspace,
  queries,
  runFlags,
  serveModel,
  type Workspace,
} from "../support/workspace.ts";

const TAXONOMY = `
name: shop
summary: false
dimensions:
  category:
    labels: [billing, shipping, returns]
  urgency:
    required: false
    labels: [high, low]
  topics:
    choose: many
    labels: [parcel, money, password]
`;
const JOB = ["--store", "store.db", "--job", "inbox", "--taxonomy", "shop.yaml"];
type Row = Record<string, string>;

/** A workspace with 40 classified queries and a sheet of 12 of them. */
async function reviewed(): Promise<{ space: Workspace; sheet: Row[]; flags: string[] }> {
  const space = makeWorkspace();
  space.write("shop.yaml", TAXONOMY);
  const server = await serveModel();
  await space.seed(queries(40));
  const flags = [...runFlags(server), "--taxonomy", "shop.yaml"];
  expect((await space.querymill(["run", ...flags])).code).toBe(0);
  expect((await space.querymill(["export", ...JOB, "--review", "12", "--output", "sheet.csv"])).code).toBe(0);
  return { space, sheet: read(space, "sheet.csv"), flags };
}

function read(space: Workspace, name: string): Row[] {
  return parse(readFileSync(space.path(name)), { bom: true, columns: true });
}

function fill(space: Workspace, rows: readonly Row[]): void {
  space.write("filled.csv", stringify([...rows], { header: true }));
}

const other = (label: string): string => (label === "billing" ? "returns" : "billing");
const importing = ["import", "--reviewed", "filled.csv", ...JOB];

test("a sheet goes out, comes back as people's decisions, and no run overwrites them", async () => {
  const { space, sheet, flags } = await reviewed();
  expect(sheet).toHaveLength(12);
  expect(sheet.filter((row) => row.querymill_part === "random")).toHaveLength(3);
  expect(sheet[0]!.text).toContain("has not arrived");
  const filled = sheet.map((row, at): Row => {
    if (at < 5) return { ...row, verdict: "OK" };
    if (at < 8) return { ...row, right_category: ` ${other(row.category!).toUpperCase()} ` };
    if (at === 8) return { ...row, right_topics: "money; password", right_urgency: "-" };
    return at === 9 ? row : { ...row, verdict: "yes", note: "fine" };
  });
  fill(space, filled);
  const first = await space.querymill([...importing, "--json"]);
  expect(first.code).toBe(0);
  const told = lastEvent(first.stdout);
  const { confirmed, corrected } = told.statuses as Record<string, number>;
  expect(told).toMatchObject({
    event: "review:import",
    rows: 12,
    notReviewed: 1,
    statuses: { changed: 0, missing: 0 },
  });
  expect(confirmed! + corrected!).toBe(11);
  expect(corrected).toBe(4);
  expect(told.estimates).toMatchObject([{ dimension: "category", records: 40, reviewed: 11 }, {}, {}]);

  const again = lastEvent((await space.querymill([...importing, "--json"])).stdout);
  expect(again).toMatchObject({ statuses: { confirmed: 0, corrected: 0, unchanged: 11 } });

  const records = async (): Promise<Record<string, unknown>[]> => {
    const { stdout } = await space.querymill(["export", ...JOB, "--output", "-", "--format", "jsonl"]);
    return stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  };
  const byPeople = (await records()).filter(({ decidedBy }) => decidedBy === "person");
  expect(byPeople).toHaveLength(11);
  const ninth = byPeople.find(({ _id }) => JSON.stringify(_id) === sheet[8]!.querymill_key)!;
  expect(ninth).toMatchObject({ urgency: null, labels: { topics: ["money", "password"] } });

  // All is asked again: the answers go beside what people decided.
  await space.seed(queries(40));
  expect((await space.querymill(["run", ...flags])).code).toBe(0);
  const after = (await records()).filter(({ decidedBy }) => decidedBy === "person");
  expect(after.map(({ category, labels }) => [category, labels])).toEqual(
    byPeople.map(({ category, labels }) => [category, labels]),
  );

  const scored = lastEvent((await space.querymill(["evaluate", "--reviewed", ...JOB, "--json"])).stdout);
  expect(scored).toMatchObject({ event: "evaluate:end", origin: "reviewed", rows: { read: 11, scored: 11 } });
  const [category] = scored.scores as { rows: number; accuracy: { value: number } }[];
  expect(category).toMatchObject({ rows: 11, accuracy: { value: 8 / 11 } });
  // Three random rows say next to nothing of all 40.
  const few = (await space.querymill(["evaluate", "--reviewed", ...JOB, "--report", "few.html"])).stdout;
  expect(few).toMatch(/No estimate for all records: [23] of the rows that were looked at were drawn at random/);
  expect(few).toMatch(/export --review 40 or more/);
  expect(few).not.toContain("Over all records");
  expect(readFileSync(space.path("few.html"), "utf8")).toContain("fewer than 10 rows that were drawn at random were");

  // Those that were decided are on no further sheet.
  await space.querymill(["export", ...JOB, "--review", "100", "--output", "next.csv"]);
  const done = new Set(byPeople.map(({ _id }) => JSON.stringify(_id)));
  const next = read(space, "next.csv");
  expect(next).toHaveLength(29);
  expect(next.filter(({ querymill_key }) => done.has(querymill_key!))).toEqual([]);
});

test("what cannot be read is told by line, all at once, and nothing is written", async () => {
  const { space, sheet } = await reviewed();
  const changes: Row[] = [
    { right_category: "biling" },
    { verdict: "maybe" },
    { verdict: "wrong" },
    { verdict: "ok", right_category: other(sheet[4]!.category!) },
    { right_category: "-" },
    { verdict: "ok", querymill_key: "" },
    { verdict: "ok", querymill_of: "x" },
  ];
  fill(
    space,
    sheet.map((row, at) => ({
      ...row,
      ...(at === 0 ? { verdict: "ok" } : changes[at - 1]),
      ...(at === 4 ? changes[3] : {}),
    })),
  );
  const before = space.digest("store.db");
  const { code, stderr, stdout } = await space.querymill(importing);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain("filled.csv: 7 rows are not filled in as they can be read:");
  expect(stderr).toContain('line 3: right_category: category has no label "biling". Did you mean billing?');
  expect(stderr).toContain('line 4: verdict: expected ok or wrong; got "maybe"');
  expect(stderr).toContain("line 5: verdict says wrong, and no right_… column says what is right");
  expect(stderr).toContain("line 6: verdict says ok, and a right_… column says otherwise");
  expect(stderr).toContain('line 7: right_category: category is required: "-" cannot be its label');
  expect(stderr).toContain("line 8: querymill_key was changed");
  expect(stderr).toContain("Nothing was written.");
  expect(space.digest("store.db")).toBe(before);
  space.write("filled.csv", "text,label\nhello,billing\n");
  expect((await space.querymill(importing)).stderr).toContain("it has no column querymill_key");
});

test("a row whose conversation was answered anew meanwhile is left as it is and told", async () => {
  const { space, sheet, flags } = await reviewed();
  const id = JSON.parse(sheet[0]!.querymill_key!) as string;
  await space.seed([{ _id: id, text: `[doc:${id}] It is about something else now.` }]);
  expect((await space.querymill(["run", ...flags])).code).toBe(0);
  fill(
    space,
    sheet.slice(0, 2).map((row) => ({ ...row, verdict: "ok" })),
  );
  const { code, stdout } = await space.querymill(importing);
  expect(code).toBe(3);
  expect(stdout).toContain("1 answers are confirmed and 0 corrected");
  expect(stdout).toContain("1 conversations changed since the sheet was made");
});

test("a sheet holds no formula that a spreadsheet would run, and is readable by its owner only", async () => {
  const space = makeWorkspace();
  await space.seed([{ _id: "x", text: "=HYPERLINK(1)" }]);
  await space.querymill(["run", "--store", "store.db", "--job", "inbox", "--model", "offline"]);
  const flags = ["--store", "store.db", "--job", "inbox"];
  await space.querymill(["export", ...flags, "--review", "5", "--output", "sheet.csv"]);
  expect(read(space, "sheet.csv")[0]!.text).toBe("'=HYPERLINK(1)");
  const refused = await space.querymill(["export", ...flags, "--review", "5", "--output", "sheet.csv"]);
  expect(refused.stderr).toContain("sheet.csv exists already and is not replaced unasked.");
  expect((await space.querymill(["export", ...flags, "--review", "0"])).stderr).toContain(
    "--review: expected how many rows",
  );
  const none = await space.querymill(["evaluate", "--reviewed", ...flags]);
  expect(none.code).toBe(2);
  expect(none.stderr).toContain("no record was decided by a person");
});

test("in MongoDB too, whatever the ids are", async () => {
  const space = makeWorkspace();
  const { uri, client, name } = await makeDatabase();
  const ids = [new ObjectId(), 7, "7", { tenant: 1, ticket: "a" }, "-5"];
  const source = client.db(name).collection("conversation_set");
  await source.insertMany(ids.map((_id) => ({ _id: _id as never, text: "I was charged twice on my card" })));
  const flags = ["--store", uri, "--job", "inbox"];
  expect((await space.querymill(["run", ...flags, "--model", "offline"])).code).toBe(0);
  await space.querymill(["export", ...flags, "--review", "5", "--output", "sheet.csv"]);
  fill(
    space,
    read(space, "sheet.csv").map((row) => ({ ...row, right_category: "other" })),
  );
  const imported = await space.querymill(["import", "--reviewed", "filled.csv", ...flags, "--json"]);
  expect(lastEvent(imported.stdout)).toMatchObject({ statuses: { corrected: 5, missing: 0 } });
  const target = client.db(name).collection("sentimental_analysis");
  expect(await target.countDocuments({ decidedBy: "person", category: "other", "review.part": "random" })).toBe(2);
  const scored = await space.querymill(["evaluate", "--reviewed", ...flags, "--json", "--report", "r.html"]);
  expect(lastEvent(scored.stdout)).toMatchObject({
    rows: { scored: 5 },
    scores: [{ dimension: "category", accuracy: { value: 0 } }, {}, {}],
    estimates: [{ records: 5, reviewed: 5, random: 2 }, {}, {}],
  });
  const page = readFileSync(space.path("r.html"), "utf8");
  expect(page).toContain("about <strong>0.0 %</strong> of all 5 records");
  expect(page).toContain("I was charged twice on my card");
  // Every record was looked at: nothing is left to chance.
  const { stdout } = await space.querymill(["evaluate", "--reviewed", ...flags]);
  expect(stdout).toContain("Over all records, each part of the last sheet counted by what it stands for:");
  expect(stdout).toContain("5 records, 5 looked at");
});

test("a file's job is reviewed by its file, and what is printed works as it stands", async () => {
  const space = makeWorkspace();
  space.write("shop.yaml", TAXONOMY);
  const ticket = { comments: [{ body: "My parcel is late", public: true, author_id: 1 }], text: "not this" };
  space.write("tickets.jsonl", [1, 2, 3].map((id) => `${JSON.stringify({ id, ...ticket })}\n`).join(""));
  const job = ["--preset", "zendesk", "--input", "tickets.jsonl", "--taxonomy", "shop.yaml"];
  expect((await space.querymill(["run", ...job, "--model", "offline"])).code).toBe(0);
  const typed = async (args: readonly string[], then: string): Promise<string[]> => {
    const { code, stdout, stderr } = await space.querymill(args);
    expect([code, stderr]).toEqual([0, ""]);
    const [, command] = new RegExp(` (${then} .*)`).exec(stdout)!;
    return command!.split(" ");
  };
  const importing = await typed(["export", ...job, "--review", "2", "--output", "filled.csv"], "import --reviewed");
  const sheet = read(space, "filled.csv");
  expect(sheet[0]!.text).toContain("My parcel is late");
  fill(
    space,
    sheet.map((row) => ({ ...row, verdict: "ok" })),
  );
  const evaluating = await typed(importing, "evaluate --reviewed");
  const { code, stdout, stderr } = await space.querymill([...evaluating, "--json"]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(lastEvent(stdout)).toMatchObject({ origin: "reviewed", taxonomy: "shop", rows: { scored: 2 } });
  const of = await space.querymill(["evaluate", "tickets.jsonl", "--input", "tickets.jsonl", "--model", "offline"]);
  expect(of.stderr).toContain("--input is for --reviewed");
});
