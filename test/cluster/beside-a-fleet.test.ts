import { describe, expect, it } from "vitest";
import { machine, startFleetProcess } from "../support/fleet.ts";
import { makeJob, textWith } from "../support/job.ts";

describe("who may do what beside a fleet", () => {
  it("a plain run is refused while a worker has a range, and a worker with another taxonomy is sent away", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:50" });
    await job.seed(400);
    const worker = startFleetProcess("worker", await machine(job));
    const settings = await machine(job);
    const run = startFleetProcess("run", settings);
    await worker.seen("range:taken");
    run.kill("SIGKILL");
    await run.ended;
    await expect(job.run({ batchDir: settings.batchDir, recover: true })).rejects.toMatchObject({ code: "JOB_HELD" });
    const other = startFleetProcess(
      "worker",
      await machine(job, { taxonomy: { ...job.settings.taxonomy, version: "t-0" } }),
    );
    const { code, stderr } = await other.ended;
    expect(code).not.toBe(0);
    expect(stderr).toContain("FINGERPRINT_CHANGED");
    expect(stderr).toContain("taxonomy: t-f10f10f1 there, t-0 here");
    const again = startFleetProcess("run", settings);
    expect((await again.ended).end).toMatchObject({ exitCode: 0 });
    expect(job.server.ledger()).toMatchObject({ ok: 400, docsPaidTwice: 0 });
    worker.kill("SIGTERM");
    await worker.ended;
  });

  it("what a fleet cannot do is refused with the reason", async () => {
    const job = await makeJob("the embedded store");
    await job.seed(3);
    await expect(job.run({ workersAt: "mongodb" })).rejects.toThrow(/file of this machine/);
    const mongo = await makeJob("MongoDB");
    await mongo.seed(3);
    await expect(mongo.run({ workersAt: "mongodb", limit: 2 })).rejects.toThrow(/--limit/);
    await expect(mongo.run({ workersAt: "mongodb", reclassify: "stale" })).rejects.toThrow(/--reclassify/);
  });

  it("in continuous mode what comes later is shared out too, and a little is done by the run itself", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:10" });
    await job.seed(350);
    const worker = startFleetProcess("worker", await machine(job));
    const run = startFleetProcess("run", await machine(job, { mode: "continuous" }));
    await expect.poll(async () => (await job.records()).size).toBe(350);
    const taken = (): number => worker.lines.filter(({ event }) => event === "range:taken").length;
    const before = taken();
    expect(before).toBeGreaterThanOrEqual(3);
    await job.seed(20, textWith, 1_001);
    await expect.poll(async () => (await job.records()).size).toBe(370);
    expect(taken()).toBe(before);
    await job.seed(350, textWith, 2_001);
    await expect.poll(async () => (await job.records()).size).toBe(720);
    expect(taken()).toBeGreaterThan(before);
    // A worker says that it has finished a moment after it has stored everything.
    const finished = (): number => worker.lines.filter(({ event }) => event === "range:end").length;
    await expect.poll(() => finished() === taken()).toBe(true);
    run.kill("SIGTERM");
    expect((await run.ended).end).toMatchObject({ classified: 720, exitCode: 0 });
    expect(job.server.ledger()).toMatchObject({ ok: 720 });
    worker.kill("SIGTERM");
    await worker.ended;
  });
});
