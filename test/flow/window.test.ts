import { expect, it, onTestFinished, vi } from "vitest";
import { systemClocks } from "../../src/clocks.ts";
import type { JobSettings } from "../../src/job.ts";
import { JobExecution } from "../../src/jobs/job-execution.ts";
import { chooseAdapters } from "../../src/jobs/wiring.ts";
import type { RunWindow } from "../../src/scheduling/schedule.ts";
import { makeHoldingJob, makeJob } from "../support/job.ts";
import { PATIENT } from "../support/patience.ts";

const NIGHT: RunWindow = { fromMinute: 22 * 60, toMinute: 6 * 60, days: null, timezone: "Europe/Berlin" };
const DAY = "2026-11-24T";

/** A run in the window of the night by a wall clock that the test sets. */
async function start(settings: JobSettings, from: string) {
  let wallMs = Date.parse(from);
  const execution = new JobExecution({ ...settings, window: NIGHT }, await chooseAdapters(settings), {
    now: () => wallMs,
    steadyNow: systemClocks.steadyNow,
  });
  const waits: string[] = [];
  let opened = 0;
  execution.events
    .on("execution:wait", ({ reason, untilMs }) => waits.push(`${reason}, ${new Date(untilMs!).toISOString()}`))
    .on("window:open", () => {
      opened += 1;
    });
  const ended = execution.run();
  ended.catch(() => {});
  onTestFinished(async () => {
    execution.abort();
    await ended.catch(() => {});
  });
  const set = (time: string): void => {
    wallMs = Date.parse(time);
  };
  return { execution, ended, waits, opened: () => opened, set };
}

it("batch mode waits for the window, says until when, and asks nobody before", async () => {
  const job = await makeJob("the embedded store");
  const ids = await job.seed(8);
  const run = await start(job.settings, `${DAY}12:00:00Z`);
  await vi.waitFor(() => expect(run.execution.snapshot().state).toBe("waiting"), PATIENT);
  expect(run.execution.snapshot()).toMatchObject({
    waiting: {
      reason: "outside the run window 22:00-06:00 (Europe/Berlin)",
      untilMs: Date.parse(`${DAY}21:00:00Z`),
      items: 0,
    },
  });
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect(job.server.ledger().received).toBe(0);
  expect(run.waits).toEqual([`outside the run window 22:00-06:00 (Europe/Berlin), ${DAY}21:00:00.000Z`]);
  run.set(`${DAY}21:00:00Z`);
  expect(await run.ended).toMatchObject({ status: "completed", classified: 8, exitCode: 0 });
  expect(run.opened()).toBe(1);
  expect(await job.counted(ids)).toEqual({ target: 8 });
});

it("when it closes, calls in flight come home and are stored, and no other goes out until it opens", async () => {
  const { job, inFlight, answer } = await makeHoldingJob("MongoDB", 10, 5);
  const ids = await job.seed(40);
  const run = await start({ ...job.settings, mode: "continuous" }, `${DAY}23:00:00Z`);
  await inFlight;
  run.set("2026-11-25T05:00:00Z");
  await vi.waitFor(
    () => expect(run.execution.snapshot().waiting?.reason).toBe("outside the run window 22:00-06:00 (Europe/Berlin)"),
    PATIENT,
  );
  const { received } = job.server.ledger();
  answer();
  await vi.waitFor(async () => expect(await job.counted(ids)).toEqual({ target: 15, pending: 25 }), PATIENT);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  expect(job.server.ledger().received).toBe(received);
  run.set("2026-11-25T21:00:00Z");
  await vi.waitFor(async () => expect(await job.counted(ids)).toEqual({ target: 40 }), PATIENT);
  await vi.waitFor(() => expect(run.execution.snapshot().waiting?.reason).toBe("next poll"), PATIENT);
  run.execution.stop("signal");
  expect(await run.ended).toMatchObject({ exitCode: 0, classified: 40 });
  expect(job.server.ledger().docsPaidTwice).toBe(0);
});

it("a person's pause outlasts the opening of the window", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(4);
  const run = await start(job.settings, `${DAY}12:00:00Z`);
  await vi.waitFor(() => expect(run.waits).toHaveLength(1), PATIENT);
  run.execution.pause("maintenance", { by: "ana" });
  run.set(`${DAY}21:00:00Z`);
  await vi.waitFor(() => expect(run.opened()).toBe(1), PATIENT);
  expect(run.execution.snapshot()).toMatchObject({ state: "paused", paused: { reason: "maintenance" } });
  expect(job.server.ledger().received).toBe(0);
  run.execution.resume();
  expect(await run.ended).toMatchObject({ classified: 4 });
});

it("stops at once while the window is closed", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(4);
  const run = await start(job.settings, `${DAY}12:00:00Z`);
  await vi.waitFor(() => expect(run.waits).toHaveLength(1), PATIENT);
  run.execution.stop("signal");
  expect(await run.ended).toMatchObject({ status: "stopped", stopReason: "signal", exitCode: 130, read: 0 });
});
