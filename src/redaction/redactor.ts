import { findEmails, findIps } from "./contacts.ts";
import { findKeys } from "./keys.ts";
import { type Found, REDACTION_KINDS, type RedactionCounts, type RedactionKind } from "./kinds.ts";
import { findCards, findIbans, findSsns } from "./numbers.ts";
import { findPhones } from "./phones.ts";
import { findWrapped } from "./wrapped.ts";

/** A text without its secrets. */
export interface Redacted {
  readonly text: string;
  readonly counts: RedactionCounts;
  /** What stands behind each placeholder: `[EMAIL_1]` → `ann@example.org`. For memory only. */
  readonly values: ReadonlyMap<string, string>;
}

const FINDERS: Readonly<Record<RedactionKind, (text: string) => Found[]>> = {
  key: findKeys,
  email: findEmails,
  iban: findIbans,
  card: findCards,
  ssn: findSsns,
  ip: findIps,
  phone: findPhones,
};

const NOTHING: Omit<Redacted, "text"> = { counts: {}, values: new Map() };

/**
 * Masks what it finds of these kinds by placeholders: `[EMAIL_1]`, `[CARD_1]`, …; the same value gets the same one. Time
 * grows linearly with the text, whatever it holds.
 */
export function redact(text: string, kinds: readonly RedactionKind[]): Redacted {
  const found = findSecrets(text, kinds);
  if (found.length === 0) return { text, ...NOTHING };
  const taken = new Set(text.match(PLACEHOLDER) ?? []);
  const names = new Map<string, string>();
  const values = new Map<string, string>();
  const last: Partial<Record<RedactionKind, number>> = {};
  const counts: Partial<Record<RedactionKind, number>> = {};
  const parts: string[] = [];
  let from = 0;
  for (const { kind, start, end } of found) {
    const value = text.slice(start, end);
    const same = `${kind} ${sameness(kind, value)}`;
    let name = names.get(same);
    if (name === undefined) {
      do {
        last[kind] = (last[kind] ?? 0) + 1;
        name = `[${kind.toUpperCase()}_${last[kind]}]`;
        // The text may hold one of its own, which is not ours to put back.
      } while (taken.has(name));
      names.set(same, name);
      values.set(name, value);
    }
    counts[kind] = (counts[kind] ?? 0) + 1;
    parts.push(text.slice(from, start), name);
    from = end;
  }
  parts.push(text.slice(from));
  return { text: parts.join(""), counts, values };
}

const PLACEHOLDER = /\[(?:KEY|EMAIL|IBAN|CARD|SSN|IP|PHONE)_\d{1,9}\]/g;

/** Puts back what stands behind placeholders; those that are not known stay. */
export function restore(text: string, values: ReadonlyMap<string, string>): string {
  return values.size === 0 ? text : text.replace(PLACEHOLDER, (name) => values.get(name) ?? name);
}

/** Masks these values again, wherever they stand. */
export function maskAgain(text: string, values: ReadonlyMap<string, string>): string {
  let masked = text;
  for (const [name, value] of [...values].sort((a, b) => b[1].length - a[1].length))
    masked = masked.replaceAll(value, name);
  return masked;
}

/** Every place of these kinds, in order, none within another. Where kinds overlap, the first of {@link REDACTION_KINDS} wins. */
export function findSecrets(text: string, kinds: readonly RedactionKind[]): Found[] {
  const folded = fold(text);
  // Kinds that are not asked for are looked for as well: what is an IP address or a card is no phone number.
  const ordinary = REDACTION_KINDS.flatMap((kind) => FINDERS[kind](folded));
  const found = [...ordinary, ...findWrapped(folded, ordinary, FINDERS)];
  const order = new Map(REDACTION_KINDS.map((kind, at) => [kind, at]));
  found.sort((a, b) => a.start - b.start || order.get(a.kind)! - order.get(b.kind)! || b.end - a.end);
  return withoutOverlaps(folded, found, order).filter(({ kind }) => kinds.includes(kind));
}

/** All that was found stays covered: of two that overlap the later kind gets what the earlier one leaves. */
function withoutOverlaps(text: string, found: readonly Found[], order: ReadonlyMap<RedactionKind, number>): Found[] {
  const kept: Found[] = [];
  const keep = (one: Found): void => {
    const before = kept.at(-1);
    if (before === undefined || one.start >= before.end) kept.push(one);
    else if (before.kind === one.kind) kept[kept.length - 1] = { ...before, end: Math.max(before.end, one.end) };
    else if (order.get(one.kind)! > order.get(before.kind)!) {
      if (one.end > before.end) keepRest({ ...one, start: before.end });
    } else {
      kept.pop();
      keepRest({ ...before, end: one.start });
      kept.push(one);
      if (before.end > one.end) keepRest({ ...before, start: one.end });
    }
  };
  /** Blanks and signs at the edge of what another one took are nobody's. */
  const keepRest = ({ kind, start, end }: Found): void => {
    const rest = text.slice(start, end);
    const inner = rest
      .trim()
      .replace(/^[.,;:/-]+|[.,;:/-]+$/g, "")
      .trim();
    if (inner === "") return;
    const from = start + rest.indexOf(inner);
    kept.push({ kind, start: from, end: from + inner.length });
  };
  for (const one of found) keep(one);
  return kept;
}

/** Digits of other scripts, blanks, dashes and wide forms, each one UTF-16 unit. */
const FOLDABLE = /[\u00a0\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u2007-\u200a\u2010-\u2015\u202f\u2212\uff01-\uff5e]/;
const EVERY_FOLDABLE = new RegExp(FOLDABLE.source, "g");

/** The same places in plain signs: as long as the text. */
function fold(text: string): string {
  return FOLDABLE.test(text) ? text.replace(EVERY_FOLDABLE, plainSign) : text;
}

function plainSign(sign: string): string {
  const code = sign.charCodeAt(0);
  if (code >= 0xff01) return String.fromCharCode(code - 0xfee0);
  for (const zero of [0x660, 0x6f0, 0x966]) if (code >= zero && code <= zero + 9) return String(code - zero);
  return (code >= 0x2010 && code <= 0x2015) || code === 0x2212 ? "-" : " ";
}

/** The same for all ways to write a value. */
function sameness(kind: RedactionKind, value: string): string {
  if (kind === "key") return value;
  if (kind === "email")
    return value
      .toLowerCase()
      .replace(/\s{1,3}(?:> ?){0,5}|&commat;|&#(?:64|x40);/g, (found) => (found[0] === "&" ? "@" : ""));
  return kind === "ip" ? value.toLowerCase() : value.replace(/[^\p{L}\p{N}+]/gu, "").toUpperCase();
}
