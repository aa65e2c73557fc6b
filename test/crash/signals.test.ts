import { describe, expect, it } from "vitest";
import { type Cli, runFlags, startCli } from "../support/cli.ts";
import { type Job, makeHoldingJob, STORES } from "../support/job.ts";

const SLOTS = 5;

describe.each(STORES)("signals to a batch run, over %s", (store) => {
  it.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)(
    "drains at %s, ends with %i, and a plain run goes on without paying anything twice",
    async (signal, code) => {
      const { job, inFlight, answer } = await makeHoldingJob(store, 15, SLOTS);
      const ids = await job.seed(40);
      const cli = start(job);
      await inFlight;
      cli.kill(signal);
      await cli.seen("execution:drain");
      answer();
      const ended = await cli.ended;
      expect(ended).toMatchObject({ code, stderr: "" });
      expect(ended.end).toMatchObject({
        status: "stopped",
        stopReason: "signal",
        exitCode: code,
        read: 15 + SLOTS,
        classified: 15 + SLOTS,
        uncertainCalls: 0,
      });
      expect(await job.counted(ids)).toEqual({ target: 20, pending: 20 });
      expect((await start(job).ended).end).toMatchObject({ exitCode: 0, classified: 20, recovered: 0 });
      expect(await job.counted(ids)).toEqual({ target: 40 });
      expect(job.server.ledger()).toMatchObject({ received: 40, ok: 40, docsPaidTwice: 0 });
    },
  );

  it("takes a second signal at once for the same one, and a later one as the order to cut the calls", async () => {
    const { job, inFlight } = await makeHoldingJob(store, 15, SLOTS);
    const ids = await job.seed(40);
    const cli = start(job);
    await inFlight;
    cli.kill("SIGINT");
    await cli.seen("execution:drain");
    cli.kill("SIGINT");
    // Longer than two signals of one Ctrl-C may be apart.
    await new Promise((resolve) => setTimeout(resolve, 700));
    cli.kill("SIGINT");
    const ended = await cli.ended;
    expect(ended).toMatchObject({ code: 130, end: { read: 15, classified: 15, uncertainCalls: SLOTS } });
    expect(await job.counted(ids)).toEqual({ target: 15, pending: 25 });
    job.server.reset({ fail: () => null });
    expect((await start(job).ended).end).toMatchObject({ exitCode: 0, classified: 25 });
  });

  it("ends in good order when the signal comes while it recovers", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(store, 15, SLOTS);
    const ids = await job.seed(40);
    const killed = start(job);
    await inFlight;
    await killed.seen("item:settled", 15);
    killed.kill("SIGKILL");
    await killed.ended;
    answer();
    const recovering = start(job, "--recover");
    await recovering.seen("checkpoint:saved");
    recovering.kill("SIGTERM");
    expect(await recovering.ended).toMatchObject({ code: 143, stderr: "" });
    expect(await start(job).ended).toMatchObject({ code: 0, stderr: "" });
    expect(await job.counted(ids)).toEqual({ target: 40 });
    expect(job.server.ledger().ok).toBeLessThanOrEqual(40 + SLOTS);
  });

  it("goes on without a reader when stdout is closed, and loses nothing", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(store, 15, SLOTS);
    const ids = await job.seed(40);
    const cli = start(job);
    await inFlight;
    cli.closeOutput();
    answer();
    expect((await cli.ended).code).toBe(141);
    expect((await start(job).ended).code).toBe(0);
    expect(await job.counted(ids)).toEqual({ target: 40 });
    expect(job.server.ledger()).toMatchObject({ received: 40, docsPaidTwice: 0 });
  });
});

describe("two processes on one job", () => {
  it("refuses the second one before anything is asked, and names the process that holds it", async () => {
    const { job, inFlight, answer } = await makeHoldingJob("the embedded store", 0, SLOTS);
    await job.seed(SLOTS);
    const first = start(job);
    await inFlight;
    const second = await start(job).ended;
    expect(second).toMatchObject({ code: 2 });
    expect(second.events.at(-1)).toMatchObject({ event: "error", code: "JOB_HELD" });
    expect(second.stderr).toContain(`process ${first.pid}`);
    answer();
    expect(await first.ended).toMatchObject({ code: 0, end: { classified: SLOTS } });
    expect(job.server.ledger().received).toBe(SLOTS);
  });
});

function start(job: Job, ...flags: string[]): Cli {
  return startCli([...runFlags(job.settings), ...flags], { cwd: job.settings.batchDir });
}
