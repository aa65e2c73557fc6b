import { describe, expect, it } from "vitest";
import type { JobSettings } from "../../src/job.ts";
import { type FleetProcess, machine, startFleetProcess } from "../support/fleet.ts";
import { makeJob, textWith } from "../support/job.ts";

describe("a text that kills its worker", () => {
  const textOf = (id: string): string => (id === "q0150" ? `${textWith(id)} poison` : textWith(id));
  const keepAlive = (workers: FleetProcess[], settings: (at: number) => Promise<JobSettings>, until: () => boolean) =>
    Promise.all(
      workers.map(async (_, at) => {
        while (!until()) {
          await workers[at]!.ended;
          if (until()) return;
          workers[at] = startFleetProcess("mortal", await settings(at));
        }
      }),
    );

  it("is the only dead letter where its worker comes back to the same folder", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:10" });
    await job.seed(400, textOf);
    const own = await Promise.all([1, 2].map(() => machine(job, { leaseMs: 6_000 })));
    const runSettings = await machine(job, { leaseMs: 6_000 });
    let isOver = false;
    const workers = own.map((settings) => startFleetProcess("mortal", settings));
    const run = startFleetProcess("run", runSettings);
    const kept = keepAlive(
      workers,
      async (at) => own[at]!,
      () => isOver,
    );
    const { end, stderr } = await run.ended;
    isOver = true;
    for (const worker of workers) worker.kill("SIGKILL");
    await kept;
    expect(stderr).toBe("");
    expect(end).toMatchObject({ classified: 399, deadLetters: 1, deadLetterReasons: { poison: 1 }, exitCode: 3 });
    expect((await job.records()).size).toBe(399);
  });

  it("ends its range in dead letters where nothing is known, and no other", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:10" });
    await job.seed(400, textOf);
    const fresh = () => machine(job, { leaseMs: 1_500 });
    let isOver = false;
    const workers = await Promise.all([1, 2].map(async () => startFleetProcess("mortal", await fresh())));
    const run = startFleetProcess("run", await fresh());
    const kept = keepAlive(workers, fresh, () => isOver);
    const { end, stderr } = await run.ended;
    isOver = true;
    for (const worker of workers) worker.kill("SIGKILL");
    await kept;
    expect(stderr).toBe("");
    expect(Object.keys(end!.deadLetterReasons)).toEqual(["poison"]);
    expect(end!.deadLetters).toBeGreaterThanOrEqual(1);
    expect(end!.deadLetters).toBeLessThanOrEqual(100);
    expect(end!.jobTotals.classified + end!.jobTotals.deadLetters).toBe(400);
    expect((await job.records()).size).toBeGreaterThanOrEqual(300);
  });
});
