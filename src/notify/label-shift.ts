export type LabelCounts = Readonly<Record<string, number>>;

/** How two mixes of labels differ. */
export interface LabelShift {
  /** Total variation distance: the share of items that would need another label for the mixes to be equal, 0..1. */
  readonly movedShare: number;
  /** Probability of a difference this large or larger if both came from one mix (chi-square test of homogeneity). */
  readonly probability: number;
  /** By how far they moved, farthest first; shares 0..1. */
  readonly labels: readonly { readonly label: string; readonly before: number; readonly now: number }[];
}

/** Labels expected fewer times than this are taken together, as the test asks for. */
const LEAST_EXPECTED = 5;

/** @returns null when one of the two has no items */
export function labelShift(before: LabelCounts, now: LabelCounts): LabelShift | null {
  const beforeItems = sumOf(before);
  const nowItems = sumOf(now);
  if (beforeItems === 0 || nowItems === 0) return null;
  const labels = [...new Set([...Object.keys(before), ...Object.keys(now)])].map((label) => ({
    label,
    before: (before[label] ?? 0) / beforeItems,
    now: (now[label] ?? 0) / nowItems,
  }));
  labels.sort((a, b) => Math.abs(b.now - b.before) - Math.abs(a.now - a.before) || (a.label < b.label ? -1 : 1));
  return {
    movedShare: labels.reduce((sum, label) => sum + Math.abs(label.now - label.before), 0) / 2,
    probability: homogeneity(labels.map(({ label }) => [before[label] ?? 0, now[label] ?? 0] as const)),
    labels,
  };
}

/** Pearson's chi-square test that two rows of counts come from one distribution. @returns the p-value */
function homogeneity(cells: readonly (readonly [number, number])[]): number {
  const [first, second] = [0, 1].map((row) => cells.reduce((sum, cell) => sum + cell[row]!, 0)) as [number, number];
  const all = first + second;
  const smaller = Math.min(first, second) / all;
  const isRare = ([a, b]: readonly [number, number]): boolean => (a + b) * smaller < LEAST_EXPECTED;
  const rare = cells.filter(isRare).reduce(([a, b], [c, d]) => [a + c, b + d] as [number, number], [0, 0] as const);
  const tested = [...cells.filter((cell) => !isRare(cell)), ...(rare[0] + rare[1] > 0 ? [rare] : [])];
  let statistic = 0;
  for (const [a, b] of tested) {
    const expected = [((a + b) * first) / all, ((a + b) * second) / all] as const;
    statistic += (a - expected[0]) ** 2 / expected[0] + (b - expected[1]) ** 2 / expected[1];
  }
  return tested.length < 2 ? 1 : chiSquareTail(statistic, tested.length - 1);
}

/**
 * Upper tail of the chi-square distribution: the regularised gamma function Q(k/2, x/2), by its series below k/2 + 1 and
 * its continued fraction (Lentz) above.
 * @param degrees integer >= 1
 */
export function chiSquareTail(statistic: number, degrees: number): number {
  const [a, x] = [degrees / 2, statistic / 2];
  if (x <= 0) return 1;
  const scale = Math.exp(-x + a * Math.log(x) - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 1_000 && term > sum * 1e-15; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.max(0, 1 - sum * scale);
  }
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < 1_000; n++) {
    const an = -n * (n - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-14) break;
  }
  return fraction * scale;
}

/** ln Γ of a positive multiple of ½, by its recurrence. */
function logGamma(a: number): number {
  let at = a % 1 === 0 ? 1 : 0.5;
  let log = at === 1 ? 0 : Math.log(Math.PI) / 2;
  for (; at < a; at++) log += Math.log(at);
  return log;
}

function sumOf(counts: LabelCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
