/** What a number is expected to be, and between what it should lie in 95 of 100 cases. */
export interface Estimate {
  readonly from: number;
  readonly expected: number;
  readonly to: number;
}

export const NOTHING: Estimate = { from: 0, expected: 0, to: 0 };

/** @returns an estimate that is known exactly */
export function exactly(value: number): Estimate {
  return { from: value, expected: value, to: value };
}

/** @returns each bound by `map`, which must not turn the order round */
export function mapEstimate({ from, expected, to }: Estimate, map: (value: number) => number): Estimate {
  return { from: map(from), expected: map(expected), to: map(to) };
}

/** @returns 0 of none */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a sample: n - 1 in the denominator; 0 of fewer than two. */
export function variance(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}

/** The 97.5th percentile of Student's t, for a range of 95 %. @param freedom degrees of freedom, from 1 */
export function studentT(freedom: number): number {
  const few = [Number.POSITIVE_INFINITY, 12.706, 4.303, 3.182, 2.776];
  if (freedom < few.length) return few[Math.max(1, Math.floor(freedom))]!;
  const z = 1.959964;
  // Cornish and Fisher's expansion: from 5 on it is right to three digits.
  return (
    z +
    (z ** 3 + z) / (4 * freedom) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3)
  );
}
