import { expect, test } from "vitest";
import { progressLine } from "../../src/cli/service-progress.ts";
import { COUNTERS, makeSnapshot } from "./made-up-run.ts";

test("the line of progress says what it does, how far it is, and what it waits for", () => {
  expect(progressLine(makeSnapshot({ state: "running", itemsPerSecond: 41.5, waiting: null }))).toBe(
    "running: 158,947 classified, 561 failed, 41.5/s, cost $144.63",
  );
  const { nowMs } = makeSnapshot();
  const waiting = { reason: "next poll", untilMs: nowMs + 61_000, items: 0 };
  expect(
    progressLine(
      makeSnapshot({ state: "waiting", waiting, counters: { ...COUNTERS, retryQueued: 0, deadLetters: 0 } }),
    ),
  ).toBe("waits (next poll, 1 min 1 s): 158,947 classified, cost $144.63");
});
