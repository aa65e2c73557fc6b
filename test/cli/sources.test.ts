import { expect, test } from "vitest";
import { lastEvent, makeWorkspace, runFlags, serveModel } from "../support/workspace.ts";

const tickets = (n: number) =>
  Array.from({ length: n }, (_, at) => ({
    _id: `t${at + 1}`,
    subject: "Parcel",
    description: `[doc:t${at + 1}] Where is it?`,
    requester_id: 7,
    via: { channel: "email" },
    comments: [
      { author_id: 7, body: `[doc:t${at + 1}] Where is it?`, public: true, created_at: "2026-02-01T00:00:00Z" },
      { author_id: 1, body: "a tiresome person", public: false, created_at: "2026-02-02T00:00:00Z" },
      { author_id: 1, body: "On its way.", public: true, created_at: "2026-02-03T00:00:00Z" },
    ],
  }));

test("a run with a preset shows the model the conversation, without private notes", async () => {
  const space = makeWorkspace();
  await space.seed(tickets(3));
  const server = await serveModel();
  const { code } = await space.querymill(["run", ...runFlags(server), "--preset", "zendesk"]);
  expect(code).toBe(0);
  const { stdout } = await space.querymill(["get", "t2", "--store", "store.db", "--preset", "zendesk", "--json"]);
  expect(JSON.parse(stdout).text).toBe("Parcel\n\nCustomer: [doc:t2] Where is it?\nAgent: On its way.");
});

test("a preset on the wrong shape is refused before anything is spent, names what was found and the one that fits", async () => {
  const space = makeWorkspace();
  await space.seed(tickets(3));
  const server = await serveModel();
  const { code, stderr } = await space.querymill(["run", ...runFlags(server), "--preset", "intercom"]);
  expect(code).toBe(2);
  expect(stderr).toContain("conversation_set does not look like intercom: 0 of 3 documents fit.");
  expect(stderr).toContain("Expected conversations with source.body and conversation_parts");
  expect(stderr).toContain("found the fields subject, description, requester_id, via, comments.");
  expect(stderr).toContain("They look like zendesk: use --preset zendesk.");
  expect(stderr).not.toContain("tiresome");
  expect(server.ledger().received).toBe(0);
  const flags = ["--store", "store.db", "--model", "offline", "--preset", "mail"];
  const dry = await space.querymill(["run", ...flags, "--dry-run"]);
  expect(dry.stdout).toContain("does not look like mail");
  const looked = await space.querymill(["doctor", ...flags]);
  expect([looked.code, looked.stdout]).toEqual([
    2,
    expect.stringMatching(/✖ Shape +conversation_set does not look like mail/),
  ]);
});

test("doctor --sample shows exactly what would be sent, its length, what is cut or skipped, and the preset that fits", async () => {
  const space = makeWorkspace();
  await space.seed([...tickets(2), { _id: "empty" }]);
  space.write("querymill.yaml", "source: { maxChars: 200 }\n");
  const flags = ["doctor", "--store", "store.db", "--model", "offline", "--sample", "5"];
  const { stdout, stderr } = await space.querymill([...flags, "--json"]);
  expect(stderr).toBe("");
  const { texts, findings } = lastEvent(stdout) as {
    texts: Record<string, unknown>[];
    findings: { name: string; text: string }[];
  };
  expect(findings.find(({ name }) => name === "Shape")?.text).toContain(
    "2 of 3 documents look like zendesk: --preset zendesk",
  );
  const byKey = new Map(texts.map((text) => [text.key, text]));
  expect(byKey.get('"empty"')).toEqual({ key: '"empty"', message: null, chars: 0, cut: false, skipped: "no text" });
  const text = "Parcel\n\n[doc:t1] Where is it?";
  expect(byKey.get('"t1"')).toEqual({
    key: '"t1"',
    message: expect.stringMatching(/^\[text ([0-9a-f]{12})\]\nParcel\n\n\[doc:t1\] Where is it\?\n\[end \1\]$/),
    chars: text.length,
    cut: false,
    skipped: null,
  });
  await space.seed([{ _id: "long", text: "word ".repeat(100) }], "conversation_set", "long.db");
  const long = await space.querymill(["doctor", "--store", "long.db", "--model", "offline", "--sample", "5"]);
  expect(long.stdout).toMatch(/"long" · 1\d\d characters, cut in the middle/);
  expect(long.stdout).not.toContain("Shape");
});

test("source.messages reads a thread of one's own; a preset beside it is refused", async () => {
  const space = makeWorkspace();
  await space.seed([
    {
      _id: "a",
      log: [
        { kind: "buyer", words: "Hello" },
        { kind: "shop", words: "Hi" },
      ],
    },
  ]);
  space.write("querymill.yaml", "source:\n  messages: { path: log, text: words, role: kind, customer: [buyer] }\n");
  const got = await space.querymill(["get", "a", "--store", "store.db", "--json"]);
  expect(JSON.parse(got.stdout).text).toBe("Customer: Hello\nAgent: Hi");
  const both = await space.querymill(["run", "--store", "store.db", "--model", "offline", "--preset", "mail"]);
  expect([both.code, both.stderr]).toEqual([
    2,
    expect.stringContaining("--preset and source.messages exclude each other"),
  ]);
  space.write("querymill.yaml", "source:\n  messages: { path: log, txt: words }\n");
  const wrong = await space.querymill(["run", "--store", "store.db", "--model", "offline"]);
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringMatching(/querymill\.yaml:2:\d+ source\.messages.*expected a group with path/),
  ]);
});

test("a run of what a preset fits says so at its start and with --dry-run, once; not when it is said where texts are", async () => {
  const space = makeWorkspace();
  space.write(
    "tickets.jsonl",
    tickets(4)
      .map((ticket) => `${JSON.stringify(ticket)}\n`)
      .join(""),
  );
  const hint = "4 of 4 documents look like zendesk: --preset zendesk reads them as such";
  const flags = ["run", "--input", "tickets.jsonl", "--model", "offline"];
  expect((await space.querymill([...flags, "--dry-run"])).stdout.split(hint)).toHaveLength(2);
  expect((await space.querymill([...flags, "--preset", "zendesk", "--dry-run"])).stdout).not.toContain("look like");
  expect((await space.querymill([...flags, "--text-column", "subject", "--dry-run"])).stdout).not.toContain(
    "look like",
  );
  expect((await space.querymill(flags)).stdout.split(hint)).toHaveLength(2);
});
