import { describe, expect, it } from "vitest";
import { parseFilter } from "../../src/filter.ts";
import { makeJob, STORES, textWith } from "../support/job.ts";

describe.each(STORES)("a whole run over %s", (store) => {
  it("settles every item in one place, pays each once, and finds nothing to do the second time", async () => {
    const job = await makeJob(store);
    const empty = (id: string) => id.endsWith("7");
    const ids = await job.seed(200, (id) => (empty(id) ? null : id === "q0003" ? "   " : textWith(id)));
    const { end, seen } = await job.run();
    expect(end).toMatchObject({ status: "completed", exitCode: 0, read: 200, classified: 179, skipped: 21 });
    expect(end).toMatchObject({ modelCalls: 179, recovered: 0, repairCalls: 0, uncertainCalls: 0, unpricedCalls: 0 });
    expect(end.jobTotals).toMatchObject({ classified: 179, skipped: 21, modelCalls: 179 });
    expect(end.skippedReasons).toEqual({ "no text": 21 });
    expect(end.costUsd).toBeGreaterThan(0);
    expect(seen["item:settled"]).toHaveLength(200);
    expect(new Set(seen["item:settled"].map(({ key }) => key)).size).toBe(200);
    expect(await job.counted(ids)).toEqual({ target: 179, skipped: 21 });
    expect(job.server.ledger()).toMatchObject({ received: 179, ok: 179, docsPaid: 179, docsPaidTwice: 0 });
    expect(job.server.ledger().maxInFlight).toBeLessThanOrEqual(5);

    const again = await job.run();
    expect(again.end).toMatchObject({ status: "completed", exitCode: 0, read: 0, modelCalls: 0, costUsd: 0 });
    expect(again.end.jobTotals).toEqual(end.jobTotals);
    expect(job.server.ledger().received).toBe(179);
  });

  it("stops after --limit items and goes on behind them in the next run", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(60);
    const { end } = await job.run({ limit: 25 });
    expect(end).toMatchObject({ status: "completed", exitCode: 0, stopReason: "limit", read: 25, classified: 25 });
    expect(await job.counted(ids)).toEqual({ target: 25, pending: 35 });
    const rest = await job.run();
    expect(rest.end).toMatchObject({ exitCode: 0, read: 35, classified: 35 });
    expect(rest.end.jobTotals.classified).toBe(60);
    expect(job.server.ledger()).toMatchObject({ received: 60, docsPaidTwice: 0 });
  });

  it("leaves alone what the filter does not name", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(40);
    const { end } = await job.run({ filter: parseFilter({ channel: "email" }) });
    expect(end).toMatchObject({ exitCode: 0, read: 20, classified: 20 });
    for (const [id, place] of await job.places(ids))
      expect(place).toBe(Number(id.at(-1)) % 2 === 0 ? "target" : "pending");
  });
});
