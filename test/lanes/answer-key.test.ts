import { expect, it } from "vitest";
import { answerKeyOf, sameText } from "../../src/lanes/answer-key.ts";

it("takes texts for the same that differ in case, blanks, forms of quotes and the stops behind words", () => {
  const same = [
    "It's broken, please help.",
    "it’s broken please  help",
    "  IT'S BROKEN;\n please help...",
    "It\u2019s\u00a0broken, please help:",
  ];
  expect(new Set(same.map(sameText))).toEqual(new Set(["it's broken please help"]));
});

it("keeps apart what can mean something else", () => {
  const texts = [
    "order 12",
    "order 13",
    "order 1.5",
    "order 15",
    "cancelled?",
    "cancelled",
    "great!",
    "great",
    "fine :)",
    "fine :(",
  ];
  expect(new Set(texts.map(sameText)).size).toBe(texts.length);
  expect(answerKeyOf("order 12", "a")).not.toBe(answerKeyOf("order 12", "b"));
  expect(answerKeyOf("order 12", "a")).toMatch(/^[\w-]{22}$/);
});
