import fc from "fast-check";
import { expect, it } from "vitest";
import { Intervals } from "../../src/state/intervals.ts";

const inAnyOrder = fc.integer({ min: 1, max: 60 }).chain((count) =>
  fc.shuffledSubarray(
    Array.from({ length: count }, (_, at) => at + 1),
    { minLength: 1 },
  ),
);

it("knows the unbroken run from any start, in whatever order numbers come", () => {
  fc.assert(
    fc.property(inAnyOrder, (numbers) => {
      const intervals = new Intervals();
      const present = new Set<number>();
      for (const number of numbers) {
        intervals.add(number);
        present.add(number);
        let last = 0;
        while (present.has(last + 1)) last += 1;
        expect(intervals.unbrokenFrom(1)).toBe(last);
      }
      expect(
        intervals.ranges().flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, at) => from + at)),
      ).toEqual([...present].sort((a, b) => a - b));
    }),
    { seed: 7, numRuns: 300 },
  );
});

it("keeps one range for any number of neighbours", () => {
  const intervals = new Intervals();
  for (let number = 1; number <= 10_000; number += 1) intervals.add(number);
  expect(intervals.ranges()).toEqual([[1, 10_000]]);
  intervals.add(10_002, 10_004);
  expect(intervals.ranges()).toEqual([
    [1, 10_000],
    [10_002, 10_004],
  ]);
});
