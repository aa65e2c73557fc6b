import type { Found, RedactionKind } from "./kinds.ts";

/** What a line break may part, as mail programs wrap lines. The others are one word. */
const PARTED = ["email", "iban", "card", "ssn", "phone"] as const satisfies readonly RedactionKind[];

/** One break, with the quoting of a reply, where a number or an address may go on; no empty line. */
const BREAK =
  /(?<=[\dA-Z)@-])[ \t]{0,2}\r?\n(?:> ?){0,5}[ \t]{0,4}(?=[\p{L}\d(])|(?<=[\p{L}\d])[ \t]{0,2}\r?\n(?:> ?){0,5}(?=@)/gu;
const YEAR_OR_DATE = /^(?:(?:19|20)\d\d(?!\d)|\d{1,2}[./:]\d{2})/;
/** `10115 Berlin` below a telephone number. */
const PLACE_BEHIND = /^,? \p{Lu}/u;
/** A number with more digits is not taken to go on in the next line. */
const SHORT_PHONE = 10;
const LONGEST_PHONE = 13;

/** Where a break was in a text, and what stands for it. */
interface Joint {
  /** In the text without breaks. */
  readonly at: number;
  readonly start: number;
  readonly end: number;
  /** Units that stand for it: a blank, or nothing behind a dash and an `@`. */
  readonly left: 0 | 1;
}

/**
 * Values that go on in the next line.
 * @param ordinary what was found within lines: it is not found a second time
 */
export function findWrapped(
  text: string,
  ordinary: readonly Found[],
  finders: Readonly<Record<RedactionKind, (text: string) => Found[]>>,
): Found[] {
  if (!text.includes("\n")) return [];
  const { unwrapped, joints } = unwrap(text);
  if (joints.length === 0) return [];
  const found: Found[] = [];
  for (const kind of PARTED) {
    const known = ordinary.filter((one) => one.kind === kind).sort((a, b) => a.start - b.start);
    for (const { start, end } of finders[kind](unwrapped)) {
      const from = firstFrom(joints, start + 1, (joint) => joint.at);
      const joint = joints[from];
      const hasOne = joint !== undefined && joint.at < end && !((joints[from + 1]?.at ?? end) < end);
      if (!hasOne) continue;
      const whole = { kind, start: start + shiftBefore(joints, from), end: end + shiftBefore(joints, from + 1) };
      if (isWanted(text, whole, joint, known)) found.push(whole);
    }
  }
  return found;
}

function unwrap(text: string): { unwrapped: string; joints: Joint[] } {
  const joints: Joint[] = [];
  const parts: string[] = [];
  let from = 0;
  let length = 0;
  for (const match of text.matchAll(BREAK)) {
    const before = text[match.index - 1];
    const left = before === "-" || before === "@" ? 0 : 1;
    parts.push(text.slice(from, match.index), left === 0 ? "" : " ");
    length += match.index - from;
    joints.push({ at: length, start: match.index, end: match.index + match[0].length, left });
    length += left;
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return { unwrapped: parts.join(""), joints };
}

/** @returns how much further on a place is in the text, behind the first `count` breaks */
function shiftBefore(joints: readonly Joint[], count: number): number {
  const last = joints[count - 1];
  return last === undefined ? 0 : last.end - last.at - last.left;
}

/** @returns the first one at or behind a place */
function firstFrom<T>(sorted: readonly T[], place: number, placeOf: (one: T) => number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (placeOf(sorted[middle]!) < place) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether it is not two things, one in each line. */
function isWanted(text: string, { kind, start, end }: Found, joint: Joint, known: readonly Found[]): boolean {
  const first = firstFrom(known, start + 1, (one) => one.end);
  const inside = known[first];
  const overlaps = inside !== undefined && inside.start < end;
  if (kind !== "phone") return !overlaps;
  const digits = (from: number, to: number): number => text.slice(from, to).replace(/\D/g, "").length;
  const behind = digits(joint.end, end);
  if (digits(start, joint.start) < 2 || behind < 2) return false;
  if (YEAR_OR_DATE.test(text.slice(joint.end, joint.end + 12))) return false;
  if (!overlaps) return true;
  const isItsBeginning =
    inside.start === start && inside.end <= joint.start && !((known[first + 1]?.start ?? end) < end);
  return (
    isItsBeginning &&
    behind > 2 &&
    digits(start, joint.start) <= SHORT_PHONE &&
    digits(start, end) <= LONGEST_PHONE &&
    !PLACE_BEHIND.test(text.slice(end, end + 4))
  );
}
