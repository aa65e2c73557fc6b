/** Shares in tenths of a percent that add up to 1,000: the largest remainders are rounded up. */
export function shares(counts: readonly number[]): number[] {
  const whole = counts.reduce((sum, value) => sum + value, 0);
  if (whole === 0) return counts.map(() => 0);
  const exact = counts.map((value) => (value / whole) * 1_000);
  const tenths = exact.map(Math.floor);
  const order = exact
    .map((value, index) => ({ rest: value - Math.floor(value), index }))
    .sort((a, b) => b.rest - a.rest);
  const missing = 1_000 - tenths.reduce((sum, value) => sum + value, 0);
  for (const { index } of order.slice(0, missing)) tenths[index]!++;
  return tenths;
}
