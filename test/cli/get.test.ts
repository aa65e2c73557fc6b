import { ObjectId } from "bson";
import { expect, test } from "vitest";
import { lastEvent, makeWorkspace, queries, runFlags, serveModel } from "../support/workspace.ts";

const oid = "64b000000000000000000000";
const bell = String.fromCharCode(7);
const esc = String.fromCharCode(27);

test("an id is found as text, number, ObjectId or EJSON, and one that fits two is listed, not guessed", async () => {
  const space = makeWorkspace();
  await space.seed([
    { _id: "T-1", text: "first" },
    { _id: 42, text: "a number" },
    { _id: "42", text: "a text" },
    { _id: new ObjectId(oid), text: "an object id" },
    { _id: { shop: 1, n: 2 }, text: "a document" },
  ]);
  const get = (item: string, ...more: string[]) => space.querymill(["get", item, "--store", "store.db", ...more]);
  expect(await get("T-1")).toMatchObject({ code: 0, stdout: expect.stringContaining("│ first\n") });
  expect((await get(oid)).stdout).toContain("an object id");
  expect((await get('{"shop":1,"n":2}')).stdout).toContain("a document");
  const two = await get("42");
  expect(two.code).toBe(2);
  expect(two.stdout).toBe("");
  expect(two.stderr).toContain("42 fits 2 items, and none is guessed");
  // What is listed works when typed.
  const typed = [...two.stderr.matchAll(/get '([^']+)'/g)].map(([, key]) => key!);
  expect(typed).toHaveLength(2);
  const texts = await Promise.all(typed.map(async (key) => (await get(key)).stdout));
  expect(texts.filter((text) => text.includes("│ a number"))).toHaveLength(1);
  expect(texts.filter((text) => text.includes("│ a text"))).toHaveLength(1);
});

test("an unknown id is exit 2 and says how it was understood; nothing is made", async () => {
  const space = makeWorkspace();
  await space.seed([{ _id: "T-1", text: "first" }]);
  const { code, stderr } = await space.querymill(["get", "77", "--store", "store.db"]);
  expect(code).toBe(2);
  expect(stderr).toContain('as text: "77"');
  expect(stderr).toContain('as number: {"$numberInt":"77"}');
  const nowhere = await space.querymill(["get", "77"]);
  expect(nowhere.code).toBe(2);
  expect(nowhere.stderr).toContain("There is no store at");
  expect(() => space.digest("batch_files")).toThrow("ENOENT");
});

test("control and direction characters of data are shown, never sent to the terminal", async () => {
  const space = makeWorkspace();
  await space.seed([
    { _id: `a${esc}]0;x`, text: `red ${esc}[31m bell ${bell} turned \u202e tag \u{e0041} 👩‍👩‍👧 ok\nsecond` },
  ]);
  const { stdout } = await space.querymill(["get", `a${esc}]0;x`, "--store", "store.db"]);
  for (const raw of [esc, bell, "\u202e", "\u{e0041}"]) expect(stdout).not.toContain(raw);
  expect(stdout).toContain("👩‍👩‍👧 ok\n");
  expect(stdout).toContain("turned <U+202E> tag <U+E0041>");
});

test("a dead letter shows its cause, what the model said, and the record of a neighbour all its fields", async () => {
  const space = makeWorkspace();
  await space.seed(queries(3));
  const server = await serveModel({ fail: (id) => (id === "q2" ? "malformed" : null) });
  expect((await space.querymill(["run", ...runFlags(server), "--no-wait"])).code).toBe(3);
  const flags = ["--store", "store.db", "--job", "inbox"];
  const dead = await space.querymill(["get", "q2", ...flags]);
  expect(dead.stdout).toMatch(/dead letter, marked/);
  expect(dead.stdout).toMatch(/cause +malformed/);
  expect(dead.stdout).toContain("Raw answer");
  const good = await space.querymill(["get", "q1", ...flags]);
  for (const field of ["category", "confidence.category", "usage.inputTokens", "costUsd", "classifiedAt"])
    expect(good.stdout).toContain(field);
  const json = lastEvent((await space.querymill(["get", "q1", ...flags, "--json"])).stdout);
  expect(json).toMatchObject({ _id: "q1", key: '"q1"', record: { job: "inbox", fence: 1 }, deadLetter: null });
});

test("a record that was replaced is shown beside the one that took its place; export has the new one only", async () => {
  const space = makeWorkspace();
  await space.seed(queries(2));
  const server = await serveModel();
  await space.querymill(["run", ...runFlags(server)]);
  await space.querymill(["run", ...runFlags(server), "--reclassify", "all", "--no-cache", "--yes"]);
  const flags = ["--store", "store.db", "--job", "inbox"];
  const { stdout } = await space.querymill(["get", "q1", ...flags]);
  expect(stdout).toMatch(/Replaced on 20\S+Z by execution \S+: all were asked again\n {2}category /);
  expect(stdout.match(/classifiedAt/g)).toHaveLength(2);
  const json = lastEvent((await space.querymill(["get", "q1", ...flags, "--json"])).stdout);
  expect(json).toMatchObject({ history: [{ reason: "all", _id: { item: "q1" }, record: { job: "inbox" } }] });
  const exported = await space.querymill(["export", ...flags, "--output", "-", "--format", "jsonl"]);
  expect(exported.stdout.trim().split("\n")).toHaveLength(2);
});

test("of a file's job it shows what the last run sent, and a retry sends that again", async () => {
  let refusing = true;
  const server = await serveModel({ fail: (id) => (id === "b" && refusing ? "refusal" : null) });
  const space = makeWorkspace();
  const ticket = (id: string) => ({
    _id: id,
    subject: "Late",
    comments: [{ body: `[doc:${id}] mail ${id}@example.org`, public: true, author_id: 1 }],
    text: "not this",
  });
  space.write("in.jsonl", ["a", "b"].map((id) => `${JSON.stringify(ticket(id))}\n`).join(""));
  const model = ["--base-url", server.baseUrl, "--model", "drawn-1"];
  const job = ["--input", "in.jsonl"];
  const run = await space.querymill(["run", ...job, ...model, "--preset", "zendesk", "--redact", "email", "--no-wait"]);
  expect(run.code).toBe(3);
  const sent = JSON.stringify(server.requests()[0]);
  expect(sent).toContain("mail [EMAIL");

  const same = await space.querymill(["get", "b", ...job]);
  expect(same.stdout).toContain("Text as the model sees it\n");
  expect(same.stdout).toMatch(/│ .*\[doc:b\] mail \[EMAIL/);
  expect(same.stdout).not.toContain("b@example.org");
  // A look with other settings does not change what is recalled.
  await space.querymill(["doctor", ...job, "--text-column", "subject", "--model", "offline"]);
  expect((await space.querymill(["get", "b", ...job])).stdout).toBe(same.stdout);
  const other = await space.querymill(["get", "b", ...job, "--text-column", "subject"]);
  expect(other.stdout).toContain("Text by these settings, which are not those of the last run");
  expect(other.stdout).toContain("│ Late\n");

  refusing = false;
  const retried = await space.querymill(["retry", ...job, ...model, "--yes"]);
  expect([retried.code, retried.stderr]).toEqual([0, ""]);
  const again = JSON.stringify(server.requests().at(-1));
  expect(again).toContain("[doc:b] mail [EMAIL");
});

test("of other jobs it takes --redact and --preset, and says when they are not those of the last run", async () => {
  const space = makeWorkspace();
  await space.seed([{ _id: "T-1", text: "mail a@example.org" }]);
  const flags = ["--store", "store.db", "--job", "inbox"];
  await space.querymill(["run", ...flags, "--model", "offline", "--redact", "email"]);
  const plain = await space.querymill(["get", "T-1", ...flags]);
  expect(plain.stdout).toContain("Text by these settings, which are not those of the last run (--preset, --redact,");
  const masked = await space.querymill(["get", "T-1", ...flags, "--redact", "email"]);
  expect(masked.stdout).toMatch(/Text as the model sees it\n {2}│ mail \[EMAIL/);
});
