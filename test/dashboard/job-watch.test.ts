import { expect, it } from "vitest";
import { JobWatch } from "../../src/dashboard/job-watch.ts";
import { LiveHub } from "../../src/dashboard/live.ts";
import { StateReader } from "../../src/dashboard/state-reader.ts";
import { OtherWorker } from "../../src/dashboard/worker.ts";
import { QuerymillError } from "../../src/errors.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { makeJob } from "../support/job.ts";

it.each([
  ["a bug in reading the state", new TypeError("no such thing"), 1],
  ["a state that cannot be read", new QuerymillError("STATE_DAMAGED", "of another job"), 0],
])("%s is told, and ends no process though nobody waits for the reading", async (_, error, logged) => {
  const { settings } = await makeJob("the embedded store");
  const told: unknown[] = [];
  const reader = new StateReader(settings, () => 0);
  reader.read = () => Promise.reject(error);
  const watch = new JobWatch({
    ...{ settings, reader, hub: new LiveHub("1"), now: () => 0, steadyNow: () => 0 },
    worker: new OtherWorker(new BatchFileManager(settings.batchDir, settings)),
    countToReview: async () => null,
    countByPersons: async () => null,
    openPrices: async () => null,
    onError: (one) => told.push(one),
  });
  // The first view alone waits.
  await watch.overview();
  expect((await watch.overview(true)).trouble).toBe(error.message);
  expect((await watch.overview(true)).trouble).toBe(error.message);
  expect(told).toEqual(Array(logged).fill(error));
});
