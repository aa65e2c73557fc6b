import { describe, expect, it } from "vitest";
import { keyOf } from "../../src/item.ts";
import { NO_REDACTION, REDACTION_KINDS, type Redactor } from "../../src/redaction/kinds.ts";
import { Privacy } from "../../src/redaction/privacy.ts";
import type { SourceDocument } from "../../src/store.ts";
import { makeItem } from "../../src/stores/mapping.ts";

const ALL = { ...NO_REDACTION, kinds: REDACTION_KINDS };
const mapping = { text: null, maxChars: 24_000 };
const read = (document: SourceDocument, redactor: Redactor | null = null, maxChars = 24_000) =>
  makeItem(document, { ...mapping, maxChars }, Privacy.of(ALL, redactor));

describe("items of masked texts", () => {
  it("have the hash of what is sent, so that two customers who say the same are the same", () => {
    const [ann, bob] = ["ann@example.org", "bob@example.com"].map((mail, _id) => read({ _id, text: `I am ${mail}` }));
    expect(ann).toMatchObject({ key: keyOf(0), text: "I am [EMAIL_1]", redacted: { email: 1 } });
    expect(bob).toMatchObject({ text: "I am [EMAIL_1]", contentHash: (ann as { contentHash: string }).contentHash });
    expect(JSON.stringify([ann, bob])).not.toContain("@");
    expect(read({ _id: 1, text: "nothing here" })).toMatchObject({ redacted: {} });
    expect(makeItem({ _id: 1, text: "a@example.org" }, mapping)).not.toHaveProperty("redacted");
  });

  it("are not cut within a secret, which would not be known any more", () => {
    for (let before = 100; before < 140; before += 1) {
      const text = `${"x ".repeat(before)}4111 1111 1111 1111 ${"y ".repeat(300)}DE89 3704 0044 0532 0130 00 ${"z ".repeat(before - 60)}`;
      const item = read({ _id: 1, text }, null, 400) as { text: string };
      expect(item.text.length).toBeLessThanOrEqual(400);
      expect(item.text).not.toMatch(/\d{4} ?\d|DE89|0130/);
    }
  });

  it("go through the program's own redactor last; one that fails, or brings no text, keeps the item here", () => {
    expect(read({ _id: 1, text: "Ann Lee, a@example.org" }, (text) => text.replace("Ann Lee", "[NAME]"))).toMatchObject(
      {
        text: "[NAME], [EMAIL_1]",
      },
    );
    const wrong: Redactor[] = [
      () => {
        throw new Error("Ann Lee");
      },
      () => undefined as never,
      (async () => "later") as never,
      () => "  ",
    ];
    for (const redactor of wrong)
      expect(read({ _id: 1, text: "Ann Lee" }, redactor)).toEqual({ key: keyOf(1), reason: "redaction failed" });
  });
});
