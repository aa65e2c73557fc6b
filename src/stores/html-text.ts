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

// Elements in which mail programs put what was said before, or a signature. The line "On … wrote:" has one of its own.
const quoteNames =
  /\b(?:gmail_quote|gmail_attr|gmail_extra|gmail_signature|yahoo_quoted|moz-cite-prefix|moz-signature|freshdesk_quote|zendesk_quote|front-blockquote|front-signature|protonmail_quote|protonmail_signature_block|tutanota_quote|zmail_extra|outlookmessageheader|ms-outlook-mobile-signature|quoted-text)\b/i;
// Everything behind these is the quotation: Outlook puts it beside them, not into them.
const quoteBegins = /\b(?:divrplyfwdmsg|appendonsend|mail-editor-reference-message-container|stopspelling)\b/i;
const forwarded = /forwarded message|weitergeleitete nachricht/i;
const voidElements = new Set("area base br col embed hr img input link meta source track wbr".split(" "));
const longestTag = 1_000;

/** True when a text has tags of HTML, not just `<` and `>` that a person wrote. */
export function isHtml(value: string): boolean {
  return htmlTag.test(value);
}

/** True when it has an element in which mail programs put quoted replies. */
export function hasQuoteElements(html: string): boolean {
  return /<blockquote/i.test(html) || quoteNames.test(html) || quoteBegins.test(html);
}

/** One pass over the tags. Quoted replies and signatures in elements of their own are left out unless `quotes`. Linear in the length. */
export function withoutTags(html: string, quotes: boolean): string {
  const out: string[] = [];
  let at = 0;
  /** The element that is being left out, and how many of its name are open inside it. */
  let quote: { readonly name: string; depth: number } | null = null;
  while (at < html.length) {
    const open = html.indexOf("<", at);
    const end = open < 0 ? html.length : open;
    if (quote === null) out.push(html.slice(at, end).replace(/\s+/g, " "));
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
      if (quote === null) out.push(html.slice(open, textEnd));
      at = textEnd;
      continue;
    }
    at = close + 1;
    const closing = html[open + 1] === "/";
    if (quote !== null) {
      if (tag === quote.name) quote.depth += closing ? -1 : 1;
      if (quote.depth === 0) quote = null;
    } else if (!quotes && !closing && !voidElements.has(tag)) {
      const kind = quoteKind(html, open, close, tag);
      if (kind === "rest") break;
      if (kind === "element") quote = { name: tag, depth: 1 };
    }
    if (hiddenElements.has(tag) && !closing) at = endOf(html, tag, at);
    else if (quote !== null) continue;
    else if (tag === "li" && !closing) out.push("\n- ");
    else if (blockElements.has(tag)) out.push("\n");
    else if (tag === "td" || tag === "th") out.push(" ");
  }
  return out.join("");
}

/** What a tag opens: an element to leave out, one behind which the whole rest is quoted, or nothing of these. */
function quoteKind(html: string, open: number, close: number, tag: string): "element" | "rest" | null {
  const text = html.slice(open, Math.min(close, open + longestTag));
  if (quoteBegins.test(text)) return "rest";
  if (tag !== "blockquote" && !quoteNames.test(text)) return null;
  // Gmail forwards in the element in which it quotes: what was forwarded is what the mail is about.
  return forwarded.test(html.slice(close, close + longestTag)) ? null : "element";
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

/** @returns the text with entities such as `&amp;` and `&#8364;` resolved */
export function decoded(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}\d{0,2}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return entities.get(name) ?? entities.get(name.toLowerCase()) ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code).toWellFormed() : "";
  });
}
