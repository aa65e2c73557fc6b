import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { makeWorkspace, serveModel, type Workspace } from "../support/workspace.ts";

function filled(): Workspace {
  const space = makeWorkspace();
  space.write("in.csv", "id,text\n1,Where is my parcel?\n2,Thank you\n");
  return space;
}

test.each([
  [
    "a store",
    ["--store", "x.sqlite"],
    /--store and --input exclude each other: a file has a database of its own.*import FILE/,
  ],
  ["a target", ["--target-collection", "x"], /--target-collection and --input exclude each other/],
  [
    "continuous mode",
    ["--mode", "continuous"],
    /--mode continuous and --input exclude each other: a file is read once/,
  ],
  ["JSON on the stdout of the rows", ["--json", "--output", "-"], /--json and --output - exclude each other/],
  ["an output without a format", ["--output", "out.xls"], /--output out\.xls: its ending says no format/],
  ["an output in no folder", ["--output", "no/out.csv"], /--output no\/out\.csv: its folder is not there/],
  ["the input as output", ["--output", "in.csv", "--overwrite"], /--output in\.csv is the input itself/],
  ["a column that is not there", ["--text-column", "body"], /in\.csv: it has no column "body"\. It has: id, text\./],
  ["an id that is not there", ["--id-column", "nr"], /in\.csv: it has no column "nr"\. It has: id, text\./],
  ["a delimiter of two characters", ["--delimiter", ";;"], /--delimiter: expected one character, or "tab"/],
  ["an unknown encoding", ["--encoding", "utf7"], /"utf7" is no encoding that can be read/],
])("a file is refused together with %s, before anything is made", async (_name, flags, message) => {
  const space = filled();
  const { code, stderr } = await space.querymill(["run", "--model", "offline", "--input", "in.csv", ...flags]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  expect(readdirSync(space.folder)).toEqual(["in.csv"]);
});

test.each([
  [["--output", "out.csv"], /--output of a run writes the rows of --input.*export --output FILE/],
  [["--id-column", "id"], /--id-column is about --input, and there is none/],
  [["--text-column", "x"], /--text-column is about --input, and there is none/],
])("%j is refused without a file", async (flags, message) => {
  const { code, stderr } = await makeWorkspace().querymill(["run", "--model", "offline", ...flags]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
});

test.each([
  ["a row with too many cells", "id,text\n1,a,b\n", /in\.csv, line 2: 3 cells, and the header names 2 columns/],
  ["a row without an id", "id,text\n1,a\n,b\n", /in\.csv, line 3: no id in the column id/],
  [
    "no column that looks like text",
    "id,remark\n1,a\n",
    /no column of it is known to hold the text.*--text-column.*id, remark/,
  ],
])("a file with %s costs nothing", async (_name, content, message) => {
  const server = await serveModel();
  const space = makeWorkspace();
  space.write("in.csv", content);
  const flags = ["--model", "drawn-1", "--base-url", server.baseUrl, "--input", "in.csv", "--id-column", "id"];
  const { code, stderr } = await space.querymill(["run", ...flags]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  expect(server.ledger().received).toBe(0);
});
