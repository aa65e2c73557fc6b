import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { csv, labelledSpace, manyRows, OFFLINE } from "../support/labelled.ts";
import { lastEvent, serveModel } from "../support/workspace.ts";

test("labels are taken by id, alias and another spelling; every row is counted once", async () => {
  const made = labelledSpace();
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
  const made = labelledSpace();
  const { code, stdout } = await made.querymill(OFFLINE);
  expect(code).toBe(0);
  expect(stdout).toContain("rows 7 = 5 answered + 1 without text + 1 without label");
  expect(stdout).toMatch(/category {5}accuracy 80\.0 % {3}\(95 %: 37\.6 – 96\.4 %, 5 rows\)/);
  expect(stdout).toContain("1  billing → shipping   r5");
  expect(stdout).not.toContain("\x1b[");
  expect(stdout).not.toContain("parcel");
});

test("a row is asked once, and never again when the evaluation is made again", async () => {
  const made = labelledSpace(manyRows(30));
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
  made.write("labelled.csv", csv(manyRows(30).map(([id, text]) => [id!, text!, "billing"])));
  expect((await made.querymill([...flags, "--json"])).code).toBe(0);
  expect(server.ledger().received).toBe(30);
  made.write("labelled.csv", csv(manyRows(31)));
  expect((await made.querymill([...flags, "--json"])).code).toBe(0);
  expect(server.ledger().received).toBe(61);
});

test("an evaluation that was killed goes on and pays again for calls in flight only", async () => {
  const made = labelledSpace(manyRows(60));
  const server = await serveModel({ latency: "fixed:20" });
  const flags = ["evaluate", "labelled.csv", "--taxonomy", "shop.yaml", "--base-url", server.baseUrl, "--model", "m-1"];
  const { child, ended } = made.start([...flags, "--json", "--concurrent", "4"]);
  await expect.poll(() => server.ledger().docsPaid).toBeGreaterThan(15);
  child.kill("SIGKILL");
  await ended;
  const { code, stdout } = await made.querymill([...flags, "--json", "--concurrent", "4"]);
  expect(code).toBe(0);
  expect(lastEvent(stdout)).toMatchObject({ rows: { scored: 60, pending: 0 } });
  // In flight, and answered since the last group commit.
  expect(server.ledger().docsPaidTwice).toBeLessThanOrEqual(8);
});

test("labels that the taxonomy does not have are named with rows, line and nearest, before anything is spent", async () => {
  const made = labelledSpace([
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
  const made = labelledSpace(manyRows(300));
  const { code, stderr } = await made.querymill([...OFFLINE, "--label-column", "category=text"]);
  expect(code).toBe(2);
  expect(stderr).toContain("column text does not hold labels of category: 300 of 300 rows have something else");
  expect(stderr).not.toContain("where is parcel");
});

test("rows that the model gives up on count as wrong and are told", async () => {
  const made = labelledSpace(manyRows(12));
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

test("it takes what decides an answer: examples for the offline classifier, a preset, what is masked", async () => {
  const made = labelledSpace([["r1", "zorp blick", "shipping"]]);
  const rows = ["zorp blick", "blick zorp now", "my zorp"].map((text) => [text, "shipping"]);
  const others = ["glim the invoice", "glim charged", "glim refund"].map((text) => [text, "billing"]);
  made.write("more.csv", csv([...rows, ...others], "text,label"));
  const taught = ["--taxonomy", "shop.yaml", "--examples", "more.csv", "--examples-label", "label"];
  const offline = await made.querymill(["evaluate", "labelled.csv", "--model", "offline", ...taught, "--json"]);
  expect(offline.stderr).toBe("");
  expect(lastEvent(offline.stdout)).toMatchObject({ scores: [{ dimension: "category", accuracy: { value: 1 } }] });

  // Examples for the one side are no offence to the other.
  const server = await serveModel();
  const asked = ["--base-url", server.baseUrl, "--model", "m-1", "--json"];
  const both = await made.querymill(["evaluate", "labelled.csv", ...taught, ...asked, "--against", "offline"]);
  expect(both.code).toBe(0);
  expect(lastEvent(both.stdout)).toMatchObject({
    model: "openai-compatible/m-1",
    comparison: { second: { model: "offline" } },
  });

  const ticket = { subject: "Parcel", comments: [{ body: "mail a@example.org", public: true, author_id: 1 }] };
  made.write("tickets.jsonl", `${JSON.stringify({ ...ticket, label: "shipping" })}\n`);
  const flags = ["evaluate", "tickets.jsonl", "--taxonomy", "shop.yaml", "--preset", "zendesk", "--redact", "email"];
  const read = await made.querymill([...flags, ...asked]);
  expect(lastEvent(read.stdout)).toMatchObject({ rows: { scored: 1 } });
  const sent = JSON.stringify(server.requests().at(-1));
  expect(sent).toContain("mail [EMAIL");
  expect(sent).not.toContain("example.org");
  const two = await made.querymill([...flags, "--text-column", "subject", "--model", "offline"]);
  expect(two.stderr).toContain("--preset and --text-column exclude each other");
});
