import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { keyOf } from "../../src/item.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { type Cli, runFlags, startCli } from "../support/cli.ts";
import { type Job, makeHoldingJob, makeJob, STORES } from "../support/job.ts";
import { PATIENT } from "../support/patience.ts";

const SLOTS = 5;

describe.each(STORES)("after an unclean death, over %s", (store) => {
  it("stops a plain run and names both ways on; --recover goes on exactly there", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(store, 20, SLOTS);
    const ids = await job.seed(50);
    const cli = start(job);
    await inFlight;
    await cli.seen("item:settled", 20);
    cli.kill("SIGKILL");
    await cli.ended;
    answer();
    const receivedBefore = job.server.ledger().received;

    const plain = await start(job).ended;
    expect(plain.code).toBe(2);
    expect(plain.events.at(-1)).toMatchObject({ event: "error", code: "STATE_UNCLEAN" });
    expect(plain.stderr).toContain("flow did not end cleanly");
    expect(plain.stderr).toMatch(/calls were under way and may be paid twice/);
    expect(plain.stderr).toMatch(/bin\.ts run .*--recover/);
    expect(plain.stderr).toMatch(/bin\.ts run .*--fresh/);
    expect((await start(job).ended).code).toBe(2);
    expect(job.server.ledger().received).toBe(receivedBefore);

    const recovered = await start(job, "--recover").ended;
    expect(recovered).toMatchObject({ code: 0, stderr: "", end: { status: "completed", deadLetters: 0 } });
    expect(recovered.end!.modelCalls - recovered.end!.uncertainCalls).toBe(50 - 20);
    expect(await job.counted(ids)).toEqual({ target: 50 });
    expect(job.server.ledger().ok).toBeLessThanOrEqual(50 + SLOTS);
    expect((await start(job).ended).code).toBe(0);
  });

  it("begins behind what is settled, and finds late inserts before it all the same", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(900);
    await job.run({ concurrent: SLOTS, limit: 600 });
    await pretendUnclean(job);
    await job.put(["a0001"]);

    const { end, seen } = await job.run({ concurrent: 1, recover: true });
    const settled = seen["item:settled"].map(({ key }) => key);
    expect(settled.indexOf(keyOf("q0601"))).toBeLessThan(settled.indexOf(keyOf("a0001")));
    expect(end).toMatchObject({ status: "completed", classified: 301 });
    expect(await job.counted([...ids, "a0001"])).toEqual({ target: 901 });
    expect(job.server.ledger().docsPaidTwice).toBe(0);
  });

  it("starts over with --fresh after it, without asking again for what the target has", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(store, 20, SLOTS);
    const ids = await job.seed(50);
    const cli = start(job);
    await inFlight;
    await cli.seen("item:settled", 20);
    cli.kill("SIGKILL");
    await cli.ended;
    answer();
    const fresh = await start(job, "--fresh").ended;
    expect(fresh).toMatchObject({ code: 0, stderr: "", end: { classified: 30 } });
    expect(await job.counted(ids)).toEqual({ target: 50 });
    expect(job.server.ledger().ok).toBeLessThanOrEqual(50 + SLOTS);
    expect((await start(job).ended).code).toBe(0);
  });

  it("needs no --recover in continuous mode, so that a supervisor's restart works", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(store, 20, SLOTS);
    const ids = await job.seed(50);
    const first = start(job, "--mode", "continuous", "--interval", "1");
    await inFlight;
    await first.seen("item:settled", 20);
    first.kill("SIGKILL");
    await first.ended;
    answer();
    const again = start(job, "--mode", "continuous", "--interval", "1");
    await vi.waitFor(async () => expect((await job.records()).size).toBe(50), { ...PATIENT, interval: 100 });
    again.kill("SIGTERM");
    expect(await again.ended).toMatchObject({ code: 0, end: { status: "stopped", stopReason: "signal" } });
    expect(await job.counted(ids)).toEqual({ target: 50 });
    expect(job.server.ledger().ok).toBeLessThanOrEqual(50 + SLOTS);
  });

  it("ends an item that was twice alone in flight at a death as a dead letter; the others go on", async () => {
    let asked = 0;
    const job = await makeJob(store, {
      fail: (id) => {
        if (id !== "q0001") return null;
        asked += 1;
        return "hang";
      },
    });
    const ids = await job.seed(8);
    for (const kill of [1, 2]) {
      const cli = start({ ...job, settings: { ...job.settings, concurrent: 1 } } as Job, "--recover");
      await vi.waitFor(() => expect(asked).toBe(kill), { ...PATIENT, interval: 20 });
      // The server may know of a call before the journal file does.
      await vi.waitFor(async () => expect(await startsIn(job, "q0001")).toBeGreaterThanOrEqual(1), PATIENT);
      cli.kill("SIGKILL");
      await cli.ended;
    }
    const { code, end } = await start(job, "--recover").ended;
    expect({ code, end }).toMatchObject({ code: 3, end: { deadLetters: 1, deadLetterReasons: { poison: 1 } } });
    expect(asked).toBe(2);
    expect(await job.counted(ids)).toEqual({ target: 7, "dead letters": 1 });
  });
});

function start(job: Job, ...flags: string[]): Cli {
  return startCli([...runFlags(job.settings), ...flags], { cwd: job.settings.batchDir });
}

/** How often the newest journal segment tells of a call for an item. */
async function startsIn({ settings }: Job, id: string): Promise<number> {
  const folder = join(settings.batchDir, "default");
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".journal")).sort();
  const text = names.length === 0 ? "" : await readFile(join(folder, names.at(-1)!), "utf8");
  return text.split(JSON.stringify({ kind: "start", key: keyOf(id) })).length - 1;
}

/** Makes the last checkpoint one of a run that is still under way: what a kill leaves when everything was stored. */
async function pretendUnclean({ settings: { batchDir, tenant, job } }: Job): Promise<void> {
  const manager = new BatchFileManager(batchDir, { tenant, job });
  const checkpoint = (await manager.loadLatestCheckpoint())!;
  expect(checkpoint.cursor).not.toBeNull();
  await manager.saveCheckpoint({ ...checkpoint, generation: checkpoint.generation + 1, status: "running" });
}
