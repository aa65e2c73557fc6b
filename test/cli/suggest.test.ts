import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseTaxonomy } from "../../src/config/taxonomy.ts";
import type { SourceDocument } from "../../src/store.ts";
import { lastEvent, makeDatabase, makeWorkspace, serveModel, type Workspace } from "../support/workspace.ts";

const KINDS = ["refund", "delivery", "billing", "login"];

/** `n` queries of four kinds in turn, all different; every second one is settled already. */
const mixed = (n: number): SourceDocument[] =>
  Array.from({ length: n }, (_, at) => ({
    _id: at + 1,
    text: `Question ${at} about my ${KINDS[at % KINDS.length]}`,
    ...(at % 2 === 0 ? { processed: true } : {}),
  }));

/** Answers as a model would: sorts the numbered texts by their last word, and merges what has the same ending. */
function sort(_id: string, _attempt: number, value: Record<string, unknown>, text: string): string {
  const lines = text.split("\n");
  const proposals = lines.flatMap((line) => /^\[(\d+\.(\w+))\]/.exec(line)?.slice(1) ?? []);
  if (proposals.length > 0)
    return JSON.stringify({
      categories: KINDS.map((kind) => ({
        id: `${kind}_questions`,
        description: `All about ${kind}`,
        examples: [`where is my ${kind}`],
        from: proposals.filter((name) => name.includes(".") && name.endsWith(`.${kind}`)),
      })),
    });
  const numbers = (kind: string): number[] =>
    lines.filter((line) => line.endsWith(kind)).map((line) => Number(/^\d+/.exec(line)?.[0]));
  if (!("categories" in value)) return JSON.stringify(value);
  return JSON.stringify({
    categories: KINDS.map((kind) => ({ id: kind, description: `About ${kind}`, examples: [], texts: numbers(kind) })),
  });
}

const read = (space: Workspace, name: string) => parseTaxonomy(readFileSync(space.path(name), "utf8"), name);

describe.each(["the embedded store", "MongoDB"])("taxonomy suggest over %s", (store) => {
  test("proposes categories from all queries, settled or not, in a few calls, into a file that check passes", async () => {
    const space = makeWorkspace();
    let flags = ["--store", "store.db"];
    if (store === "MongoDB") {
      const { uri, client, name } = await makeDatabase();
      await client
        .db(name)
        .collection("conversation_set")
        .insertMany(mixed(240) as never[]);
      flags = ["--store", uri];
    } else await space.seed(mixed(240));
    const server = await serveModel({ content: sort });
    space.write("querymill.yaml", "prices:\n  drawn-1: { input: 1, output: 2 }\n");
    const suggest = [
      "taxonomy",
      "suggest",
      ...flags,
      "--base-url",
      server.baseUrl,
      "--model",
      "drawn-1",
      "--labels",
      "2..10",
    ];

    const dry = await space.querymill([...suggest, "--dry-run"]);
    expect(dry).toMatchObject({ code: 0, stderr: "" });
    expect(dry.stdout).toMatch(/sample +200 queries of [\s\S]*calls +3\n[\s\S]*cost +\$0\.\d+ – 0\.\d+/);
    expect(server.ledger().received).toBe(0);

    const { code, stdout, stderr } = await space.querymill(suggest);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(server.ledger()).toMatchObject({ received: 3, ok: 3 });
    expect(stdout).toMatch(/ \d\d % {2}(refund|delivery|billing|login)_questions +All about/);
    expect(stdout).toMatch(/5 categories are in taxonomy\.yaml, for \$0\.\d+ in 3 calls\./);
    const labels = read(space, "taxonomy.yaml").dimensions[0]!.labels.map(({ id }) => id);
    expect(labels.toSorted()).toEqual([...KINDS.map((kind) => `${kind}_questions`), "other"].toSorted());
    expect(readFileSync(space.path("taxonomy.yaml"), "utf8")).toMatch(/id: other # 0 % of the sample/);
    expect((await space.querymill(["taxonomy", "check", "taxonomy.yaml"])).code).toBe(0);

    const again = await space.querymill(suggest);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/taxonomy\.yaml exists already and is not replaced unasked\. Add --overwrite/);
    expect(server.ledger().received).toBe(3);
    const json = await space.querymill([...suggest, "--overwrite", "--sample", "60", "--json"]);
    expect(lastEvent(json.stdout)).toMatchObject({
      event: "taxonomy:suggest",
      sampled: 60,
      calls: 1,
      categories: expect.arrayContaining([{ id: "refund", items: expect.any(Number), share: expect.any(Number) }]),
    });
    expect(server.ledger().received).toBe(4);
  });
});

test("trouble is tried again, an answer that is no use once more; what does not work out leaves no file", async () => {
  const space = makeWorkspace();
  await space.seed(mixed(40));
  let call = 0;
  const server = await serveModel({
    fail: () => (call++ === 0 ? "500" : null),
    content: (id, attempt, value, text) => (call === 2 ? "I am sorry." : sort(id, attempt, value, text)),
  });
  const flags = ["--store", "store.db", "--base-url", server.baseUrl, "--model", "drawn-1", "--labels", "2..10"];
  expect((await space.querymill(["taxonomy", "suggest", ...flags])).code).toBe(0);
  expect(server.ledger().received).toBe(3);
  server.reset({ fail: () => "401" });
  const failed = await space.querymill(["taxonomy", "suggest", ...flags, "--output", "none.yaml"]);
  expect(failed.code).toBe(2);
  expect(failed.stderr).toMatch(/gave no proposal: .*Nothing was written/);
  expect(existsSync(space.path("none.yaml"))).toBe(false);
});

test("what cannot work is refused before anything is asked", async () => {
  const space = makeWorkspace();
  await space.seed(mixed(40));
  const server = await serveModel({ content: sort });
  const flags = ["--store", "store.db", "--base-url", server.baseUrl, "--model", "drawn-1"];
  space.write("querymill.yaml", "prices:\n  drawn-1: { input: 1000, output: 2000 }\n");
  for (const [args, message] of [
    [["--store", "store.db", "--model", "offline"], /offline sorts texts into given labels and cannot name new ones/],
    [[...flags, "--labels", "50..60"], /40 different texts among 40 that were drawn: too few/],
    [[...flags, "--labels", "9..3"], /--labels: expected a range such as 8\.\.20/],
    [[...flags, "--sample", "5"], /--sample: expected an integer from 20 to 2,000; got "5"/],
    [[...flags, "--output", "nowhere/t.yaml"], /there is no such folder/],
    [[...flags, "--budget", "0.01"], /more than the budget of \$0\.01/],
    [flags, /Spending that much needs --yes/],
  ] as const) {
    const { code, stderr } = await space.querymill(["taxonomy", "suggest", ...args]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  }
  expect(server.ledger().received).toBe(0);
  expect((await space.querymill(["taxonomy", "suggest", ...flags, "--yes", "--labels", "2..5"])).code).toBe(0);
});
