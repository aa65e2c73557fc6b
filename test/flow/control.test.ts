import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { mainEndpoint } from "../../src/job.ts";
import { type Job, makeHoldingJob, makeJob, STORES } from "../support/job.ts";
import { until } from "../support/patience.ts";

const SLOTS = 5;
/** Long enough for a call that should not be made to be seen. */
const QUIET_MS = 400;

describe.each(STORES)("a run that is told what to do, over %s", (store) => {
  it("makes no new calls while it is paused, stores those that come home, and goes on", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(store, 10, SLOTS);
    const ids = await job.seed(40);
    const { execution, ended, seen } = await job.start();
    await inFlight;
    execution.pause("credit is checked", { by: "ana" });
    execution.pause("credit is checked", { by: "ana" });
    answer();
    await until(() => seen["item:settled"].length === 10 + SLOTS);
    await delay(QUIET_MS);
    expect(job.server.ledger().received).toBe(10 + SLOTS);
    expect((await job.records()).size).toBe(10 + SLOTS);
    const { state, paused, itemsPerSecondMean } = execution.snapshot();
    expect(state).toBe("paused");
    expect(paused).toMatchObject({ reason: "credit is checked", by: "ana", holder: "operator" });
    expect(itemsPerSecondMean).toBeGreaterThan(0);
    execution.resume({ by: "ben" });
    const { end } = await ended;
    expect(end).toMatchObject({ status: "completed", exitCode: 0, classified: 40, uncertainCalls: 0 });
    expect(seen["execution:pause"]).toMatchObject([{ reason: "credit is checked", by: "ana" }]);
    expect(seen["execution:unpause"]).toMatchObject([{ by: "ben" }]);
    expect(seen["execution:unpause"][0]!.pausedMs).toBeGreaterThanOrEqual(QUIET_MS);
    expect(job.server.ledger()).toMatchObject({ received: 40, docsPaidTwice: 0 });
    expect(await job.counted(ids)).toEqual({ target: 40 });
  });

  it("begins paused when it is told before it starts, and ends in good order when it is stopped then", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(20);
    const { execution, ended } = await job.start();
    execution.pause();
    await until(() => execution.snapshot().state === "paused");
    await delay(QUIET_MS);
    execution.stop("stop-requested");
    expect((await ended).end).toMatchObject({ status: "stopped", exitCode: 0, read: 0, modelCalls: 0 });
    expect(await job.counted(ids)).toEqual({ pending: 20 });
    expect((await job.run()).end).toMatchObject({ classified: 20 });
  });

  it("counts a pause neither against an item between two attempts, nor as silence, nor as a model that is away", async () => {
    let failing = true;
    const job = await makeJob(store, { fail: () => (failing ? "503" : null) });
    await job.seed(3);
    const deadlines = { ...job.settings.deadlines, itemMs: 1_500, idleMs: 1_000 };
    const retry = { ...job.settings.retry, retries: 20, baseDelayMs: 400, maxDelayMs: 400 };
    const { execution, ended, seen } = await job.start({ deadlines, retry });
    await until(() => seen["call:failed"].length >= 3);
    execution.pause();
    await delay(2_500);
    failing = false;
    execution.resume();
    const { end } = await ended;
    expect(end).toMatchObject({ exitCode: 0, classified: 3, retryQueued: 0, stopReason: null });
    expect(seen["execution:wait"].filter(({ reason }) => reason.startsWith("nothing was settled"))).toEqual([]);
  });

  it("leaves due retries and polls alone while it is paused", async () => {
    const job = await makeJob(store, { fail: (id, attempt) => (id < "q0003" && attempt <= 4 ? "503" : null) });
    await job.seed(2);
    // Due only after the pause has begun, however late it begins, and long before it ends.
    const retry = { ...job.settings.retry, rounds: [1_000] };
    const { execution, ended, seen } = await job.start({ mode: "continuous", retry });
    await until(() => seen["item:settled"].length === 2);
    execution.pause();
    const { received } = job.server.ledger();
    await job.seed(3, undefined, 10);
    await delay(1_500);
    expect(job.server.ledger().received).toBe(received);
    execution.resume();
    await until(() => execution.snapshot().counters.classified === 5);
    execution.stop("stop-requested");
    expect((await ended).end).toMatchObject({ classified: 5, retryQueued: 0 });
  });

  it("goes on after a pause as usual when it was killed in it", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(store, 10, SLOTS);
    const ids = await job.seed(30);
    const { execution, ended, seen } = await job.start();
    await inFlight;
    execution.pause();
    answer();
    await until(() => seen["item:settled"].length === 15);
    execution.abort();
    await ended;
    expect((await job.run()).end).toMatchObject({ exitCode: 0, classified: 15 });
    expect(await job.counted(ids)).toEqual({ target: 30 });
    expect(job.server.ledger().docsPaidTwice).toBe(0);
  });

  it("takes more calls at once, and fewer, under way", async () => {
    const hold = Promise.withResolvers<null>();
    let open = false;
    const job = await makeJob(store, { fail: () => (open ? null : hold.promise) });
    await job.seed(120);
    const { execution, ended } = await job.start({ concurrent: 2 });
    await until(() => job.server.ledger().inFlight === 2);
    await execution.setConcurrency(12);
    await until(() => job.server.ledger().inFlight === 12);
    expect(execution.snapshot().slots).toMatchObject({ limit: 12, ceiling: 12, busy: 12 });
    await execution.setConcurrency(3);
    open = true;
    job.server.reset({ fail: () => null, latency: "fixed:20" });
    hold.resolve(null);
    await until(() => execution.snapshot().counters.classified > 30);
    expect(job.server.ledger().maxInFlight).toBeLessThanOrEqual(3);
    await expect(execution.setConcurrency(0)).rejects.toThrow(/from 1 to 10,000, or auto; got 0/);
    await execution.setConcurrency("auto");
    expect(execution.snapshot().slots).toMatchObject({ automatic: true, ceiling: 1_000 });
    expect((await ended).end).toMatchObject({ exitCode: 0, classified: 120 });
  });

  it("stops at a budget that is given under way, and goes on beyond one that is taken away", async () => {
    const job = await makeJob(store, { latency: "fixed:10" });
    await job.seed(100);
    const first = (await job.run({ limit: 1 })).end;
    const { execution, ended, seen } = await job.start({ budget: { usd: 1e6, per: "day" } });
    await until(() => seen["item:settled"].length >= 10);
    await execution.setBudget(null);
    expect(execution.snapshot().budget).toBeNull();
    await execution.setBudget(1e6);
    expect(execution.snapshot().budget).toMatchObject({ usd: 1e6, per: "day" });
    await execution.setBudget(first.costUsd! * 2);
    expect((await ended).end).toMatchObject({ status: "stopped", exitCode: 4, stopReason: "budget" });
    await expect(execution.setBudget(-1)).rejects.toThrow(/above 0 in USD/);
  });

  it("refuses a budget under way for a model without a price, and changes nothing", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(store, 0, SLOTS);
    await job.seed(10);
    const { execution, ended } = await job.start({ prices: {} });
    await inFlight;
    await expect(execution.setBudget(5)).rejects.toMatchObject({ code: "MODEL_UNPRICED" });
    expect(execution.snapshot().budget).toBeNull();
    await execution.change({ prices: job.settings.prices, budget: { usd: 1_000_000, per: "job" } });
    expect(execution.snapshot().budget).toMatchObject({ usd: 1_000_000 });
    answer();
    expect((await ended).end).toMatchObject({ exitCode: 0, classified: 10 });
  });

  it("works on dead letters again while it runs, and the counters stay exact", async () => {
    const faulty = new Set(["q0001", "q0002", "q0003"]);
    const hold = Promise.withResolvers<null>();
    const job = await makeJob(store, {
      fail: (id) => (id === "q0020" ? hold.promise : faulty.has(id) ? "refusal" : null),
    });
    const ids = await job.seed(20);
    const { execution, ended } = await job.start();
    await until(
      () => execution.snapshot().counters.deadLetters === 3 && execution.snapshot().counters.classified === 16,
    );
    await until(async () => (await job.queues()).deadLetters.size === 3);
    expect(await execution.requeue({ failure: "label-unknown" })).toEqual({ deadLetters: [], waiting: [] });
    faulty.clear();
    await untilRequeued(execution, 3);
    await until(() => execution.snapshot().counters.classified === 19);
    expect(execution.snapshot().counters).toMatchObject({ read: 20, classified: 19, deadLetters: 0, inFlight: 1 });
    hold.resolve(null);
    const { end } = await ended;
    expect(end).toMatchObject({ exitCode: 0, read: 20, classified: 20, deadLetters: 0, deadLetterReasons: {} });
    expect(end.jobTotals).toMatchObject({ classified: 20, deadLetters: 0, retryQueued: 0 });
    expect(await job.counted(ids)).toEqual({ target: 20 });
    expect(job.server.ledger().received).toBe(23);
  });

  it("makes a waiting retry due now", async () => {
    let failing = true;
    const hold = Promise.withResolvers<null>();
    const job = await makeJob(store, {
      fail: (id) => (id === "q0002" ? hold.promise : failing ? "503" : null),
    });
    const ids = await job.seed(2);
    const retry = { ...job.settings.retry, retries: 1, rounds: [600_000] };
    const { execution, ended } = await job.start({ retry });
    await until(() => execution.snapshot().counters.retryQueued === 1);
    await until(async () => (await job.queues()).retryQueue.size === 1);
    failing = false;
    await until(async () => (await execution.requeue({ queue: "model" })).waiting.length === 1);
    await until(() => execution.snapshot().counters.classified === 1);
    hold.resolve(null);
    expect((await ended).end).toMatchObject({ exitCode: 0, read: 2, classified: 2, retryQueued: 0 });
    expect(await job.counted(ids)).toEqual({ target: 2 });
  });

  it("takes a rotated key, with which an endpoint that was refused answers again", async () => {
    const job = await makeJob(store, { apiKey: "sk-old-000000000000", latency: "fixed:5" });
    await job.seed(60);
    const model = { ...job.settings.model, apiKey: "sk-old-000000000000" };
    const { execution, ended, seen } = await job.start({ model, endpoints: [mainEndpoint(model)] });
    await until(() => seen["item:settled"].length >= 10);
    execution.pause();
    await until(() => execution.snapshot().slots.busy === 0);
    job.server.reset({ apiKey: "sk-new-111111111111" });
    await execution.change({ endpoints: [mainEndpoint({ ...model, apiKey: "sk-new-111111111111" })] });
    execution.resume();
    expect((await ended).end).toMatchObject({ exitCode: 0, classified: 60 });
    await expect(execution.change({ endpoints: [mainEndpoint({ ...model, name: "another" })] })).rejects.toThrow(
      /which ones there are cannot be changed/,
    );
  });
});

describe("two who pause a run", () => {
  it("do not undo each other", async () => {
    const job = await makeJob("the embedded store");
    await job.seed(10);
    const { execution, ended, seen } = await job.start();
    execution.pause("outside of 22:00-06:00", { holder: "window" });
    execution.pause("looking at it", { by: "ana" });
    await until(() => execution.snapshot().state === "paused");
    expect(execution.snapshot().paused).toMatchObject({ holder: "operator", by: "ana" });
    execution.resume({ holder: "window" });
    expect(execution.snapshot()).toMatchObject({ state: "paused", paused: { by: "ana" } });
    execution.pause("outside of 22:00-06:00", { holder: "window" });
    execution.resume({ by: "ana" });
    expect(execution.snapshot()).toMatchObject({ state: "paused", paused: { holder: "window" } });
    expect(seen["execution:unpause"]).toEqual([]);
    execution.resume({ holder: "window" });
    expect((await ended).end).toMatchObject({ classified: 10 });
  });
});

async function untilRequeued(execution: Awaited<ReturnType<Job["start"]>>["execution"], items: number): Promise<void> {
  let made = 0;
  await until(async () => {
    made += (await execution.requeue({ failure: "content" })).deadLetters.length;
    return made === items;
  });
}
