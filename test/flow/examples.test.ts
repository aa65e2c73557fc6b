import { expect, test } from "vitest";
import { lastEvent, makeWorkspace, queries, serveModel } from "../support/workspace.ts";

const TAXONOMY = "dimensions:\n  category:\n    labels: [zork, blorb]\n  sentiment:\n    labels: [negative, neutral]\n";
const EXAMPLES = [
  "text,category",
  ...Array.from({ length: 8 }, (_, at) => [`glimmer fizz ${at},zork`, `quax wobble ${at},blorb`]).flat(),
];
const OFFLINE = ["--store", "store.db", "--model", "offline", "--taxonomy", "t.yaml", "--json"];

test("the offline classifier learns from a file of examples, says so, and notices when they changed", async () => {
  const work = makeWorkspace();
  await work.seed([
    { _id: 1, text: "a glimmer and a fizz" },
    { _id: 2, text: "what a quax, what a wobble" },
  ]);
  work.write("t.yaml", TAXONOMY);
  work.write("labelled.csv", EXAMPLES.join("\n"));
  const args = ["run", ...OFFLINE, "--examples", "labelled.csv"];
  const first = await work.querymill(args);
  expect(first.stderr).toBe("");
  expect(lastEvent(first.stdout)).toMatchObject({ classified: 2, exitCode: 0 });
  const start = first.stdout.split("\n").find((line) => line.includes('"execution:start"'))!;
  expect(JSON.parse(start).notes).toEqual([
    "16 examples of labelled.csv: category (2 of 2 labels).",
    "Offline, sentiment comes from word lists and rules: a hint, with low confidence.",
  ]);
  const records = await work.querymill(["export", "--store", "store.db", "--output", "-", "--format", "jsonl"]);
  const found = records.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(found.map(({ category, confidenceKind }) => [category, confidenceKind])).toEqual([
    ["zork", "offline"],
    ["blorb", "offline"],
  ]);

  work.write("labelled.csv", EXAMPLES.slice(0, -1).join("\n"));
  const changed = await work.querymill(args);
  expect(changed.code).toBe(2);
  expect(changed.stderr).toContain("prompt: ");
  expect((await work.querymill([...args, "--accept-changes"])).code).toBe(0);
});

test("another model sees examples only when told to, and at most as many as that", async () => {
  const work = makeWorkspace();
  const server = await serveModel({});
  await work.seed(queries(1));
  work.write("t.yaml", TAXONOMY);
  work.write("labelled.csv", EXAMPLES.join("\n"));
  const model = ["--base-url", server.baseUrl, "--model", "drawn-1"];
  const args = ["run", "--store", "store.db", "--taxonomy", "t.yaml", "--examples", "labelled.csv", ...model];
  const refused = await work.querymill(args);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("--examples-in-prompt 3, which shows") });
  expect(server.requests()).toHaveLength(0);
  await work.querymill([...args, "--examples-in-prompt", "2"]);
  const [call] = server.requests();
  const asked = JSON.stringify(call);
  for (const shown of ["glimmer fizz 0", "glimmer fizz 1", "quax wobble 1"]) expect(asked).toContain(shown);
  expect(asked).not.toContain("glimmer fizz 2");
});

test.each([
  [["--examples-text", "a"], "--examples-text is about a file of examples, and there is none. Add --examples FILE."],
  [["--examples", "none.csv"], "none.csv: there is no such file."],
  [["--examples", "t.yaml", "--examples-in-prompt", "1"], "the offline classifier reads no prompt"],
])("%j is refused before anything is touched", async (flags, words) => {
  const work = makeWorkspace();
  await work.seed([{ _id: 1, text: "hello" }]);
  work.write("t.yaml", TAXONOMY);
  const { code, stderr } = await work.querymill(["run", ...OFFLINE, ...flags]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(words) });
});
