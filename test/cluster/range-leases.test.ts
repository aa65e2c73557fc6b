import { setTimeout as delay } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, onTestFinished } from "vitest";
import type { FleetStore, RangeWork } from "../../src/cluster/ports.ts";
import { keyOf } from "../../src/item.ts";
import { NO_COUNTERS } from "../../src/jobs/no-counters.ts";
import type { LeaseHolder, Store } from "../../src/store.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";

const database = `range_leases_${process.pid}`;
const TTL_MS = 20_000;
let client: MongoClient;
let store: Store;
let target = "";
let made = 0;

beforeAll(async () => {
  client = await new MongoClient(inject("mongoReplicaUri")).connect();
  store = await openMongoStore(inject("mongoReplicaUri"), database, { connectTimeoutMs: 5_000, client });
});
afterAll(async () => {
  await client.db(database).dropDatabase();
  await client.close();
});
beforeEach(() => {
  made += 1;
  target = `t${made}`;
});

const holder = (ownerId: string, more: Partial<LeaseHolder> = {}): LeaseHolder => ({
  job: "j",
  ownerId,
  host: "h",
  pid: 1,
  executionId: "e",
  ...more,
});
const whole = (ownerId: string, more: Partial<LeaseHolder> = {}) =>
  store.lease.acquire(target, holder(ownerId, more), TTL_MS);
const part = (range: string, ownerId: string, ttlMs = TTL_MS) =>
  store.lease.ofRange!(range).acquire(target, holder(ownerId), ttlMs);

describe("leases of ranges", () => {
  it("live beside whoever shares the target out, each with a higher fence than all before", async () => {
    expect(await whole("run", { fleet: true })).toMatchObject({ status: "held", fence: 1 });
    expect(await part("r1", "a")).toMatchObject({ status: "held", fence: 2 });
    expect(await part("r2", "b")).toMatchObject({ status: "held", fence: 3 });
    expect(await whole("run", { fleet: true })).toMatchObject({ status: "held", fence: 4 });
    expect(await part("r3", "a")).toMatchObject({ status: "held", fence: 5 });
    expect(await store.lease.renew(target, "run", 4, TTL_MS)).toBe(true);
    expect(await store.lease.renew(target, "run", 1, TTL_MS)).toBe(false);
  });

  it("are nobody else's while they live, and the same folder's at once", async () => {
    await whole("run", { fleet: true });
    await part("r1", "a");
    expect(await part("r1", "b")).toMatchObject({ status: "busy", holder: { ownerId: "a" } });
    expect(await part("r1", "a")).toMatchObject({ status: "held", fence: 3 });
    // Of the same folder too, only the last one may renew.
    expect(await store.lease.ofRange!("r1").renew(target, "a", 2, TTL_MS)).toBe(false);
    expect(await store.lease.ofRange!("r1").renew(target, "a", 3, TTL_MS)).toBe(true);
  });

  it("are anybody's when they have run out or were let go", async () => {
    await whole("run", { fleet: true });
    await part("r1", "a", 50);
    await part("r2", "a");
    await delay(120);
    expect(await part("r1", "b")).toMatchObject({ status: "held" });
    await store.lease.ofRange!("r2").release(target, "a", 3);
    expect(await part("r2", "b")).toMatchObject({ status: "held" });
    expect(await store.lease.ofRange!("r1").renew(target, "a", 2, TTL_MS)).toBe(false);
  });

  it("keep a run away that wants the target for itself, and such a run keeps them away", async () => {
    await whole("run", { fleet: true });
    const first = await part("r1", "a");
    await store.lease.release(target, "run", 1);
    expect(await whole("plain")).toMatchObject({ status: "busy", holder: { ownerId: "a" } });
    await store.lease.ofRange!("r1").release(target, "a", first.status === "held" ? first.fence : 0);
    expect(await whole("plain")).toMatchObject({ status: "held", fence: 3 });
    expect(await part("r1", "a")).toMatchObject({ status: "busy", holder: { ownerId: "plain" } });
    expect(await whole("run", { fleet: true })).toMatchObject({ status: "busy" });
  });

  it("are refused to another job, and while no job has the target", async () => {
    expect(await part("r1", "a")).toMatchObject({ status: "other-job" });
    await whole("run", { fleet: true });
    expect(await store.lease.ofRange!("r1").acquire(target, holder("a", { job: "other" }), TTL_MS)).toMatchObject({
      status: "other-job",
    });
  });

  it("never go to two of many that ask at once", async () => {
    await whole("run", { fleet: true });
    const asked = await Promise.all(Array.from({ length: 24 }, (_, at) => part(`r${at % 3}`, `o${at}`)));
    const held = asked.filter(({ status }) => status === "held");
    expect(held.length).toBe(3);
    expect(new Set(held.map((one) => (one.status === "held" ? one.fence : 0))).size).toBe(3);
  });
});

describe("the plan", () => {
  const work: RangeWork = {
    executionIds: ["e"],
    ended: true,
    counters: { ...NO_COUNTERS, read: 5, classified: 5 },
    labels: {},
    skippedReasons: {},
    deadLetterReasons: {},
    redacted: {},
  };
  const range = (number: number) => ({
    name: `r${String(number).padStart(9, "0")}`,
    number,
    from: keyOf(number),
    to: keyOf(number + 1),
    items: 5,
  });
  const open = async (): Promise<FleetStore> => {
    await whole("run", { fleet: true });
    const fleet = store.fleet!(target);
    await fleet.book.change({ job: "j", executionId: "e", question: {}, cut: false }, 1);
    await fleet.book.add([range(1), range(2)], 1);
    return fleet;
  };
  const taker = (fence: number, ownerId = "a") => ({ worker: "w", ownerId, executionId: "e", fence, alone: false });

  it("gives a range to one, and takes what an owner from before says late for nothing", async () => {
    const { book } = await open();
    const seen = (await book.find(range(1).name))!;
    await part(seen.name, "a");
    expect(await book.take(seen, taker(2))).toBe(true);
    expect(await book.take(seen, taker(3, "b"))).toBe(false);
    expect(await book.free(10)).toMatchObject([{ name: range(2).name }]);
    const again = (await book.find(seen.name))!;
    expect(again).toMatchObject({ state: "taken", worker: "w", attempts: 1, crashes: 0 });
    await store.lease.ofRange!(seen.name).release(target, "a", 2);
    expect(await book.free(10)).toMatchObject([{ name: range(1).name }, { name: range(2).name }]);
    expect(await book.take(again, taker(4, "b"))).toBe(true);
    expect(await book.find(seen.name)).toMatchObject({ crashes: 1, strikes: 1 });
    expect(await book.finish(seen.name, taker(2), "done", work)).toBe(false);
    expect(await book.finish(seen.name, taker(4, "b"), "done", work)).toBe(true);
    expect(await book.counts()).toEqual({ waiting: 1, taken: 0, done: 1, dead: 0 });
  });

  it("leaves alone what others put among its ranges", async () => {
    const { book } = await open();
    const others = [{ _id: "r999999999x" }, { _id: "r999999999", state: "waiting" }, { state: "taken" }, { _id: 7 }];
    await client
      .db(database)
      .collection(`${target}_ranges`)
      .insertMany(others as never[]);
    expect((await book.list(10)).map(({ name }) => name)).toEqual([range(1).name, range(2).name]);
    expect(await book.last()).toMatchObject({ name: range(2).name });
    expect((await book.free(10)).map(({ name }) => name)).toEqual([range(1).name, range(2).name]);
    expect(await book.counts()).toEqual({ waiting: 2, taken: 0, done: 0, dead: 0 });
  });

  it("is changed by no coordinator from before, and never gives a number twice", async () => {
    const { book } = await open();
    await book.change({ job: "j", executionId: "e2", question: {}, cut: true }, 7);
    await expect(book.change({ job: "j", executionId: "e", question: {}, cut: false }, 1)).rejects.toMatchObject({
      code: "FENCED",
    });
    await book.remove([range(1).name, range(2).name]);
    expect(await book.last()).toBeNull();
    expect(await book.plan()).toMatchObject({ executionId: "e2", cut: true, next: 3 });
  });

  it("knows which items wait somewhere, by the store's own order of ids", async () => {
    const { handed } = await open();
    await handed.add("r1", [
      { kind: "retry", key: keyOf(3), entry: "{}" },
      { kind: "dead", key: keyOf("3"), entry: "{}" },
    ]);
    await handed.waiting([keyOf(10), keyOf(5)]);
    const known = (from: unknown, to: unknown) => handed.known({ name: "x", from: keyOf(from), to: keyOf(to) });
    expect([...(await known(2, 6))].sort()).toEqual([keyOf(3), keyOf(5)].sort());
    expect([...(await known("", "9"))]).toEqual([keyOf("3")]);
    await handed.waiting([keyOf(10)]);
    expect([...(await known(2, 6))]).toEqual([keyOf(3)]);
    const all = [];
    for await (const some of handed.of("r1")) all.push(...some);
    expect(all.map(({ kind }) => kind).sort()).toEqual(["dead", "retry"]);
    await handed.remove("r1");
    expect([...(await known(2, 6))]).toEqual([]);
  });

  it("knows which items wait also after the store was away when it was asked first", async () => {
    const uri = inject("mongoReplicaUri");
    const own = await new MongoClient(uri).connect();
    onTestFinished(() => own.close());
    const opened = await openMongoStore(uri, database, { connectTimeoutMs: 5_000, client: own });
    const { handed } = opened.fleet(target);
    await own.close();
    await expect(handed.known({ name: "x", from: null, to: null })).rejects.toThrow();
    await own.connect();
    await handed.add("r1", [{ kind: "retry", key: keyOf(3), entry: "{}" }]);
    expect([...(await handed.known({ name: "x", from: null, to: null }))]).toEqual([keyOf(3)]);
  });

  it("tells orders to those that come later, and forgets who is silent", async () => {
    const { board } = store.fleet!(target);
    expect(await board.orders()).toMatchObject({ version: 0, paused: null });
    await board.order({ paused: { reason: "lunch", by: "anna" } }, 1);
    expect(await board.orders()).toMatchObject({ version: 1, paused: { reason: "lunch" }, ending: null, drained: [] });
    const report = { name: "w", host: "h", pid: 1, state: "idle", ranges: [], inFlight: 0, limit: 4 } as const;
    const figures = { itemsPerSecond: 0, settled: 0, modelCalls: 0, costUsd: 0, startedAtMs: 0, trouble: null };
    await board.report({ ...report, ...figures });
    // Reports are not waited for by a majority.
    await expect.poll(async () => (await board.workers()).length).toBe(1);
    await board.leave("w");
    expect(await board.workers()).toHaveLength(0);
  });
});
