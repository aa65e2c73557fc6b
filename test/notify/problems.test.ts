import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HOUR_MS, MINUTE_MS, only, WatchedRules } from "./watched-rules.ts";

describe("problems of any kind", () => {
  it("are never told twice within the cool-down, and each that was told has exactly one recovery", () => {
    const steps = fc.array(
      fc.record({
        down: fc.constantFrom(true, false, null),
        minutes: fc.integer({ min: 0, max: 40 }),
        restart: fc.boolean(),
      }),
      { minLength: 20, maxLength: 120, size: "max" },
    );
    fc.assert(
      fc.property(
        steps,
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 10, max: 90 }),
        (list, forMinutes, cooldownMinutes) => {
          const seen = new WatchedRules({ rules: { ...only("lag"), lag: { forMinutes, cooldownMinutes } } });
          for (const { down, minutes, restart } of list) {
            seen.look({ lag: { ms: down === null ? null : down ? 2 * HOUR_MS : 0 } });
            seen.pass(minutes * MINUTE_MS, 7 * MINUTE_MS);
            if (restart) seen.restart();
          }
          seen.look({ lag: { ms: 0 } }).pass(HOUR_MS);
          const states = seen.notifications.map(({ state }) => state);
          expect(states).toEqual(states.map((_, at) => (at % 2 === 0 ? "problem" : "recovered")));
          expect(states.length % 2).toBe(0);
          const told = seen.notifications.filter(({ state }) => state === "problem").map(({ atMs }) => atMs);
          for (const [at, atMs] of told.entries())
            if (at > 0) expect(atMs - told[at - 1]!).toBeGreaterThanOrEqual(cooldownMinutes * MINUTE_MS);
          expect(new Set(seen.notifications.map(({ id }) => id)).size).toBe(states.length);
        },
      ),
    );
  });
});
