import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { calibrate, coverageAt } from "../../src/evaluation/calibration.ts";
import { cellsOf, cohensKappa, labelScores, macroF1 } from "../../src/evaluation/confusion.ts";
import { mcNemar, stratified, wilson } from "../../src/evaluation/intervals.ts";
import { costOf, quantile } from "../../src/evaluation/record-answers.ts";
import { type GoldRow, scoreDimension } from "../../src/evaluation/score.ts";

const LABELS = ["a", "b", "c"] as const;
const anyRow = fc.record({
  id: fc.string(),
  gold: fc.constantFrom(...LABELS),
  answer: fc.option(fc.constantFrom(...LABELS)),
  confidence: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
});
const rowsOf = (pairs: readonly (readonly [gold: string, answer: string | null, times: number])[]): GoldRow[] =>
  pairs.flatMap(([gold, answer, times]) =>
    Array.from({ length: times }, (_, at) => ({ id: `${gold}-${answer}-${at}`, gold, answer, confidence: null })),
  );

describe("intervals", () => {
  it("are Wilson's, as Newcombe (1998, table I, method 3) gives them", () => {
    for (const [successes, of, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const) {
      const found = wilson(successes, of);
      expect(found.value).toBeCloseTo(successes / of, 12);
      expect(found.low).toBeCloseTo(low, 4);
      expect(found.high).toBeCloseTo(high, 4);
    }
  });

  it("hold the share, stay within 0 and 1, and mirror", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (of, share) => {
        const successes = Math.round(of * share);
        const { value, low, high } = wilson(successes, of);
        const other = wilson(of - successes, of);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(value);
        expect(high).toBeGreaterThanOrEqual(value);
        expect(other.low).toBeCloseTo(1 - high, 10);
      }),
    );
  });

  it("of a stratified sample weigh each part by what it stands for; a part that was seen whole adds no doubt", () => {
    const found = stratified([
      { size: 30, seen: 30, successes: 15 },
      { size: 270, seen: 90, successes: 81 },
    ]);
    // 0.1 · 0.5 + 0.9 · 0.9
    expect(found.value).toBeCloseTo(0.86, 12);
    const part = wilson(81, 90);
    expect(found.low).toBeCloseTo(0.86 - 0.9 * (0.9 - part.low), 12);
    expect(found.high).toBeCloseTo(0.86 + 0.9 * (part.high - 0.9), 12);
    expect(stratified([{ size: 5, seen: 5, successes: 4 }])).toEqual({ value: 0.8, low: 0.8, high: 0.8 });
  });

  it("of a stratified sample hold the truth about as often as they say", () => {
    let state = 5;
    const random = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 4_294_967_296;
    };
    const count = (list: readonly boolean[]): number => list.filter(Boolean).length;
    let held = 0;
    const runs = 2_000;
    for (let run = 0; run < runs; run++) {
      const uncertain = Array.from({ length: 60 }, () => random() < 0.55);
      const others = Array.from({ length: 900 }, () => random() < 0.92);
      const sample = others.map((right) => ({ right, at: random() })).sort((a, b) => a.at - b.at);
      const seen = sample.slice(0, 40).map(({ right }) => right);
      const { low, high } = stratified([
        { size: 60, seen: 60, successes: count(uncertain) },
        { size: 900, seen: 40, successes: count(seen) },
      ]);
      const truth = (count(uncertain) + count(others)) / 960;
      if (low <= truth && truth <= high) held += 1;
    }
    expect(held / runs).toBeGreaterThan(0.93);
  });
});

describe("McNemar's test", () => {
  it("is exact: 1 against 9 gives 22/1024, 0 against 6 gives 2/64, equal counts give 1", () => {
    expect(mcNemar(1, 9, 100).pValue).toBeCloseTo(22 / 1_024, 12);
    expect(mcNemar(0, 6, 100).pValue).toBeCloseTo(2 / 64, 12);
    expect(mcNemar(7, 7, 100).pValue).toBe(1);
    expect(mcNemar(0, 0, 100).pValue).toBe(1);
  });

  it("stays a probability with many rows, and agrees with the normal approximation there", () => {
    // z = 199 / 100 with continuity correction: 0.0466.
    expect(mcNemar(4_900, 5_100, 100_000).pValue).toBeCloseTo(0.0466, 3);
    expect(mcNemar(0, 100_000, 100_000).pValue).toBe(0);
  });

  it("gives the difference with Bonett and Price's interval", () => {
    const { difference } = mcNemar(4, 14, 98);
    expect(difference.value).toBeCloseTo(10 / 98, 12);
    // (15 - 5) / 100 ± 1.96 · sqrt((0.2 - 0.01) / 100)
    expect(difference.low).toBeCloseTo(0.1 - 1.959964 * Math.sqrt(0.19 / 100), 6);
    expect(difference.high).toBeCloseTo(0.1 + 1.959964 * Math.sqrt(0.19 / 100), 6);
  });
});

describe("scores of one label", () => {
  // Support a 4, b 3, c 3; answered a 4, b 4, c 1, nothing 1.
  const rows = rowsOf([
    ["a", "a", 3],
    ["a", "b", 1],
    ["b", "b", 2],
    ["b", "a", 1],
    ["c", "c", 1],
    ["c", "b", 1],
    ["c", null, 1],
  ]);

  it("are those counted by hand", () => {
    const score = scoreDimension("category", "one", rows);
    expect(score).toMatchObject({ choose: "one", rows: 10, unanswered: 1, majority: { label: "a", share: 0.4 } });
    expect(score!.accuracy.value).toBeCloseTo(0.6, 12);
    expect(score!.labels).toEqual([
      { label: "a", support: 4, answered: 4, correct: 3, precision: 0.75, recall: 0.75, f1: 0.75 },
      { label: "b", support: 3, answered: 4, correct: 2, precision: 0.5, recall: 2 / 3, f1: 4 / 7 },
      { label: "c", support: 3, answered: 1, correct: 1, precision: 1, recall: 1 / 3, f1: 0.5 },
    ]);
    expect(score!.macroF1).toBeCloseTo((0.75 + 4 / 7 + 0.5) / 3, 12);
  });

  it("count a label that was answered and never right, as scikit-learn does, with an F1 of 0", () => {
    const labels = labelScores(cellsOf([{ id: "1", gold: "a", answer: "z" }]));
    expect(labels).toMatchObject([
      { label: "a", precision: null, recall: 0, f1: 0 },
      { label: "z", precision: 0, recall: null, f1: 0 },
    ]);
    expect(macroF1(labels)).toBe(0);
  });

  it("know kappa: 60 of 100 agree where chance gives 54, so (0.60 - 0.54) / 0.46", () => {
    const cells = cellsOf(
      rowsOf([
        ["y", "y", 45],
        ["y", "n", 15],
        ["n", "y", 25],
        ["n", "n", 15],
      ]).map(({ id, gold, answer }) => ({ id, gold: String(gold), answer: answer as string })),
    );
    expect(cohensKappa(cells)).toBeCloseTo(0.06 / 0.46, 12);
    expect(cohensKappa([{ gold: "a", answer: "a", count: 5 }])).toBeNull();
  });

  it("name the most confused pairs with their first rows, and no missing answers", () => {
    const score = scoreDimension("category", "one", [...rows, ...rowsOf([["b", "c", 5]])]);
    if (score?.choose !== "one") throw new Error("one");
    expect(score.confused[0]).toEqual({ gold: "b", answer: "c", count: 5, ids: ["b-c-0", "b-c-1", "b-c-2"] });
    expect(score.confused.map(({ answer }) => answer)).not.toContain(null);
  });

  it("hold together: cells add up to rows, accuracy is the diagonal, all shares are shares", () => {
    fc.assert(
      fc.property(fc.array(anyRow, { minLength: 1, maxLength: 60 }), (random) => {
        const score = scoreDimension("category", "one", random);
        if (score?.choose !== "one") throw new Error("one");
        const sum = (list: readonly { count: number }[]): number => list.reduce((total, { count }) => total + count, 0);
        expect(sum(score.cells)).toBe(random.length);
        const diagonal = sum(score.cells.filter(({ gold, answer }) => gold === answer));
        expect(score.accuracy.value).toBeCloseTo(diagonal / random.length, 12);
        expect(score.labels.reduce((total, { support }) => total + support, 0)).toBe(random.length);
        for (const { precision, recall, f1 } of score.labels)
          for (const share of [precision ?? 0, recall ?? 0, f1]) expect(share >= 0 && share <= 1).toBe(true);
        expect(score.kappa ?? 0).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe("scores of many labels", () => {
  it("are those counted by hand", () => {
    const row = (gold: string[], answer: string[] | null): GoldRow => ({ id: "", gold, answer, confidence: null });
    const score = scoreDimension("topics", "many", [
      row(["a", "b"], ["b", "a"]),
      row(["a"], ["a", "c"]),
      row(["c"], []),
      row([], []),
      row(["b"], null),
    ]);
    expect(score).toMatchObject({ choose: "many", rows: 5, unanswered: 1 });
    expect(score!.accuracy.value).toBeCloseTo(2 / 5, 12);
    expect(score!.labels).toMatchObject([
      { label: "a", support: 2, answered: 2, correct: 2, f1: 1 },
      { label: "b", support: 2, answered: 1, correct: 1, f1: 2 / 3 },
      { label: "c", support: 1, answered: 1, correct: 0, f1: 0 },
    ]);
    // Micro: 3 right of 5 wanted and 4 given. Jaccard: 1, 1/2, 0, 1, 0.
    expect(score).toMatchObject({ microF1: 6 / 9, jaccard: 0.5 });
  });
});

describe("calibration", () => {
  it("is counted by hand: two bins, ECE, Brier", () => {
    const found = calibrate([
      { confidence: 0.9, correct: true },
      { confidence: 0.9, correct: true },
      { confidence: 0.9, correct: false },
      { confidence: 0.3, correct: false },
    ])!;
    expect(found.bins).toHaveLength(2);
    expect(found.bins[0]).toMatchObject({ from: 4 / 15, to: 5 / 15, rows: 1, accuracy: 0 });
    expect(found.bins[1]).toMatchObject({ rows: 3, accuracy: 2 / 3 });
    // 3/4 · |2/3 - 0.9| + 1/4 · |0 - 0.3|
    expect(found.ece).toBeCloseTo(0.25, 12);
    // (0.01 + 0.01 + 0.81 + 0.09) / 4
    expect(found.brier).toBeCloseTo(0.23, 12);
    expect(found.meanConfidence).toBeCloseTo(0.75, 12);
  });

  it("puts 0 and 1 and the edges of bins where they belong", () => {
    const bin = (confidence: number) => calibrate([{ confidence, correct: true }])!.bins[0]!;
    expect(bin(0).from).toBe(0);
    expect(bin(1).to).toBe(1);
    expect(bin(1 / 15).to).toBeCloseTo(1 / 15, 12);
    expect(bin(0.2).to).toBeCloseTo(0.2, 12);
  });

  it("draws accuracy over coverage; rows that are equally sure share their mistakes, whatever their order", () => {
    const rows = [
      { confidence: 0.9, correct: true },
      { confidence: 0.5, correct: false },
      { confidence: 0.5, correct: true },
    ];
    const found = calibrate(rows)!;
    expect(found.coverage).toEqual([
      { coverage: 1 / 3, accuracy: 1, confidence: 0.9 },
      { coverage: 1, accuracy: 2 / 3, confidence: 0.5 },
    ]);
    // k = 1: 1; k = 2: (1 + 1/2) / 2; k = 3: 2/3.
    expect(found.coverageArea).toBeCloseTo((1 + 0.75 + 2 / 3) / 3, 12);
    expect(calibrate(rows.toReversed())!.coverageArea).toBeCloseTo(found.coverageArea, 12);
    expect(coverageAt(found, 0.95)).toMatchObject({ coverage: 1 / 3 });
    expect(coverageAt(calibrate([{ confidence: 1, correct: false }])!, 0.95)).toBeNull();
  });

  it("ends at the accuracy of all rows, in at most 101 points of rising coverage", () => {
    const sure = fc.record({ confidence: fc.double({ min: 0, max: 1, noNaN: true }), correct: fc.boolean() });
    fc.assert(
      fc.property(fc.array(sure, { minLength: 1, maxLength: 400 }), (rows) => {
        const { coverage, ece, brier, coverageArea, bins } = calibrate(rows)!;
        expect(coverage.length).toBeLessThanOrEqual(101);
        expect(coverage.at(-1)).toMatchObject({ coverage: 1 });
        expect(coverage.at(-1)!.accuracy).toBeCloseTo(rows.filter(({ correct }) => correct).length / rows.length, 10);
        for (const [at, point] of coverage.entries())
          expect(point.coverage).toBeGreaterThan(coverage[at - 1]?.coverage ?? 0);
        expect(bins.reduce((sum, bin) => sum + bin.rows, 0)).toBe(rows.length);
        for (const share of [ece, brier, coverageArea]) expect(share >= 0 && share <= 1 + 1e-12).toBe(true);
      }),
    );
  });
});

describe("cost and latency", () => {
  it("are sums over all answers and nearest-rank quantiles; one unknown price makes the cost unknown", () => {
    const usage = { inputTokens: 10, cachedInputTokens: 4, cacheWriteTokens: 0, outputTokens: 2, reasoningTokens: 1 };
    const records = Array.from({ length: 20 }, (_, at) => ({ costUsd: 0.01, latencyMs: at + 1, usage }));
    expect(costOf(records)).toMatchObject({
      answered: 20,
      usd: expect.closeTo(0.2, 10),
      usdPerThousand: expect.closeTo(10, 10),
      usage: { inputTokens: 200, cachedInputTokens: 80 },
      latencyP50Ms: 10,
      latencyP95Ms: 19,
    });
    expect(costOf([...records, { costUsd: null }])).toMatchObject({ usd: null, usdPerThousand: null });
    expect(costOf([])).toMatchObject({ usdPerThousand: null, latencyP50Ms: null });
    expect(quantile([5], 0.95)).toBe(5);
  });
});
