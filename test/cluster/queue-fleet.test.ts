import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDispatcher } from "../../src/cluster/open-dispatcher.ts";
import { Worker } from "../../src/cluster/worker.ts";
import { QuerymillError } from "../../src/errors.ts";
import type { JobSettings } from "../../src/job.ts";
import { chooseAdapters, openStore } from "../../src/jobs/wiring.ts";
import { machine as machineOf, startFleetProcess, startWorkers, stopWorkers } from "../support/fleet.ts";
import { type Job, makeJob } from "../support/job.ts";
import { missingPostgres, type Postgres, startPostgres } from "../support/postgres.ts";
import { someRedis, startValkey } from "../support/valkey.ts";

const SLOTS = 4;
const noPostgres = await missingPostgres();
let valkey: Awaited<ReturnType<typeof someRedis>>;
let postgres: Postgres | null = null;

beforeAll(async () => {
  [valkey, postgres] = await Promise.all([someRedis(), noPostgres ? null : startPostgres()]);
});
afterAll(async () => {
  await Promise.all([valkey.stop(), postgres?.stop()]);
});

/** Settings of one machine of the fleet. */
const machine = (job: Job, changes: Partial<JobSettings> = {}) =>
  machineOf(job, { workersAt: valkey.url, concurrent: SLOTS, ...changes });
const fleetOf = (job: Job, count: number, changes: Partial<JobSettings> = {}) =>
  startWorkers(job, count, { workersAt: valkey.url, concurrent: SLOTS, ...changes });

describe("a fleet that meets at a queue store", () => {
  it("does every item once, with few operations of the store", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:5" });
    const ids = await job.seed(3_000);
    await valkey.say("CONFIG RESETSTAT");
    const { workers } = await fleetOf(job, 2, { concurrent: 20, rangeSize: 500 });
    const { end, stderr } = await startFleetProcess("run", await machine(job, { rangeSize: 500 })).ended;
    expect(stderr).toBe("");
    expect(end).toMatchObject({ classified: ids.length, exitCode: 0 });
    await stopWorkers(workers);
    expect(job.server.ledger()).toMatchObject({ ok: ids.length, docsPaidTwice: 0 });
    const commands = await valkey.commands();
    const sent = ["evalsha", "eval", "bzpopmin", "publish", "time"].map((name) => commands.get(name) ?? 0);
    console.log(`store operations an item: ${(sent.reduce((sum, one) => sum + one, 0) / ids.length).toFixed(3)}`);
    // Nothing is kept of ranges that are done.
    const keys = (await valkey.say("KEYS querymill:default.*:r0*")) as string[];
    expect(keys).toEqual([]);
  });

  it.skipIf(noPostgres !== null)("works over PostgreSQL too", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:5" });
    const ids = await job.seed(600);
    const { workers } = await fleetOf(job, 2, { workersAt: postgres!.url });
    const { end, stderr } = await startFleetProcess("run", await machine(job, { workersAt: postgres!.url })).ended;
    expect(stderr).toBe("");
    expect(end).toMatchObject({ classified: ids.length, exitCode: 0 });
    await stopWorkers(workers);
    expect(job.server.ledger()).toMatchObject({ ok: ids.length, docsPaidTwice: 0 });
  });

  it("SIGKILL of workers, run and Valkey, and FLUSHALL: nothing lost, nothing doubled, paid again at most what was in flight", async () => {
    const own = await startValkey();
    try {
      const job = await makeJob("MongoDB", { latency: "lognormal:25:150" });
      const ids = await job.seed(2_000);
      const place = { workersAt: own.url, leaseMs: 3_000 };
      const { machines, workers } = await fleetOf(job, 4, place);
      const runSettings = await machine(job, place);
      let run = startFleetProcess("run", runSettings);
      let kills = 0;
      let isOver = false;
      const meddling = (async () => {
        for (let at = 0; at < 10 && !isOver; at += 1) {
          await delay(400 + 300 * Math.random());
          if (isOver) return;
          if (at % 5 === 4) {
            run.kill("SIGKILL");
            await run.ended;
            run = startFleetProcess("run", runSettings);
            kills += 1;
          } else if (at % 5 === 1) {
            await own.kill();
            await delay(500);
            await own.start();
          } else if (at % 5 === 3) await own.say("FLUSHALL");
          else {
            const which = Math.floor(Math.random() * 4);
            workers[which]!.kill("SIGKILL");
            await workers[which]!.ended;
            workers[which] = startFleetProcess("worker", machines[which]!);
            kills += 1;
          }
        }
      })();
      let last = await run.ended;
      for (let before = run; last.signal !== null; before = run) {
        while (run === before) await delay(20);
        last = await run.ended;
      }
      isOver = true;
      await meddling;
      expect(last.stderr).toBe("");
      expect(last.end).toMatchObject({ exitCode: 0 });
      expect((await job.records()).size).toBe(ids.length);
      const ledger = job.server.ledger();
      console.log(`${kills} kills of processes, ${ledger.ok - ids.length} answers paid again`);
      expect(ledger.docsPaid).toBe(ids.length);
      expect(ledger.ok - ids.length).toBeLessThanOrEqual(kills * SLOTS);
      expect(last.end!.jobTotals).toMatchObject({ classified: ids.length, retryQueued: 0, deadLetters: 0 });
    } finally {
      await own.stop();
    }
  });

  it("a worker that is frozen beyond its lease loses its range, and doubles nothing when it wakes", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:60" });
    await job.seed(400);
    const leaseMs = 1_500;
    const frozen = startFleetProcess("worker", await machine(job, { leaseMs }));
    const run = startFleetProcess("run", await machine(job, { leaseMs }));
    await frozen.seen("range:taken");
    await delay(300);
    frozen.kill("SIGSTOP");
    const other = startFleetProcess("worker", await machine(job, { leaseMs, concurrent: 16 }));
    await delay(leaseMs * 2.5);
    frozen.kill("SIGCONT");
    const { end, stderr } = await run.ended;
    expect(stderr).toBe("");
    expect(end!.jobTotals).toMatchObject({ classified: 400, deadLetters: 0, retryQueued: 0 });
    expect((await job.records()).size).toBe(400);
    expect(job.server.ledger().ok - 400).toBeLessThanOrEqual(40);
    await stopWorkers([frozen, other]);
  });

  it("a range that a worker could not look up goes back to the queue: nobody waits for it", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:10" });
    const ids = await job.seed(300);
    const settings = await machine(job);
    const store = await openStore(settings);
    const fleet = store.fleet!(settings.targetCollection);
    let failures = 2;
    const find = async (name: string) => {
      failures -= 1;
      if (failures >= 0) throw new QuerymillError("STORE_UNREACHABLE", "A new primary is being elected.");
      return await fleet.book.find(name);
    };
    const book = new Proxy(fleet.book, {
      get: (of, name) => (name === "find" ? find : (of[name as keyof typeof of] as () => unknown).bind(of)),
    });
    const { tenant, targetCollection } = settings;
    const place = { workersAt: valkey.url, tenant, job: settings.job, targetCollection };
    const dispatcher = await openDispatcher(place, fleet.book);
    const worker = new Worker({
      settings,
      adapters: await chooseAdapters(settings, {}),
      store: Object.create(store, { fleet: { value: () => ({ ...fleet, book }) } }),
      dispatcher,
      idleMs: null,
      tell: () => {},
    });
    const working = worker.run();
    const { end, stderr } = await startFleetProcess("run", await machine(job)).ended;
    expect(stderr).toBe("");
    expect(end).toMatchObject({ classified: ids.length, exitCode: 0 });
    expect(failures).toBeLessThan(0);
    worker.stop();
    await working;
    await dispatcher.close();
    await store.close();
  });
});
