import { expect, test } from "vitest";
import { type TailItem, tail } from "../../src/jobs/tail.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { makeHoldingJob, makeJob } from "../support/job.ts";

test("every item that a run settles is told once, with what became of it, and the end of the run is the end", async () => {
  const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 10, 5);
  const ids = await job.seed(40, (id) => (id === "q0007" ? null : `[doc:${id}] where is my parcel?`));
  const { ended } = await job.start();
  await inFlight;
  const seen: TailItem[] = [];
  const following = (async () => {
    for await (const item of tail(managerOf(job.settings), { lines: 1_000, wanted: () => true })) {
      // What was settled before it began is there before anything new can be.
      if (seen.push(item) === 5) answer();
    }
  })();
  await ended;
  await following;
  expect(seen.map(({ key }) => JSON.parse(key)).sort()).toEqual(ids);
  expect(seen.find(({ key }) => key === '"q0007"')).toMatchObject({ outcome: "skipped", reason: "no text" });
  const classified = seen.filter(({ outcome }) => outcome === "classified");
  expect(classified).toHaveLength(39);
  for (const item of classified) {
    expect(item).toMatchObject({
      reason: null,
      category: expect.any(String),
      costUsd: expect.any(Number),
      attempts: 1,
    });
    expect(JSON.stringify(item)).not.toContain("parcel");
  }
});

test("of a job that does not run it tells the last ones and ends; what is not wanted is left out before that", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(30);
  await job.run();
  const told = async (lines: number, wanted: (item: TailItem) => boolean) => {
    const items: TailItem[] = [];
    for await (const item of tail(managerOf(job.settings), { lines, wanted })) items.push(item);
    return items;
  };
  const all = await told(100, () => true);
  expect(all).toHaveLength(30);
  expect(await told(4, () => true)).toEqual(all.slice(-4));
  const billing = all.filter(({ category }) => category === "billing");
  expect(await told(2, ({ category }) => category === "billing")).toEqual(billing.slice(-2));
  expect(await told(0, () => true)).toEqual([]);
});

function managerOf(settings: { batchDir: string; tenant: string; job: string }): BatchFileManager {
  return new BatchFileManager(settings.batchDir, settings);
}
