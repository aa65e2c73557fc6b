import { hash } from "node:crypto";

/** Blanks, quotes and dashes in the forms that keyboards and mail programs choose. */
const QUOTES = /[‘’‚‛′`´]/g;
const DOUBLE_QUOTES = /[“”„‟″«»]/g;
const DASHES = /[‐‑‒–—―−]/g;
/** Full stops and commas that end a word: not those in 1.5, and not `:)`. */
const STOPS = /[.,;:]+(?=\s|$)/g;
/** Blanks that are not one space. */
const UNEVEN = /[^\S ]| {2}/;
const PLAIN = /^[\x20-\x7e\s]*$/;

/**
 * What counts as the same text: case, blanks, forms of quotes and dashes, and the stops behind words do not matter. Digits,
 * `!`, `?` and everything else do: an order number or an outcry is another text.
 */
export function sameText(text: string): string {
  const plain = PLAIN.test(text)
    ? text
    : text.normalize("NFKC").replace(QUOTES, "'").replace(DOUBLE_QUOTES, '"').replace(DASHES, "-");
  const lower = plain.toLowerCase().replace(STOPS, "").trim();
  return UNEVEN.test(lower) ? lower.replace(/\s+/g, " ") : lower;
}

/** @returns the key of a text's answer: 22 letters and digits from which the text cannot be had back */
export function answerKeyOf(text: string, question: string): string {
  return hash("sha256", `${question}\n${sameText(text)}`, "base64url").slice(0, 22);
}
