import { expect, test } from "vitest";
import { makeWorkspace } from "../support/workspace.ts";

const OFFLINE = ["evaluate", "labelled.csv", "--taxonomy", "shop.yaml", "--model", "offline"];

test.each([
  [["evaluate"], "evaluate needs a labelled file"],
  [["evaluate", "a.csv", "b.csv", "c.csv"], "one labelled file, or two saved results; got 3 files"],
  [["evaluate", "none.csv", "--model", "offline"], "none.csv"],
  [[...OFFLINE, "--text-column", "txt"], 'labelled.csv: it has no column "txt". It has: id, text, label.'],
  [[...OFFLINE, "--label-column", "categori=label"], "no dimension categori. Did you mean category?"],
  [
    [...OFFLINE, "--label-column", "categori"],
    "Did you mean category? It has: category. The form is DIMENSION=COLUMN, and the columns are: id, text, label.",
  ],
  [
    [...OFFLINE, "--label-column", "label"],
    "label is a column of the file: --label-column category=label says that it holds the labels of category. Other columns: id, text.",
  ],
  [[...OFFLINE, "--label-column", "category=labl"], "Did you mean label?"],
  [[...OFFLINE, "--store", "x.db"], "--store is for --reviewed"],
  [[...OFFLINE, "--reviewed"], "--reviewed and a file exclude each other"],
  [["evaluate", "--reviewed", "--sample", "5"], "--sample is for a labelled file"],
  [[...OFFLINE, "--sample", "0"], "--sample: expected how many rows"],
  [[...OFFLINE, "--format", "xls"], '--format: expected csv, jsonl or parquet; got "xls".'],
  [[...OFFLINE, "--report", "shop.yaml"], "shop.yaml exists already and is not replaced unasked."],
  [[...OFFLINE, "--report", "none/r.html"], "there is no such folder"],
  [[...OFFLINE, "--output", "x", "--report", "./x"], "name the same file"],
  [[...OFFLINE, "--against", "offline"], "Both sides would ask the same model the same questions"],
  [[...OFFLINE, "--against", "offline", "--against-config", "q.yaml"], "both name the other side"],
  [["evaluate", "labelled.csv", "shop.yaml"], "labelled.csv: it is not JSON"],
])("%j is refused with what to do, and nothing is left behind", async (args, words) => {
  const made = makeWorkspace();
  made.write("shop.yaml", "dimensions:\n  category:\n    labels: [billing, shipping]\n");
  made.write("labelled.csv", "id,text,label\nr1,where is it,shipping\n");
  const before = made.digest();
  const { code, stderr, stdout } = await made.querymill(args);
  expect(stdout).toBe("");
  expect(stderr).toContain(words);
  expect(code).toBe(2);
  expect(made.digest()).toBe(before);
});
