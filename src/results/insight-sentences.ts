import type { Insights } from "../dashboard/api.ts";
import { queryFor } from "./query.ts";

/** How often a label was given, in a period and in the one before. */
export interface LabelChange {
  readonly dimension: string;
  readonly label: string;
  readonly count: number;
  readonly before: number;
}

/** Two-sided 99.9 %: of some forty labels that did not change, one in twenty-five looks would name one by chance. */
const Z = 3.2905;
/** Fewer items than these in a period say nothing. */
const LEAST_ITEMS = 50;
/** Smaller changes of a share are true and not worth a sentence. */
const LEAST_CHANGE = 0.01;
const MOST = 6;

/**
 * What changed most, in sentences: labels whose share of all items is another one than before, by more than chance
 * explains (Newcombe's interval of the difference of two shares lies on one side of 0), the largest change first.
 * @param since the day that the period begins with, as a query has it
 */
export function sentencesOf(
  changes: readonly LabelChange[],
  totals: { readonly now: number; readonly before: number },
  since: string,
): Insights["sentences"] {
  if (totals.now < LEAST_ITEMS || totals.before < LEAST_ITEMS) return [];
  return changes
    .map((change) => ({ ...change, difference: differenceOf(change, totals) }))
    .filter(({ difference }) => difference.low > 0 || difference.high < 0)
    .filter(({ difference }) => Math.abs(difference.value) >= LEAST_CHANGE)
    .sort((a, b) => Math.abs(b.difference.value) - Math.abs(a.difference.value))
    .slice(0, MOST)
    .map(({ dimension, label, count, before, difference }) => ({
      text: `${dimension} ${label} ${difference.value > 0 ? "rose" : "fell"} to ${percent(count / totals.now)} of items, from ${percent(before / totals.before)}: ${number(count)} of ${number(totals.now)}, ${number(before)} of ${number(totals.before)} before.`,
      query: `${queryFor(dimension, label)} since:${since}`,
    }));
}

/** Newcombe's hybrid score interval (method 10) of the share now less the share before. */
function differenceOf(
  { count, before }: LabelChange,
  totals: { readonly now: number; readonly before: number },
): { value: number; low: number; high: number } {
  const [a, b] = [wilson(count, totals.now), wilson(before, totals.before)];
  const value = a.value - b.value;
  return {
    value,
    low: value - Math.hypot(a.value - a.low, b.high - b.value),
    high: value + Math.hypot(a.high - a.value, b.value - b.low),
  };
}

function wilson(successes: number, of: number): { value: number; low: number; high: number } {
  const value = successes / of;
  const scale = 1 + (Z * Z) / of;
  const centre = (value + (Z * Z) / (2 * of)) / scale;
  const half = (Z / scale) * Math.sqrt((value * (1 - value)) / of + (Z * Z) / (4 * of * of));
  return { value, low: centre - half, high: centre + half };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
