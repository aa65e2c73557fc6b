import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseTaxonomy } from "../../src/config/taxonomy.ts";
import type { ExampleSettings } from "../../src/job.ts";
import { readExamples } from "../../src/jobs/read-examples.ts";

const taxonomy = parseTaxonomy(
  `
dimensions:
  category:
    labels:
      - {id: late_parcel, aliases: [WISMO]}
      - {id: refund}
      - {id: login}
  sentiment: {labels: [negative, neutral]}
  topics: {choose: many, labels: [price, staff, speed]}
`,
  "shop.yaml",
);
const folder = mkdtempSync(join(tmpdir(), "querymill-examples-"));

async function read(name: string, text: string, settings: Partial<ExampleSettings> = {}) {
  const file = join(folder, name);
  writeFileSync(file, text);
  const usual = { textColumn: null, labelColumn: null, columns: {}, map: {}, inPrompt: 0 };
  return await readExamples({ file, ...usual, ...settings }, taxonomy);
}

test("labels are found by id, by alias, and whatever their case and punctuation; each dimension in its own column", async () => {
  const { rows, count, notes } = await read(
    "a.csv",
    `Subject,Text,Category,sentiment,Topics
Where,is it?,Late Parcel,negative,speed; staff
,money back,REFUND,,price
,still not here,wismo,neutral,
,,refund,neutral,
,no label,,,
`,
  );
  expect(Object.fromEntries(rows)).toEqual({
    category: [
      { text: "Where\n\nis it?", label: "late_parcel" },
      { text: "money back", label: "refund" },
      { text: "still not here", label: "late_parcel" },
    ],
    sentiment: [
      { text: "Where\n\nis it?", label: "negative" },
      { text: "still not here", label: "neutral" },
    ],
    topics: [
      { text: "Where\n\nis it?", label: "speed" },
      { text: "Where\n\nis it?", label: "staff" },
      { text: "money back", label: "price" },
    ],
  });
  expect(count).toBe(3);
  expect(notes).toEqual([
    "3 examples of a.csv: category (2 of 3 labels), sentiment (2 of 2 labels), topics (3 of 3 labels).",
    "2 rows of a.csv have no text or no label.",
  ]);
});

test("the same texts with the same labels have the same hash in another format; a changed label has another", async () => {
  const csv = await read("b.csv", "text;intent\nmoney back;refund\nno access;login\n");
  const jsonl = await read("b.jsonl", '{"text":"money back","label":"Refund"}\n{"text":"no access","label":"login"}\n');
  const other = await read("c.csv", "text,intent\nmoney back,refund\nno access,refund\n");
  expect(jsonl.hash).toBe(csv.hash);
  expect(other.hash).not.toBe(csv.hash);
});

test("columns are named, and what labels mean is said; null leaves them out", async () => {
  const settings = {
    textColumn: "q",
    labelColumn: "klasse",
    columns: { sentiment: "mood" },
    map: { Geld: "refund", spam: null },
  };
  const { rows } = await read("d.csv", "q,klasse,mood,label\na b,geld,negative,zzz\nc d,Spam,,zzz\n", settings);
  expect(rows.get("category")).toEqual([{ text: "a b", label: "refund" }]);
  expect(rows.get("sentiment")).toEqual([{ text: "a b", label: "negative" }]);
});

test("labels that the taxonomy does not have are named with their rows and the nearest one", async () => {
  const text = `text,category\n${"a,refunds\n".repeat(3)}b,unknowable\nc,login\n`;
  await expect(read("e.csv", text)).rejects.toThrow(
    `e.csv: 4 rows have labels in "category" that the taxonomy shop does not have:
  "refunds", 3 rows. Did you mean refund?
  "unknowable", 1 row.
Correct them, add them as aliases to the taxonomy, or say in querymill.yaml what they mean (null: leave them out):
  examples: { map: { "refunds": refund, "unknowable": null } }`,
  );
});

test("a column of texts instead of labels is told without telling the texts", async () => {
  const rows = Array.from({ length: 40 }, (_, at) => `hello,I am customer ${at} of yours`);
  const error = await read("f.csv", `text,category\n${rows.join("\n")}\n`).catch((reason: Error) => reason);
  expect((error as Error).message).toContain('Is "category" the right column?');
  expect((error as Error).message).not.toContain("customer 7");
});

test.each([
  ["text,kind\na,refund\n", {}, "no column holds labels: none of text, kind is called category, sentiment, topics"],
  ["words,category\na,refund\n", {}, "Name the column with --examples-text; there are words, category."],
  ["text,category\na,refund\n", { textColumn: "txt" }, 'there is no column "txt". Did you mean text?'],
  ["text,category\na,refund\n", { columns: { mood: "text" } }, "has no such dimension. It has category, sentiment"],
  ["text,category\na,\n", {}, "no row has a label in category"],
  ["", {}, "empty"],
])("%j: %j", async (text, settings, words) => {
  await expect(read("g.csv", text, settings)).rejects.toMatchObject({
    code: "FILE_INVALID",
    message: expect.stringContaining(words),
  });
});
