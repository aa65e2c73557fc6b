import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { REDACTION_KINDS } from "../../src/redaction/kinds.ts";
import { findSecrets, maskAgain, redact, restore } from "../../src/redaction/redactor.ts";
import { CLEAN, WITH_SECRETS } from "./fresh-strings.ts";
import { judge } from "./judge.ts";

const all = (text: string) => redact(text, REDACTION_KINDS);

describe("the redactor", () => {
  it("masks at least what it masked of fresh strings, and alters no more look-alikes", () => {
    const { byKind, cleanAltered, misses, alarms } = judge(
      (text) => findSecrets(text, REDACTION_KINDS),
      WITH_SECRETS,
      CLEAN,
    );
    expect(misses).toEqual([]);
    expect(Object.values(byKind).reduce((sum, { secrets }) => sum + secrets, 0)).toBe(154);
    expect(cleanAltered, alarms.join("\n")).toBeLessThanOrEqual(2);
  });

  it("gives the same value the same placeholder, however it is written, and counts places", () => {
    const { text, counts, values } = all(
      "4111 1111 1111 1111, 4111-1111-1111-1111; A@example.org a@example.org b@example.org",
    );
    expect(text).toBe("[CARD_1], [CARD_1]; [EMAIL_1] [EMAIL_1] [EMAIL_2]");
    expect(counts).toEqual({ card: 2, email: 3 });
    expect(values.get("[EMAIL_2]")).toBe("b@example.org");
  });

  it("covers all that was found where two finds overlap", () => {
    expect(all("+49 30 1234567 203.0.113.9").text).toBe("[PHONE_1] [IP_1]");
    expect(all("https://u:a@example.org@host").text).not.toMatch(/example/);
    expect(all("password: 4111111111111111x").text).not.toMatch(/\d{4}/);
  });

  it.each([
    ["card 4242 4242\n4242 4242 was charged", "card [CARD_1] was charged"],
    ["> card 4242 4242 \r\n> 4242 4242 was charged", "> card [CARD_1] was charged"],
    ["DE89 3704 0044\n0532 0130 00", "[IBAN_1]"],
    ["an DE89 3704 0044\n> > 0532 0130 00.", "an [IBAN_1]."],
    ["write to ann@\nexample.com", "write to [EMAIL_1]"],
    ["write to ann\n@example.com or ann@example.com", "write to [EMAIL_1] or [EMAIL_1]"],
    ["ann @ example.com, ann&commat;example.com, ann&#64;example.com", "[EMAIL_1], [EMAIL_1], [EMAIL_1]"],
    ["SSN 536 22\n7726", "SSN [SSN_1]"],
    ["SSN 536-\n22-7726", "SSN [SSN_1]"],
    ["(415)\n555-2671", "[PHONE_1]"],
    ["+49 151 234\n56789 bitte", "[PHONE_1] bitte"],
    ["06 12 34\n56 78 merci", "[PHONE_1] merci"],
    ["+49 30 123456\n+49 30 654321", "[PHONE_1]\n[PHONE_2]"],
    ["030 123456\n030 654321", "[PHONE_1]\n[PHONE_2]"],
    ["4111 1111 1111 1111\n4242 4242 4242 4242", "[CARD_1]\n[CARD_2]"],
  ])("masks what goes on in the next line: %j", (text, masked) => {
    expect(all(text).text).toBe(masked);
  });

  it.each([
    "4242 4242\n\n4242 4242",
    "I have 3\n4 and 5\nof them",
    "bought @ example.com, thanks\n@example.com",
    "+49 30 1234567\n10115 Berlin",
    "+49 30 123456\n2024 bought",
    "ordered on 12.05.\n2024 and 03.06.\n2024",
    "612\n345\n678",
    "Order 112-4829391\n2209834 and invoice 2024-0317\n5582",
  ])("takes no lines together that say two things: %j", (text) => {
    expect(all(text).text).toBe(text.replace(/\+49 30 \d+/, "[PHONE_1]"));
  });

  it("masks only the kinds it is told to", () => {
    expect(redact("a@example.org, +49 30 1234567", ["phone"]).text).toBe("a@example.org, [PHONE_1]");
    expect(redact("192.0.2.100 and 4111 1111 1111 1111", ["phone"]).text).toBe("192.0.2.100 and 4111 1111 1111 1111");
    expect(redact("a@example.org", [])).toEqual({ text: "a@example.org", counts: {}, values: new Map() });
  });

  it("puts back what it took out, and leaves placeholders that a customer wrote", () => {
    const text = "[EMAIL_1] is what I got, from a@example.org";
    const { text: masked, values } = all(text);
    expect(masked).toBe("[EMAIL_1] is what I got, from [EMAIL_2]");
    expect(restore(masked, values)).toBe(text);
    expect(restore("about [EMAIL_2] and [CARD_7]", values)).toBe("about a@example.org and [CARD_7]");
    expect(maskAgain("about a@example.org", values)).toBe("about [EMAIL_2]");
  });

  it("restores any text whose values were written in one way, and never leaves one of a kind that it knows", () => {
    const part = fc.oneof(
      fc.constantFrom(
        "a@example.org",
        "4012888888881881",
        "DE89370400440532013000",
        "+49 30 1234567",
        "203.0.113.9",
        "x",
      ),
      fc.string({ maxLength: 12 }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const text = parts.join(" ");
        const { text: masked, values } = all(text);
        const again = restore(masked, values);
        // Two ways to write one value come back as the first of them.
        expect(again.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "")).toBe(
          text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, ""),
        );
        expect(all(masked).counts).toEqual({});
      }),
      { numRuns: 300 },
    );
  });

  it("takes time that grows with the text alone, on 16 MB made to be slow", () => {
    // What grew with the square of the length would not end within the time of a test.
    const hostile = [
      "0 1",
      "DE89 ",
      "a@a.",
      "tel 1",
      "-----BEGIN PRIVATE KEY-----",
      "password: a:",
      "1.1.1.1.",
      "(((+1",
      "::1:",
      "4242\n> ",
      "a@\na.",
      "a @ ",
      "0\n1",
    ];
    for (const seed of hostile) {
      const text = seed.repeat(Math.ceil((16 * 1024 * 1024) / hostile.length / seed.length));
      expect(all(text).text.length).toBeGreaterThan(0);
    }
    expect(all("1".repeat(16 * 1024 * 1024)).counts).toEqual({});
  });
});
