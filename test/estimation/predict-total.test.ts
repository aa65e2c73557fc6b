import { expect, test } from "vitest";
import { chooseByLength } from "../../src/estimation/choose-by-length.ts";
import { mean, studentT } from "../../src/estimation/estimate.ts";
import { type Lengths, lengthsOf } from "../../src/estimation/lengths.ts";
import { fitLine, type Point, predictTotal } from "../../src/estimation/predict-total.ts";
import { SHAPES, type Shape } from "../support/billed-data.ts";
import { uniform } from "../support/model-draw.ts";

/** A source of which every item's cost is known here, and nowhere else. */
function population(shape: Shape, count: number, seed: number): Point[] {
  return Array.from({ length: count }, (_, at) => {
    const draw = (salt: number): number => uniform(`${seed}/${at}`, salt);
    const chars = Math.min(24_000, Math.round(SHAPES[shape](draw, at / count)));
    // Some texts take nearly twice the tokens of others, and one item in fifty is asked twice.
    const tokens = 300 + chars / (2.6 + 1.8 * draw(31)) + 160 * draw(32);
    return { chars, value: draw(33) < 0.02 ? 2 * tokens : tokens };
  });
}

const sum = (points: readonly Point[]): number => points.reduce((total, { value }) => total + value, 0);
const charsOf = (points: readonly Point[]): number[] => points.map(({ chars }) => chars);
const SEEDS = Array.from({ length: 60 }, (_, at) => at + 1);

/** How often the total lies in the range, and how far it is from what was expected, in the worst of ten. */
function judge(shape: Shape, estimateRest: (all: Point[], seed: number) => [Point[], Lengths, number]) {
  const errors: number[] = [];
  let covered = 0;
  for (const seed of SEEDS) {
    const [pilot, rest, truth] = estimateRest(population(shape, 5_000, seed), seed);
    const { from, expected, to } = predictTotal(pilot, rest);
    errors.push(Math.abs(expected / truth - 1));
    if (from <= truth && truth <= to) covered += 1;
  }
  return { covered: covered / SEEDS.length, worst: errors.toSorted((a, b) => a - b)[Math.floor(SEEDS.length * 0.9)]! };
}

test.each(Object.keys(SHAPES) as Shape[])(
  "%s data: 100 of 5,000 items foretell the rest within 10 percent, and the range is honest",
  (shape) => {
    const { covered, worst } = judge(shape, (all, seed) => {
      const pilot = chooseByLength(all, 100, randomOf(seed));
      const rest = all.filter((point) => !pilot.includes(point));
      return [pilot, lengthsOf(charsOf(rest), 0, rest.length), sum(rest)];
    });
    expect(worst).toBeLessThan(0.1);
    expect(covered).toBeGreaterThanOrEqual(0.9);
  },
);

test("from the front of ordered data the range tells how unsure it is; without lengths it would be wrong and sure", () => {
  const { covered } = judge("ordered", (all) => {
    const rest = all.slice(100);
    return [all.slice(0, 100), lengthsOf(charsOf(rest), 0, rest.length), sum(rest)];
  });
  const plain = judge("ordered", (all) => {
    const rest = all.slice(100);
    return [all.slice(0, 100).map((point) => ({ ...point, chars: 0 })), lengthsOf([0], 0, rest.length), sum(rest)];
  });
  expect(covered).toBeGreaterThanOrEqual(0.9);
  expect(plain.covered).toBeLessThan(0.1);
});

test("lengths that were only sampled make the range wider, as wide as is honest", () => {
  const { covered } = judge("heavy", (all, seed) => {
    const random = randomOf(seed);
    const drawn = all.toSorted(() => random() - 0.5).slice(0, 500);
    const pilot = chooseByLength(drawn, 100, random);
    const rest = all.filter((point) => !pilot.includes(point));
    return [pilot, lengthsOf(charsOf(drawn), 0, rest.length), sum(rest)];
  });
  expect(covered).toBeGreaterThanOrEqual(0.9);
  const some = lengthsOf([100, 300, 200, 2_000], 0, 1_000);
  const all = lengthsOf([100, 300, 200, 2_000], 0, 4);
  expect(all.chars).toEqual({ from: 650, expected: 650, to: 650 });
  expect(some.chars.from).toBeLessThan(650);
  expect(some.chars.to).toBeGreaterThan(650);
});

test("the mean length of a small sample lies in its range nineteen times of twenty, also with a heavy tail", () => {
  let covered = 0;
  for (let seed = 1; seed <= 400; seed += 1) {
    const all = charsOf(population("heavy", 2_000, seed));
    const { chars } = lengthsOf(all.slice(0, 200), 0, all.length);
    const truth = mean(all);
    if (chars.from <= truth && truth <= chars.to) covered += 1;
  }
  expect(covered / 400).toBeGreaterThan(0.9);
});

test("items without a text are not asked; where none was seen there may still be some", () => {
  expect(lengthsOf([10, 20], 2, 400).items.expected).toBe(200);
  expect(lengthsOf([10, 20], 2, 400).items.from).toBeLessThan(200);
  expect(lengthsOf([10, 20], 2, 4).items).toEqual({ from: 2, expected: 2, to: 2 });
  const none = lengthsOf(Array(100).fill(10), 0, 10_000).items;
  expect(none.from).toBeLessThan(10_000);
  expect(none.expected).toBe(10_000);
  expect(lengthsOf([], 0, 0).items.expected).toBe(0);
});

test("a line is found through scatter, and never falls", () => {
  const points = Array.from({ length: 200 }, (_, at) => ({
    chars: at * 10,
    value: 500 + at * 2 + (uniform(String(at), 1) - 0.5) * 20,
  }));
  expect(fitLine(points).fixed).toBeCloseTo(500, -1);
  expect(fitLine(points).perChar).toBeCloseTo(0.2, 1);
  expect(fitLine(points.map(({ chars, value }) => ({ chars, value: 2_000 - value }))).perChar).toBe(0);
  expect(fitLine([{ chars: 5, value: 3 }])).toEqual({ fixed: 3, perChar: 0 });
});

test("Student's t is what tables say", () => {
  for (const [freedom, t] of [
    [1, 12.706],
    [4, 2.776],
    [5, 2.571],
    [10, 2.228],
    [30, 2.042],
    [98, 1.984],
  ] as const)
    expect(studentT(freedom)).toBeCloseTo(t, 2);
});

test("a choice by length takes every item as often as any other, and long ones as they are in the whole", () => {
  const texts = Array.from({ length: 30 }, (_, at) => ({ chars: (at * 7) % 30 }));
  const taken = new Map<number, number>();
  for (let seed = 1; seed <= 3_000; seed += 1) {
    const chosen = chooseByLength(texts, 7, randomOf(seed));
    expect(chosen).toHaveLength(7);
    expect(chosen.filter(({ chars }) => chars >= 15).length).toBeOneOf([3, 4]);
    for (const { chars } of chosen) taken.set(chars, (taken.get(chars) ?? 0) + 1);
  }
  for (const text of texts) expect(taken.get(text.chars)! / 3_000).toBeCloseTo(7 / 30, 1);
  expect(chooseByLength(texts, 30, () => 0.5)).toHaveLength(30);
});

function randomOf(seed: number): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    return uniform(`${seed}/${drawn}`, 41);
  };
}
