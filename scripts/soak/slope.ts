/** A straight line through measurements, with the 95 % interval of its slope. */
export interface Slope {
  /** Units of y per hour. */
  readonly perHour: number;
  readonly low: number;
  readonly high: number;
  /** Means that the line was laid through. */
  readonly points: number;
}

/** Student's t for 95 %, two-sided, by degrees of freedom. */
const T95 = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.1];

/**
 * The slope over means of one minute each: neighbours within a minute depend on each other, and would make the interval
 * too narrow.
 * @returns null for less than three minutes
 */
export function slopeOf(samples: readonly { readonly atMs: number; readonly y: number }[]): Slope | null {
  const minutes = [...Map.groupBy(samples, ({ atMs }) => Math.floor(atMs / 60_000)).values()].map((group) => ({
    x: mean(group.map(({ atMs }) => atMs)) / 3_600_000,
    y: mean(group.map(({ y }) => y)),
  }));
  const n = minutes.length;
  if (n < 3) return null;
  const [meanX, meanY] = [mean(minutes.map(({ x }) => x)), mean(minutes.map(({ y }) => y))];
  const sxx = minutes.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const perHour = minutes.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / sxx;
  const rest = minutes.reduce((sum, { x, y }) => sum + (y - meanY - perHour * (x - meanX)) ** 2, 0);
  const half = (T95[n - 3] ?? 2) * Math.sqrt(rest / (n - 2) / sxx);
  return { perHour, low: perHour - half, high: perHour + half, points: n };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
