import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { SqliteLeases } from "../../src/stores/sqlite-lease.ts";
import { Statements } from "../../src/stores/sqlite-statements.ts";

const HOUR_MS = 3_600_000;
const TTL_MS = 30_000;
const holder = (ownerId: string) => ({ job: "j", ownerId, host: "h", pid: 1, executionId: "e" });

/** A lease that "a" took just before the clock was set back by an hour. */
function makeLease() {
  const database = new DatabaseSync(":memory:");
  const clock = { nowMs: 10 * HOUR_MS };
  const leases = new SqliteLeases(database, new Statements(database), () => clock.nowMs);
  expect(leases.acquire("t", holder("a"), TTL_MS)).toEqual({ status: "held", fence: 1 });
  clock.nowMs -= HOUR_MS;
  return { leases, clock };
}

it("of a dead owner holds for its time to live from the first question on, when the clock was set back an hour", () => {
  const { leases, clock } = makeLease();
  expect(leases.acquire("t", holder("b"), TTL_MS)).toMatchObject({ status: "busy", expiresInMs: TTL_MS });
  clock.nowMs += TTL_MS - 1;
  expect(leases.acquire("t", holder("b"), TTL_MS)).toMatchObject({ status: "busy", expiresInMs: 1 });
  clock.nowMs += 1;
  expect(leases.acquire("t", holder("b"), TTL_MS)).toEqual({ status: "held", fence: 2 });
});

it("of a living owner stays its own: it renews it in time", () => {
  const { leases, clock } = makeLease();
  expect(leases.acquire("t", holder("b"), TTL_MS)).toMatchObject({ status: "busy" });
  clock.nowMs += TTL_MS / 3;
  expect(leases.renew("t", "a", 1, TTL_MS)).toBe(true);
  clock.nowMs += TTL_MS - 1;
  expect(leases.acquire("t", holder("b"), TTL_MS)).toMatchObject({ status: "busy", holder: holder("a") });
});
