import { describe, expect, it } from "vitest";
import { compileAnswer } from "../../src/llm/answer.ts";
import { compileField } from "../../src/llm/field-value.ts";
import { openOffline } from "../../src/llm/offline.ts";
import { buildPrompt } from "../../src/llm/prompt.ts";
import type { Field, Taxonomy } from "../../src/taxonomy.ts";

const field = (id: string, type: Field["type"], changes: Partial<Field> = {}): Field => ({
  id,
  type,
  description: `the ${id}`,
  required: false,
  ...changes,
});
const label = (id: string) => ({ id, description: id, aliases: [], examples: [] });
const taxonomy = (fields: readonly Field[]): Taxonomy => ({
  name: "shop",
  version: "t-1",
  summary: false,
  alternatives: false,
  dimensions: [
    { id: "category", description: "what", choose: "one", required: true, labels: [label("billing"), label("other")] },
  ],
  fields,
});

describe("a free field", () => {
  it.each([
    ["string", "  A 1\n2 ", "A 1 2"],
    ["number", 12.5, 12.5],
    ["number", "12.50", 12.5],
    ["number", "-3", -3],
    ["boolean", false, false],
    ["boolean", "Yes", true],
    ["date", "2026-02-28", "2026-02-28"],
    ["date", "2026-02-28T10:00:00Z", "2026-02-28"],
    ["string", "N/A", null],
    ["number", null, null],
    ["boolean", "", null],
    ["date", undefined, null],
  ] as const)("of type %s takes %j as %j", (type, answer, value) => {
    expect(compileField(field("f", type))(answer)).toEqual({ value });
  });

  it.each([
    ["string", 5, "f is a number, expected a text or null"],
    ["number", "1,200", "f is a string, expected a number or null"],
    ["number", Number.NaN, "f is a number, expected a number or null"],
    ["number", true, "f is a boolean, expected a number or null"],
    ["boolean", 1, "f is a number, expected true or false or null"],
    ["date", "2026-02-30", "f is a string, expected a date as YYYY-MM-DD or null"],
    ["date", "28.02.2026", "f is a string, expected a date as YYYY-MM-DD or null"],
    ["string", ["a"], "f is a list, expected a text or null"],
  ] as const)("of type %s refuses %j without quoting it", (type, answer, problem) => {
    expect(compileField(field("f", type))(answer)).toEqual({ problem });
  });

  it("has to match its pattern as a whole, and to be there when it is required", () => {
    const read = compileField(field("order", "string", { pattern: "[A-Z]{2}\\d{3}", required: true }));
    expect(read("AB123")).toEqual({ value: "AB123" });
    const form = "expected a text that matches /^[A-Z]{2}\\d{3}$/";
    expect(read("xAB123")).toEqual({ problem: `order does not have the right form, ${form}` });
    expect(read(null)).toEqual({ problem: `order is empty, ${form}` });
    expect(read(undefined)).toEqual({ problem: `order is missing, ${form}` });
  });
});

describe("an answer with free fields", () => {
  const shop = taxonomy([
    field("order_number", "string", { pattern: "[A-Z]{2}\\d{3}" }),
    field("amount", "number"),
    field("urgent", "boolean", { required: true }),
  ]);
  const check = compileAnswer(shop);
  const last = { confidenceKind: "self-rated", last: true, truncated: false } as const;
  const ask = (answer: object, options = { ...last, last: false }) => check(JSON.stringify(answer), options);

  it("is asked for in the same flat strict schema", () => {
    const { schema, system, version } = buildPrompt(shop);
    expect(schema).toMatchObject({
      properties: {
        order_number: { type: ["string", "null"] },
        amount: { type: ["number", "null"] },
        urgent: { type: "boolean" },
      },
      required: expect.arrayContaining(["order_number", "amount", "urgent"]),
      additionalProperties: false,
    });
    expect(system).toContain("order_number: the order_number (a text that matches /^[A-Z]{2}\\d{3}$/, or null if");
    expect(system).toContain("urgent: the urgent (true or false)\n");
    expect(buildPrompt(taxonomy([])).version).not.toBe(version);
    const { fields: _, ...without } = taxonomy([]);
    expect(buildPrompt(taxonomy([])).version).toBe(buildPrompt(without).version);
  });

  it("goes to fields of the record; what the text does not say is null without review", () => {
    expect(ask({ category: "billing", order_number: "AB123", amount: null, urgent: false })).toMatchObject({
      status: "valid",
      classification: {
        fields: { order_number: "AB123", amount: null, urgent: false },
        needsReview: false,
        labels: {},
      },
    });
    expect(ask({ category: "billing", urgent: true })).toMatchObject({
      classification: { fields: { order_number: null, amount: null, urgent: true } },
    });
  });

  it("is asked for again when a value is wrong; what was right is kept", () => {
    const first = ask({ category: "billing", order_number: "nine", amount: 5, urgent: "perhaps" });
    expect(first).toMatchObject({
      status: "invalid",
      problems: [
        expect.stringContaining("order_number does not have the right form"),
        "urgent is a string, expected true or false",
      ],
    });
    if (first.status === "valid") throw new Error("it is not");
    const second = check(JSON.stringify({ category: "other", order_number: "nine", amount: 7, urgent: true }), {
      ...last,
      draft: first.draft,
    });
    expect(second).toMatchObject({
      status: "valid",
      classification: {
        category: "billing",
        fields: { order_number: null, amount: 5, urgent: true },
        needsReview: true,
        reviewReasons: ["order_number-invalid"],
      },
    });
    expect(ask({ category: "billing", urgent: null }, last)).toMatchObject({ status: "invalid" });
  });
});

describe("offline", () => {
  it("fills in what a pattern finds, when it is one thing, and nothing else", async () => {
    const shop = taxonomy([field("order", "string", { pattern: "[A-Z]{2}\\d{3}" }), field("amount", "number")]);
    const offline = await openOffline(shop);
    const ask = async (text: string) => {
      const request = { prompt: buildPrompt(shop), text, maxOutputTokens: 100 };
      return JSON.parse((await offline.call(request, new AbortController().signal)).text) as Record<string, unknown>;
    };
    expect(await ask("Where is AB123? I paid 20 for AB123.")).toMatchObject({ order: "AB123", amount: null });
    expect(await ask("AB123 or AB124?")).toMatchObject({ order: null });
    expect(await ask("XAB1234 is no order")).toMatchObject({ order: null });
  });

  it("refuses a field that it would have to fill in", async () => {
    const opening = openOffline(taxonomy([field("amount", "number", { required: true })]));
    await expect(opening).rejects.toMatchObject({
      code: "TAXONOMY_INVALID",
      message: expect.stringMatching(/offline cannot promise a value for amount.*required: false/),
    });
  });
});
