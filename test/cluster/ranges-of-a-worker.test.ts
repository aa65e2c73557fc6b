import { expect, it } from "vitest";
import { openWorker } from "../../src/cluster/open-worker.ts";
import type { WorkerEvent } from "../../src/cluster/worker-event.ts";
import { type JobSettings, mainEndpoint } from "../../src/job.ts";
import { machine, startFleetProcess } from "../support/fleet.ts";
import { makeJob } from "../support/job.ts";

const SIZE = 200;
/** Calls at once that `auto` begins with. */
const FIRST = 8;

/** A worker in this process, started. */
async function startWorker(settings: JobSettings, tell: (event: WorkerEvent) => void) {
  const { worker, close } = await openWorker(settings, { idleMs: null, tell });
  const ended = worker.run().finally(close);
  return { worker, ended };
}

it("a range begins with the calls at once that the ranges before it found out", async () => {
  const answered = Promise.withResolvers<null>();
  const ranges: string[] = [];
  const held = new Set<string>();
  const rangeOf = (id: string): string =>
    `r${String(Math.floor((Number(id.slice(1)) - first) / SIZE) + 1).padStart(9, "0")}`;
  const job = await makeJob("MongoDB", {
    latency: "fixed:50",
    // Nothing of the second range is answered until it was counted what it asks at once.
    fail: (id) => {
      if (rangeOf(id) !== ranges[1]) return null;
      held.add(id);
      return answered.promise;
    },
  });
  const ids = await job.seed(3 * SIZE);
  const first = Number(ids[0]!.slice(1));
  const settings = await machine(job, { concurrent: "auto", concurrentMax: 500, rangeSize: SIZE });
  const { worker, ended } = await startWorker(settings, (event) => {
    if (event.event === "range:taken") ranges.push(event.range);
  });
  let limit = FIRST;
  worker.events.on("limit:change", ({ to }) => {
    limit = to;
  });
  const run = startFleetProcess("run", await machine(job, { rangeSize: SIZE }));
  await expect.poll(() => held.size > 0 && held.size === Math.min(limit, SIZE)).toBe(true);
  expect(limit).toBeGreaterThan(4 * FIRST);
  answered.resolve(null);
  expect((await run.ended).end).toMatchObject({ classified: ids.length, exitCode: 0 });
  worker.stop();
  expect(await ended).toMatchObject({ ranges: 3, exitCode: 0 });
  expect(job.server.ledger()).toMatchObject({ ok: ids.length, docsPaidTwice: 0 });
});

it("two ranges make no more calls at once than the worker may, whoever of them has more to do", async () => {
  const CALLS = 10;
  const job = await makeJob("MongoDB", { latency: "lognormal:30:300" });
  const ids = await job.seed(8 * 60);
  const { model } = job.settings;
  const endpoints = ["a", "b"].map((name) => ({ ...mainEndpoint(model), name, model: { ...model, name } }));
  const settings = await machine(job, { concurrent: CALLS, endpoints, rangeSize: 60 });
  const { worker, ended } = await startWorker(settings, () => {});
  const { end } = await startFleetProcess("run", await machine(job, { endpoints, rangeSize: 60 })).ended;
  expect(end).toMatchObject({ classified: ids.length, exitCode: 0 });
  worker.stop();
  expect(await ended).toMatchObject({ ranges: 8, exitCode: 0 });
  const { maxInFlight } = job.server.ledger();
  expect(maxInFlight).toBe(CALLS);
});
