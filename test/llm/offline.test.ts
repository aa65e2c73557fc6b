import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { parseTaxonomy } from "../../src/config/taxonomy.ts";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import { compileAnswer } from "../../src/llm/answer.ts";
import type { ExampleSet } from "../../src/llm/examples.ts";
import { openOffline } from "../../src/llm/offline.ts";
import { offlineCaveat } from "../../src/llm/offline-notes.ts";
import { buildPrompt } from "../../src/llm/prompt.ts";
import type { ModelProvider } from "../../src/llm/provider.ts";
import type { Taxonomy } from "../../src/taxonomy.ts";

type Answer = Record<string, unknown>;
const { signal } = new AbortController();

async function ask(provider: ModelProvider, taxonomy: Taxonomy, text: string): Promise<Answer> {
  const reply = await provider.call({ prompt: buildPrompt(taxonomy), text, maxOutputTokens: 100 }, signal);
  return JSON.parse(reply.text) as Answer;
}

let offline: ModelProvider;
beforeAll(async () => {
  offline = await openOffline(DEFAULT_TAXONOMY);
});
const answer = (text: string): Promise<Answer> => ask(offline, DEFAULT_TAXONOMY, text);

/** Written for this test: none of them is an example of the taxonomy. */
const HELD_OUT: readonly (readonly [category: string, text: string])[] = [
  ["account_access", "it won't accept my password although I typed it correctly"],
  ["account_access", "locked out of my login, please unlock me"],
  ["account_management", "please change the name on my profile"],
  ["account_management", "how do I sign up for an account"],
  ["billing_payment", "why did you charge my credit card two times"],
  ["billing_payment", "I cannot find the invoice of my last payment"],
  ["refund_return", "when will I get the refund for the boots I returned"],
  ["refund_return", "this does not fit, I want to send it back for my money"],
  ["order_management", "I would like to cancel the order I made an hour ago"],
  ["order_management", "add one more chair to my order"],
  ["shipping_delivery", "my package is late, tracking has not moved"],
  ["shipping_delivery", "how long is the delivery to Ireland"],
  ["product_question", "does this phone have a headphone jack"],
  ["product_question", "will the blue one be in stock again"],
  ["technical_issue", "the app crashes with an error after the update"],
  ["technical_issue", "internet connection is down again"],
  ["subscription_plan", "stop the renewal of my premium subscription"],
  ["subscription_plan", "remove me from the newsletter list"],
  ["security_fraud", "my account got hacked, someone else used it to buy things"],
  ["security_fraud", "is this email from you or is it phishing"],
  ["feedback_complaint", "I wish to file a complaint about your rude staff"],
  ["feedback_complaint", "a suggestion: please add a dark mode to the app"],
  ["contact_request", "let me speak to a human please"],
  ["contact_request", "what number can I call to reach an agent"],
];

describe("the offline classifier", () => {
  it("answers exactly the fields of the schema, and passes the answer check", async () => {
    const { schema } = buildPrompt(DEFAULT_TAXONOMY);
    const found = await answer("My parcel has not arrived. I ordered it two weeks ago!");
    expect(Object.keys(found).sort()).toEqual(Object.keys(schema.properties as object).sort());
    expect(found).toMatchObject({
      category: "shipping_delivery",
      language: "en",
      summary: "My parcel has not arrived.",
    });
    const check = compileAnswer(DEFAULT_TAXONOMY);
    const checked = check(JSON.stringify(found), { confidenceKind: "offline", last: false, truncated: false });
    expect(checked.status).toBe("valid");
  });

  it("costs nothing, is local, and is there", async () => {
    const reply = await offline.call(
      { prompt: buildPrompt(DEFAULT_TAXONOMY), text: "hello", maxOutputTokens: 1 },
      signal,
    );
    expect(reply).toMatchObject({ finish: "stop", model: "offline-1", rate: null });
    expect(Object.values(reply.usage!)).toEqual([0, 0, 0, 0, 0]);
    expect(offline).toMatchObject({ provider: "offline", remote: false, confidenceKind: "offline" });
    await offline.check(signal);
  });

  it("is right in at least 3 of 4 texts it has not seen, and says about how sure that is", async () => {
    let right = 0;
    let stated = 0;
    for (const [category, text] of HELD_OUT) {
      const found = await answer(text);
      if (found.category === category) right += 1;
      stated += found.confidence_category as number;
    }
    expect(right / HELD_OUT.length).toBeGreaterThanOrEqual(0.75);
    expect(stated / HELD_OUT.length).toBeLessThanOrEqual(right / HELD_OUT.length + 0.1);
  });

  it("is unsure of what it cannot know, and never certain", async () => {
    expect((await answer("xyzzy plugh frotz")).confidence_category).toBeLessThan(0.5);
    expect((await answer("How do I open a new account with you?")).confidence_category).toBeLessThanOrEqual(0.95);
    const found = await answer("I absolutely love it, best purchase of the year!");
    expect(found.sentiment).toBe("very_positive");
    expect(found.confidence_sentiment).toBeLessThanOrEqual(0.75);
    expect(found.confidence_urgency).toBeLessThanOrEqual(0.75);
  });

  it("reads the customer's turns of a conversation, not the agent's", async () => {
    const found = await answer(
      "Agent: Welcome, this is billing, payments and invoices.\nPlease tell me about your invoice.\nCustomer: the app crashes\nwith an error after the update\nAgent: Is it about a payment or an invoice?",
    );
    expect(found).toMatchObject({ category: "technical_issue", summary: "the app crashes" });
    expect((await answer("Agent: Where is your parcel, the delivery?")).category).toBe("shipping_delivery");
  });

  it("gives other likely categories, without the chosen one, most likely first", async () => {
    const found = await answer("refund my payment");
    const alternatives = found.alternatives as { label: string; p: number }[];
    expect(alternatives).toHaveLength(3);
    expect(alternatives.map(({ label }) => label)).not.toContain(found.category);
    expect(alternatives.map(({ p }) => p)).toEqual(alternatives.map(({ p }) => p).toSorted((a, b) => b - a));
    expect(alternatives[0]!.p).toBeLessThanOrEqual(found.confidence_category as number);
  });

  it("sums a text up by its first sentence, in one line of at most 140 characters", async () => {
    const summary = async (text: string) => (await answer(text)).summary;
    expect(await summary("Hi! My kettle leaks. What now?")).toBe("My kettle leaks.");
    expect(await summary("Hello\nthe  kettle\tleaks badly\nbye")).toBe("the kettle leaks badly");
    expect(await summary("ok")).toBe("ok");
    const long = (await summary("the kettle leaks ".repeat(30))) as string;
    expect(long.length).toBeLessThanOrEqual(140);
    expect(long.endsWith(" leaks…") || long.endsWith(" the…") || long.endsWith(" kettle…")).toBe(true);
    expect(((await summary("😀".repeat(400))) as string).isWellFormed()).toBe(true);
  });

  it("takes any text, also a very long or broken one, and answers equal texts equally", async () => {
    const check = compileAnswer(DEFAULT_TAXONOMY);
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 300 }), async (text) => {
        const found = JSON.stringify(await answer(text));
        expect(check(found, { confidenceKind: "offline", last: true, truncated: false }).status).toBe("valid");
        expect(JSON.stringify(await answer(text))).toBe(found);
      }),
      { seed: 7, numRuns: 100 },
    );
    expect((await answer("where is my parcel ".repeat(20_000))).category).toBe("shipping_delivery");
    expect((await answer("\ud800 \udfff")).category).toBeTypeOf("string");
  });

  it("does not begin once it was told to stop", async () => {
    const request = { prompt: buildPrompt(DEFAULT_TAXONOMY), text: "hello", maxOutputTokens: 1 };
    await expect(offline.call(request, AbortSignal.abort())).rejects.toMatchObject({ failure: "transient" });
  });

  it("lets timers run between items", async () => {
    let fired = false;
    setTimeout(() => {
      fired = true;
    }, 1);
    for (let i = 0; i < 2_000 && !fired; i++) await answer("where is my parcel");
    expect(fired).toBe(true);
  });
});

describe("the offline classifier with a taxonomy of one's own", () => {
  const taxonomy = parseTaxonomy(
    `
summary: false
alternatives: false
dimensions:
  subcategory:
    labels:
      - {id: late_parcel, parent: shipping, description: parcel is late}
      - {id: lost_parcel, parent: shipping, description: parcel is lost}
      - {id: late_invoice, parent: billing, description: invoice is late}
      - {id: wrong_invoice, parent: billing, description: invoice has a wrong amount}
  category:
    labels:
      shipping: parcels, delivery, courier
      billing: invoice, payment, amount
  topics:
    choose: many
    required: true
    labels: {price: price money cost, speed: slow late waiting, staff: rude friendly driver}
  device:
    labels: {phone: phone mobile, laptop: laptop notebook}
`,
    "taxonomy.yaml",
  );
  let provider: ModelProvider;
  beforeAll(async () => {
    provider = await openOffline(taxonomy);
  });

  it("answers lists, leaves optional ones open, and asks only for what is wanted", async () => {
    const found = await ask(provider, taxonomy, "the courier was late with the delivery");
    expect(Object.keys(found).sort()).toEqual([
      "category",
      "confidence_category",
      "device",
      "language",
      "subcategory",
      "topics",
    ]);
    expect(found.category).toBe("shipping");
    expect(found.topics).toContain("speed");
    expect((await ask(provider, taxonomy, "zzz qqq")).device).toBeNull();
    expect((await ask(provider, taxonomy, "my laptop notebook")).device).toBe("laptop");
  });

  it("never gives a subcategory of another category", async () => {
    const parents = new Map(taxonomy.dimensions[0]!.labels.map(({ id, parent }) => [id, parent]));
    const words = fc.constantFrom("parcel", "invoice", "late", "lost", "wrong", "amount", "delivery", "payment");
    let given = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(words, { minLength: 1, maxLength: 5 }), async (parts) => {
        const { category, subcategory } = await ask(provider, taxonomy, parts.join(" "));
        if (subcategory === null) return;
        given += 1;
        expect(parents.get(subcategory as string)).toBe(category);
      }),
      { seed: 7, numRuns: 200 },
    );
    expect(given).toBeGreaterThan(50);
  });
});

describe("the offline classifier with examples of the user's", () => {
  const taxonomy = parseTaxonomy(
    "dimensions:\n  category:\n    labels: [hardware, software]\n  sentiment:\n    labels: [negative, neutral, positive]\n",
    "own.yaml",
  );
  const words = ["mulch", "trowel", "spade", "kernel", "widget", "parser"];
  const labelled = (count: number): ExampleSet => {
    const rows = Array.from({ length: count }, (_, at) => ({
      text: `${words[at % 6]} ${at * 7} ${words[(at + 1) % 3]}`,
      at,
    }));
    const category = rows.map(({ text, at }) => ({ text, label: at % 6 < 3 ? "hardware" : "software" }));
    const sentiment = rows.map(({ text, at }) => ({ text, label: at % 6 < 3 ? "positive" : "negative" }));
    return { rows: new Map(Object.entries({ category, sentiment })), hash: "", count, notes: [] };
  };

  it("learns every dimension from them, and is as sure of a tone as they make it", async () => {
    const few = await ask(await openOffline(taxonomy, labelled(24)), taxonomy, "my spade and trowel");
    const many = await ask(await openOffline(taxonomy, labelled(600)), taxonomy, "my spade and trowel");
    expect(many).toMatchObject({ category: "hardware", sentiment: "positive" });
    expect(few.confidence_sentiment).toBeLessThanOrEqual(0.75);
    expect(many.confidence_sentiment).toBeGreaterThan(0.75);
    expect(many.confidence_category).toBeGreaterThan(0.95);
  });

  it("says of which dimensions it knows little", () => {
    expect(offlineCaveat(DEFAULT_TAXONOMY, null)).toBe(
      "Offline, sentiment and urgency come from word lists and rules: a hint, with low confidence.",
    );
    expect(offlineCaveat(taxonomy, labelled(99))).toContain("sentiment comes from word lists");
    expect(offlineCaveat(taxonomy, labelled(100))).toBeNull();
  });

  it("trains beside everything else: the loop turns meanwhile", async () => {
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    await openOffline(taxonomy, labelled(6_000));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(20);
  });
});
