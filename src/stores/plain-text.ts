const htmlTag =
  /<(?:!doctype|!--|\/?(?:html|head|body|meta|title|style|script|p|div|br|span|table|tr|td|ul|ol|li|a|b|i|u|strong|em|font|img|h[1-6]|hr|pre|code|center|section|blockquote))(?=[\s/>-])[^<>]*>/i;
const hiddenElements = new Set(["script", "style", "head", "title", "template"]);
const blockElements = new Set(
  "p div br tr table ul ol h1 h2 h3 h4 h5 h6 hr pre section article header footer blockquote center".split(" "),
);
// Names of U+00A0 to U+00FF in order, then others that mail programs write.
const latin1 =
  "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";
const entities = new Map<string, string>([
  ...latin1.split(" ").map((name, at): [string, string] => [name, String.fromCharCode(0xa0 + at)]),
  ...Object.entries({ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " ", shy: "", zwnj: "", euro: "€" }),
  ...Object.entries({ hellip: "…", mdash: "—", ndash: "–", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", bull: "•" }),
]);

// The line above a quoted reply, as mail programs write it: a day, a person, and one of these at the end.
const replyStart = /^(?:on|am|le|el|il|em|op) .*\d/i;
const replyEnds = [" wrote:", " schrieb:", " a écrit :", " a écrit:", " escribió:", " ha scritto:", " escreveu:"];
const replyVerbs = [" schrieb ", " schreef "];
const originalMessage =
  /^-{2,} ?(?:original message|ursprüngliche nachricht|message d'origine|mensaje original) ?-{2,}$/i;
const longestHeader = 300;

/**
 * What a person wrote: HTML without its tags, entities decoded, quoted replies left out, blank lines joined. If
 * nothing but a quotation is there, it stays. Linear in the length; plain text without tags keeps its `<` and `>`.
 */
export function plainText(value: string): string {
  const html = htmlTag.test(value);
  const text = tidied(decoded(html ? withoutTags(value, false) : value));
  if (!html) return withoutQuotedReply(text) || text;
  return withoutQuotedReply(text) || text || tidied(decoded(withoutTags(value, true)));
}

/** One pass over the tags. Text inside `blockquote` is a quoted reply and is left out unless `quotes`. */
function withoutTags(html: string, quotes: boolean): string {
  const out: string[] = [];
  let at = 0;
  let quoteDepth = 0;
  while (at < html.length) {
    const open = html.indexOf("<", at);
    const end = open < 0 ? html.length : open;
    if (quoteDepth === 0 || quotes) out.push(html.slice(at, end).replace(/\s+/g, " "));
    if (open < 0) break;
    if (html.startsWith("<!--", open)) {
      at = after(html, "-->", open);
      continue;
    }
    const name = /[a-z!?/][a-z0-9]*/iy;
    name.lastIndex = html[open + 1] === "/" ? open + 2 : open + 1;
    const tag = name.exec(html)?.[0].toLowerCase();
    const close = tag === undefined ? -1 : html.indexOf(">", open);
    if (tag === undefined || close < 0) {
      // Not a tag, or one that never ends: text. Without any further ">" the rest is text too.
      const textEnd = tag === undefined ? open + 1 : html.length;
      if (quoteDepth === 0 || quotes) out.push(html.slice(open, textEnd));
      at = textEnd;
      continue;
    }
    at = close + 1;
    const closing = html[open + 1] === "/";
    if (tag === "blockquote") quoteDepth = Math.max(0, quoteDepth + (closing ? -1 : 1));
    if (hiddenElements.has(tag) && !closing) at = endOf(html, tag, at);
    else if (tag === "li" && !closing) out.push("\n- ");
    else if (blockElements.has(tag)) out.push("\n");
    else if (tag === "td" || tag === "th") out.push(" ");
  }
  return out.join("");
}

function after(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? text.length : at + mark.length;
}

/** @returns behind the closing tag of a hidden element; the end of the text when there is none */
function endOf(html: string, tag: string, from: number): number {
  const closing = new RegExp(`</${tag}[^<>]*>`, "gi");
  closing.lastIndex = from;
  return closing.exec(html) ? closing.lastIndex : html.length;
}

function decoded(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}\d{0,2}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return entities.get(name) ?? entities.get(name.toLowerCase()) ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code).toWellFormed() : "";
  });
}

function withoutQuotedReply(text: string): string {
  if (!mayQuote(text)) return text;
  const lines = text.split("\n");
  const kept: string[] = [];
  for (const [at, line] of lines.entries()) {
    const short = line.length <= longestHeader ? line.trim() : "";
    if (originalMessage.test(short)) break;
    if (replyStart.test(short) && isReplyHeader(short, (lines[at + 1] ?? "").slice(0, longestHeader).trim())) break;
    if (/^(?:from|von|de):/i.test(short) && isOutlookHeader(lines.slice(at + 1, at + 5))) break;
    if (!line.startsWith(">")) kept.push(line);
  }
  return kept.join("\n").trim();
}

function mayQuote(text: string): boolean {
  return /^>|:[ \t]*$|^-{2,} ?[a-zü]|^(?:from|von|de):/im.test(text);
}

/** The header may be broken over two lines. */
function isReplyHeader(line: string, next: string): boolean {
  return [line, `${line} ${next}`].some(
    (header) =>
      replyEnds.some((end) => header.endsWith(end)) ||
      (header.endsWith(":") && header.includes("@") && replyVerbs.some((verb) => header.includes(verb))),
  );
}

function isOutlookHeader(lines: readonly string[]): boolean {
  return lines.some((line) => /^(?:sent|date|gesendet|datum|envoyé|enviado(?: el)?) ?:/i.test(line.slice(0, 40)));
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
