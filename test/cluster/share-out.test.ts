import { MongoClient } from "mongodb";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { CoordinatorAllowance } from "../../src/cluster/coordinator-allowance.ts";
import { lookAt } from "../../src/cluster/fleet-look.ts";
import type { FleetStore } from "../../src/cluster/ports.ts";
import { ShareOut } from "../../src/cluster/share-out.ts";
import { QuerymillError } from "../../src/errors.ts";
import type { JobSettings } from "../../src/job.ts";
import { NO_COUNTERS } from "../../src/jobs/no-counters.ts";
import type { Held, Shared } from "../../src/jobs/together.ts";
import { applyAbsorbed, EMPTY_JOB_STATE } from "../../src/outcome.ts";
import type { Store } from "../../src/store.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { StoreWatch } from "../../src/traffic/store-watch.ts";
import { makeJob } from "../support/job.ts";

const database = `share_out_${process.pid}`;
const FENCE = 1;
const DONE = { name: "r000000001", number: 1, from: null, to: "{}", items: 5 };
let client: MongoClient;
let store: Store;
let settings: JobSettings;
let fleet: FleetStore;
let made = 0;

beforeAll(async () => {
  client = await new MongoClient(inject("mongoReplicaUri")).connect();
  store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
});
afterAll(async () => {
  await client.db(database).dropDatabase();
  await client.close();
});
beforeEach(async () => {
  made += 1;
  settings = { ...(await makeJob("MongoDB")).settings, targetCollection: `t${made}` };
  fleet = store.fleet!(settings.targetCollection);
});

/** The state of a job that has counted what a worker did of a range. */
const absorbed = applyAbsorbed(EMPTY_JOB_STATE, {
  ...{ number: 1, atMs: Date.now() },
  counters: { ...NO_COUNTERS, classified: 5, modelCalls: 5, costUsd: 3 },
});

/** A run that shares work out. @param confirm whether it still holds the target */
function coordinator(options: { confirm?: () => Promise<void>; board?: Partial<FleetStore["board"]> } = {}) {
  const told: number[] = [];
  const board = new Proxy(fleet.board, {
    get: (of, name) => (options.board as Record<PropertyKey, unknown>)?.[name] ?? Reflect.get(of, name).bind(of),
  });
  const allowance = new CoordinatorAllowance();
  const sharing = new ShareOut({
    ...{ settings, allowance },
    openDispatcher: async () => ({ offer: async () => {}, close: async () => {} }) as never,
    onAlone: () => {},
    onUntold: (forMs) => told.push(forMs),
  });
  const source = { cut: async () => ({ to: null, items: 5 }) };
  const lease = { fence: FENCE, confirm: options.confirm ?? (async () => {}) };
  const ending = new AbortController();
  const shared = {
    ...{ settings, executionId: "e", fingerprint: {}, signal: ending.signal },
    open: { source, lease },
    manager: { retryQueue: new Map() },
    recorder: { state: absorbed, totals: absorbed.totals, counts: { read: 0 }, openUsd: 0, absorbedUsd: 3 },
    watch: new StoreWatch({ storeMs: null, now: () => performance.now() }),
  } as unknown as Shared;
  const held = { lease, store: { address: "mongodb", fleet: () => ({ ...fleet, board }) }, source } as unknown as Held;
  return { sharing, shared, held, allowance, told, ending };
}

describe("a run that shares work out", () => {
  it("counts nothing and takes nothing away when another one has taken over", async () => {
    await fleet.book.change({ job: "flow", executionId: "e", question: {}, cut: false }, FENCE);
    await fleet.book.add([DONE], FENCE);
    const taker = { worker: "w", ownerId: "o", executionId: "x", fence: 2, alone: false };
    expect(await fleet.book.take((await fleet.book.find(DONE.name))!, taker)).toBe(true);
    expect(await fleet.book.finish(DONE.name, taker, "done", null)).toBe(true);
    const { sharing, shared, held } = coordinator({
      confirm: async () => {
        throw new QuerymillError("FENCED", "Another process has taken over.");
      },
    });
    await sharing.held(held);
    await expect(sharing.shareOut(shared)).rejects.toMatchObject({ code: "FENCED" });
    expect(await fleet.book.find(DONE.name)).toMatchObject({ state: "done" });
  });

  it("adds no range to the plan of another one", async () => {
    const plan = { job: "flow", executionId: "e", question: {}, cut: false };
    await fleet.book.change(plan, FENCE);
    await fleet.book.change(plan, FENCE + 1);
    await expect(fleet.book.add([DONE], FENCE)).rejects.toMatchObject({ code: "FENCED" });
    expect(await fleet.book.find(DONE.name)).toBeNull();
    expect(await fleet.book.plan()).toMatchObject({ next: 1 });
  });

  it("tells what the store could not take as soon as it can, with the last word", async () => {
    let away = false;
    const { sharing, held, told } = coordinator({
      board: {
        order: async (change, fence) => {
          if (away) throw new QuerymillError("STORE_FAILED", "away");
          return await fleet.board.order(change, fence);
        },
      },
    });
    await sharing.held(held);
    away = true;
    await sharing.order({ paused: { reason: "lunch", by: null } });
    await sharing.order({ ending: "stop" });
    expect(await fleet.board.orders()).toMatchObject({ paused: null, ending: null });
    const ended = sharing.ended({ stopReason: "stop-requested" });
    await expect.poll(() => told).toEqual([10_000]);
    away = false;
    await ended;
    expect(await fleet.board.orders()).toMatchObject({ paused: { reason: "lunch" }, ending: "stop" });
  });

  it("tells nothing to the workers of a run that took over", async () => {
    let isLost = false;
    const { sharing, held } = coordinator({
      confirm: async () => {
        if (isLost) throw new QuerymillError("FENCED", "Another process has taken over.");
      },
    });
    await sharing.held(held);
    isLost = true;
    await sharing.order({ paused: { reason: "lunch", by: null } });
    await sharing.ended({ stopReason: "fenced" });
    expect(await fleet.board.orders()).toMatchObject({ paused: null });
    // Frozen between the two, it comes too late.
    await fleet.board.order({ concurrent: 3 }, FENCE + 1);
    await expect(fleet.board.order({ concurrent: 1 }, FENCE)).rejects.toMatchObject({ code: "FENCED" });
    expect(await fleet.board.orders()).toMatchObject({ paused: null, concurrent: 3 });
  });

  it("counts for a budget of the day what workers spent before there was one", async () => {
    const { sharing, shared, held, allowance, ending } = coordinator();
    const spent: number[] = [];
    await fleet.book.change({ job: "flow", executionId: "e", question: {}, cut: false }, FENCE);
    await fleet.book.add([DONE], FENCE);
    allowance.spent = async (budget, spentUsd) => {
      if (budget === null) Object.assign(shared.settings, { budget: { usd: 9, per: "day" } });
      else {
        spent.push(spentUsd(Date.now()));
        ending.abort();
      }
      return false;
    };
    await sharing.held(held);
    await sharing.shareOut(shared).catch(() => {});
    expect(spent[0]).toBe(3);
  });

  it("says of a day only what it has spent itself: what workers spent was leased when they did", async () => {
    await fleet.book.change({ job: "flow", executionId: "e", question: {}, cut: false }, FENCE);
    await fleet.book.add([DONE], FENCE);
    for (const [per, expected] of [
      ["day", 0],
      ["month", 0],
      ["job", 3],
    ] as const) {
      const { sharing, shared, held, allowance, ending } = coordinator();
      const spent: number[] = [];
      allowance.spent = async (_, spentUsd) => {
        spent.push(spentUsd(Date.now()));
        ending.abort();
        return false;
      };
      await sharing.held(held);
      Object.assign(shared.settings, { budget: { usd: 9, per } });
      await sharing.shareOut(shared).catch(() => {});
      expect([per, spent[0]]).toEqual([per, expected]);
    }
  });
});

it("a range that ends while a fleet is looked at is under way or over, never neither", async () => {
  let taken = 1;
  const book = {
    counts: async () => {
      const counts = { waiting: 0, taken, done: 1 - taken, dead: 0 };
      await new Promise((resolve) => setTimeout(resolve, 5));
      taken = 0;
      return counts;
    },
    list: async () => [{ name: "r1", state: taken === 1 ? "taken" : "done", work: {} }],
  };
  const board = { workers: async () => [] };
  const { fleet: seen, listed } = await lookAt({ book, board } as never);
  expect([seen.ranges.taken, listed[0]!.state]).toEqual([1, "done"]);
});
