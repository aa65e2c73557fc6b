import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FailureClass } from "../../src/errors.ts";
import { backoffMs, type Decision, decide, dueInMs, nextRoundMs, type Trail } from "../../src/traffic/retry.ts";

const OPTIONS = { retries: 3, baseDelayMs: 1_000, maxDelayMs: 60_000, rounds: [60_000, 300_000, 900_000] };
const FRESH: Trail = { failures: 0, uncertain: 0, repaired: false, enlarged: false, shortened: false };
const USED: Trail = { failures: 3, uncertain: 2, repaired: true, enlarged: true, shortened: true };
const half = () => 0.5;

describe("what to do after a failed call", () => {
  const table: Record<FailureClass, [first: Decision, used: Decision]> = {
    throttled: [{ do: "again" }, { do: "again" }],
    transient: [{ do: "retry", afterMs: 500 }, { do: "requeue" }],
    "unknown-outcome": [{ do: "retry", afterMs: 500 }, { do: "requeue" }],
    malformed: [{ do: "repair" }, { do: "bury" }],
    "label-unknown": [{ do: "repair" }, { do: "bury" }],
    truncated: [{ do: "enlarge" }, { do: "bury" }],
    "too-long": [{ do: "shorten" }, { do: "bury" }],
    content: [{ do: "bury" }, { do: "bury" }],
    billing: [{ do: "stop" }, { do: "stop" }],
    "daily-quota": [{ do: "stop" }, { do: "stop" }],
    config: [{ do: "stop" }, { do: "stop" }],
  };
  it.each(Object.entries(table))("%s: at first and when its means are used up", (failure, [first, used]) => {
    expect(decide(failure as FailureClass, FRESH, OPTIONS, half)).toEqual(first);
    expect(decide(failure as FailureClass, USED, OPTIONS, half)).toEqual(used);
  });

  it("a call that may have been billed is repeated twice at most, however many retries there are", () => {
    const options = { ...OPTIONS, retries: 10 };
    const afterUncertain = (uncertain: number) =>
      decide("unknown-outcome", { ...FRESH, uncertain, failures: uncertain }, options, half).do;
    expect([0, 1, 2, 3].map(afterUncertain)).toEqual(["retry", "retry", "requeue", "requeue"]);
  });

  it("without retries the first trouble sends an item to the retry queue", () => {
    expect(decide("transient", FRESH, { ...OPTIONS, retries: 0 }, half)).toEqual({ do: "requeue" });
  });
});

it("a delay doubles from the base, stays below the ceiling and is spread over all of it", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (failures, random) => {
        const ms = backoffMs(failures, OPTIONS, () => random);
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThan(Math.min(60_000, 1_000 * 2 ** (failures - 1)) + 1e-6);
        expect(ms).toBe(random * Math.min(60_000, 1_000 * 2 ** (failures - 1)));
      },
    ),
    { seed: 7, numRuns: 300 },
  );
  expect([1, 2, 3, 7, 8].map((failures) => backoffMs(failures, OPTIONS, half))).toEqual([
    500, 1_000, 2_000, 30_000, 30_000,
  ]);
});

it("rounds of the retry queue come after 1, 5 and 15 min; then, or failed three times alike, it is a dead letter", () => {
  expect([0, 1, 2, 3].map((round) => nextRoundMs(round, 1, OPTIONS))).toEqual([60_000, 300_000, 900_000, null]);
  expect([1, 2, 3, 4].map((alike) => nextRoundMs(0, alike, OPTIONS))).toEqual([60_000, 60_000, null, null]);
});

it("an item in a retry queue is due at once when its time lies further ahead than its whole wait and a minute", () => {
  const left = (round: number, dueMs: number) => dueInMs({ round, dueMs }, OPTIONS.rounds, 0);
  expect([left(1, -5), left(1, 60_000), left(1, 120_000), left(1, 120_001)]).toEqual([-5, 60_000, 120_000, 0]);
  expect([left(3, 960_000), left(3, 960_001), left(3, 3_600_000)]).toEqual([960_000, 0, 0]);
  // Made due by a person, or of a round that the settings no longer have.
  expect([left(0, 3_600_000), left(4, 3_600_000)]).toEqual([0, 0]);
});
