import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chiSquareTail, labelShift } from "../../src/notify/label-shift.ts";
import { HOUR_MS, only, WatchedRules } from "./watched-rules.ts";

describe("the test of two mixes", () => {
  it("has the tail of the chi-square distribution", () => {
    // Table values of the 5 % and 0.1 % points.
    for (const [degrees, five, tenth] of [
      [1, 3.841, 10.828],
      [2, 5.991, 13.816],
      [5, 11.07, 20.515],
      [12, 21.026, 32.909],
      [30, 43.773, 59.703],
    ] as const) {
      expect(chiSquareTail(five, degrees)).toBeCloseTo(0.05, 4);
      expect(chiSquareTail(tenth, degrees)).toBeCloseTo(0.001, 5);
    }
  });

  it("names the labels that moved, farthest first, and has no opinion without items", () => {
    const shift = labelShift({ billing: 50, delivery: 40, other: 10 }, { billing: 20, delivery: 68, other: 12 })!;
    expect(shift.movedShare).toBeCloseTo(0.3);
    expect(shift.labels[0]).toEqual({ label: "billing", before: 0.5, now: 0.2 });
    expect(shift.probability).toBeLessThan(0.001);
    expect(labelShift({}, { billing: 1 })).toBeNull();
  });

  it("rarely calls two draws from one mix different: as often as its probability says", () => {
    let low = 0;
    let seed = 7;
    const uniform = (): number => {
      seed = (seed * 1_664_525 + 1_013_904_223) % 4_294_967_296;
      return seed / 4_294_967_296;
    };
    const draw = (): Record<string, number> => {
      const counts: Record<string, number> = {};
      for (let item = 0; item < 300; item++) {
        const label = `l${Math.floor(uniform() ** 2 * 12)}`;
        counts[label] = (counts[label] ?? 0) + 1;
      }
      return counts;
    };
    for (let trial = 0; trial < 2_000; trial++) if (labelShift(draw(), draw())!.probability < 0.05) low += 1;
    expect(low / 2_000).toBeGreaterThan(0.03);
    expect(low / 2_000).toBeLessThan(0.07);
  });

  it("is symmetric and within its bounds for any counts", () => {
    const counts = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 1, max: 1_000 }), {
      minKeys: 1,
    });
    fc.assert(
      fc.property(counts, counts, (before, now) => {
        const [one, other] = [labelShift(before, now)!, labelShift(now, before)!];
        expect(one.movedShare).toBeCloseTo(other.movedShare, 10);
        expect(one.movedShare).toBeGreaterThanOrEqual(0);
        expect(one.movedShare).toBeLessThanOrEqual(1 + 1e-9);
        expect(one.probability).toBeCloseTo(other.probability, 10);
        expect(one.probability).toBeGreaterThanOrEqual(0);
        expect(one.probability).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe("the rule label-mix", () => {
  /** Hours of one mix: `shares` are items an hour by label. */
  function hours(seen: WatchedRules, count: number, shares: Readonly<Record<string, number>>): void {
    for (let hour = 0; hour < count; hour++) {
      const { category = {} } = seen.snapshot.labels ?? {};
      const next = { ...category };
      for (const [label, items] of Object.entries(shares)) next[label] = (next[label] ?? 0) + items;
      seen.look({ labels: { category: next } });
      seen.pass(HOUR_MS, HOUR_MS);
    }
  }

  it("tells a mix that is unlike last week's with what moved, and that it is near again, over restarts", () => {
    const seen = new WatchedRules({ rules: only("label-mix") });
    hours(seen, 8 * 24, { billing: 10, delivery: 10, other: 2 });
    seen.restart();
    // The next execution counts from nothing.
    seen.look({ executionId: "1189", labels: {} });
    hours(seen, 24, { billing: 10, delivery: 11, other: 2 });
    expect(seen.taken()).toEqual([]);
    hours(seen, 24, { billing: 3, delivery: 18, other: 2 });
    expect(seen.notifications[0]).toMatchObject({ subject: "label-mix:category", severity: "warning" });
    expect(seen.notifications[0]!.details.slice(1, 3).join()).toBe(
      "delivery: 45 % before, 61 % now,billing: 45 % before, 31 % now",
    );
    expect(seen.taken()).toEqual(["problem label-mix:category"]);
    hours(seen, 7 * 24, { billing: 3, delivery: 18, other: 2 });
    expect(seen.taken()).toEqual(["recovered label-mix:category"]);
  });

  it("says nothing of few items, of the first week, or of a weekend that is like the last one", () => {
    const seen = new WatchedRules({ rules: only("label-mix") });
    hours(seen, 24, { billing: 10 });
    hours(seen, 24, { delivery: 10 });
    expect(seen.taken()).toEqual([]);
    const few = new WatchedRules({ rules: only("label-mix") });
    hours(few, 8 * 24, { billing: 5 });
    hours(few, 24, { delivery: 5 });
    expect(few.taken()).toEqual([]);
    const weekly = new WatchedRules({ rules: only("label-mix") });
    for (let week = 0; week < 4; week++) {
      hours(weekly, 5 * 24, { billing: 15, delivery: 5 });
      hours(weekly, 2 * 24, { billing: 5, delivery: 15 });
    }
    expect(weekly.taken()).toEqual([]);
  });

  it("keeps a state of bounded size", () => {
    const seen = new WatchedRules({ rules: only("label-mix", "error-share", "dead-letters") });
    const labels = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`label_${at}`, 1]));
    hours(seen, 15 * 24, labels);
    expect(JSON.stringify(seen.rules.saved(seen.nowMs)).length).toBeLessThan(500_000);
  });
});
