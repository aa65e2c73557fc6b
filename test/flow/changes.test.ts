import { describe, expect, it } from "vitest";
import { contentHashOf } from "../../src/item.ts";
import { type Job, makeJob, STORES, textWith } from "../support/job.ts";
import type { ModelServerOptions } from "../support/model-server.ts";

const news = (id: string): string => `${textWith(id)} Update: it came today, thank you.`;

/** Calls `meddle` once while the first call for `id` is in flight; its answer waits for that. */
function whileInFlight(id: string, meddle: () => Promise<void>): ModelServerOptions {
  return {
    fail: async (asked, attempt) => {
      if (asked === id && attempt === 1) await meddle();
      return null;
    },
  };
}

describe.each(STORES)("documents that change while they are in flight, over %s", (store) => {
  it("keeps the record, leaves the item unprocessed and classifies it again with the new text in the same run", async () => {
    const stored = Promise.withResolvers<void>();
    const job: Job = await makeJob(store, {
      // The others wait until the change was seen, so that there is much of the run left behind it.
      fail: async (id, attempt) => {
        if (id === "q0002" && attempt === 1) await job.put([id], news);
        else if (id !== "q0002") await stored.promise;
        return null;
      },
    });
    const ids = await job.seed(60);
    const started = await job.start();
    started.execution.events.on("sink:stored", () => stored.resolve());
    const { end, seen } = await started.ended;
    expect(seen["sink:stored"].reduce((sum, { changed }) => sum + changed, 0)).toBe(1);
    expect(end).toMatchObject({ exitCode: 0, read: 60, classified: 60, modelCalls: 61 });
    expect(end.jobTotals).toMatchObject({ classified: 60 });
    expect(await job.counted(ids)).toEqual({ target: 60 });
    expect((await job.records()).get("q0002")?.contentHash).toBe(contentHashOf(news("q0002")));
    expect(job.server.ledger().perDoc.get("q0002")).toMatchObject({ requests: 2, paid: 2 });
    expect(job.server.ledger().received).toBe(61);
    expect((await job.run()).end).toMatchObject({ read: 0 });
  });

  it("stores the paid answer of a document that was deleted meanwhile, and asks for it no more", async () => {
    const job: Job = await makeJob(
      store,
      whileInFlight("q0002", () => job.remove("q0002")),
    );
    const ids = await job.seed(10);
    const { end } = await job.run();
    expect(end).toMatchObject({ exitCode: 0, read: 10, classified: 10 });
    expect((await job.records()).size).toBe(10);
    expect((await job.documents(ids)).size).toBe(9);
    expect((await job.run()).end).toMatchObject({ exitCode: 0, read: 0 });
    expect(job.server.ledger()).toMatchObject({ received: 10 });
  });

  it("takes a document that waits in the retry queue with the text it has by then", async () => {
    const job = await makeJob(store, { fail: (id, attempt) => (id === "q0002" && attempt === 1 ? "500" : null) });
    const ids = await job.seed(5);
    await job.run({ retry: { ...job.settings.retry, retries: 0, rounds: [20_000] }, wait: false });
    expect(await job.counted(ids)).toEqual({ target: 4, "retry queue": 1 });
    await job.put(["q0002"], news);
    await job.makeDue();
    expect((await job.run()).end).toMatchObject({ exitCode: 0, read: 1, classified: 1 });
    expect(await job.counted(ids)).toEqual({ target: 5 });
    expect((await job.records()).get("q0002")?.contentHash).toBe(contentHashOf(news("q0002")));
  });
});
