import type { Found } from "./kinds.ts";

/** Groups of digits with at most one separator between two of them. */
const DIGIT_GROUPS = /(?<![\p{L}\p{N}])\d+(?:[ .-]\d+)*/gu;
const SEPARATOR = /[ .-]/;

/** Lengths by the first digits of the networks: what of 13 to 19 digits can be a card at all. */
const CARDS: readonly (readonly [prefix: RegExp, lengths: readonly number[]])[] = [
  [/^4/, [13, 16, 19]],
  [/^(?:5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720))/, [16]],
  [/^3[47]/, [15]],
  [/^3(?:0[0-5]|[689])/, [14, 16, 19]],
  [/^35(?:2[89]|[3-8])/, [16, 17, 18, 19]],
  [/^(?:6011|64[4-9]|65)/, [16, 17, 18, 19]],
  [/^62/, [16, 17, 18, 19]],
  [/^(?:50|5[6-8]|6[0-9])/, [13, 14, 15, 16, 17, 18, 19]],
  [/^220[0-4]/, [16, 17, 18, 19]],
  [/^(?:8[12]|508|353|356|9792|9860|8600)/, [16]],
];

/** 13 to 19 digits in one piece or in groups, with the prefix and length of a network and a right Luhn digit. */
export function findCards(text: string): Found[] {
  const found: Found[] = [];
  for (const match of text.matchAll(DIGIT_GROUPS)) {
    if (match[0].length < 13) continue;
    const groups = groupsOf(match[0], match.index);
    for (let from = 0; from < groups.length; from += 1) {
      const to = cardEnd(groups, from);
      if (to < 0) continue;
      found.push({ kind: "card", start: groups[from]!.start, end: groups[to]!.end });
      from = to;
    }
  }
  return found;
}

interface Group {
  readonly digits: string;
  readonly start: number;
  readonly end: number;
}

function groupsOf(chain: string, at: number): Group[] {
  const groups: Group[] = [];
  for (let start = 0; start < chain.length; ) {
    let end = start;
    while (end < chain.length && !SEPARATOR.test(chain[end]!)) end += 1;
    groups.push({ digits: chain.slice(start, end), start: at + start, end: at + end });
    start = end + 1;
  }
  return groups;
}

/** The last group of a card that begins with group `from`, the longest one; -1 for none. */
function cardEnd(groups: readonly Group[], from: number): number {
  let digits = "";
  let best = -1;
  for (let at = from; at < groups.length && digits.length < 19; at += 1) {
    const { digits: more } = groups[at]!;
    // Ones and twos in a row are a list of numbers.
    if (at > from && more.length < 2 && groups[at + 1] !== undefined) break;
    digits += more;
    if (digits.length >= 13 && digits.length <= 19 && isCard(digits)) best = at;
  }
  return best;
}

function isCard(digits: string): boolean {
  if (/^(\d)\1+$/.test(digits)) return false;
  return CARDS.some(([prefix, lengths]) => lengths.includes(digits.length) && prefix.test(digits)) && hasLuhn(digits);
}

function hasLuhn(digits: string): boolean {
  let sum = 0;
  for (let at = digits.length - 1, double = false; at >= 0; at -= 1, double = !double) {
    const value = digits.charCodeAt(at) - 48;
    sum += double ? (value > 4 ? value * 2 - 9 : value * 2) : value;
  }
  return sum % 10 === 0;
}

/** Length of an IBAN by its country. */
const IBAN_LENGTHS: Readonly<Record<string, number>> = Object.fromEntries(
  (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 " +
    "FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 " +
    "LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 " +
    "RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
  )
    .split(" ")
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);
const IBAN_START = /(?<![\p{L}\p{N}])([a-z]{2})\s?\d{2}(?=[ -]?[a-z0-9])/giu;

/** Country, length and check digits right, in one piece or with blanks and dashes. */
export function findIbans(text: string): Found[] {
  const found: Found[] = [];
  for (const match of text.matchAll(IBAN_START)) {
    const length = IBAN_LENGTHS[match[1]!.toUpperCase()];
    if (length === undefined) continue;
    let iban = "";
    let end = match.index;
    for (; end < text.length && iban.length < length; end += 1) {
      const sign = text[end]!;
      if (/[a-z0-9]/i.test(sign)) iban += sign.toUpperCase();
      else if (!/[ -]/.test(sign) || / {2}|-{2}/.test(text.slice(end - 1, end + 1))) break;
    }
    if (iban.length === length && !/^[\p{L}\p{N}]/u.test(text.slice(end, end + 2)) && isRest1(iban))
      found.push({ kind: "iban", start: match.index, end });
  }
  return found;
}

/** ISO 13616: rearranged, letters as numbers, the rest of the division by 97 is 1. */
function isRest1(iban: string): boolean {
  let rest = 0;
  for (const sign of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(sign, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** By the rules of the US: no area 000, 666 or 9xx, no group 00, no serial 0000. */
const SSN = /(?<![\p{L}\p{N}_]|\d[.,-])(?!000|666|9)\d{3}([- .])(?!00)\d{2}\1(?!0000)\d{4}(?![\p{L}\p{N}_]|[.,-]\d)/gu;
const NAMED_SSN =
  /(?:\bssn|\bsocial(?: security)?(?: (?:number|no|num|nr)\b\.?)?|\bsoc sec)[^\d\n]{0,20}((?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4})(?!\d)/giu;

export function findSsns(text: string): Found[] {
  const found: Found[] = [...text.matchAll(SSN)].map((match) => ({
    kind: "ssn",
    start: match.index,
    end: match.index + match[0].length,
  }));
  for (const match of text.matchAll(NAMED_SSN)) {
    const end = match.index + match[0].length;
    found.push({ kind: "ssn", start: end - match[1]!.length, end });
  }
  return found;
}
