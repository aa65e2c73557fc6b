import { ObjectId } from "bson";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentHashOf, type Item, type Skipped } from "../../src/item.ts";
import type { TextMapping } from "../../src/job.ts";
import { fieldsNeeded, makeItem } from "../../src/stores/mapping.ts";

const defaults: TextMapping = { text: null, maxChars: 24_000 };
const itemOf = (fields: object, mapping = defaults): Item | Skipped => makeItem({ _id: 1, ...fields }, mapping);
const textOf = (fields: object, text: TextMapping["text"] = null): string | undefined => {
  const made = itemOf(fields, { ...defaults, text });
  return "text" in made ? made.text : undefined;
};
const reasonOf = (fields: object, text: TextMapping["text"] = null): string | undefined => {
  const made = itemOf(fields, { ...defaults, text });
  return "reason" in made ? made.reason : undefined;
};

describe("the text of a document", () => {
  it("is the first of the usual fields, behind the subject, with key and hash", () => {
    const _id = new ObjectId("64b000000000000000000000");
    const made = makeItem({ _id, subject: " Refund ", body: "Where is it?", message: "" }, defaults);
    const text = "Refund\n\nWhere is it?";
    expect(made).toEqual({
      key: '{"$oid":"64b000000000000000000000"}',
      text,
      contentHash: contentHashOf(text),
      truncated: false,
    });
  });

  it.each([
    [{}],
    [{ text: null }],
    [{ text: "" }],
    [{ text: " \n\t\u00a0 " }],
    [{ text: "\u0000\ufeff\u200b\u200d" }],
    [{ text: "<p> <br> &nbsp; </p>" }],
    [{ messages: [] }],
    [{ messages: [null, 5, {}, { text: "  " }] }],
  ])("is missing with the reason that there is none (%#)", (fields) => {
    expect(reasonOf(fields)).toBe("no text");
  });

  it.each([[5], [true], [{ a: "b" }], [[1, 2]], [["a"]], [new Date(0)], [[]]])(
    "is missing with the reason that it is not a string (%#)",
    (text) => {
      expect(reasonOf({ text })).toBe("text is not a string");
      expect(reasonOf({ ticket: { body: text } }, "ticket.body")).toBe("text is not a string");
    },
  );

  it("comes from a path, a list of paths or a template", () => {
    const document = { ticket: { title: "T", body: "B", priority: 2 }, comments: [{ body: "c1" }, { body: "c2" }, {}] };
    expect(textOf(document, "ticket.body")).toBe("B");
    expect(textOf(document, "comments.1.body")).toBe("c2");
    expect(textOf(document, "comments.body")).toBe("c1\n\nc2");
    expect(textOf(document, ["ticket.title", "ticket.none", "ticket.body"])).toBe("T\n\nB");
    expect(textOf(document, "[{ticket.priority}] {ticket.title}: {ticket.body}{none}")).toBe("[2] T: B");
    expect(reasonOf(document, "{none}{ticket.none.deeper}")).toBe("no text");
  });

  it("never comes from what is not the document's own", () => {
    expect(reasonOf({}, "constructor.name")).toBe("no text");
    expect(reasonOf({}, "__proto__.toString")).toBe("no text");
  });

  it("names the top-level fields that are needed", () => {
    expect(fieldsNeeded(defaults)).toContain("conversation_parts");
    expect(fieldsNeeded({ ...defaults, text: "ticket.body" })).toEqual(["ticket"]);
    expect(fieldsNeeded({ ...defaults, text: ["a.b", "a.c", "d"] })).toEqual(["a", "d"]);
    expect(fieldsNeeded({ ...defaults, text: "{a.b} {c}" })).toEqual(["a", "c"]);
  });
});

describe("a conversation", () => {
  it("becomes a transcript that marks customer and agent and leaves private notes out", () => {
    const messages = [
      { role: "user", content: "My card was charged twice." },
      { author: { type: "admin", name: "Ann" }, body: "<p>Which one?</p>" },
      { author: { type: "admin" }, body: "angry one", part_type: "note" },
      { role: "agent", text: "internal", public: false },
      { role: "agent", text: "internal", private: true },
      { from: "customer", content: [{ type: "text", text: "The blue one." }, { type: "image" }] },
      { role: "narrator", text: "Later." },
      "A plain line",
    ];
    expect(textOf({ subject: "Card", messages })).toBe(
      "Card\n\nCustomer: My card was charged twice.\nAgent: Which one?\nCustomer: The blue one.\nLater.\nA plain line",
    );
    for (const field of ["conversation", "conversation_parts", "comments"])
      expect(textOf({ [field]: messages.slice(0, 1) })).toBe("Customer: My card was charged twice.");
  });
});

describe("what a mail program adds", () => {
  it("is taken out: tags, scripts, entities", () => {
    const html =
      "<!DOCTYPE html><html><head><style>p{color:red}</style><title>x</title></head><body><p>Hello&nbsp;&amp; welcome,</p>" +
      "<!-- hidden --><script>alert('<p>')</script><ul><li>caf&eacute;</li><li>&#8364;5 &lt;b&gt;</li></ul>a<br>b</body></html>";
    expect(textOf({ text: html })).toBe("Hello & welcome,\n\n- café\n- €5 <b>\na\nb");
  });

  it("is not seen where a person wrote < and >", () => {
    for (const text of ["if a < b and c > d", "I <3 this -> really", "x <y@example.org> z", "<<< >>>"])
      expect(textOf({ text })).toBe(text);
  });

  it("is taken out: quoted replies in several languages", () => {
    const own = "It still fails.\nThanks";
    for (const quoted of [
      "On Mon, 3 Feb 2026 at 10:00, Ann <a@example.org> wrote:\n> Did it help?",
      "On Mon, 3 Feb 2026 at 10:00, Ann\n<a@example.org> wrote:\nDid it help?",
      "Am 03.02.2026 um 10:00 schrieb Ann <a@example.org>:\n> Hat es geholfen?",
      "Le 3 févr. 2026 à 10:00, Ann a écrit :\n> Alors ?",
      "-----Original Message-----\nFrom: Ann\nDid it help?",
      "From: Ann\nSent: Monday\nTo: me\nSubject: Re: x\n\nDid it help?",
      "> Did it help?\n> Really?",
    ])
      expect(textOf({ text: `${own}\n\n${quoted}` })).toBe(own);
    expect(textOf({ text: `<div>${own}</div><blockquote>On it <blockquote>deep</blockquote> more</blockquote>` })).toBe(
      "It still fails. Thanks",
    );
  });

  it("stays when nothing else is there, and a customer's own words stay", () => {
    expect(textOf({ text: "> only a quotation" })).toBe("> only a quotation");
    expect(textOf({ text: "<blockquote>only this</blockquote>" })).toBe("only this");
    const text = "On Monday your agent told me the following:\nit is broken since 3 days\nFrom: nowhere";
    expect(textOf({ text })).toBe(text);
  });
});

describe("a long text", () => {
  it("keeps start and end, says how much is missing, and never grows over the limit", () => {
    const made = itemOf({ text: `START${"x".repeat(50_000)}END` }, { text: null, maxChars: 1_000 }) as Item;
    expect(made.text.length).toBeLessThanOrEqual(1_000);
    expect(made.truncated).toBe(true);
    expect(made.text).toMatch(/^START/);
    expect(made.text).toMatch(/END$/);
    const left = Number(/\n\[… ([\d,]+) characters left out …\]\n/.exec(made.text)![1]!.replaceAll(",", ""));
    expect(left + made.text.replace(/\n\[.*\]\n/, "").length).toBe(50_008);
  });

  it("is well-formed, trimmed, within the limit and stable, whatever was put in", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 300 }),
          fc.array(fc.constantFrom(..."😀a <&>\ud83d\n\u0301b;p/")).map((all) => all.join("")),
        ),
        fc.integer({ min: 1, max: 120 }),
        (text, maxChars) => {
          const made = itemOf({ text }, { text: null, maxChars });
          if (!("text" in made)) return;
          expect(made.text.isWellFormed()).toBe(true);
          expect(made.text.trim()).toBe(made.text);
          expect(made.text.length).toBeLessThanOrEqual(maxChars);
          expect(itemOf({ text }, { text: null, maxChars })).toEqual(made);
        },
      ),
      { seed: 7, numRuns: 2_000 },
    );
  });
});

it("never throws on hostile documents, and gets through large ones", () => {
  let deep: unknown = "bottom";
  for (let level = 0; level < 180; level++) deep = { body: deep };
  const hostile: object[] = [
    { text: deep },
    { messages: [deep, deep] },
    { text: "e\u0301".padEnd(1_000_000, "\u0301") },
    { text: "x".repeat(16_000_000) },
    { messages: Array.from({ length: 50_000 }, (_, at) => ({ role: "user", text: `message ${at}` })) },
    { text: "<p>".repeat(1_000_000) },
    { text: `<p>${"<script>".repeat(200_000)}` },
    { text: `<p>${"<".repeat(1_000_000)}` },
    { text: `<p>x${"<!--".repeat(500_000)}` },
    { text: "&".repeat(1_000_000) },
    { text: `am 1 ${"schrieb ".repeat(30)}\n`.repeat(4_000) },
    { text: `${">".repeat(1_000)}\n`.repeat(1_000) },
    { text: "-".repeat(1_000_000) },
    { text: `${" ".repeat(500_000)}x${" ".repeat(500_000)}` },
    { text: "lone \ud83d surrogate \udc00" },
    { text: "\u202eRTL\u202c 👩‍👩‍👧" },
  ];
  for (const fields of hostile) {
    const made = itemOf(fields);
    if ("text" in made) expect(made.text.length).toBeLessThanOrEqual(24_000);
  }
});
