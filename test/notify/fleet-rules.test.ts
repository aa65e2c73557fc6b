import { describe, expect, it } from "vitest";
import type { FleetSnapshot, WorkerReport } from "../../src/fleet.ts";
import { COUNTERS } from "../cli/made-up-run.ts";
import { HOUR_MS, MINUTE_MS, only, WatchedRules } from "./watched-rules.ts";

const ONE: WorkerReport = {
  ...{ name: "a-1-ffff", host: "a", pid: 1, state: "running", ranges: ["r000000001"], inFlight: 4, limit: 4 },
  ...{ itemsPerSecond: 1, settled: 10, modelCalls: 10, costUsd: 0, startedAtMs: 0, trouble: null },
};
const OTHER: WorkerReport = { ...ONE, name: "b-2-ffff", host: "b", ranges: ["r000000002"] };
const SECOND_MS = 1_000;

/** Each holds what it says that it has. */
function fleetOf(workers: readonly WorkerReport[], more: Partial<FleetSnapshot> = {}): FleetSnapshot {
  return {
    workers,
    ranges: { waiting: 3, taken: 2, done: 0, dead: 0 },
    held: [ONE, OTHER].map(({ name, ranges }) => ({ range: ranges[0]!, worker: name, sinceMs: 0 })),
    ...{ dead: [], itemsPerSecond: 2, costUsd: 0 },
    ...more,
  };
}

describe("the rule worker-gone", () => {
  it("tells each worker that is missing with a range in its hands, and that it is heard of again", () => {
    const seen = new WatchedRules({ rules: only("worker-gone") });
    seen.look({ fleet: fleetOf([ONE, OTHER]) }).pass(HOUR_MS);
    expect(seen.taken()).toEqual([]);
    seen.look({ fleet: fleetOf([OTHER]) });
    expect(seen.notifications[0]).toMatchObject({
      severity: "warning",
      title: "Worker a-1-ffff is gone, with 1 range in its hands",
      figures: { worker: "a-1-ffff", ranges: 1, workers: 1 },
    });
    expect(seen.taken()).toEqual(["problem worker-gone:a-1-ffff"]);
    seen.look({ fleet: fleetOf([]) });
    expect(seen.notifications[0]!.details[1]).toBe("Nobody else is there to take over r000000002: start a worker.");
    expect(seen.taken()).toEqual(["problem worker-gone:b-2-ffff"]);
    seen.restart().look({ fleet: fleetOf([ONE, OTHER]) });
    expect(seen.notifications.map(({ title }) => title)).toEqual([
      "Worker a-1-ffff is heard of again",
      "Worker b-2-ffff is heard of again",
    ]);
  });

  it("is over when others have what it had, and is not told of one that left with nothing", () => {
    const seen = new WatchedRules({ rules: only("worker-gone") });
    seen.look({ fleet: fleetOf([OTHER], { held: [] }) }).look({ fleet: fleetOf([OTHER]) });
    expect(seen.taken()).toEqual(["problem worker-gone:a-1-ffff"]);
    const held = ["r000000001", "r000000002"].map((range) => ({ range, worker: OTHER.name, sinceMs: 0 }));
    seen.look({ fleet: fleetOf([OTHER], { held }) });
    expect(seen.notifications[0]!.title).toBe("Worker a-1-ffff has nothing in its hands any more");
    expect(seen.taken()).toEqual(["recovered worker-gone:a-1-ffff"]);
  });

  it("does not take workers for gone that a store which was away did not hear", () => {
    const seen = new WatchedRules({ rules: only("worker-gone") });
    const waiting = { reason: "the store does not answer: connection refused", untilMs: null, items: 0 };
    seen.look({ state: "waiting", waiting, fleet: fleetOf([]) }).pass(HOUR_MS);
    seen.look({ state: "running", waiting: null }).pass(29 * SECOND_MS, 4 * SECOND_MS);
    expect(seen.taken()).toEqual([]);
    seen.look({ fleet: fleetOf([OTHER]) }).pass(4 * SECOND_MS, 4 * SECOND_MS);
    expect(seen.taken()).toEqual(["problem worker-gone:a-1-ffff"]);
  });

  it("ends when the job goes on without workers, and not in the moment before they are looked at", () => {
    const seen = new WatchedRules({ rules: only("worker-gone") });
    seen.look({ fleet: fleetOf([OTHER]) });
    expect(seen.taken()).toEqual(["problem worker-gone:a-1-ffff"]);
    Reflect.deleteProperty(seen.snapshot, "fleet");
    seen
      .restart()
      .event("execution:start")
      .look()
      .pass(9 * MINUTE_MS);
    expect(seen.taken()).toEqual([]);
    expect(seen.pass(MINUTE_MS).taken()).toEqual(["recovered worker-gone:a-1-ffff"]);
  });

  it("remembers no names that are over, however many workers die", () => {
    const seen = new WatchedRules({ rules: only("worker-gone") });
    for (let at = 0; at < 500; at++) {
      seen
        .look({ fleet: fleetOf([ONE, { ...OTHER, name: `b-${at + 1}` }], { held: heldBy(`b-${at}`) }) })
        .pass(MINUTE_MS);
    }
    expect(seen.taken().filter((told) => told.startsWith("problem"))).toHaveLength(500);
    expect(Object.keys(seen.rules.saved(seen.nowMs).problems).length).toBeLessThan(40);
  });
});

describe("what workers settle", () => {
  const work = (changes: Partial<typeof COUNTERS>) => ({
    counters: { ...COUNTERS, inFlight: 0, pending: 0, classified: 5_000, retryQueued: 0, deadLetters: 0, ...changes },
    fleet: fleetOf([ONE, OTHER]),
  });

  it("counts as settled: a fleet that works is not idle, and one without workers is", () => {
    const seen = new WatchedRules({ rules: only("idle") });
    seen.event("execution:start").look(work({}));
    for (let classified = 5_000; classified < 5_120; classified++) seen.look(work({ classified })).pass(MINUTE_MS);
    expect(seen.taken()).toEqual([]);
    const waiting = { reason: "no worker has joined", untilMs: null, items: 0 };
    seen.look({ waiting, state: "waiting" }).pass(15 * MINUTE_MS);
    expect(seen.notifications[0]!.details).toContain("It waits: no worker has joined.");
    expect(seen.taken()).toEqual(["problem idle"]);
    seen.look({ ...work({ classified: 5_130 }), waiting: null, state: "running" });
    expect(seen.taken()).toEqual(["recovered idle"]);
  });

  it("counts for the share that failed and for dead letters, once, beside what the run settles itself", () => {
    const seen = new WatchedRules({ rules: only("error-share", "dead-letters") });
    seen.event("execution:start").look(work({ deadLetters: 400 }));
    expect(seen.taken()).toEqual([]);
    seen.settle("classified", 40).look(work({ classified: 5_040, deadLetters: 409 }));
    expect(seen.taken()).toEqual([]);
    // While a range is counted it is missing in the sum, and what it had is not new afterwards.
    seen.look(work({ classified: 3_000, deadLetters: 0 })).look(work({ classified: 5_040, deadLetters: 409 }));
    expect(seen.taken()).toEqual([]);
    seen.look(work({ classified: 5_040, deadLetters: 412 }));
    expect(seen.notifications.map(({ figures }) => figures)).toMatchObject([
      { failed: 12, items: 52 },
      { count: 12, limit: 10 },
    ]);
    expect(seen.taken()).toEqual(["problem error-share", "problem dead-letters"]);
  });

  it("counts for the summary of the day", () => {
    const seen = new WatchedRules({ rules: only("finished") });
    seen.event("execution:start").look(work({ costUsd: 10 }));
    seen.look(work({ classified: 5_007, deadLetters: 2, costUsd: 11.5 })).pass(2 * HOUR_MS);
    expect(seen.notifications[0]?.figures).toMatchObject({ classified: 7, deadLetters: 2, costUsd: 1.5 });
  });
});

describe("the rule range-dead", () => {
  const dead = (at: number, atMs: number) => ({ range: `r00000000${at}`, items: 2_000, atMs });

  it("tells ranges that ended their workers, also when they are counted, over restarts, until none is in the window", () => {
    const seen = new WatchedRules({ rules: only("range-dead") });
    seen.look({ fleet: fleetOf([ONE, OTHER]) });
    const died = [dead(1, seen.nowMs)];
    seen.look({ fleet: fleetOf([ONE, OTHER], { dead: died }) });
    expect(seen.notifications[0]).toMatchObject({
      severity: "warning",
      title: "1 range ended its workers in the last hour",
      details: [expect.stringContaining("r000000001 is dead letters (poison); about 2,000 items"), expect.anything()],
      actions: ["querymill retry --error poison --dry-run --job inbox"],
      figures: { ranges: 1, items: 2_000 },
    });
    // Another process has not seen it.
    seen
      .restart()
      .look({ fleet: fleetOf([ONE]) })
      .pass(30 * MINUTE_MS);
    seen.look({ fleet: fleetOf([ONE], { dead: [dead(2, seen.nowMs)] }) }).pass(59 * MINUTE_MS);
    expect(seen.taken()).toEqual(["problem range-dead"]);
    seen.pass(MINUTE_MS);
    expect(seen.notifications[0]!.title).toBe("No range ended its workers in the last hour");
    expect(seen.taken()).toEqual(["recovered range-dead"]);
    // The run still shows it.
    expect(seen.pass(5 * HOUR_MS).taken()).toEqual([]);
  });
});

function heldBy(worker: string): FleetSnapshot["held"] {
  return [{ range: "r000000003", worker, sinceMs: 0 }];
}
