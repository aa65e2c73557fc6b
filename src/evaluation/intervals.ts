/** A share with its 95 % interval; all three in 0..1. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Quantile of the standard normal distribution for two-sided 95 %. */
const Z95 = 1.959963984540054;

/**
 * 95 % interval of a share: Wilson's score interval, which stays within 0..1 and is right for small counts and for shares
 * near 0 and 1 (Wilson 1927; Brown, Cai and DasGupta 2001).
 * @param of integer >= 1
 */
export function wilson(successes: number, of: number): Interval {
  const value = successes / of;
  const z2 = Z95 * Z95;
  const scale = 1 + z2 / of;
  const centre = (value + z2 / (2 * of)) / scale;
  const half = (Z95 / scale) * Math.sqrt((value * (1 - value)) / of + z2 / (4 * of * of));
  // At 0 and at all the formula gives the very end, but for rounding.
  const low = successes === 0 ? 0 : centre - half;
  const high = successes === of ? 1 : centre + half;
  return { value, low, high };
}

/** One part of a whole that was counted by itself. */
export interface Stratum {
  /** Items that it stands for. */
  readonly size: number;
  /** Items that were looked at, 1 to `size`. */
  readonly seen: number;
  readonly successes: number;
}

/**
 * 95 % interval of the share in a whole of which parts were sampled at different rates: the weighted mean, with the
 * limits put together from Wilson's of each part by MOVER (Zou and Donner 2008). A part that was seen whole adds no doubt.
 */
export function stratified(strata: readonly Stratum[]): Interval {
  const whole = strata.reduce((sum, { size }) => sum + size, 0);
  let [value, below, above] = [0, 0, 0];
  for (const { size, seen, successes } of strata) {
    const part = wilson(successes, seen);
    const weight = size / whole;
    value += weight * part.value;
    if (seen >= size) continue;
    below += (weight * (part.value - part.low)) ** 2;
    above += (weight * (part.high - part.value)) ** 2;
  }
  return { value, low: Math.max(0, value - Math.sqrt(below)), high: Math.min(1, value + Math.sqrt(above)) };
}

/** Two classifiers on the same rows. */
export interface McNemar {
  /** Rows that only the first one got right. */
  readonly onlyFirst: number;
  /** Rows that only the second one got right. */
  readonly onlySecond: number;
  /** Two-sided: how likely a difference at least as large is when both are equally good. */
  readonly pValue: number;
  /** Accuracy of the second less that of the first, -1..1. */
  readonly difference: Interval;
}

/**
 * McNemar's test, exact at every size (binomial, two-sided: twice the smaller tail; McNemar 1947), and the difference
 * with the adjusted Wald interval for paired shares (Bonett and Price 2012).
 * @param rows compared rows, those on which both agree included
 */
export function mcNemar(onlyFirst: number, onlySecond: number, rows: number): McNemar {
  const discordant = onlyFirst + onlySecond;
  let [tail, log] = [0, -discordant * Math.LN2];
  for (let k = 0; k <= Math.min(onlyFirst, onlySecond); k++) {
    tail += Math.exp(log);
    log += Math.log((discordant - k) / (k + 1));
  }
  const [first, second] = [(onlyFirst + 1) / (rows + 2), (onlySecond + 1) / (rows + 2)];
  const centre = second - first;
  const half = Z95 * Math.sqrt(Math.max(0, first + second - centre ** 2) / (rows + 2));
  return {
    onlyFirst,
    onlySecond,
    pValue: Math.min(1, 2 * tail),
    difference: {
      value: (onlySecond - onlyFirst) / rows,
      low: Math.max(-1, centre - half),
      high: Math.min(1, centre + half),
    },
  };
}
