import { existsSync } from "node:fs";
import { ObjectId } from "mongodb";
import { expect, test } from "vitest";
import { lastEvent, makeDatabase, makeWorkspace } from "../support/workspace.ts";

test("a file comes into MongoDB once, with the types of its ids, and marks stay as they are", async () => {
  const { uri, client, name } = await makeDatabase();
  const space = makeWorkspace();
  const ids = ['{"$oid":"64b000000000000000000001"}', '"a"', "5", '{"$date":"2026-01-01T00:00:00Z"}'];
  space.write(
    "in.jsonl",
    ids.map((id) => `{"_id":${id},"text":"hello","at":{"$date":"2026-01-02T00:00:00Z"}}\n`).join(""),
  );
  const bring = () => space.querymill(["import", "in.jsonl", "--json"], { MONGODB_URI: uri });
  const first = await bring();
  expect(first.code).toBe(0);
  expect(lastEvent(first.stdout)).toMatchObject({
    event: "import:end",
    rows: 4,
    imported: 4,
    present: 0,
    different: 0,
  });
  const source = client.db(name).collection("conversation_set");
  expect(await source.findOne({ _id: new ObjectId("64b000000000000000000001") })).toEqual({
    _id: new ObjectId("64b000000000000000000001"),
    text: "hello",
    at: new Date("2026-01-02T00:00:00Z"),
  });
  await source.updateOne({ _id: 5 as never }, { $set: { processed: true } });
  expect(lastEvent((await bring()).stdout)).toMatchObject({ rows: 4, imported: 0, present: 4, different: 0 });
  expect(await source.findOne({ _id: 5 as never })).toMatchObject({ processed: true });
});

test("rows of a growing CSV get ids that stay; a run classifies them from the store", async () => {
  const space = makeWorkspace();
  const flags = ["--store", "store.db", "--json"];
  space.write("in.csv", "Text,processed\nWhere is my parcel?,yes\n");
  expect(lastEvent((await space.querymill(["import", "in.csv", ...flags])).stdout)).toMatchObject({ imported: 1 });
  space.write("in.csv", "Text,processed\nWhere is my parcel?,yes\nMy card was declined,no\n");
  expect(lastEvent((await space.querymill(["import", "in.csv", ...flags])).stdout)).toMatchObject({
    rows: 2,
    imported: 1,
    present: 1,
    marked: 0,
  });
  space.write("querymill.yaml", "source: { text: Text }\n");
  const run = await space.querymill(["run", "--model", "offline", ...flags]);
  expect(lastEvent(run.stdout)).toMatchObject({ read: 2, classified: 2 });
});

test("a row whose id is there with another content is left out, counted and told", async () => {
  const space = makeWorkspace();
  space.write("in.csv", "id,text\n1,one\n2,two\n1,three\n");
  const { code, stdout } = await space.querymill(["import", "in.csv", "--store", "store.db", "--id-column", "ID"]);
  expect(code).toBe(3);
  expect(stdout).toContain("2 of 3 rows are new");
  expect(stdout).toContain(
    "1 row was not brought in, because another content is there under the same id; the first in line 4",
  );
});

test("documents that carry a mark are brought in with it, and that is said", async () => {
  const space = makeWorkspace();
  space.write("in.jsonl", '{"_id":1,"text":"a","processed":true}\n{"_id":2,"text":"b","processed":false}\n');
  const { code, stdout } = await space.querymill(["import", "in.jsonl", "--store", "store.db"]);
  expect([code, stdout]).toEqual([0, expect.stringContaining("1 of the new ones carries the mark")]);
});

test.each([
  ["a broken line", '{"_id":1}\n{"_id":\n', /in\.jsonl, line 2, column 8: the JSON ends too early/],
  ["a row without an id", '{"_id":1}\n{"text":"a"}\n', /in\.jsonl, line 2: no id in the column _id/],
])("%s is refused, and nothing is brought in", async (_name, content, message) => {
  const space = makeWorkspace();
  space.write("in.jsonl", content);
  const { code, stderr } = await space.querymill(["import", "in.jsonl", "--store", "store.db"]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  expect(existsSync(space.path("store.db"))).toBe(false);
  space.write("in.jsonl", '{"_id":1}\n');
  const { stdout } = await space.querymill(["import", "in.jsonl", "--store", "store.db", "--json"]);
  expect(lastEvent(stdout)).toMatchObject({ imported: 1 });
});

test("import takes its file as an argument only", async () => {
  const space = makeWorkspace();
  expect((await space.querymill(["import"])).stderr).toMatch(/missing required argument 'file'/);
  expect((await space.querymill(["import", "a.csv", "--input", "b.csv"])).stderr).toMatch(/--input is for run/);
  expect((await space.querymill(["import", "a.csv", "--store", "s.db"])).stderr).toMatch(
    /a\.csv: there is no such file/,
  );
});
