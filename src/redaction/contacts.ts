import type { Found } from "./kinds.ts";

const LOCAL = String.raw`(?<![\p{L}\p{N}._%+'-])[\p{L}\p{N}_][\p{L}\p{N}._%+'-]{0,127}`;
const LABEL = String.raw`[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,62}[\p{L}\p{N}])?`;
const TLD = String.raw`(?:xn--[a-z0-9-]{2,59}|\p{L}{2,24})(?![\p{L}\p{N}])`;
const AT = String.raw`(?:@|%40|&commat;|&#64;|&#x40;|(?<=[._\d]\p{L}{0,63}) @ |\s?[([{<]\s?(?:at|@)\s?[)\]}>]\s?)`;
const DOT = String.raw`(?:\.|\s?[([{<]\s?(?:dot|\.)\s?[)\]}>]\s?| dot )`;
/** `ann@example.org`, `ann (at) example (dot) org`. */
const EMAIL = new RegExp(`${LOCAL}${AT}(?:${LABEL}${DOT}){1,8}${TLD}`, "giu");
/** `ann @ example.com`: only with a usual ending, and not behind a word as in "bought @ example.com". */
const SPACED_EMAIL = new RegExp(
  String.raw`${LOCAL}(?: @ ?|@ )(?:${LABEL}\.){1,4}(?:com|org|net|edu|gov|info|io|biz|app|dev|\p{L}{2})(?![\p{L}\p{N}]|\.\p{L})`,
  "giu",
);
const NO_LOCAL =
  /^(?:a|an|the|me|us|you|him|her|them|it|i|we|they|is|am|are|was|were|be|been|buy|bought|orders?|ordered|purchased?|paid|pay|get|got|find|found|see|saw|seen|sold|sell|available|check|look|looked|read|visit|shop|shopped|shopping|items?|stuff|products?|prices?|cheaper|account|login|registered|signed|works?|worked|working|up|in|on|off|out|here|there|now|today|yesterday|only|online|site|website|page|store|thanks|thank|hi|hello|hey|dear|follow|from|by|via|to|with|and|or|of|for|like|ich|wir|sie|und|oder|bei|von|auf|mit|nach|gekauft|bestellt|gefunden|gesehen|hier|dort|seite|danke|hallo|con|por|en|chez|sur|avec)$/i;
/** `ann at example dot org`: both in words, or it is a sentence. */
const SPOKEN_EMAIL = new RegExp(
  String.raw`${LOCAL} (?:at|arobase|arroba|chiocciola) (?:${LABEL} (?:dot|point|punto|punkt|ponto) ){1,4}(?:com|org|net|edu|gov|info|io|biz|app|dev|\p{L}{2})(?![\p{L}\p{N}])`,
  "giu",
);
/** `icon@2x.png` is a file. */
const FILE = /\.(?:png|jpe?g|gif|svg|webp|avif|css|js|ts|html?)$/i;

export function findEmails(text: string): Found[] {
  const found: Found[] = [];
  const add = (match: RegExpExecArray): void => {
    if (!FILE.test(match[0]) || !/@\dx\./i.test(match[0]))
      found.push({ kind: "email", start: match.index, end: match.index + match[0].length });
  };
  if (/@|%40|&commat;|&#64;|&#x40;|[([{<]\s?at\s?[)\]}>]/i.test(text))
    for (const match of text.matchAll(EMAIL)) add(match);
  if (/ @|@ /.test(text))
    for (const match of text.matchAll(SPACED_EMAIL))
      if (!NO_LOCAL.test(match[0].slice(0, match[0].indexOf("@")).trim())) add(match);
  if (/ (?:dot|point|punto|punkt|ponto) /i.test(text)) for (const match of text.matchAll(SPOKEN_EMAIL)) add(match);
  return found;
}

const IPV4 = /(?<![\d.\p{L}_-])(?:\d{1,3}\.){3}\d{1,3}(?![\d\p{L}_]|\.\d|-\d)/gu;
const IPV6 =
  /(?<![\p{L}\p{N}:.])(?:[0-9a-f]{1,4}(?=:)|:(?=:))(?:[0-9a-f:]{1,40})(?:\.\d{1,3}){0,3}(?:%[a-z0-9]{1,15})?(?![\p{L}\p{N}])/giu;
/** What is numbered in the same form. */
const NUMBERED =
  /(?:\bv|\/|\b(?:version|ver|release|build|firmware|update|upgrade|upgraded|updated|downgraded|patch|driver|app|sdk|ios|android|section|sect|chapter|clause|paragraph|abschnitt|kapitel|absatz|ziffer|punkt|sección|seção|versión|versão|versione|wersja|версия)|§)[\s.:#=]{0,3}(?:is |to |from |ist |auf |nr\.? ?|no\.? ?)?$/i;

export function findIps(text: string): Found[] {
  const found: Found[] = [];
  for (const match of text.matchAll(IPV4)) {
    const octets = match[0].split(".").map(Number);
    const isAddress = octets.every((octet) => octet <= 255) && octets[0] !== 0 && !/\b0\d/.test(match[0]);
    const before = text.slice(Math.max(0, match.index - 24), match.index);
    if (!isAddress || (NUMBERED.test(before) && !before.endsWith("//"))) continue;
    found.push({ kind: "ip", start: match.index, end: match.index + match[0].length });
  }
  if (text.includes("::") || /:[0-9a-f]{1,4}:/i.test(text))
    for (const match of text.matchAll(IPV6)) {
      const address = match[0].replace(/:$/, "");
      if (isIpv6(address)) found.push({ kind: "ip", start: match.index, end: match.index + address.length });
    }
  return found;
}

/** Eight groups, or fewer with one `::`; an IPv4 address may stand for the last two. */
function isIpv6(address: string): boolean {
  const [plain = ""] = address.split("%");
  const halves = plain.split("::");
  if (halves.length > 2 || !/\d/.test(plain)) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1) ?? "";
  const tail = last.includes(".") ? 2 : 1;
  if (tail === 2 && !last.split(".").every((octet) => octet !== "" && Number(octet) <= 255)) return false;
  const hex = tail === 2 ? groups.slice(0, -1) : groups;
  if (!hex.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  const count = hex.length + (tail === 2 ? 2 : 0);
  // `10::2` and `a1::b` are more often something else; an address names its network.
  const isShort = halves.length === 2 && count < 3 && !/^(?:f[cde]|2|3|64:ff9b|::)/i.test(plain);
  return halves.length === 2 ? count <= 7 && !isShort : count === 8;
}
