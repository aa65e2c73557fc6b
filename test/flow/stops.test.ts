import { describe, expect, it } from "vitest";
import type { QuerymillError } from "../../src/errors.ts";
import { makeJob, STORES } from "../support/job.ts";

const SLOTS = 5;

describe.each(STORES)("runs that stop themselves, over %s", (store) => {
  it.each([
    ["401", "authentication"],
    ["404", "config"],
    ["insufficient-quota", "billing"],
    ["402", "billing"],
    ["daily-quota", "daily-quota"],
  ] as const)("stops on %s after the calls in flight, and loses and pays nothing", async (fault, stopReason) => {
    let received = 0;
    const job = await makeJob(store, {
      fail: () => {
        received += 1;
        return received > 30 ? fault : null;
      },
    });
    const ids = await job.seed(80);
    const { end } = await job.run();
    expect(end).toMatchObject({ status: "stopped", exitCode: 4, stopReason, classified: 30, read: 30 });
    expect(end.message).toBeTruthy();
    expect(end).toMatchObject({ deadLetters: 0, retryQueued: 0 });
    expect(received).toBeLessThanOrEqual(30 + SLOTS);
    expect(await job.counted(ids)).toEqual({ target: 30, pending: 50 });

    job.server.reset({ fail: () => null });
    const rest = await job.run();
    expect(rest.end).toMatchObject({ exitCode: 0, read: 50, classified: 50, recovered: 0 });
    expect(job.server.ledger()).toMatchObject({ received: 50, docsPaidTwice: 0 });
    expect(await job.counted(ids)).toEqual({ target: 80 });
  });

  it("overshoots a budget by no more than the calls in flight, and goes on with a larger one", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(60);
    const { costUsd } = (await job.run({ limit: 1 })).end;
    const perCall = costUsd!;
    const { end } = await job.run({ budget: { usd: perCall * 21, per: "job" } });
    expect(end).toMatchObject({ status: "stopped", exitCode: 4, stopReason: "budget" });
    expect(end.classified).toBeGreaterThanOrEqual(20 - SLOTS - 1);
    expect(end.classified).toBeLessThanOrEqual(20 + SLOTS);
    expect(end.jobTotals.costUsd).toBeLessThanOrEqual(perCall * (21 + SLOTS) * 1.01);
    const spent = await job.run({ budget: { usd: perCall * 21, per: "job" } });
    expect(spent.end).toMatchObject({ exitCode: 4, stopReason: "budget" });
    expect(spent.end.classified).toBeLessThanOrEqual(SLOTS + 1);
    const rest = await job.run({ budget: { usd: perCall * 1_000, per: "job" } });
    expect(rest.end).toMatchObject({ exitCode: 0 });
    expect(await job.counted(ids)).toEqual({ target: 60 });
    expect(job.server.ledger()).toMatchObject({ received: 60, docsPaidTwice: 0 });
  });

  it("keeps a small budget with many slots, from the very first call on, and spends nothing more when run again", async () => {
    const job = await makeJob(store, { latency: "fixed:30" });
    await job.seed(60);
    const { costUsd } = (await job.run({ limit: 1 })).end;
    const other = await makeJob(store, { latency: "fixed:30" });
    await other.seed(60);
    const usd = costUsd! * 12.5;
    const { end } = await other.run({ concurrent: 50, budget: { usd, per: "job" } });
    expect(end).toMatchObject({ exitCode: 4, stopReason: "budget" });
    expect(end.costUsd).toBeLessThanOrEqual(usd * 1.1);
    expect(end.classified).toBeGreaterThan(0);
    const again = await other.run({ concurrent: 50, budget: { usd: end.costUsd!, per: "job" } });
    expect(again.end).toMatchObject({ exitCode: 4, stopReason: "budget", modelCalls: 0 });
  });

  it("refuses a budget for a model without a price before anything is asked", async () => {
    const job = await makeJob(store);
    await job.seed(3);
    const refused = await refusal(job.run({ prices: {}, budget: { usd: 5, per: "job" } }));
    expect(refused.code).toBe("MODEL_UNPRICED");
    expect(refused.message).toMatch(/drawn-1/);
    expect(job.server.ledger().received).toBe(0);
  });

  it("counts calls of a model without a price as such, and never as free", async () => {
    const job = await makeJob(store);
    await job.seed(3);
    const { end } = await job.run({ prices: {} });
    expect(end).toMatchObject({ exitCode: 0, classified: 3, unpricedCalls: 3, costUsd: null });
    expect((await job.records()).get("q0001")).toMatchObject({ costUsd: null });
  });

  it("stops when most items fail, because each further one would be paid for nothing", async () => {
    const job = await makeJob(store, { faults: { refusal: 1 } });
    const ids = await job.seed(100);
    const { end } = await job.run();
    expect(end).toMatchObject({ status: "stopped", exitCode: 4, stopReason: "run-breaker", classified: 0 });
    expect(end.message).toMatch(/50 %/);
    expect(end.deadLetters).toBeLessThanOrEqual(20 + SLOTS);
    expect(await job.counted(ids)).toEqual({ "dead letters": end.deadLetters, pending: 100 - end.deadLetters });
  });

  it("drains at stop(): calls in flight come home, nothing else is begun, and the next run goes on", async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<null>();
    let received = 0;
    const job = await makeJob(store, {
      fail: () => {
        received += 1;
        if (received === 10 + SLOTS) asked.resolve();
        return received > 10 ? answer.promise : null;
      },
    });
    const ids = await job.seed(40);
    const { execution, ended } = await job.start();
    await asked.promise;
    execution.stop("stop-requested");
    answer.resolve(null);
    const { end, seen } = await ended;
    expect(seen["execution:drain"]).toMatchObject([{ inFlight: SLOTS, reason: "stop-requested" }]);
    expect(end).toMatchObject({ status: "stopped", read: 15, classified: 15, uncertainCalls: 0 });
    expect(await job.counted(ids)).toEqual({ target: 15, pending: 25 });
    const rest = await job.run();
    expect(rest.end).toMatchObject({ exitCode: 0, classified: 25 });
    expect(job.server.ledger()).toMatchObject({ received: 40, docsPaidTwice: 0 });
  });

  it("cuts calls at abort(), counts them as perhaps paid, and leaves their items to the next run", async () => {
    const asked = Promise.withResolvers<void>();
    let received = 0;
    const job = await makeJob(store, {
      fail: () => {
        received += 1;
        if (received === 10 + SLOTS) asked.resolve();
        return received > 10 ? "hang" : null;
      },
    });
    const ids = await job.seed(40);
    const { execution, ended } = await job.start();
    await asked.promise;
    execution.abort();
    const { end } = await ended;
    expect(end).toMatchObject({ status: "stopped", exitCode: 130, read: 10, classified: 10, uncertainCalls: SLOTS });
    expect(end.uncertainUsd).toBeGreaterThan(0);
    expect(await job.counted(ids)).toEqual({ target: 10, pending: 30 });
    job.server.reset({ fail: () => null });
    const rest = await job.run();
    expect(rest.end).toMatchObject({ exitCode: 0, classified: 30 });
    expect(rest.end.jobTotals).toMatchObject({ classified: 40, modelCalls: 40 + SLOTS });
  });
});

async function refusal(run: Promise<unknown>): Promise<QuerymillError> {
  const error = await run.then(
    () => null,
    (reason: QuerymillError) => reason,
  );
  expect(error).not.toBeNull();
  return error!;
}
