import { type Estimate, exactly, mean, NOTHING, studentT, variance } from "./estimate.ts";
import type { Lengths } from "./lengths.ts";

/** One measured item: what it took, and the length of its text. */
export interface Point {
  readonly chars: number;
  readonly value: number;
}

/** A straight line over the lengths of texts. */
export interface Line {
  /** At length 0. */
  readonly fixed: number;
  readonly perChar: number;
}

/**
 * The line through measured items, by weighted least squares: longer texts scatter more, so they weigh less. Never falls:
 * no text takes less for being longer.
 */
export function fitLine(points: readonly Point[]): Line {
  const middle = mean(points.map(({ chars }) => chars));
  const level = { fixed: mean(points.map(({ value }) => value)), perChar: 0 };
  if (points.length < 3) return level;
  const weights = weightsOf(points, middle);
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const x = weighted(points, weights, whole, ({ chars }) => chars);
  const y = weighted(points, weights, whole, ({ value }) => value);
  const spread = weighted(points, weights, whole, ({ chars }) => (chars - x) ** 2);
  if (spread <= 1e-9 * x * x) return level;
  const together = weighted(points, weights, whole, ({ chars, value }) => (chars - x) * (value - y));
  const perChar = together / spread;
  return perChar <= 0 ? level : { fixed: y - perChar * x, perChar };
}

/**
 * The sum over items that were not measured, by a regression estimator: the measured items give what depends on the
 * length, the far larger sample of lengths gives how long the rest is. Right on average also where the line is a poor
 * description, since the mean of what it misses is added. The range covers that measured items were few, that the rest
 * scatters itself, and that its lengths were sampled.
 */
export function predictTotal(points: readonly Point[], rest: Lengths): Estimate {
  const { expected: items } = rest.items;
  if (items === 0 || points.length === 0) return NOTHING;
  if (points.every(({ value }) => value === 0)) return exactly(0);
  const line = fitLine(points);
  const misses = points.map(({ chars, value }) => value - line.fixed - line.perChar * chars);
  const each = line.fixed + line.perChar * rest.chars.expected + mean(misses);
  const freedom = Math.max(1, points.length - (line.perChar === 0 ? 1 : 2));
  // Two numbers that were fitted take that much of the scatter away.
  const scatter = (variance(misses) * (points.length - 1)) / freedom;
  const distance = rest.chars.expected - mean(points.map(({ chars }) => chars));
  const error = Math.sqrt(
    scatter / points.length +
      scatter / items +
      (distance * slopeError(points, misses)) ** 2 +
      (line.perChar * rest.standardError) ** 2,
  );
  const half = points.length < 2 ? each : studentT(freedom) * error;
  return {
    from: Math.max(0, each - half) * rest.items.from,
    expected: each * items,
    to: (each + half) * rest.items.to,
  };
}

/** Standard error of the slope, also right where the scatter grows with the length. */
function slopeError(points: readonly Point[], misses: readonly number[]): number {
  const middle = mean(points.map(({ chars }) => chars));
  const weights = weightsOf(points, middle);
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const x = weighted(points, weights, whole, ({ chars }) => chars);
  const spread = points.reduce((sum, { chars }, at) => sum + weights[at]! * (chars - x) ** 2, 0);
  if (spread === 0) return 0;
  const missed = points.reduce((sum, { chars }, at) => sum + (weights[at]! * (chars - x) * misses[at]!) ** 2, 0);
  return Math.sqrt(missed) / spread;
}

function weightsOf(points: readonly Point[], middle: number): number[] {
  return points.map(({ chars }) => 1 / (1 + middle + chars));
}

function weighted(
  points: readonly Point[],
  weights: readonly number[],
  whole: number,
  of: (point: Point) => number,
): number {
  return points.reduce((sum, point, at) => sum + weights[at]! * of(point), 0) / whole;
}
