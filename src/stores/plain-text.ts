import { decoded, isHtml, withoutTags } from "./html-text.ts";
import { withoutQuotes } from "./mail-quotes.ts";

/**
 * What a person wrote: HTML without its tags, entities decoded, quoted replies and signatures left out, blank lines
 * joined. If nothing but a quotation is there, it stays. Linear in the length; plain text without tags keeps its `<`
 * and `>`.
 */
export function plainText(value: string): string {
  const html = isHtml(value);
  const text = tidied(decoded(html ? withoutTags(value, false) : value));
  const own = withoutQuotes(text) || text;
  return own !== "" || !html ? own : tidied(decoded(withoutTags(value, true)));
}

function tidied(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}
