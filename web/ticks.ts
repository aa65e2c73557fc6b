/** Steps of an axis of time, seconds. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];

/** Round values from 0 to at least `most`, about `about` steps; the last one is the end of the axis. */
export function valueTicks(most: number, about: number): number[] {
  const rough = Math.max(most, 1e-9) / about;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 2.5, 5, 10].find((one) => one * size >= rough * (1 - 1e-9)) ?? 10);
  const steps = Math.max(1, Math.ceil(most / step - 1e-9));
  return Array.from({ length: steps + 1 }, (_, at) => Number((at * step).toPrecision(12)));
}

/** Round points in time between two, epoch ms, at most `most` of them. Full hours are those of UTC. */
export function timeTicks(fromMs: number, toMs: number, most: number): number[] {
  const seconds = Math.max(1, (toMs - fromMs) / 1_000);
  const step = 1_000 * (TIME_STEPS.find((one) => seconds / one <= most) ?? 86_400 * Math.ceil(seconds / 86_400 / most));
  const first = Math.ceil(fromMs / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((toMs - first) / step) + 1) }, (_, at) => first + at * step);
}

/** Where in ascending numbers the one nearest to `wanted` stands; -1 in none. */
export function nearest(numbers: readonly number[], wanted: number): number {
  let [low, high] = [0, numbers.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && wanted - numbers[low - 1]! <= numbers[low]! - wanted ? low - 1 : high;
}
