import { ObjectId, UUID } from "mongodb";
import { describe, expect, it } from "vitest";
import type { ExecutionEnd } from "../../src/events.ts";
import { keyOf } from "../../src/item.ts";
import { machine, startFleetProcess } from "../support/fleet.ts";
import { type Job, makeJob, textWith } from "../support/job.ts";

const SOURCE = "conversation_set";

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
    // Ranges become smaller towards the end.
    const worker = startFleetProcess("worker", await machine(job, { concurrent: 16 }));
    const { end, stderr } = await startFleetProcess("run", await machine(job, { rangeSize: 250 })).ended;
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
