import { expect, it } from "vitest";
import { Timetable } from "../../src/scheduling/timetable.ts";
import { schedule } from "../support/schedules.ts";

const FROM = Date.parse("2026-11-26T00:30:00Z");
const HOUR_MS = 3_600_000;

it("a delay by jitter is between none and all of it, the same for one time, another one for another job", () => {
  const late = schedule("0 * * * *", { jitterSeconds: 600 });
  const starts = (seed: string): readonly number[] => new Timetable([late], seed, FROM).snapshot(FROM)[0]!.nextMs;
  const delays = Array.from({ length: 40 }, (_, at) => starts(`job ${at}`)[0]! - (FROM + HOUR_MS / 2));
  for (const delay of delays) {
    expect(delay).toBeGreaterThanOrEqual(0);
    expect(delay).toBeLessThanOrEqual(600_000);
  }
  expect(new Set(delays).size).toBeGreaterThan(35);
  expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(300_000);
  expect(starts("a")).toEqual(starts("a"));
  expect(starts("a")).toHaveLength(5);
  expect(new Timetable([late], "a", FROM).next()).toMatchObject({
    startMs: starts("a")[0],
    timeMs: FROM + HOUR_MS / 2,
  });
});

it("a time whose delay is not over has not passed, and is still to come", () => {
  const late = schedule("0 * * * *", { jitterSeconds: 600 });
  const table = new Timetable([late], "a", FROM);
  const { timeMs, startMs } = table.next()!;
  expect(startMs).toBeGreaterThan(timeMs + 1);
  expect(table.passed("main", startMs - 1)).toBeNull();
  expect(table.snapshot(startMs - 1)[0]!.nextMs[0]).toBe(startMs);
  expect(table.passed("main", startMs)).toEqual({ times: 1, firstMs: timeMs, lastMs: timeMs });
  expect(table.snapshot(startMs)[0]!.nextMs[0]).toBeGreaterThan(startMs);
});

it("of very many times that have passed a thousand are counted, and all are settled", () => {
  const table = new Timetable([schedule("* * * * * *")], "", FROM);
  const nowMs = FROM + 30 * 24 * HOUR_MS;
  const passed = table.passed("main", nowMs)!;
  expect(passed).toEqual({ times: 1_000, firstMs: FROM + 1_000, lastMs: nowMs });
  table.settle("main", passed.lastMs, false);
  expect(table.passed("main", nowMs)).toBeNull();
});

it("the schedule that was named first goes first when two begin together", () => {
  const daily = ["b", "a"].map((name) => schedule("0 2 * * *", { name }));
  expect(new Timetable(daily, "", FROM).next()?.schedule.name).toBe("b");
});
