/** What a figure has to be to meet its goal. Goals are printed, never asserted. */
export interface Goal {
  readonly atLeast?: number;
  readonly atMost?: number;
  /** A further value that would be good to reach, with the same direction. */
  readonly stretch?: number;
}

/** One thing that a scenario measured. */
export interface Figure {
  readonly what: string;
  readonly unit: string;
  /** Median of the rounds; of a ratio: ratio of the medians. NaN when it could not be measured. */
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
  /** Which values the ratio is of, for a reader. */
  readonly of?: string;
  readonly goal?: Goal;
}

/** @returns the middle value, of an even count the mean of the two; NaN of none */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** @param values one of each round */
export function figure(what: string, unit: string, values: readonly number[], goal?: Goal): Figure {
  return {
    what,
    unit,
    value: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    rounds: values.length,
    ...(goal ? { goal } : {}),
  };
}

/** Medians divided by each other; `min` and `max` are of the rounds' own ratios, each measured side by side. */
export function ratio(what: string, ours: readonly number[], theirs: readonly number[], goal?: Goal): Figure {
  const each = figure(
    what,
    "×",
    ours.map((value, round) => value / (theirs[round] ?? Number.NaN)),
    goal,
  );
  const [top, bottom] = [median(ours), median(theirs)];
  return { ...each, value: top / bottom, of: `${shown(top)} / ${shown(bottom)}` };
}

/** @returns null when there is no goal or nothing was measured */
export function isMet({ value, goal }: Figure): boolean | null {
  if (goal === undefined || Number.isNaN(value)) return null;
  return value >= (goal.atLeast ?? Number.NEGATIVE_INFINITY) && value <= (goal.atMost ?? Number.POSITIVE_INFINITY);
}

/** A number with three significant digits at least, and no more than needed. */
export function shown(value: number): string {
  if (Number.isNaN(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 3;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}
