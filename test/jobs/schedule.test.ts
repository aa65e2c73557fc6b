import { expect, it, vi } from "vitest";
import { makeHoldingJob, makeJob } from "../support/job.ts";
import { PATIENT } from "../support/patience.ts";
import { type Scheduled, schedule, startScheduled } from "../support/schedules.ts";

const DAY = "2026-11-24T";

/** Waits until it has said this, and forgets it. */
async function says({ said }: Scheduled, ...expected: string[]): Promise<void> {
  await vi.waitFor(() => expect(said).toEqual(expected), { ...PATIENT, interval: 20 });
  said.length = 0;
}

it("a clock that is set forward or back neither doubles a scheduled run nor skips one", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(1);
  const run = await startScheduled({ ...job.settings, schedules: [schedule("*/10 * * * *")] }, `${DAY}02:01:00Z`);
  await says(run, "waits for 02:10");
  run.set(`${DAY}03:05:00Z`);
  await says(run, "main missed 5 down, 02:20 to 03:00", "main runs 02:10", "completed", "waits for 03:10");
  // 02:10 has run.
  run.set(`${DAY}02:06:00Z`);
  await says(run, "waits for 02:20");
  run.set(`${DAY}02:20:00Z`);
  await says(run, "main runs 02:20", "completed", "waits for 02:30");
  // An hour back: all times up to 02:20 were there already.
  run.set(`${DAY}01:31:00Z`);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  run.set(`${DAY}01:55:00Z`);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  run.set(`${DAY}02:30:00Z`);
  await says(run, "main runs 02:30", "completed", "waits for 02:40");
  run.execution.stop("signal");
  expect(await run.ended).toMatchObject({ exitCode: 0 });
});

it("a clock that was years ahead and is put right does not hold the schedule up", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(1);
  const settings = { ...job.settings, schedules: [schedule("0 * * * *")] };
  const run = await startScheduled(settings, "2031-01-01T00:30:00Z");
  await says(run, "waits for 01:00");
  run.set("2031-01-01T01:00:00Z");
  await says(run, "main runs 01:00", "completed", "waits for 02:00");
  run.set(`${DAY}12:30:00Z`);
  await says(run, "waits for 13:00");
});

it.each([
  ["begins", "2026-03-28T12:00:00Z", ["01:00", "00:30"]],
  ["ends", "2026-10-24T12:00:00Z", ["00:30", "01:30"]],
])("02:30 in Berlin runs once on the day when daylight saving %s", async (_, from, [first, second]) => {
  const job = await makeJob("the embedded store");
  await job.seed(1);
  const settings = { ...job.settings, schedules: [schedule("30 2 * * *", { timezone: "Europe/Berlin" })] };
  const run = await startScheduled(settings, from, new Date(Date.parse(from) + 20 * 3_600_000).toISOString());
  await says(run, `waits for ${first}`, `main runs ${first}`, "completed", `waits for ${second}`);
  run.execution.stop("signal");
  await run.ended;
});

it("what was missed while no process was there is said at the next start, and caught up with by one run if wished", async () => {
  const job = await makeJob("the embedded store");
  const ids = await job.seed(2);
  const hourly = schedule("0 * * * *");
  const settings = { ...job.settings, schedules: [hourly] };
  const first = await startScheduled(settings, `${DAY}00:30:00Z`);
  await says(first, "waits for 01:00");
  first.execution.stop("signal");
  await expect(first.ended).rejects.toMatchObject({ code: "RUN_STOPPED" });

  const second = await startScheduled(settings, `${DAY}04:30:00Z`);
  await says(second, "main missed 4 down, 01:00 to 04:00", "waits for 05:00");
  second.execution.stop("signal");
  await second.ended.catch(() => {});
  // Said once.
  const third = await startScheduled(settings, `${DAY}04:40:00Z`);
  await says(third, "waits for 05:00");
  third.execution.stop("signal");
  await third.ended.catch(() => {});
  expect(job.server.ledger().received).toBe(0);

  const caughtUp = { ...settings, schedules: [{ ...hourly, catchUp: "once" as const }] };
  const fourth = await startScheduled(caughtUp, `${DAY}07:30:00Z`);
  await says(fourth, "main missed 3 down, 05:00 to 07:00", "main catches up 07:00", "completed", "waits for 08:00");
  expect(await job.counted(ids)).toEqual({ target: 2 });
  fourth.execution.stop("signal");
  await fourth.ended;
  // Another time now: what the one before would have done tells nothing of it.
  const changed = { ...settings, schedules: [schedule("15 * * * *", { catchUp: "once" })] };
  const fifth = await startScheduled(changed, `${DAY}12:30:00Z`);
  await says(fifth, "waits for 13:15");
});

it("a run that a signal cut off counts as missed at the next start", async () => {
  const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 0, 3);
  const ids = await job.seed(3);
  const settings = { ...job.settings, schedules: [schedule("0 2 * * *", { catchUp: "once" })] };
  const first = await startScheduled(settings, `${DAY}01:00:00Z`, `${DAY}02:00:00Z`);
  await inFlight;
  first.execution.abort();
  expect(await first.ended).toMatchObject({ exitCode: 0 });
  answer();
  const second = await startScheduled({ ...settings, recover: true }, `${DAY}02:10:00Z`);
  await says(second, "main missed 1 down, 02:00 to 02:00", "main catches up 02:00", "completed", "waits for 02:00");
  expect(await job.counted(ids)).toEqual({ target: 3 });
});

it("times of two schedules run one after another: by time, then as written; never two at once", async () => {
  const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 0, 2);
  await job.seed(2);
  const schedules = [
    schedule("0 2 * * *", { name: "nightly" }),
    schedule("0 2 * * *", { name: "stale", changes: { reclassify: "stale" } }),
    schedule("*/30 * * * *", { name: "often" }),
  ];
  const run = await startScheduled({ ...job.settings, schedules }, `${DAY}01:45:00Z`, `${DAY}02:00:00Z`);
  await inFlight;
  await says(run, "waits for 02:00", "nightly runs 02:00");
  run.set(`${DAY}03:10:00Z`);
  answer();
  await says(
    run,
    "completed",
    "stale runs 02:00",
    "completed",
    // Its own two times that passed while the others ran are one run.
    "often missed 2 running, 02:30 to 03:00",
    "often runs 02:00",
    "completed",
    "waits for 03:30",
  );
  const { schedules: shown } = run.execution.snapshot();
  expect(shown.map(({ name, nextMs }) => `${name} ${nextMs.length} ${new Date(nextMs[0]!).toISOString()}`)).toEqual([
    "nightly 5 2026-11-25T02:00:00.000Z",
    "stale 5 2026-11-25T02:00:00.000Z",
    "often 5 2026-11-24T03:30:00.000Z",
  ]);
});

it("a time that comes while its own run is under way is missed", async () => {
  const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 0, 1);
  await job.seed(1);
  const settings = { ...job.settings, schedules: [schedule("*/10 * * * *")] };
  const run = await startScheduled(settings, `${DAY}02:01:00Z`, `${DAY}02:10:00Z`);
  await inFlight;
  run.set(`${DAY}02:31:00Z`);
  answer();
  await says(
    run,
    "waits for 02:10",
    "main runs 02:10",
    "completed",
    "main missed 2 running, 02:20 to 02:30",
    "waits for 02:40",
  );
});

it("each schedule's runs have its own settings", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(10);
  const schedules = [
    schedule("0 2 * * *", { name: "some", changes: { limit: 3, concurrent: 1 } }),
    schedule("0 3 * * *", { name: "chats", changes: { filter: { channel: "chat" } as never } }),
  ];
  const run = await startScheduled({ ...job.settings, schedules }, `${DAY}01:00:00Z`, `${DAY}03:00:00Z`);
  const reads: number[] = [];
  run.execution.events.on("execution:end", ({ read }) => reads.push(read));
  await vi.waitFor(() => expect(reads).toHaveLength(2), PATIENT);
  // Of q0001 to q0010 five are chats; the first three are done, two of them chats.
  expect(reads).toEqual([3, 3]);
});

it("what passes by itself waits for the next time; what only a person can mend ends the schedule", async () => {
  const hourly = [schedule("0 * * * *")];
  const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 0, 1);
  await job.seed(1);
  const other = await job.start();
  await inFlight;
  const run = await startScheduled({ ...job.settings, schedules: hourly }, `${DAY}01:30:00Z`, `${DAY}02:00:00Z`);
  await says(run, "waits for 02:00", "main runs 02:00", "main failed JOB_HELD", "waits for 03:00");
  answer();
  await other.ended;
  run.set(`${DAY}03:00:00Z`);
  await says(run, "main runs 03:00", "completed", "waits for 04:00");
  run.execution.stop("signal");
  await run.ended;

  const refusing = await makeJob("the embedded store", { fail: () => "401" });
  await refusing.seed(1);
  const stopped = await startScheduled(
    { ...refusing.settings, schedules: hourly },
    `${DAY}01:30:00Z`,
    `${DAY}09:00:00Z`,
  );
  expect(await stopped.ended).toMatchObject({ exitCode: 4 });
  expect(stopped.said.filter((text) => text.includes("runs"))).toEqual(["main runs 02:00"]);
});

it("a budget without a known price is refused at the start, not at night", async () => {
  const job = await makeJob("the embedded store");
  const schedules = [schedule("0 2 * * *", { changes: { budget: { usd: 5, per: "run" } } })];
  const run = await startScheduled({ ...job.settings, prices: {}, schedules }, `${DAY}01:30:00Z`);
  await expect(run.ended).rejects.toMatchObject({ code: "MODEL_UNPRICED" });
});

it("stops at once while it waits", async () => {
  const job = await makeJob("the embedded store");
  const run = await startScheduled({ ...job.settings, schedules: [schedule("0 2 1 1 *")] }, `${DAY}01:30:00Z`);
  await says(run, "waits for 02:00");
  run.execution.stop("signal");
  await run.ended.catch(() => {});
});
