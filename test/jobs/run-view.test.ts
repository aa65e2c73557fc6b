import { expect, it } from "vitest";
import type { RunSnapshot } from "../../src/events.ts";
import { JobExecution } from "../../src/jobs/job-execution.ts";
import { chooseAdapters } from "../../src/jobs/wiring.ts";
import { makeJob } from "../support/job.ts";

it("tells the end of a rest by the wall clock as it is set now, with the same time left before and after it is set", async () => {
  const job = await makeJob("the embedded store", { fail: () => "429", throttleHeaders: { "retry-after": "2" } });
  await job.seed(1);
  let wallMs = Date.parse("2026-11-24T12:00:00Z");
  const clocks = { now: () => wallMs, steadyNow: () => 1_000 };
  const execution = new JobExecution(job.settings, await chooseAdapters(job.settings), clocks);
  const seen: { toldMs: number; snapshots: RunSnapshot[] }[] = [];
  execution.events.on("endpoint:pause", ({ untilMs }) => {
    const snapshots = [execution.snapshot()];
    const toldMs = untilMs - wallMs;
    wallMs -= 3_600_000;
    snapshots.push(execution.snapshot());
    seen.push({ toldMs, snapshots });
    execution.abort();
  });
  await execution.run();
  const [{ toldMs, snapshots }] = seen as [(typeof seen)[number]];
  expect(toldMs).toBeGreaterThanOrEqual(2_000);
  expect(toldMs).toBeLessThanOrEqual(2_200);
  for (const { nowMs, startedAtMs, endpoints } of snapshots) {
    expect(nowMs - startedAtMs).toBe(0);
    expect(endpoints[0]!.pausedUntilMs! - nowMs).toBeCloseTo(toldMs, 2);
  }
  expect(snapshots[0]!.nowMs - snapshots[1]!.nowMs).toBe(3_600_000);
});
