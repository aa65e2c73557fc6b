import { type Estimate, mean, studentT, variance } from "./estimate.ts";

/** How long the texts are that a run would ask about. */
export interface Lengths {
  /** Items that would be asked: those without text are not. */
  readonly items: Estimate;
  /** Of one text, in UTF-16 units. */
  readonly chars: Estimate;
  /** Standard error of the mean length; 0 when every text was measured. */
  readonly standardError: number;
}

export const NO_LENGTHS: Lengths = {
  items: { from: 0, expected: 0, to: 0 },
  chars: { from: 0, expected: 0, to: 0 },
  standardError: 0,
};

/**
 * From texts drawn at random, or from all of them.
 * @param chars of each text that was looked at
 * @param skipped how many more were looked at and have no text
 * @param population items that they stand for; as many as were looked at when all of them were
 */
export function lengthsOf(chars: readonly number[], skipped: number, population: number): Lengths {
  const looked = chars.length + skipped;
  if (looked === 0 || population === 0) return NO_LENGTHS;
  // What is left of the error where a good part of all was looked at.
  const left = Math.max(0, 1 - looked / population);
  const share = chars.length / looked;
  // With no skipped item among n, there may still be 3 in n (the rule of three).
  const spread = share === 1 || share === 0 ? 3 / looked : 1.96 * Math.sqrt((share * (1 - share)) / looked);
  const items = {
    from: population * Math.max(0, share - spread * Math.sqrt(left)),
    expected: population * share,
    to: population * Math.min(1, share + spread * Math.sqrt(left)),
  };
  const middle = mean(chars);
  const squares = variance(chars);
  const standardError = chars.length === 0 ? 0 : Math.sqrt((squares / chars.length) * left);
  const half = chars.length < 2 ? (left === 0 ? 0 : middle) : studentT(chars.length - 1) * standardError;
  const shift = left === 0 ? 0 : skewShift(chars, middle, squares);
  return {
    items,
    chars: { from: Math.max(1, middle + shift - half), expected: middle, to: middle + shift + half },
    standardError: standardError === 0 && half > 0 ? half : standardError,
  };
}

/** Two groups of items as one. */
export function joinLengths(a: Lengths, b: Lengths): Lengths {
  const items = {
    from: a.items.from + b.items.from,
    expected: a.items.expected + b.items.expected,
    to: a.items.to + b.items.to,
  };
  if (items.expected === 0) return NO_LENGTHS;
  const part = a.items.expected / items.expected;
  const mixed = (key: keyof Estimate): number => part * a.chars[key] + (1 - part) * b.chars[key];
  return {
    items,
    chars: { from: mixed("from"), expected: mixed("expected"), to: mixed("to") },
    standardError: Math.hypot(part * a.standardError, (1 - part) * b.standardError),
  };
}

/** The first items of many are taken for as long as all of them. */
export function atMost(lengths: Lengths, items: number | null): Lengths {
  if (items === null || lengths.items.to <= items) return lengths;
  const { from, expected, to } = lengths.items;
  return {
    ...lengths,
    items: { from: Math.min(from, items), expected: Math.min(expected, items), to: Math.min(to, items) },
  };
}

/** Johnson's correction: a mean of few values from a distribution with a long right tail is too small more often than too large. */
function skewShift(values: readonly number[], middle: number, squares: number): number {
  if (values.length < 3 || squares === 0) return 0;
  const cubes = mean(values.map((value) => (value - middle) ** 3));
  return cubes / (6 * squares * values.length);
}
