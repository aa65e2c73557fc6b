import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { machine, startFleetProcess } from "../support/fleet.ts";
import { makeJob } from "../support/job.ts";

describe("processes that come and go", () => {
  it("SIGKILL of workers and of the run at random: nothing lost, nothing doubled, paid again at most what was in flight", async () => {
    const SLOTS = 4;
    const job = await makeJob("MongoDB", { latency: "lognormal:100:400" });
    const ids = await job.seed(1_000);
    const machines = await Promise.all([1, 2, 3, 4].map(() => machine(job, { concurrent: SLOTS, leaseMs: 3_000 })));
    const runSettings = await machine(job, { concurrent: SLOTS, leaseMs: 3_000 });
    const workers = machines.map((settings) => startFleetProcess("worker", settings));
    let run = startFleetProcess("run", runSettings);
    let kills = 0;
    let isOver = false;
    const killing = (async () => {
      for (let at = 0; at < 8 && !isOver; at += 1) {
        await delay(Math.random() * 500);
        if (isOver) return;
        if (at % 4 === 3) {
          run.kill("SIGKILL");
          await run.ended;
          run = startFleetProcess("run", runSettings);
        } else {
          const which = Math.floor(Math.random() * 4);
          // One that is at work.
          await Promise.race([workers[which]!.seen("range:taken"), delay(3_000)]);
          await delay(Math.random() * 300);
          workers[which]!.kill("SIGKILL");
          await workers[which]!.ended;
          workers[which] = startFleetProcess("worker", machines[which]!);
        }
        kills += 1;
      }
    })();
    let last = await run.ended;
    for (let before = run; last.signal !== null; before = run) {
      while (run === before) await delay(20);
      last = await run.ended;
    }
    isOver = true;
    await killing;
    expect(last.stderr).toBe("");
    expect(last.end).toMatchObject({ exitCode: 0 });
    expect((await job.records()).size).toBe(ids.length);
    const ledger = job.server.ledger();
    expect(ledger.docsPaid).toBe(ids.length);
    console.log(`${kills} kills, ${ledger.ok - ids.length} answers paid again`);
    expect(ledger.ok - ids.length).toBeLessThanOrEqual(kills * SLOTS);
    expect(last.end!.jobTotals).toMatchObject({ classified: ids.length, skipped: 0, retryQueued: 0, deadLetters: 0 });
  });

  it("a worker that is frozen beyond its lease loses its range, and doubles nothing when it wakes", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:60" });
    const ids = await job.seed(400);
    const leaseMs = 1_500;
    const frozen = startFleetProcess("worker", await machine(job, { leaseMs }));
    const run = startFleetProcess("run", await machine(job, { leaseMs }));
    const { range } = (await frozen.seen("range:taken"))!;
    await delay(300);
    frozen.kill("SIGSTOP");
    const paidBefore = job.server.ledger().ok;
    const other = startFleetProcess("worker", await machine(job, { leaseMs, concurrent: 16 }));
    const isTakenOver = (): boolean => other.lines.some((line) => line.event === "range:taken" && line.range === range);
    await expect.poll(isTakenOver).toBe(true);
    frozen.kill("SIGCONT");
    const { end, stderr } = await run.ended;
    expect(stderr).toBe("");
    expect(end).toMatchObject({ exitCode: 0 });
    expect(end!.jobTotals).toMatchObject({ classified: 400, deadLetters: 0, retryQueued: 0 });
    expect((await job.records()).size).toBe(ids.length);
    const ledger = job.server.ledger();
    // In flight at the freeze, and what was answered since the last group for the store.
    expect(ledger.ok - 400).toBeLessThanOrEqual(paidBefore + 4);
    expect(ledger.ok - 400).toBeLessThanOrEqual(40);
    const isLost = (): boolean => frozen.lines.some((line) => line.range === range && line.result === "lost");
    await expect.poll(isLost).toBe(true);
    for (const one of [frozen, other]) one.kill("SIGTERM");
    for (const one of [frozen, other]) expect(await one.ended).toMatchObject({ code: 0 });
  });

  it("the run can be gone on with on another machine, once its lease has run out", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:25" });
    await job.seed(600);
    const leaseMs = 1_500;
    const worker = startFleetProcess("worker", await machine(job));
    const run = startFleetProcess("run", await machine(job, { leaseMs }));
    await worker.seen("range:end");
    run.kill("SIGKILL");
    await run.ended;
    await delay(leaseMs + 200);
    const { end, stderr } = await startFleetProcess("run", await machine(job, { leaseMs })).ended;
    expect(stderr).toBe("");
    expect(end).toMatchObject({ exitCode: 0 });
    expect((await job.records()).size).toBe(600);
    expect(job.server.ledger()).toMatchObject({ ok: 600 });
    worker.kill("SIGTERM");
    await worker.ended;
  });

  it("a worker that is stopped gives its range back with what is done kept, and another one goes on", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:40" });
    await job.seed(400);
    const first = startFleetProcess("worker", await machine(job));
    const run = startFleetProcess("run", await machine(job));
    await first.seen("range:taken");
    await delay(500);
    first.kill("SIGTERM");
    expect(await first.ended).toMatchObject({ code: 0, stderr: "" });
    expect(first.lines.some(({ result }) => result === "given-back")).toBe(true);
    const second = startFleetProcess("worker", await machine(job, { concurrent: 16 }));
    const { end } = await run.ended;
    expect(end).toMatchObject({ read: 400, classified: 400, exitCode: 0 });
    expect(job.server.ledger()).toMatchObject({ ok: 400 });
    second.kill("SIGTERM");
    await second.ended;
  });
});
