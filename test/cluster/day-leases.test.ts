import fc from "fast-check";
import { expect, it } from "vitest";
import { DayLeases } from "../../src/cluster/day-leases.ts";
import { leaseCounters } from "../support/lease-counters.ts";

const HOUR = 3_600_000;

it("no 24 hours hold more than the limit, whoever uses how much and when", async () => {
  const step = fc.record({ who: fc.nat(2), amount: fc.integer({ min: 1, max: 60 }), afterMs: fc.nat(3 * HOUR) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 120 }),
      fc.integer({ min: 200, max: 900 }),
      async (steps, limit) => {
        const { store } = leaseCounters(40 * HOUR);
        const options = { store, key: "k", limit, now: store.nowMs };
        const told: (() => void)[] = [];
        const processes = [0, 1, 2].map((at) => new DayLeases({ ...options, onChange: () => told[at]?.() }));
        const used: { atMs: number; amount: number }[] = [];
        for (const { who, amount, afterMs } of steps) {
          store.atMs += afterMs;
          const leases = processes[who]!;
          if (leases.waitMs(amount) > 0) {
            await new Promise<void>((resolve) => {
              told[who] = resolve;
              setImmediate(resolve);
            });
            if (leases.waitMs(amount) > 0) continue;
          }
          leases.take(amount);
          used.push({ atMs: store.atMs, amount });
        }
        for (const { atMs } of used) {
          const within = used.filter((one) => one.atMs > atMs - 24 * HOUR && one.atMs <= atMs);
          expect(within.reduce((sum, one) => sum + one.amount, 0)).toBeLessThanOrEqual(limit);
        }
        expect(used.length).toBeGreaterThan(0);
      },
    ),
    { numRuns: 60 },
  );
});

it("a call that takes more than a day has goes out when nothing else did, and is paid back", async () => {
  const { store } = leaseCounters(40 * HOUR);
  const leases = new DayLeases({ store, key: "k", limit: 200, now: store.nowMs, onChange: () => {} });
  expect(leases.waitMs(500)).toBeGreaterThan(0);
  await new Promise(setImmediate);
  expect(leases.waitMs(500)).toBe(0);
  leases.take(500);
  expect(leases.waitMs(1)).toBeGreaterThan(0);
  await new Promise(setImmediate);
  store.atMs += HOUR;
  expect(leases.waitMs(1)).toBeGreaterThan(0);
  await new Promise(setImmediate);
  expect(leases.waitMs(1)).toBeGreaterThan(0);
});
