import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { StoreClock } from "../../src/cluster/store-clock.ts";

it("goes on while the machine sleeps, and is put right by the store when its clock was set", async () => {
  const EPOCH_MS = 1_700_000_000_000;
  let [steadyMs, wallMs, storeMs] = [5_000, EPOCH_MS, EPOCH_MS + 30];
  const pass = (ms: number): void => {
    steadyMs += ms;
    wallMs += ms;
    storeMs += ms;
  };
  let looks = 0;
  const ask = async (): Promise<number> => {
    looks += 1;
    return storeMs;
  };
  const clock = new StoreClock(
    () => steadyMs,
    ask,
    () => wallMs,
  );
  await clock.look();
  pass(10_000);
  expect(clock.nowMs()).toBe(storeMs);
  // Slept: what it measures with stands still.
  wallMs += 400_000;
  storeMs += 400_000;
  expect(clock.nowMs()).toBe(storeMs);
  pass(500);
  expect(clock.nowMs()).toBe(storeMs);
  // Set an hour ahead, and back.
  const before = looks;
  wallMs += 3_600_000;
  expect(clock.nowMs()).toBe(storeMs + 3_600_000);
  await delay(1);
  expect(looks).toBeGreaterThan(before);
  expect(clock.nowMs()).toBe(storeMs);
  wallMs -= 3_600_000;
  expect(clock.nowMs()).toBe(storeMs);
  clock.close();
});
