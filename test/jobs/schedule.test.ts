import { expect, it, onTestFinished, vi } from "vitest";
import { systemClocks } from "../../src/clocks.ts";
import { ScheduledExecution } from "../../src/jobs/schedule.ts";
import { chooseAdapters } from "../../src/jobs/wiring.ts";
import type { ScheduleSettings } from "../../src/scheduling/schedule.ts";
import { makeJob } from "../support/job.ts";

const at = (time: string): number => Date.parse(`2026-11-24T${time}:00.000Z`);

it("a clock that is set forward or back neither doubles a scheduled run nor skips one", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(1);
  const settings = { ...job.settings, mode: "scheduled", schedules: [schedule("*/10 * * * *")] } as const;
  let wallMs = at("02:01");
  const execution = new ScheduledExecution(settings, await chooseAdapters(settings), {
    now: () => wallMs,
    steadyNow: systemClocks.steadyNow,
  });
  const said: string[] = [];
  execution.events
    .on("execution:wait", ({ reason, untilMs }) => said.push(`${reason} ${clock(untilMs!)}`))
    .on("schedule:missed", ({ times, reason, firstMs, lastMs }) =>
      said.push(`${reason}: missed ${times}, ${clock(firstMs)} to ${clock(lastMs)}`),
    )
    .on("execution:end", () => said.push(`ran ${clock(wallMs)}`));
  const ended = execution.run();
  onTestFinished(() => execution.abort());
  const next = async (...expected: string[]): Promise<void> => {
    await vi.waitFor(() => expect(said).toEqual(expected), { timeout: 30_000 });
    said.length = 0;
  };

  await next("next scheduled time 02:10");
  wallMs = at("03:05");
  await next("down: missed 5, 02:20 to 03:00", "ran 03:05", "next scheduled time 03:10");
  // 02:10 has run.
  wallMs = at("02:06");
  await next("next scheduled time 02:20");
  wallMs = at("02:20");
  await next("ran 02:20", "next scheduled time 02:30");
  // An hour back: all times up to 02:20 were there already.
  wallMs = at("01:31");
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  wallMs = at("01:55");
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  wallMs = at("02:30");
  await next("ran 02:30", "next scheduled time 02:40");
  execution.stop("signal");
  expect(await ended).toMatchObject({ exitCode: 0 });
});

function schedule(cron: string, more: Partial<ScheduleSettings> = {}): ScheduleSettings {
  return { name: "main", cron, timezone: "UTC", jitterSeconds: 0, catchUp: "none", changes: {}, ...more };
}

function clock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 16);
}
