import { expect, test } from "vitest";
import { labelledSpace } from "../support/labelled.ts";
import { serveModel } from "../support/workspace.ts";

test("the text is what a run over the same file shows the model: subject and body, conversations, source.text", async () => {
  const made = labelledSpace();
  const server = await serveModel();
  made.write("querymill.yaml", "taxonomy: shop.yaml\nmodel: m-1\n");
  const flags = ["--base-url", server.baseUrl, "--json"];
  const texts = (): string[] =>
    server.requests().map(({ messages }) => (messages as { role: string; content: string }[]).at(-1)!.content);
  made.write("mail.csv", "Subject,Body,Label\nLate again,<p>My <b>parcel</b> is late</p>,shipping\n");
  expect((await made.querymill(["evaluate", "mail.csv", ...flags])).code).toBe(0);
  expect(texts().at(-1)).toMatch(/Late again\s+My parcel is late/);
  const conversation = [
    { role: "customer", text: "I was charged twice" },
    { role: "agent", text: "Let me look" },
  ];
  made.write("talk.jsonl", JSON.stringify({ messages: conversation, category: "billing" }));
  expect((await made.querymill(["evaluate", "talk.jsonl", ...flags])).code).toBe(0);
  expect(texts().at(-1)).toMatch(/I was charged twice[\s\S]*Let me look/);
  made.write("querymill.yaml", "taxonomy: shop.yaml\nmodel: m-1\nsource: {text: ticket.words}\n");
  made.write("deep.jsonl", JSON.stringify({ text: "not this", ticket: { words: "but this" }, label: "billing" }));
  expect((await made.querymill(["evaluate", "deep.jsonl", ...flags])).code).toBe(0);
  expect(texts().at(-1)).toContain("but this");
  expect(texts().at(-1)).not.toContain("not this");
  expect((await made.querymill(["run", "--input", "deep.jsonl", ...flags])).code).toBe(0);
  expect(texts().at(-1)).toBe(texts().at(-2));
});
