import fc from "fast-check";
import { expect, test } from "vitest";
import { makeRedactor, secretsOfUri, withoutPassword } from "../src/redact.ts";

test("takes user and password out of every URI", () => {
  expect(withoutPassword("to mongodb+srv://me:p@ss/w:rd@h1,h2/db?x=1 and https://k@h/v1")).toBe(
    "to mongodb+srv://h1,h2/db?x=1 and https://h/v1",
  );
});

test("knows the password of a URI as written and decoded", () => {
  expect(secretsOfUri("mongodb://me:p%40ss@h/db")).toEqual(["p%40ss", "p@ss"]);
  expect(secretsOfUri("mongodb://h/db")).toEqual([]);
});

test("takes out what looks like a key, though it was not told", () => {
  const redact = makeRedactor([]);
  expect(redact('{"authorization":"Bearer abcdef123456"}')).not.toContain("abcdef123456");
  expect(redact("Incorrect API key: sk-proj-0123456789abcdef")).not.toContain("0123456789");
});

test("no secret survives, plain, percent-encoded or escaped in JSON", () => {
  const secret = fc
    .string({ minLength: 4, maxLength: 40, unit: "grapheme-ascii" })
    .filter((text) => /[^*]{4}/.test(text));
  fc.assert(
    fc.property(secret, (text) => {
      const redact = makeRedactor([text]);
      for (const form of [text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1)])
        expect(redact(`< ${form} >`)).not.toContain(text);
    }),
    { seed: 7, numRuns: 300 },
  );
});
