import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { makeJob } from "../support/job.ts";
import { schedule, startScheduled } from "../support/schedules.ts";

const WARM = 30;
const RUNS = 90;
/** What sixty runs may leave behind: compiled code. One kept execution is about 70 KB. */
const GROWTH_BYTES = 700_000;

it("runs of an empty source leave nothing behind: no memory, no timer, no listener", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const job = await makeJob("the embedded store");
  await job.seed(1);
  await job.run();
  const from = Date.parse("2026-11-24T00:00:00Z");
  const last = new Date(from + (RUNS - 1) * 60_000).toISOString();
  const settings = { ...job.settings, schedules: [schedule("* * * * *")] };
  const run = await startScheduled(settings, "2026-11-23T23:59:30Z", last);
  const seen: { heap: number; resources: number; listeners: number }[] = [];
  const done = Promise.withResolvers<void>();
  let runs = 0;
  run.execution.events.on("execution:end", () => {
    runs += 1;
    run.said.length = 0;
    if (runs !== WARM && runs !== RUNS) return;
    collect();
    const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
    seen.push({
      heap: process.memoryUsage().heapUsed,
      resources: process.getActiveResourcesInfo().length,
      listeners,
    });
    if (runs === RUNS) done.resolve();
  });
  await done.promise;
  run.execution.abort();
  await run.ended;
  const [before, after] = seen;
  expect(after!.heap - before!.heap).toBeLessThan(GROWTH_BYTES);
  // Some are of the worker that runs the test.
  expect(after!.resources - before!.resources).toBeLessThan(5);
  expect(after!.listeners).toBe(before!.listeners);
});
