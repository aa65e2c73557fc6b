import { expect, it, onTestFinished, vi } from "vitest";
import { systemClocks } from "../../src/clocks.ts";
import { nextTimes, ScheduledExecution } from "../../src/jobs/schedule.ts";
import { chooseAdapters } from "../../src/jobs/wiring.ts";
import { makeJob } from "../support/job.ts";

const at = (time: string): number => Date.parse(`2026-11-24T${time}:00.000Z`);

it("a clock that is set forward or back neither doubles a scheduled run nor skips one", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(1);
  const settings = { ...job.settings, mode: "scheduled", schedule: "*/10 * * * *", timezone: "UTC" } as const;
  let wallMs = at("02:01");
  const execution = new ScheduledExecution(settings, await chooseAdapters(settings), {
    now: () => wallMs,
    steadyNow: systemClocks.steadyNow,
  });
  const said: string[] = [];
  execution.events
    .on("execution:wait", ({ reason, untilMs }) => said.push(`${reason} ${clock(untilMs!)}`))
    .on("execution:end", () => said.push(`ran ${clock(wallMs)}`));
  const ended = execution.run();
  onTestFinished(() => execution.abort());
  const next = async (...expected: string[]): Promise<void> => {
    await vi.waitFor(() => expect(said).toEqual(expected), { timeout: 30_000 });
    said.length = 0;
  };

  await next("next scheduled time 02:10");
  wallMs = at("03:05");
  await next("ran 03:05", "5 scheduled times passed meanwhile and are missed 03:05", "next scheduled time 03:10");
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

it.each([
  ["begins", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]],
  ["ends", "2026-10-24T12:00:00Z", ["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]],
])(
  "02:30 comes once on the day when daylight saving %s, as an hour that is left out or comes twice",
  (_, from, times) => {
    const first = nextTimes("30 2 * * *", "Europe/Berlin", 1, new Date(from))[0]!;
    const [second] = nextTimes("30 2 * * *", "Europe/Berlin", 1, first);
    expect([first, second].map((time) => time?.toISOString())).toEqual(times);
  },
);

it("every hour stays every hour through the end of daylight saving", () => {
  const hours = nextTimes("0 * * * *", "Europe/Berlin", 5, new Date("2026-10-24T22:30:00Z"));
  expect(hours.map((time) => time.getUTCHours())).toEqual([23, 0, 1, 2, 3]);
});

function clock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 16);
}
