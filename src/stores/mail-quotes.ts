// The line above a quoted reply, as mail programs write it: a day, a person, and one of these at the end.
const replyStart = /^(?:on|am|le|el|il|em|op) .*\d/i;
const replyEnds = [" wrote:", " schrieb:", " a écrit :", " a écrit:", " escribió:", " ha scritto:", " escreveu:"];
/** In the middle of the line, with an address, a time or a year beside them. */
const replyVerbs = [" schrieb ", " schreef ", " wrote on ", " wrote at "];
const whenOrWho = /@|\d{1,2}[:.]\d{2}\b|\b(?:19|20)\d{2}\b/;
const originalMessage =
  /^-{2,} ?(?:original message|original appointment|reply above this line|ursprüngliche nachricht|originalnachricht|message d'origine|mensaje original) ?-{2,}$/i;
const replyAboveThisLine = /^#{2,}-?\s.{0,160}(?:above this line|über dieser zeile|oberhalb dieser linie).{0,40}$/i;
const forwarded =
  /^(?:-{2,} ?(?:forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado)|begin forwarded message:|anfang der weitergeleiteten nachricht:)/i;
const sender = /^\*{0,2}(?:from|von|de) ?:/i;
const subject = /^\*{0,2}(?:subject|betreff|objet|asunto|oggetto|onderwerp) ?:/i;
const sent = /^\*{0,2}(?:sent|date|gesendet|datum|envoyé|enviado(?: el)?) ?:/i;
const longestHeader = 300;

// One line at the very end, as phones and mail programs add it.
const device =
  /^(?:sent (?:from|with|via) (?:my |the )?[\p{L}\d][\p{L}\d .&'-]{1,40}|get outlook for (?:ios|android|mac)\b.{0,60}|(?:von meinem|von mein?er) [\p{L}\d .-]{2,30} gesendet|diese nachricht wurde von mein\w{1,3} [\p{L}\d .,-]{2,60} gesendet|gesendet (?:von|mit|über|aus) (?:meinem |meiner |der |dem )?[\p{L}\d][\p{L}\d .&'-]{1,50}|outlook für (?:ios|android) (?:beziehen|herunterladen)\b.{0,60}|(?:holen|laden) sie sich outlook für .{2,60}|envoyé (?:de|depuis) mon [\p{L}\d .-]{2,30}|enviado (?:desde|do|de) (?:mi|meu) [\p{L}\d .-]{2,30}|inviato da(?:l mio)? [\p{L}\d .-]{2,30}|verzonden vanaf mijn [\p{L}\d .-]{2,30})[.!]?(?: ?<?https?:\/\/\S{1,200}>?)?$/iu;
const devices =
  /iphone|ipad|android|samsung|galaxy|huawei|xiaomi|pixel|blackberry|phone|handy|smartphone|tablet|outlook|mail|windows|yahoo|gmail|gmx|web\.de|proton|mobile|mobil|device|gerät|thunderbird|\bapp\b/i;
const separator = /^(?:[-_=*~–—]{2,}|\*)$/;
const signOff =
  /^(?:(?:with |mit )?(?:best|kind(?:est)?|warm(?:est)?|many thanks and kind|thanks and best|thanks and kind) regards|regards|best wishes|(?:yours )?(?:sincerely|faithfully|truly)(?: yours)?|all the best|cheers|mit (?:freundlichen|freundlichem|besten|herzlichen|lieben|vielen) (?:grüßen|grüssen|gruß|gruss|grüße)|(?:freundliche|herzliche|beste|viele|liebe|schöne) (?:grüße|grüsse)(?: aus [\p{L} -]{2,30})?|(?:freundlicher |lieber |schöner )?(?:gruß|gruss)|hochachtungsvoll|mfg|lg|vg|cordialement|saludos(?: cordiales)?|cordiali saluti|met vriendelijke groet(?:en)?)[\s,.!]*$/iu;
const speaker = /^(?:customer|agent|user|client|support|assistant|visitor|bot|kunde|kundin|mitarbeiter(?:in)?) ?:/i;
const longestSignature = { lines: 40, characters: 3_000 };
/** Behind a sign-off without a delimiter: names, titles, addresses. */
const contactLines = { lines: 10, characters: 80 };

/**
 * The text of a mail without what a mail program put below or between: quoted replies, the delimiter `-- ` with the
 * signature behind it, "Sent from my iPhone", names and addresses behind "Best regards". What was forwarded stays.
 * Linear in the length. @returns empty when nothing else is there
 */
export function withoutQuotes(text: string): string {
  const own = mayQuote(text) ? withoutQuotedReply(text) : text;
  return withoutSignature(own);
}

function mayQuote(text: string): boolean {
  return /^>|:[ \t]*$|^-{2,} ?[a-zü]|^\*{0,2}(?:from|von|de) ?:|^##/im.test(text);
}

function withoutQuotedReply(text: string): string {
  const lines = text.split("\n");
  const kept: string[] = [];
  let isForwarded = false;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const short = line.length <= longestHeader ? line.trim() : "";
    if (forwarded.test(short)) isForwarded = true;
    if (originalMessage.test(short) || replyAboveThisLine.test(short)) break;
    const header = headerLines(short, lines[at + 1]);
    if (header > 0) {
      // Answered below or between the quotation: only the quotation goes.
      if (!nextText(lines, at + header)?.startsWith(">")) break;
      at += header - 1;
      continue;
    }
    if (!isForwarded && isBlockHeader(short, lines, at)) break;
    if (!line.startsWith(">")) kept.push(line);
  }
  return kept.join("\n").trim();
}

/** @returns of how many lines the header above a quoted reply is that begins here; 0 for none */
function headerLines(line: string, following: string | undefined): number {
  if (line === "") return 0;
  if (isReplyHeader(line)) return 1;
  const next = (following ?? "").slice(0, longestHeader).trim();
  return replyStart.test(line) && next !== "" && isReplyHeader(`${line} ${next}`) ? 2 : 0;
}

function isReplyHeader(line: string): boolean {
  if (!line.endsWith(":")) return false;
  if (replyStart.test(line) && replyEnds.some((end) => line.endsWith(end))) return true;
  return whenOrWho.test(line) && /\d/.test(line) && replyVerbs.some((verb) => line.includes(verb));
}

/** `From: … Sent: … To: … Subject: …`, in either order of the first two. */
function isBlockHeader(line: string, lines: readonly string[], at: number): boolean {
  const other = sender.test(line) ? sent : sent.test(line) ? sender : null;
  if (other === null) return false;
  const next = lines.slice(at + 1, at + 8).map((following) => following.slice(0, 40));
  return next.slice(0, 4).some((one) => other.test(one)) && next.some((one) => subject.test(one));
}

/** The next line that is not empty. Texts are tidied: at most one empty line lies between. */
function nextText(lines: readonly string[], from: number): string | undefined {
  return lines.slice(from, from + 3).find((line) => line.trim() !== "");
}

/** Looks at the lines from the end, as far as a signature can reach. */
function withoutSignature(text: string): string {
  const below: string[] = [];
  let cut = text.length;
  let end = text.length;
  for (let seen = 0; seen < longestSignature.lines && text.length - end < longestSignature.characters; seen++) {
    const start = text.lastIndexOf("\n", end - 1) + 1;
    const line = text.slice(start, Math.min(end, start + longestHeader)).trim();
    const isLast = cut === end;
    const isFiller = isLast && (line === "" || separator.test(line) || isDeviceLine(line));
    if (isFiller || beginsSignature(line, below)) cut = Math.max(0, start - 1);
    else if (line !== "") below.push(line);
    if (start === 0) break;
    end = start - 1;
  }
  return text.slice(0, cut).trim();
}

function beginsSignature(line: string, below: readonly string[]): boolean {
  if (line === "--") return !below.some((one) => speaker.test(one));
  if (below.length === 0 || below.length > contactLines.lines || !signOff.test(line)) return false;
  return below.every(isContactLine);
}

function isDeviceLine(line: string): boolean {
  return line.length <= 140 && device.test(line) && devices.test(line);
}

function isContactLine(line: string): boolean {
  if (line.length > contactLines.characters || speaker.test(line) || /\?|^p\.? ?s\b/i.test(line)) return false;
  return !(/[.!]$/.test(line) && line.split(" ").length > 4);
}
