import { describe, expect, it } from "vitest";
import { DEMO_DOCUMENTS } from "../../src/cli/demo-queries.ts";
import { keyOf } from "../../src/item.ts";
import type { SourceDocument } from "../../src/store.ts";
import { makeItem } from "../../src/stores/mapping.ts";

const FIELDS = ["text", "query", "message", "body", "description"];

/** Words or letters that hardly occur in texts of the others. */
const LANGUAGES: Readonly<Record<string, RegExp>> = {
  English: /\b(the|my|your|please|where)\b/i,
  German: /\b(nicht|ich|bitte|mein|keine)\b/i,
  French: /\b(mon|je|où|votre|sur)\b/i,
  Spanish: /(¿|¡|\b(quiero|puedo|cuenta)\b)/i,
  Italian: /\b(grazie|il mio|trovo|questo|pacco)\b/i,
  Portuguese: /(não|meu pedido|quero cancelar|obrigada)/i,
  Dutch: /\b(mijn|ik|het|alleen een wit|een geweldige)\b/i,
  Polish: /\b(gdzie|proszę|czy|nie działa)\b/i,
  Turkish: /\b(siparişimi|kargom|istiyorum|teşekkürler)/i,
  Arabic: /\p{Script=Arabic}/u,
  Hindi: /\p{Script=Devanagari}/u,
  Japanese: /\p{Script=Hiragana}/u,
  Chinese: /^(?=.*\p{Script=Han})(?!.*[\p{Script=Hiragana}\p{Script=Katakana}])/su,
};

describe("the demo's documents", () => {
  it("are about 300, each with an id of its own", () => {
    expect(DEMO_DOCUMENTS.length).toBeGreaterThanOrEqual(280);
    expect(DEMO_DOCUMENTS.length).toBeLessThanOrEqual(330);
    expect(new Set(DEMO_DOCUMENTS.map(({ _id }) => keyOf(_id))).size).toBe(DEMO_DOCUMENTS.length);
  });

  it("have ids of more than one BSON type, mostly strings", () => {
    const numbers = DEMO_DOCUMENTS.filter(({ _id }) => typeof _id === "number").length;
    const strings = DEMO_DOCUMENTS.filter(({ _id }) => typeof _id === "string").length;
    expect(numbers + strings).toBe(DEMO_DOCUMENTS.length);
    expect(numbers).toBeGreaterThan(10);
    expect(strings).toBeGreaterThan(numbers * 5);
  });

  it.each(Object.entries(LANGUAGES))("speak %s at least four times", (_language, cue) => {
    expect(DEMO_DOCUMENTS.filter((document) => cue.test(textOf(document))).length).toBeGreaterThanOrEqual(4);
  });

  it("are conversations in about a tenth, with customer and agent", () => {
    const chats = DEMO_DOCUMENTS.filter(({ messages }) => Array.isArray(messages));
    expect(chats.length / DEMO_DOCUMENTS.length).toBeGreaterThan(0.07);
    expect(chats.length / DEMO_DOCUMENTS.length).toBeLessThan(0.15);
    for (const { messages } of chats) {
      const turns = messages as readonly { role: string; text: string }[];
      expect(new Set(turns.map(({ role }) => role))).toEqual(new Set(["customer", "agent"]));
      expect(turns.every(({ text }) => text.trim().length > 0)).toBe(true);
    }
  });

  it("lack text in exactly four, once each: empty, null, blank, a number", () => {
    const without = DEMO_DOCUMENTS.filter((document) => textOf(document).trim() === "");
    expect(without.map(({ text, body }) => text ?? body ?? null)).toHaveLength(4);
    expect(without.map(({ text, body }) => text ?? body ?? null)).toEqual(
      expect.arrayContaining(["", null, " \n\t ", 5531]),
    );
  });

  it("become items by the default text mapping, but for those four, without the quoted reply and the private note", () => {
    const made = DEMO_DOCUMENTS.map((document) => makeItem(document, { text: null, maxChars: 24_000 }));
    const texts = made.flatMap((item) => ("text" in item ? [item.text] : []));
    expect(texts).toHaveLength(DEMO_DOCUMENTS.length - 4);
    expect(texts.filter((text) => /replacement key did/.test(text))).toHaveLength(1);
    expect(texts.filter((text) => /here is a replacement key|Internal: third/.test(text))).toEqual([]);
  });

  it("hold markup, quoted replies, a private note, injections, terminal codes and bidi controls", () => {
    const count = (pattern: RegExp) =>
      DEMO_DOCUMENTS.filter((document) => pattern.test(JSON.stringify(document))).length;
    expect(count(/<blockquote>/)).toBe(1);
    expect(count(/\\n> /)).toBe(1);
    expect(count(/"public":false/)).toBe(1);
    expect(count(/ignore previous instructions|SYSTEM MESSAGE|\{\\"category\\"|<script>/i)).toBe(4);
    expect(count(/\\u001b/)).toBe(1);
    expect(count(/\u202e/)).toBe(1);
  });

  it("range from one word to long rants", () => {
    const lengths = DEMO_DOCUMENTS.map((document) => textOf(document).length).filter((length) => length > 0);
    expect(Math.min(...lengths)).toBeLessThan(5);
    expect(Math.max(...lengths)).toBeGreaterThan(1_500);
  });

  it("name no mail domain but the reserved ones, and no phone number", () => {
    for (const document of DEMO_DOCUMENTS) {
      const json = JSON.stringify(document);
      for (const [, domain] of json.matchAll(/[\w.]@([\w.-]+)/g)) expect(domain).toMatch(/^example\.(com|org)\.?$/);
      for (const [, domain] of json.matchAll(/https?:\/\/([\w.-]+)/g)) expect(domain).toMatch(/^example\.(com|org)$/);
      expect(json).not.toMatch(/(\+|\b00)\d[\d ]{8,}/);
    }
  });

  it("are dated without a clock, in the order they came in", () => {
    const dates = DEMO_DOCUMENTS.map(({ createdAt }) => String(createdAt));
    expect(dates[0]).toMatch(/^2026-10-05T/);
    expect(dates).toEqual([...dates].sort());
  });

  it("mix kinds and languages: no stretch of forty is without a foreign script or a conversation", () => {
    for (let start = 0; start + 40 <= DEMO_DOCUMENTS.length; start += 1) {
      const stretch = DEMO_DOCUMENTS.slice(start, start + 40);
      expect(stretch.some(({ messages }) => messages !== undefined)).toBe(true);
      expect(stretch.some((document) => /[^\p{Script=Latin}\p{Script=Common}]/u.test(textOf(document)))).toBe(true);
    }
  });
});

/** All that a customer or agent wrote, subject included. */
function textOf(document: SourceDocument): string {
  const { subject, messages, comments } = document;
  const turns = [messages, comments].flat() as readonly { text?: string; body?: string }[];
  return [subject, ...FIELDS.map((field) => document[field]), ...turns.map((turn) => turn?.text ?? turn?.body)]
    .filter((text) => typeof text === "string")
    .join("\n");
}
