import { expect, it } from "vitest";
import { RunBreaker } from "../../src/traffic/run-breaker.ts";

const feed = (breaker: RunBreaker, outcomes: readonly boolean[]) =>
  outcomes.map((succeeded) => breaker.record(succeeded));
const times = (count: number, value: boolean) => Array<boolean>(count).fill(value);

it("says nothing before 20 items are known, then stops when half of them failed", () => {
  const breaker = new RunBreaker({ share: 0.5, window: 50 });
  expect(feed(breaker, times(19, false))).toEqual(times(19, false));
  expect(breaker.record(false)).toBe(true);
});

it("stays closed one failure below its share, and opens with it", () => {
  const breaker = new RunBreaker({ share: 0.5, window: 50 });
  expect(feed(breaker, [...times(26, true), ...times(24, false)])).not.toContain(true);
  // The window moves: a success leaves it, a failure comes.
  expect(breaker.record(false)).toBe(true);
});

it("forgets what lies behind its window", () => {
  const breaker = new RunBreaker({ share: 0.5, window: 50 });
  feed(breaker, times(1_000, true));
  expect(breaker.seen).toBe(50);
  expect(feed(breaker, times(24, false))).not.toContain(true);
  expect(breaker.record(false)).toBe(true);
  breaker.reset();
  expect([breaker.seen, breaker.record(false)]).toEqual([0, false]);
});

it("works with a window below its least number", () => {
  const breaker = new RunBreaker({ share: 1, window: 5 });
  expect(feed(breaker, times(5, false))).toEqual([false, false, false, false, true]);
});
