import { describe, expect, it } from "vitest";
import { makeJob, STORES, type Started, textWith } from "../support/job.ts";

describe.each(STORES)("continuous mode over %s", (store) => {
  it("picks up late inserts, also with ids that sort before, and stops cleanly", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(20, textWith, 100);
    const started = await job.start({ mode: "continuous", intervalSeconds: 1 });
    const { execution, ended } = started;
    await settled(started, 20);
    const before = await job.seed(5, textWith, 1);
    const behind = await job.seed(5, textWith, 900);
    await settled(started, 30);
    execution.stop("stop-requested");
    const { end } = await ended;
    expect(end).toMatchObject({ status: "stopped", exitCode: 0, read: 30, classified: 30, modelCalls: 30 });
    expect(await job.counted([...ids, ...before, ...behind])).toEqual({ target: 30 });
    expect(job.server.ledger()).toMatchObject({ received: 30, docsPaidTwice: 0 });
  });

  it("works off retries when they are due, while calls of a slow item go on over several polls", async () => {
    const slow = Promise.withResolvers<null>();
    const job = await makeJob(store, {
      fail: (id, attempt) => (id === "q0001" ? slow.promise : id === "q0002" && attempt === 1 ? "500" : null),
    });
    const ids = await job.seed(6);
    const polls = Promise.withResolvers<void>();
    const started = await job.start({
      mode: "continuous",
      intervalSeconds: 1,
      retry: { ...job.settings.retry, retries: 0, rounds: [100] },
    });
    const { execution, ended } = started;
    let waits = 0;
    execution.events.on("execution:wait", ({ reason }) => {
      waits += reason === "next poll" ? 1 : 0;
      if (waits === 3) polls.resolve();
    });
    await Promise.all([polls.promise, settled(started, 6)]);
    slow.resolve(null);
    await settled(started, 7);
    execution.stop("stop-requested");
    const { end } = await ended;
    expect(end).toMatchObject({ exitCode: 0, read: 6, classified: 6, retryQueued: 0 });
    expect(await job.counted(ids)).toEqual({ target: 6 });
    expect(job.server.ledger()).toMatchObject({ received: 7, docsPaidTwice: 0 });
  });
});

const everySecond = {
  name: "main",
  cron: "* * * * * *",
  timezone: "UTC",
  jitterSeconds: 0,
  catchUp: "none",
  changes: {},
} as const;

describe("scheduled mode", () => {
  it("runs at the next second and at later ones, never two at once", async () => {
    const slow = Promise.withResolvers<null>();
    const called = Promise.withResolvers<void>();
    const job = await makeJob("the embedded store", {
      fail: () => {
        called.resolve();
        return slow.promise;
      },
    });
    const ids = await job.seed(3);
    const { execution, ended } = await job.start({ mode: "scheduled", schedules: [everySecond] });
    let running = 0;
    let most = 0;
    let runs = 0;
    const missed = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    execution.events
      .on("execution:start", () => {
        running += 1;
        most = Math.max(most, running);
      })
      .on("execution:end", () => {
        running -= 1;
        runs += 1;
        if (runs === 2) second.resolve();
      })
      .on("schedule:missed", ({ times, reason }) => {
        if (times > 0 && reason === "running") missed.resolve();
      });
    await called.promise;
    // A scheduled time passes while this run still waits for its answers.
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    slow.resolve(null);
    await missed.promise;
    const late = await job.seed(2, textWith, 50);
    await second.promise;
    execution.stop("signal");
    const { end } = await ended;
    expect(most).toBe(1);
    expect(end).toMatchObject({ exitCode: 0 });
    expect(end.jobTotals.classified).toBeGreaterThanOrEqual(3);
    expect(await job.counted(ids)).toEqual({ target: 3 });
    expect((await job.run()).end.jobTotals.classified).toBe(5);
    expect(await job.counted(late)).toEqual({ target: 2 });
    expect(job.server.ledger()).toMatchObject({ received: 5, docsPaidTwice: 0 });
  });

  it("shows what it waits for, and ends at once, when it is told to stop while its first run waits for the model", async () => {
    const job = await makeJob("the embedded store");
    await job.seed(1);
    await job.server.close();
    const { execution, ended } = await job.start({ mode: "scheduled", schedules: [everySecond] });
    const waits = Promise.withResolvers<void>();
    execution.events.on("execution:wait", ({ reason }) => {
      if (reason !== "next scheduled time") waits.resolve();
    });
    await waits.promise;
    execution.stop("signal");
    await expect(ended).rejects.toMatchObject({ code: "RUN_STOPPED" });
    expect(execution.snapshot()).toMatchObject({ job: job.settings.job, state: "waiting" });
  });
});

/** Resolves when so many items were settled in all; an item that is retried counts each time. */
function settled({ execution, seen }: Started, count: number): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (seen["item:settled"].length >= count) resolve();
    };
    execution.events.onAny(look);
    look();
  });
}
