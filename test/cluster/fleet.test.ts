import { setTimeout as delay } from "node:timers/promises";
import { ObjectId, UUID } from "mongodb";
import { describe, expect, it } from "vitest";
import type { ExecutionEnd } from "../../src/events.ts";
import { keyOf } from "../../src/item.ts";
import type { JobSettings } from "../../src/job.ts";
import { type FleetProcess, machineFolder, startFleetProcess } from "../support/fleet.ts";
import { type Job, makeJob, textWith } from "../support/job.ts";

const SOURCE = "conversation_set";

/** Settings of one machine of the fleet, whose state folder it is. */
async function machine(job: Job, changes: Partial<JobSettings> = {}): Promise<JobSettings> {
  return {
    ...job.settings,
    batchDir: await machineFolder(),
    workersAt: "mongodb",
    rangeSize: 100,
    concurrent: 4,
    ...changes,
  };
}

const addsUp = (end: ExecutionEnd): boolean =>
  end.read === end.classified + end.skipped + end.retryQueued + end.deadLetters && end.inFlight === 0;

describe("a job that four workers work off", () => {
  it("ends with every item in its place once, and the counters of all of them together", async () => {
    const job = await makeJob("MongoDB", {
      latency: "fixed:15",
      fail: (id) => (id.endsWith("41") ? "refusal" : null),
    });
    const ids = await job.seed(1_200, (id) => (id.endsWith("09") ? null : textWith(id)));
    const settings = await machine(job);
    const workers = await Promise.all([1, 2, 3, 4].map(async () => startFleetProcess("worker", await machine(job))));
    const run = startFleetProcess("run", settings);
    const { code, stderr, end } = await run.ended;
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const skipped = ids.filter((id) => id.endsWith("09")).length;
    const dead = ids.filter((id) => id.endsWith("41")).length;
    const classified = ids.length - skipped - dead;
    expect(end).toMatchObject({
      read: ids.length,
      classified,
      skipped,
      deadLetters: dead,
      retryQueued: 0,
      exitCode: 3,
    });
    expect(addsUp(end!)).toBe(true);
    expect(end!.jobTotals).toMatchObject({ classified, skipped, deadLetters: dead, retryQueued: 0 });
    expect(end!.deadLetterReasons).toEqual({ content: dead });
    const ledger = job.server.ledger();
    expect(end!.modelCalls).toBe(ledger.received);
    expect(ledger.docsPaidTwice).toBe(0);
    // Dead letters are where any run has them.
    const own = { ...job, settings } as Job;
    expect(await counted(own, job, ids)).toEqual({ target: classified, skipped, "dead letters": dead });
    // Several did it.
    const busy = workers.filter(({ lines }) => lines.some(({ event }) => event === "range:taken"));
    expect(busy.length).toBeGreaterThanOrEqual(2);
    for (const worker of workers) worker.kill("SIGTERM");
    for (const worker of workers) expect(await worker.ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("works with ids of several kinds", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:5" });
    const ids = Array.from({ length: 600 }, (_, at) =>
      at % 4 === 0 ? new ObjectId() : at % 4 === 1 ? at : at % 4 === 2 ? `s${at}` : new UUID(),
    );
    await job.store.insert(
      SOURCE,
      ids.map((_id, at) => ({ _id, text: textWith(`m${at}`) })),
    );
    const worker = startFleetProcess("worker", await machine(job, { concurrent: 16 }));
    const { end, stderr } = await startFleetProcess("run", await machine(job)).ended;
    expect(stderr).toBe("");
    expect(end).toMatchObject({ classified: 600, exitCode: 0 });
    expect((await job.records()).size).toBe(600);
    expect(job.server.ledger()).toMatchObject({ ok: 600, docsPaidTwice: 0 });
    worker.kill("SIGTERM");
    await worker.ended;
  });

  it("hands failures over to the run, which tries them again", async () => {
    const job = await makeJob("MongoDB", {
      latency: "fixed:5",
      // Fails for a round of its worker, so that it waits in the retry queue.
      fail: (id, attempt) => (id.endsWith("3") && attempt <= 2 ? "503" : null),
    });
    const retry = { retries: 1, baseDelayMs: 5, maxDelayMs: 10, rounds: [4_000, 50, 50] };
    const ids = await job.seed(500);
    const worker = startFleetProcess("worker", await machine(job, { retry }));
    const settings = await machine(job, { retry });
    const { end, stderr } = await startFleetProcess("run", settings).ended;
    expect(stderr).toBe("");
    expect(end).toMatchObject({ read: 500, classified: 500, retryQueued: 0, deadLetters: 0, exitCode: 0 });
    expect(end!.jobTotals).toMatchObject({ classified: 500, retryQueued: 0 });
    expect((await job.records()).size).toBe(500);
    expect(job.server.ledger()).toMatchObject({
      ok: 500,
      received: 500 + 2 * ids.filter((id) => id.endsWith("3")).length,
    });
    worker.kill("SIGTERM");
    await worker.ended;
  });
});

describe("processes that come and go", () => {
  it("SIGKILL of workers and of the run at random: nothing lost, nothing doubled, paid again at most what was in flight", {
    timeout: 120_000,
  }, async () => {
    const SLOTS = 4;
    const job = await makeJob("MongoDB", { latency: "lognormal:25:150" });
    const ids = await job.seed(2_400);
    const machines = await Promise.all([1, 2, 3, 4].map(() => machine(job, { concurrent: SLOTS, leaseMs: 3_000 })));
    const runSettings = await machine(job, { concurrent: SLOTS, leaseMs: 3_000 });
    const workers = machines.map((settings) => startFleetProcess("worker", settings));
    let run = startFleetProcess("run", runSettings);
    let kills = 0;
    let isOver = false;
    const killing = (async () => {
      for (let at = 0; at < 10 && !isOver; at += 1) {
        await delay(300 + Math.random() * 700);
        if (isOver) return;
        if (at % 4 === 3) {
          run.kill("SIGKILL");
          await run.ended;
          run = startFleetProcess("run", runSettings);
        } else {
          const which = Math.floor(Math.random() * 4);
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
    await frozen.seen("range:taken");
    await delay(300);
    frozen.kill("SIGSTOP");
    const paidBefore = job.server.ledger().ok;
    const other = startFleetProcess("worker", await machine(job, { leaseMs, concurrent: 16 }));
    await delay(leaseMs * 2.5);
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
    expect(await frozen.seen("range:end")).toMatchObject({ result: "lost" });
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

  it("in continuous mode what comes later is shared out too, and a little is done by the run itself", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:10" });
    await job.seed(350);
    const worker = startFleetProcess("worker", await machine(job));
    const run = startFleetProcess("run", await machine(job, { mode: "continuous" }));
    await expect.poll(async () => (await job.records()).size, { timeout: 20_000 }).toBe(350);
    const taken = (): number => worker.lines.filter(({ event }) => event === "range:taken").length;
    const before = taken();
    expect(before).toBeGreaterThanOrEqual(3);
    await job.seed(20, textWith, 1_001);
    await expect.poll(async () => (await job.records()).size, { timeout: 20_000 }).toBe(370);
    expect(taken()).toBe(before);
    await job.seed(350, textWith, 2_001);
    await expect.poll(async () => (await job.records()).size, { timeout: 20_000 }).toBe(720);
    expect(taken()).toBeGreaterThan(before);
    // A worker says that it has finished a moment after it has stored everything.
    const finished = (): number => worker.lines.filter(({ event }) => event === "range:end").length;
    await expect.poll(() => finished() === taken(), { timeout: 10_000 }).toBe(true);
    run.kill("SIGTERM");
    expect((await run.ended).end).toMatchObject({ classified: 720, exitCode: 0 });
    expect(job.server.ledger()).toMatchObject({ ok: 720 });
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

describe("a text that kills its worker", () => {
  const textOf = (id: string): string => (id === "q0150" ? `${textWith(id)} poison` : textWith(id));
  const keepAlive = (workers: FleetProcess[], settings: (at: number) => Promise<JobSettings>, until: () => boolean) =>
    Promise.all(
      workers.map(async (_, at) => {
        while (!until()) {
          await workers[at]!.ended;
          if (until()) return;
          workers[at] = startFleetProcess("worker", await settings(at));
        }
      }),
    );

  it("is the only dead letter where its worker comes back to the same folder", { timeout: 90_000 }, async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:10" });
    await job.seed(400, textOf);
    const own = await Promise.all([1, 2].map(() => machine(job, { leaseMs: 6_000 })));
    const runSettings = await machine(job, { leaseMs: 6_000 });
    let isOver = false;
    const workers = own.map((settings) => startFleetProcess("worker", settings));
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

  it("ends its range in dead letters where nothing is known, and no other", { timeout: 90_000 }, async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:10" });
    await job.seed(400, textOf);
    const fresh = () => machine(job, { leaseMs: 1_500 });
    let isOver = false;
    const workers = await Promise.all([1, 2].map(async () => startFleetProcess("worker", await fresh())));
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
});

/** Places of items by the queues of the run's folder. */
async function counted(own: Job, job: Job, ids: readonly string[]) {
  const { batchDir } = own.settings;
  const records = await job.records();
  const documents = await job.documents(ids);
  const { BatchFileManager } = await import("../../src/state/batch-file-manager.ts");
  const manager = new BatchFileManager(batchDir, own.settings);
  await manager.deadLetters.open({ readOnly: true });
  const places: Record<string, number> = {};
  for (const id of ids) {
    const outcome = (documents.get(id)?.processedBy as { outcome?: string } | undefined)?.outcome;
    const place = records.has(id)
      ? "target"
      : manager.deadLetters.get(keyOf(id)) !== null
        ? "dead letters"
        : outcome === "skipped"
          ? "skipped"
          : "lost";
    places[place] = (places[place] ?? 0) + 1;
  }
  return places;
}
