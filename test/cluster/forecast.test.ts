import { expect, it } from "vitest";
import { finishRange } from "../../src/estimation/finish.ts";
import { prepareExecution } from "../../src/jobs/wiring.ts";
import { machine, startFleetProcess } from "../support/fleet.ts";
import { makeJob } from "../support/job.ts";

it("a run tells when its workers will be done, and what they have spent, also when it went on with what another began", async () => {
  const job = await makeJob("MongoDB", { latency: "fixed:200" });
  const ids = await job.seed(600);
  const changes = { prices: { [job.settings.model.name]: { input: 10, output: 10 } }, rangeSize: 150 };
  const settings = await machine(job, { ...changes, budget: { usd: 100, per: "job" } });
  const worker = startFleetProcess("worker", await machine(job, changes));
  const first = await prepareExecution(settings);
  const firstEnd = first.run();
  const settled = (run: typeof first): number => run.snapshot().counters.classified;
  await expect.poll(() => settled(first)).toBeGreaterThan(40);
  first.stop("signal");
  await firstEnd;
  const run = await prepareExecution(settings);
  const end = run.run();
  await expect.poll(() => settled(run)).toBeGreaterThan(100);
  await expect.poll(() => finishRange(run.snapshot())).not.toBeNull();
  const { total, counters, itemsPerSecond, itemsPerSecondMean, budget, nowMs } = run.snapshot();
  // Off by what the worker has settled between its words and the counting of the items.
  expect(Math.abs(total! - ids.length)).toBeLessThanOrEqual(80);
  expect(budget!.spentUsd).toBeCloseTo(counters.costUsd!, 9);
  expect(budget!.spentUsd).toBeGreaterThan(0);
  // Four calls at once of 200 ms.
  for (const rate of [itemsPerSecond, itemsPerSecondMean]) expect(rate).toBeLessThan(21);
  const { fromMs, toMs } = finishRange(run.snapshot())!;
  expect(toMs).toBeGreaterThan(fromMs);
  const restMs = ((total! - counters.classified) / 20) * 1_000;
  expect(toMs - nowMs).toBeGreaterThan(restMs / 2);
  run.stop("stop-requested");
  await end;
  await worker.ended;
});
