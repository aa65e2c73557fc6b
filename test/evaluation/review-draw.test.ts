import fc from "fast-check";
import { expect, test } from "vitest";
import { ReviewDraw } from "../../src/evaluation/review-draw.ts";
import { keyOf } from "../../src/item.ts";

const anyRecord = fc.record({
  category: fc.constantFrom("billing", "shipping", "other", null),
  needsReview: fc.boolean(),
  confidence: fc.record({ category: fc.double({ min: 0, max: 1, noNaN: true }) }),
  decidedBy: fc.constantFrom("model", "model", "model", "person"),
});

function drawn(records: readonly object[], size: number) {
  const draw = new ReviewDraw(size);
  for (const [at, record] of records.entries()) draw.add({ _id: at, ...record });
  return { rows: draw.draw(), draw };
}

test("a sheet has the asked rows, each record once, none that a person decided, and says what each part stands for", () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 300 }), fc.integer({ min: 1, max: 40 }), (records, size) => {
      const { rows, draw } = drawn(records, size);
      const open = records.filter(({ decidedBy }) => decidedBy !== "person").length;
      expect(draw.seen).toBe(open);
      expect(draw.decided).toBe(records.length - open);
      expect(rows).toHaveLength(Math.min(size, open));
      expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length);
      const people = new Set(records.flatMap(({ decidedBy }, at) => (decidedBy === "person" ? keyOf(at) : [])));
      expect(rows.filter(({ key }) => people.has(key))).toEqual([]);
      const [uncertain, random] = (["uncertain", "random"] as const).map((part) =>
        rows.filter((row) => row.part === part),
      );
      for (const { of } of uncertain!) expect(of).toBe(uncertain!.length);
      for (const { of } of random!) expect(of).toBe(open - uncertain!.length);
      if (rows.length > 0) expect(random!.length).toBeGreaterThanOrEqual(Math.min(open, Math.ceil(size / 4)));
      // The order in which a store gives its records decides nothing.
      const keyed = records.map((record, at) => ({ _id: at, ...record })).reverse();
      const backwards = new ReviewDraw(size);
      for (const record of keyed) backwards.add(record);
      expect(backwards.draw()).toEqual(rows);
    }),
    { numRuns: 60 },
  );
});

test("what needs review comes first, then the least sure, in turn from each category", () => {
  const record = (category: string, confidence: number, needsReview = false) => ({
    category,
    needsReview,
    confidence: { category: confidence },
  });
  const records = [
    record("a", 0.1),
    record("a", 0.2),
    record("a", 0.3),
    record("b", 0.8),
    record("b", 0.7, true),
    record("c", 0.9),
    ...Array.from({ length: 50 }, () => record("a", 1)),
  ];
  const { rows } = drawn(records, 6);
  const uncertain = rows
    .filter(({ part }) => part === "uncertain")
    .map(({ key }) => Number(JSON.parse(key).$numberInt));
  // One of b that needs review; then the least sure of a, b and c; never two of a before one of b.
  expect(uncertain).toEqual([4, 0, 3, 5]);
});

test("the random part is drawn evenly from all that the uncertain part leaves", () => {
  const records = Array.from({ length: 4_000 }, (_, at) => ({ category: "a", confidence: { category: at / 4_000 } }));
  const { rows } = drawn(records, 400);
  const random = rows.filter(({ part }) => part === "random").map(({ key }) => Number(JSON.parse(key).$numberInt));
  expect(random).toHaveLength(100);
  const mean = random.reduce((sum, at) => sum + at, 0) / random.length;
  // Evenly over 300 … 3,999: mean 2,150, standard error 107.
  expect(Math.abs(mean - 2_150)).toBeLessThan(4 * 107);
});
