import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobSettings } from "../../src/job.ts";
import { mainEndpoint } from "../../src/job.ts";
import { prepareExecution } from "../../src/jobs/wiring.ts";
import { NO_LIMITS } from "../../src/rate-limits.ts";
import { machine as machineOf, startFleetProcess, startWorkers, stopWorkers } from "../support/fleet.ts";
import { type Job, makeJob } from "../support/job.ts";
import { someRedis } from "../support/valkey.ts";

const SLOTS = 4;
let valkey: Awaited<ReturnType<typeof someRedis>>;

beforeAll(async () => {
  valkey = await someRedis();
});
afterAll(async () => await valkey.stop());

/** Settings of one machine of the fleet. */
const machine = (job: Job, changes: Partial<JobSettings> = {}) =>
  machineOf(job, { workersAt: valkey.url, concurrent: SLOTS, ...changes });
const fleetOf = (job: Job, count: number, changes: Partial<JobSettings> = {}) =>
  startWorkers(job, count, { workersAt: valkey.url, concurrent: SLOTS, ...changes });

describe("limits that four processes have together", () => {
  it("are never exceeded, and each gets its part", async () => {
    const requestsPerMinute = 9_000;
    const arrivals: number[] = [];
    const job = await makeJob("MongoDB", { latency: "fixed:20", arrived: () => arrivals.push(performance.now()) });
    const ids = await job.seed(1_000);
    const { model } = job.settings;
    const endpoints = [mainEndpoint(model, { ...NO_LIMITS, requestsPerMinute })];
    const { workers } = await fleetOf(job, 4, { endpoints, concurrent: 30 });
    const { end, stderr } = await startFleetProcess("run", await machine(job, { endpoints })).ended;
    expect(stderr).toBe("");
    expect(end).toMatchObject({ classified: ids.length, exitCode: 0 });
    await stopWorkers(workers);
    // Any four seconds; a busy machine may bring half a second's calls late and together.
    const spanMs = 4_000;
    let [from, most] = [0, 0];
    for (const [at, atMs] of arrivals.entries()) {
      while (arrivals[from]! <= atMs - spanMs) from += 1;
      most = Math.max(most, at - from + 1);
    }
    expect(most).toBeLessThanOrEqual((requestsPerMinute / 60_000) * (spanMs + 1_000) + 4);
    expect(job.server.ledger()).toMatchObject({ ok: ids.length, docsPaidTwice: 0 });
  });

  it("are a budget too: it is not overspent, and the run says that it is spent", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:20" });
    const ids = await job.seed(600);
    const { model } = job.settings;
    const prices = { [model.name]: { input: 10, output: 10 } };
    const first = await job.run({ prices, limit: 20 });
    const usd = (first.end.costUsd! / 20) * 200;
    const budget = { usd, per: "job" as const };
    const settings = { prices, budget };
    const workers = (await fleetOf(job, 3, settings)).workers;
    const { end } = await startFleetProcess("run", await machine(job, settings)).ended;
    expect(end).toMatchObject({ stopReason: "budget" });
    for (const worker of workers) worker.kill("SIGTERM");
    for (const worker of workers) await worker.ended;
    const paid = job.server.ledger().ok - 20;
    expect(paid).toBeLessThan(ids.length - 20);
    // In flight at the end, of three workers and the run.
    expect(paid).toBeLessThanOrEqual(200 + 4 * SLOTS);
    expect(paid).toBeGreaterThan(150);
  });

  it("are a budget that is given under way, too", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:250" });
    const ids = await job.seed(800);
    const prices = { [job.settings.model.name]: { input: 10, output: 10 } };
    const { workers } = await fleetOf(job, 2, { prices });
    const run = await prepareExecution(await machine(job, { prices }));
    const ended = run.run();
    const cost = (): number => run.snapshot().counters.costUsd ?? 0;
    await expect.poll(cost).toBeGreaterThan(0);
    const callUsd = cost() / run.snapshot().counters.modelCalls;
    const usd = cost() + callUsd * 200;
    await run.setBudget(usd);
    expect(await ended).toMatchObject({ stopReason: "budget" });
    for (const worker of workers) expect(await worker.seen("worker:end")).toMatchObject({ exitCode: 4 });
    const { costUsd, modelCalls } = run.snapshot().counters;
    expect(modelCalls).toBe(job.server.ledger().ok);
    expect(modelCalls).toBeLessThan(ids.length);
    // What eight calls at once come to until the run has heard of them and the workers of the budget.
    expect(costUsd!).toBeLessThanOrEqual(usd + callUsd * 5 * 8 * 4);
    expect(costUsd!).toBeGreaterThan(usd * 0.9);
  });
});
