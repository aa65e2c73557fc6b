import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { QuerymillError } from "../../src/errors.ts";
import { makeJob, STORES } from "../support/job.ts";

describe.each(STORES)("who may run a job and when, over %s", (store) => {
  it("refuses the second process on a job before anything is spent and names the holder", async () => {
    const first = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<null>();
    const job = await makeJob(store, {
      fail: () => {
        first.resolve();
        return answer.promise;
      },
    });
    await job.seed(5);
    const { ended } = await job.start();
    await first.promise;
    const sameFolder = await refusal(job.run());
    expect(sameFolder).toMatchObject({ code: "JOB_HELD" });
    expect(sameFolder.message).toContain(`process ${process.pid}`);
    const otherFolder = await refusal(job.run({ batchDir: join(job.settings.batchDir, "elsewhere") }));
    expect(otherFolder).toMatchObject({ code: "JOB_HELD" });
    expect(otherFolder.message).toContain(`process ${process.pid}`);
    expect(job.server.ledger().received).toBe(5);
    answer.resolve(null);
    expect((await ended).end).toMatchObject({ exitCode: 0, classified: 5 });
    expect(job.server.ledger().received).toBe(5);
  });

  it("refuses a second job on the same target, also when the first one has ended", async () => {
    const job = await makeJob(store);
    await job.seed(5);
    await job.run({ limit: 2 });
    const refused = await refusal(job.run({ job: "another" }));
    expect(refused).toMatchObject({ code: "TARGET_TAKEN" });
    expect(refused.message).toContain("job flow");
    expect(job.server.ledger().received).toBe(2);
    expect((await job.run()).end).toMatchObject({ exitCode: 0, classified: 3 });
  });

  it("refuses to mix results of other settings, names what differs, and goes on when told to", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(10);
    await job.run({ limit: 4 });
    const changes = { mapping: { text: null, maxChars: 1_000 } };
    const refused = await refusal(job.run(changes));
    expect(refused).toMatchObject({ code: "FINGERPRINT_CHANGED" });
    expect(refused.message).toMatch(/mapping/);
    expect(refused.message).not.toMatch(/taxonomy: /);
    expect(job.server.ledger().received).toBe(4);
    expect((await job.run({ ...changes, acceptChanges: true })).end).toMatchObject({ exitCode: 0, classified: 6 });
    expect((await job.run(changes)).end).toMatchObject({ exitCode: 0, read: 0 });
    expect(await job.counted(ids)).toEqual({ target: 10 });
  });

  it("never asks again with --fresh for what the target has, marked or not, and keeps ledger and dead letters", async () => {
    const job = await makeJob(store, { fail: (id) => (id === "q0003" ? "refusal" : null) });
    const ids = await job.seed(20);
    const { end } = await job.run({ limit: 10 });
    expect(end).toMatchObject({ exitCode: 3, classified: 9, deadLetters: 1 });
    await job.unmark(["q0001", "q0002"]);
    const fresh = await job.run({ fresh: true });
    expect(fresh.end).toMatchObject({ exitCode: 0, read: 12, classified: 12, recovered: 2, modelCalls: 10 });
    expect(fresh.end.jobTotals.costUsd).toBeCloseTo(end.costUsd! + fresh.end.costUsd!);
    expect(await job.counted(ids)).toEqual({ target: 19, "dead letters": 1 });
    expect(job.server.ledger()).toMatchObject({ received: 20, docsPaidTwice: 0 });
    expect((await job.run()).end).toMatchObject({ exitCode: 0, read: 0 });
  });

  it("takes results over from the target when local state and marks are gone, and pays nothing", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(30);
    await job.run();
    const before = await job.records();
    await rm(join(job.settings.batchDir, "default"), { recursive: true });
    await job.unmark(ids);
    const { end } = await job.run();
    expect(end).toMatchObject({ exitCode: 0, read: 30, classified: 30, recovered: 30, modelCalls: 0, costUsd: 0 });
    expect(job.server.ledger()).toMatchObject({ received: 30, docsPaidTwice: 0 });
    expect(await job.counted(ids)).toEqual({ target: 30 });
    for (const [id, record] of await job.records())
      expect(record).toMatchObject({ category: before.get(id)?.category, summary: before.get(id)?.summary });
  });

  it("asks again for documents whose text changed since the target has them, when local state is gone", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(6);
    await job.run();
    await rm(join(job.settings.batchDir, "default"), { recursive: true });
    await job.unmark(ids);
    await job.put(["q0002"], (id) => `[doc:${id}] Where is my refund?`);
    expect((await job.run()).end).toMatchObject({ exitCode: 0, classified: 6, recovered: 5, modelCalls: 1 });
    expect(await job.counted(ids)).toEqual({ target: 6 });
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
