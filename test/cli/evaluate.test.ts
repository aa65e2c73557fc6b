import { existsSync, readFileSync, statSync } from "node:fs";
import { expect, test } from "vitest";
import { lastEvent, makeWorkspace, serveModel, type Workspace } from "../support/workspace.ts";

const TAXONOMY = `
name: shop
summary: false
alternatives: false
dimensions:
  category:
    labels:
      - id: billing
        aliases: [Payments]
        examples: ["I was charged twice", "the invoice is wrong", "refund my card charge"]
      - id: shipping
        examples: ["where is my parcel", "the delivery is late", "tracking number does not work"]
      - id: account_access
        examples: ["I forgot my password", "cannot sign in", "two factor code never arrives"]
`;
const ROWS = [
  ["r1", "I was charged twice for the invoice", "billing"],
  ["r2", "my parcel delivery is late", "Shipping"],
  ["r3", "I forgot my password and cannot sign in", "Account access"],
  ["r4", "refund the wrong charge on my card", "payments"],
  ["r5", "the tracking number of my parcel does not work", "billing"],
  ["r6", "", "billing"],
  ["r7", "where is it", ""],
] as const;
const csv = (rows: readonly (readonly string[])[], head = "id,text,label"): string =>
  [head, ...rows.map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(","))].join("\n");

function space(rows: readonly (readonly string[])[] = ROWS): Workspace {
  const made = makeWorkspace();
  made.write("shop.yaml", TAXONOMY);
  made.write("labelled.csv", csv(rows));
  return made;
}
const OFFLINE = ["evaluate", "labelled.csv", "--taxonomy", "shop.yaml", "--model", "offline", "--id-column", "id"];
const many = (n: number) =>
  Array.from({ length: n }, (_, at) => [
    `q${at}`,
    `[doc:q${at}] where is parcel ${at}`,
    ["billing", "shipping"][at % 2]!,
  ]);

test("labels are taken by id, alias and another spelling; every row is counted once", async () => {
  const made = space();
  const { code, stdout } = await made.querymill([...OFFLINE, "--json"]);
  expect(code).toBe(0);
  const end = lastEvent(stdout);
  expect(end).toMatchObject({
    event: "evaluate:end",
    model: "offline",
    rows: { read: 7, withoutText: 1, withoutLabel: 1, unknownLabel: 0, notDrawn: 0, scored: 5, failed: 0, pending: 0 },
    scores: [
      { dimension: "category", rows: 5, confused: [{ gold: "billing", answer: "shipping", count: 1, ids: ["r5"] }] },
    ],
    cost: { usd: 0, answered: 5 },
  });
  // Nothing of a customer's text is in the output.
  expect(stdout).not.toContain("parcel");
});

test("people get tables that fit their terminal, without colour where none is wanted, and no customer text", async () => {
  const made = space();
  const { code, stdout } = await made.querymill(OFFLINE);
  expect(code).toBe(0);
  expect(stdout).toContain("rows 7 = 5 answered + 1 without text + 1 without label");
  expect(stdout).toMatch(/category {5}accuracy 80\.0 % {3}\(95 %: 37\.6 – 96\.4 %, 5 rows\)/);
  expect(stdout).toContain("1  billing → shipping   r5");
  expect(stdout).not.toContain("\x1b[");
  expect(stdout).not.toContain("parcel");
});

test("a row is asked once, and never again when the evaluation is made again", async () => {
  const made = space(many(30));
  const server = await serveModel();
  const flags = ["evaluate", "labelled.csv", "--taxonomy", "shop.yaml", "--base-url", server.baseUrl, "--model", "m-1"];
  const first = await made.querymill([...flags, "--json", "--output", "a.json"]);
  expect(first.code).toBe(0);
  expect(server.ledger()).toMatchObject({ received: 30, docsPaid: 30, docsPaidTwice: 0 });
  const again = await made.querymill([...flags, "--json"]);
  expect(server.ledger().received).toBe(30);
  const { createdAt: _first, ...one } = lastEvent(first.stdout);
  const { createdAt: _again, ...two } = lastEvent(again.stdout);
  expect(two).toEqual(one);
  // Other labels on the same texts cost nothing either; other texts do.
  made.write("labelled.csv", csv(many(30).map(([id, text]) => [id!, text!, "billing"])));
  expect((await made.querymill([...flags, "--json"])).code).toBe(0);
  expect(server.ledger().received).toBe(30);
  made.write("labelled.csv", csv(many(31)));
  expect((await made.querymill([...flags, "--json"])).code).toBe(0);
  expect(server.ledger().received).toBe(61);
});

test("an evaluation that was killed goes on and pays again for calls in flight only", async () => {
  const made = space(many(60));
  const server = await serveModel({ latency: "fixed:20" });
  const flags = ["evaluate", "labelled.csv", "--taxonomy", "shop.yaml", "--base-url", server.baseUrl, "--model", "m-1"];
  const { child, ended } = made.start([...flags, "--json", "--concurrent", "4"]);
  await expect.poll(() => server.ledger().docsPaid, { timeout: 30_000 }).toBeGreaterThan(15);
  child.kill("SIGKILL");
  await ended;
  const { code, stdout } = await made.querymill([...flags, "--json", "--concurrent", "4"]);
  expect(code).toBe(0);
  expect(lastEvent(stdout)).toMatchObject({ rows: { scored: 60, pending: 0 } });
  // In flight, and answered since the last group commit.
  expect(server.ledger().docsPaidTwice).toBeLessThanOrEqual(8);
});

test("labels that the taxonomy does not have are named with rows, line and nearest, before anything is spent", async () => {
  const made = space([
    ["r1", "I was charged twice", "biling"],
    ["r2", "again", "biling"],
    ["r3", "hello", "small talk"],
    ["r4", "where is my parcel", "shipping"],
  ]);
  const server = await serveModel();
  const flags = ["evaluate", "labelled.csv", "--taxonomy", "shop.yaml", "--base-url", server.baseUrl, "--model", "m-1"];
  const refused = await made.querymill(flags);
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toContain("2 labels are not in the taxonomy, in 3 of 4 rows:");
  expect(refused.stderr).toContain('"biling" (category, 2 rows, first on line 2): nearest: billing');
  expect(refused.stderr).toContain('"small talk" (category, 1 rows, first on line 4): nothing like it');
  expect(refused.stderr).toContain('--map "biling=billing"');
  expect(server.ledger().received).toBe(0);
  expect(existsSync(made.path("batch_files"))).toBe(false);

  const mapped = await made.querymill([...flags, "--map", "biling=billing", "--ignore-unknown", "--json"]);
  expect(mapped.code).toBe(0);
  expect(lastEvent(mapped.stdout)).toMatchObject({ rows: { read: 4, unknownLabel: 1, scored: 3 } });
  const slip = await made.querymill([...flags, "--map", "bilin=billing", "--ignore-unknown"]);
  expect(slip.code).toBe(2);
  expect(slip.stderr).toContain("Did you mean biling?");
  expect((await made.querymill([...flags, "--map", "biling=biling2"])).stderr).toContain("Did you mean billing?");
});

test("a column that holds something else than labels is told without telling what it holds", async () => {
  const made = space(many(300));
  const { code, stderr } = await made.querymill([...OFFLINE, "--label-column", "category=text"]);
  expect(code).toBe(2);
  expect(stderr).toContain("column text does not hold labels of category: 300 of 300 rows have something else");
  expect(stderr).not.toContain("where is parcel");
});

test("two models are compared on the same rows, also later from what was saved", async () => {
  const made = space(many(40));
  const server = await serveModel();
  const flags = ["evaluate", "labelled.csv", "--taxonomy", "shop.yaml", "--base-url", server.baseUrl];
  const both = await made.querymill([
    ...flags,
    "--model",
    "m-1",
    "--against",
    "offline",
    "--json",
    "--output",
    "a.json",
  ]);
  expect(both.code).toBe(0);
  const { comparison } = lastEvent(both.stdout) as { comparison: { dimensions: Record<string, unknown>[] } };
  expect(comparison).toMatchObject({
    first: { model: "openai-compatible/m-1" },
    second: { model: "offline" },
    dimensions: [{ dimension: "category", rows: 40 }],
  });
  const [{ test: counted, first, second, differing }] = comparison.dimensions as [Record<string, unknown>];
  const { onlyFirst, onlySecond, pValue } = counted as Record<string, number>;
  expect((onlySecond! - onlyFirst!) / 40).toBeCloseTo(shareOf(second) - shareOf(first), 10);
  expect(pValue).toBeGreaterThan(0);
  expect((differing as { right: string }[]).filter(({ right }) => right === "first")).toHaveLength(onlyFirst!);
  expect((await made.querymill([...flags, "--model", "m-1", "--against", "offline"])).stdout).toMatch(
    /McNemar p [=<] /,
  );

  await made.querymill([...OFFLINE.filter((word) => !/^(--id-column|id)$/.test(word)), "--json", "--output", "b.json"]);
  const saved = await made.querymill(["evaluate", "a.json", "b.json", "--json"]);
  expect(saved.code).toBe(0);
  expect(lastEvent(saved.stdout).comparison).toEqual(comparison);
  expect(statSync(made.path("a.json")).mode & 0o777).toBe(0o600);
  expect(readFileSync(made.path("a.json"), "utf8")).not.toContain("where is parcel");

  made.write("labelled.csv", csv(many(39)));
  await made.querymill([...OFFLINE, "--json", "--output", "c.json"]);
  const other = await made.querymill(["evaluate", "a.json", "c.json"]);
  expect(other.code).toBe(2);
  expect(other.stderr).toContain("different data");
});

const shareOf = (interval: unknown): number => (interval as { value: number }).value;

test("--sample draws the same rows each time, and a larger sample holds a smaller one", async () => {
  const made = space(many(50));
  const drawn = async (n: number): Promise<string[]> => {
    const { stdout } = await made.querymill([
      ...OFFLINE,
      "--sample",
      String(n),
      "--json",
      "--overwrite",
      "--output",
      "s.json",
    ]);
    expect(lastEvent(stdout)).toMatchObject({ rows: { read: 50, notDrawn: 50 - n, scored: n } });
    const { answers } = JSON.parse(readFileSync(made.path("s.json"), "utf8")) as { answers: { id: string }[] };
    return answers.map(({ id }) => id);
  };
  const ten = await drawn(10);
  const twenty = await drawn(20);
  expect(await drawn(10)).toEqual(ten);
  expect(twenty).toEqual(expect.arrayContaining(ten));
});

test("rows that the model gives up on count as wrong and are told", async () => {
  const made = space(many(12));
  const server = await serveModel({
    fail: (id) => (id === "q3" ? { status: 200, body: completion("no JSON") } : null),
  });
  const flags = ["evaluate", "labelled.csv", "--taxonomy", "shop.yaml", "--base-url", server.baseUrl, "--model", "m-1"];
  const { code, stdout } = await made.querymill([...flags, "--json"]);
  expect(code).toBe(3);
  expect(lastEvent(stdout)).toMatchObject({ rows: { scored: 11, failed: 1 }, scores: [{ rows: 12, unanswered: 1 }] });
});

const completion = (content: string): string =>
  JSON.stringify({
    id: "1",
    object: "chat.completion",
    model: "m-1",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: { prompt_tokens: 10, completion_tokens: 3, total_tokens: 13 },
  });
