import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AnswerOptions, compileAnswer } from "../../src/llm/answer.ts";
import type { Classification, Dimension, Label, Taxonomy } from "../../src/taxonomy.ts";

const taxonomy: Taxonomy = {
  name: "shop",
  version: "t-00000000",
  summary: true,
  alternatives: true,
  dimensions: [
    dimension("category", [
      label("account_access", ["login", "Sign in"]),
      label("refund_return"),
      label("available"),
      label("other"),
    ]),
    dimension(
      "subcategory",
      [label("lost_password", [], "account_access"), label("broken_item", [], "refund_return")],
      { required: false },
    ),
    dimension("sentiment", [label("negative"), label("neutral"), label("positive")]),
    dimension("urgency", [label("high"), label("low")], { required: false }),
    dimension("topics", [label("price"), label("delivery"), label("tier_1")], { choose: "many", required: false }),
  ],
};
const check = compileAnswer(taxonomy);
const FIRST: AnswerOptions = { confidenceKind: "self-rated", last: false, truncated: false };
const LAST: AnswerOptions = { ...FIRST, last: true };
const GOOD = {
  category: "account_access",
  subcategory: "lost_password",
  sentiment: "negative",
  urgency: "high",
  topics: ["price", "delivery"],
  language: "en",
  summary: "Cannot sign in.",
  alternatives: [{ label: "other", p: 0.1 }],
  confidence_category: 0.9,
  confidence_sentiment: 0.8,
  confidence_urgency: 0.7,
};

describe("an answer as asked for", () => {
  it("becomes a classification without review", () => {
    expect(valid(GOOD)).toEqual({
      category: "account_access",
      subcategory: "lost_password",
      sentiment: "negative",
      urgency: "high",
      language: "en",
      summary: "Cannot sign in.",
      labels: { topics: ["price", "delivery"] },
      alternatives: [{ label: "other", p: 0.1 }],
      confidence: { category: 0.9, sentiment: 0.8, urgency: 0.7 },
      confidenceKind: "self-rated",
      needsReview: false,
      reviewReasons: [],
    });
  });

  it.each([
    ["a code fence", (json: string) => `\`\`\`json\n${json}\n\`\`\``],
    ["prose around it", (json: string) => `Sure {thing}, here: ${json} Anything else? {}`],
    ["a stray brace before it", (json: string) => `{ see: \n${json}`],
    ["reasoning before it", (json: string) => `<think>perhaps {"category":"other"}</think>\n${json}`],
    ["the same object twice", (json: string) => `${json}\n${json}`],
    ["a list around it", (json: string) => `[${json}]`],
  ])("is found with %s", (_name, wrap) => {
    expect(valid(wrap(JSON.stringify(GOOD))).category).toBe("account_access");
  });

  it.each([
    ["nothing", ""],
    ["null", "null"],
    ["a number", "42"],
    ["half an object", JSON.stringify(GOOD).slice(0, 150)],
    ["an object about something else in prose", 'I say {"hello":"world"}'],
    ["two different objects", `${JSON.stringify(GOOD)}\n${JSON.stringify({ ...GOOD, sentiment: "neutral" })}`],
    ["something endless", `${"{".repeat(300_000)}`],
  ])("is malformed when it is %s", (_name, text) => {
    expect(check(text, FIRST)).toMatchObject({ status: "invalid", failure: "malformed" });
    expect(check(text, LAST)).toMatchObject({ status: "invalid", failure: "malformed" });
  });

  it("survives depth, size and names of the prototype", () => {
    expect(check(`{"a":${"[".repeat(50_000)}`, FIRST).status).toBe("invalid");
    const hostile = `{"__proto__":{"polluted":true},"constructor":{"prototype":{}},${JSON.stringify(GOOD).slice(1)}`;
    expect(valid(hostile).category).toBe("account_access");
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(check('{"__proto__":{"category":"other","sentiment":"neutral"}}', LAST).status).toBe("invalid");
    const odd = compileAnswer({ ...taxonomy, dimensions: [dimension("__proto__", [label("constructor")])] });
    const result = odd('{"__proto__":"constructor"}', FIRST);
    expect(result.status === "valid" && Object.hasOwn(result.classification.labels, "__proto__")).toBe(true);
  });
});

describe("a label", () => {
  it.each(["Account Access", "ACCOUNT-ACCESS", " account_access.", "login", "sign-in"])("is known as %j", (answer) => {
    expect(valid({ ...GOOD, category: answer })).toMatchObject({ category: "account_access", needsReview: false });
  });

  it("is repaired and flagged up to two edits from one label only", () => {
    expect(valid({ ...GOOD, category: "acount_acces" })).toMatchObject({
      category: "account_access",
      needsReview: true,
      reviewReasons: ["label-repaired"],
    });
    expect(valid({ ...GOOD, sentiment: "negativ" }).sentiment).toBe("negative");
  });

  it.each([
    ["a word of the opposite meaning", { category: "unavailable" }],
    ["three edits away", { category: "acont_acess" }],
    ["too short to guess", { urgency: "hig" }],
    ["another number", { topics: ["tier_2"] }],
    ["a list where one is asked for", { category: ["account_access"] }],
    ["an object", { category: { id: "other" } }],
    ["missing", { category: undefined }],
    ["null where one is required", { sentiment: null }],
    ["a known label of another dimension", { sentiment: "high" }],
  ])("is invalid when it is %s", (_name, change) => {
    const result = check(JSON.stringify({ ...GOOD, subcategory: null, ...change }), FIRST);
    expect(result).toMatchObject({ status: "invalid", failure: "label-unknown" });
    expect(result.status === "invalid" && result.problems).toHaveLength(1);
  });

  it("is invalid when two labels are as near", () => {
    const pair = compileAnswer({
      ...taxonomy,
      dimensions: [dimension("category", [label("shipment_a"), label("shipment_b")])],
    });
    expect(pair('{"category":"shipment_c"}', FIRST).status).toBe("invalid");
  });

  it("may be null, left out or a word for nothing where it is optional", () => {
    for (const urgency of [null, undefined, "none", "N/A", ""])
      expect(valid({ ...GOOD, urgency })).toMatchObject({ urgency: null, needsReview: false });
  });

  it("is never found by any text far from it (random answers)", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (answer) => {
        const result = check(JSON.stringify({ ...GOOD, category: answer }), FIRST);
        if (result.status === "valid")
          expect(["account_access", "refund_return", "available", "other"]).toContain(result.classification.category);
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  it("is always found through case, spaces, dashes and underscores", () => {
    const style = fc.constantFrom("_", "-", " ", "");
    fc.assert(
      fc.property(style, fc.boolean(), fc.constantFrom("account_access", "refund_return"), (joint, upper, id) => {
        const answer = id.replace("_", joint);
        expect(valid({ ...GOOD, subcategory: null, category: upper ? answer.toUpperCase() : answer }).category).toBe(
          id,
        );
      }),
      { seed: 7, numRuns: 50 },
    );
  });

  it("of a subcategory must belong to the category", () => {
    const wrong = { ...GOOD, subcategory: "broken_item" };
    expect(check(JSON.stringify(wrong), FIRST)).toMatchObject({
      status: "invalid",
      problems: ["subcategory broken_item belongs to category refund_return, not to account_access"],
    });
    expect(valid(wrong, LAST)).toMatchObject({ subcategory: null, reviewReasons: ["subcategory-invalid"] });
  });
});

describe("the last answer", () => {
  it("gives up an optional dimension with a reason", () => {
    expect(valid({ ...GOOD, urgency: "whenever" }, LAST)).toMatchObject({
      urgency: null,
      needsReview: true,
      reviewReasons: ["urgency-invalid"],
    });
  });

  it("keeps the valid labels of a list", () => {
    expect(valid({ ...GOOD, topics: ["price", "price", "weather"] }, LAST)).toMatchObject({
      labels: { topics: ["price"] },
      reviewReasons: ["topics-invalid"],
    });
  });

  it("is invalid, and never other, when a required dimension has no label", () => {
    expect(check(JSON.stringify({ ...GOOD, category: "weather" }), LAST)).toMatchObject({
      status: "invalid",
      failure: "label-unknown",
    });
  });
});

describe("a repair call", () => {
  const first = check(JSON.stringify({ ...GOOD, category: "weather", urgency: "soon" }), FIRST);
  const draft = first.status === "invalid" ? first.draft : undefined;

  it("needs to bring only what was wrong", () => {
    const options = { ...LAST, draft: draft! };
    expect(
      valid({ category: "other", urgency: "low", sentiment: "positive", confidence_category: 0.6 }, options),
    ).toMatchObject({
      category: "other",
      sentiment: "negative",
      urgency: "low",
      summary: "Cannot sign in.",
      language: "en",
      confidence: { category: 0.6, sentiment: 0.8 },
    });
  });

  it("that brings nothing leaves an optional dimension null with a reason, a required one invalid", () => {
    const optional = check(JSON.stringify({ ...GOOD, urgency: "soon" }), FIRST);
    const kept = optional.status === "invalid" ? optional.draft : undefined;
    expect(check("no idea", { ...LAST, draft: kept! })).toMatchObject({
      status: "valid",
      classification: { category: "account_access", urgency: null, reviewReasons: ["urgency-invalid"] },
    });
    expect(check("no idea", { ...LAST, draft: draft! })).toMatchObject({ status: "invalid", failure: "label-unknown" });
  });
});

describe("the other fields", () => {
  it.each([
    [-0.1, null],
    [1.2, null],
    ["0.9", null],
    [undefined, null],
    [0, 0],
    [1, 1],
  ])("keep confidence %j as %j", (given, kept) => {
    expect(valid({ ...GOOD, confidence_sentiment: given }).confidence.sentiment).toBe(kept);
  });

  it.each([
    ["en", "en"],
    ["pt_br", "pt-BR"],
    ["ZH-hans-cn", "zh-Hans-CN"],
    ["English", "und"],
    ["", "und"],
    [7, "und"],
    [undefined, "und"],
  ])("keep language %j as %j", (given, kept) => {
    expect(valid({ ...GOOD, language: given }).language).toBe(kept);
  });

  it("ask for review when the category is unsure or the text was cut", () => {
    expect(valid({ ...GOOD, confidence_category: 0.49 }).reviewReasons).toEqual(["low-confidence"]);
    expect(valid(GOOD, { ...FIRST, truncated: true }).reviewReasons).toEqual(["text-truncated"]);
    expect(valid({ ...GOOD, confidence_category: null }).needsReview).toBe(false);
  });

  it("clean and cut the summary", () => {
    expect(valid({ ...GOOD, summary: "  a\u0000b\n\u202ec \u001b[31md " }).summary).toBe("a b c [31md");
    expect(valid({ ...GOOD, summary: "😀".repeat(400) }).summary).toBe("😀".repeat(250));
    expect(valid({ ...GOOD, summary: " " }).summary).toBeNull();
    expect(valid({ ...GOOD, summary: ["x"] }).summary).toBeNull();
  });

  it("keep at most three known other categories, likeliest first", () => {
    const alternatives = [
      { label: "other", p: 0.1 },
      { label: "Refund Return", p: 0.3 },
      { label: "account_access", p: 0.9 },
      { label: "weather", p: 0.5 },
      { label: "available", p: 2 },
      null,
      "other",
    ];
    expect(valid({ ...GOOD, alternatives }).alternatives).toEqual([
      { label: "refund_return", p: 0.3 },
      { label: "other", p: 0.1 },
    ]);
    expect(valid({ ...GOOD, alternatives: { label: "other" } }).alternatives).toEqual([]);
  });
});

function valid(answer: unknown, options: AnswerOptions = FIRST): Classification {
  const result = check(typeof answer === "string" ? answer : JSON.stringify(answer), options);
  if (result.status === "invalid") throw new Error(result.problems.join("; "));
  return result.classification;
}

function dimension(id: string, labels: readonly Label[], rest: Partial<Dimension> = {}): Dimension {
  return { id, description: id, choose: "one", required: true, labels, ...rest };
}

function label(id: string, aliases: readonly string[] = [], parent?: string): Label {
  return { id, description: id, aliases, examples: [], ...(parent === undefined ? {} : { parent }) };
}
