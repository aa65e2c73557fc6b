import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { RECLASSIFICATION_FILE } from "../../src/state/reclassification.ts";
import { type Cli, runFlags, startCli } from "../support/cli.ts";
import { type Job, makeJob, STORES } from "../support/job.ts";
import { PATIENT } from "../support/patience.ts";

const SLOTS = 6;
/** Three pages of marks, so that there is something between them. */
const ITEMS = 1_200;

describe.each(STORES)("SIGKILL while settled items are classified again, over %s", (store) => {
  it("loses none, counts each once, and asks for none twice but what was in flight", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(ITEMS);
    await job.run({ concurrent: 100, batchSize: 100, checkpointInterval: 500 });
    expect(job.server.ledger().ok).toBe(ITEMS);

    // While marks are taken away: at the first page, then in the midst of the others.
    const first = start(job, ["--reclassify", "all"]);
    await pageOf(job, 1, first);
    first.kill("SIGKILL");
    expect((await first.ended).signal).toBe("SIGKILL");
    expect(job.server.ledger().ok).toBe(ITEMS);
    const refused = await start(job, []).ended;
    expect(refused.code).toBe(2);
    expect(refused.events.at(-1)).toMatchObject({ event: "error", code: "STATE_UNCLEAN" });
    const second = start(job, ["--recover"]);
    await pageOf(job, 2, second);
    second.kill("SIGKILL");
    await second.ended;

    // While they are asked; the same command goes on as well.
    let kills = 0;
    for (const flags of [["--recover"], ["--reclassify", "all", "--recover"]]) {
      const run = start(job, flags);
      await run.seen("item:settled", 150);
      run.kill("SIGKILL");
      await run.ended;
      kills += 1;
    }
    const last = await start(job, ["--recover"]).ended;
    expect(last).toMatchObject({ code: 0, stderr: "" });
    expect(last.end?.jobTotals).toMatchObject({ classified: ITEMS, skipped: 0, retryQueued: 0, deadLetters: 0 });
    expect(await job.counted(ids)).toEqual({ target: ITEMS });
    const { perDoc, ok } = job.server.ledger();
    expect([...perDoc.values()].filter(({ paid }) => paid < 2)).toEqual([]);
    expect(ok).toBeLessThanOrEqual(2 * ITEMS + kills * SLOTS);
    console.log(`${store}: ${ok - 2 * ITEMS} answers paid a third time`);
    expect(reclassificationOf(job)).toBeNull();
    expect(await start(job, []).ended).toMatchObject({ code: 0, end: { read: 0, modelCalls: 0 } });
  });

  it("runs an item alone that was in flight at two deaths, although the target has its old record", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(SLOTS);
    await job.run();
    job.server.reset({ fail: () => "hang" });
    for (const [kill, flags] of [["--reclassify", "all"], ["--recover"]].entries()) {
      const cli = start(job, flags);
      await vi.waitFor(() => expect(job.server.ledger().received).toBe((kill + 1) * SLOTS), PATIENT);
      // The server may know of a call before the journal file does.
      await vi.waitFor(() => expect(startsIn(job)).toBeGreaterThanOrEqual(SLOTS), PATIENT);
      cli.kill("SIGKILL");
      await cli.ended;
    }
    let [atOnce, most] = [0, 0];
    job.server.reset({
      fail: async () => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await delay(20);
        atOnce -= 1;
        return null;
      },
    });
    expect(await start(job, ["--recover"]).ended).toMatchObject({ code: 0, end: { read: SLOTS, classified: SLOTS } });
    expect(job.server.ledger().received).toBe(SLOTS);
    expect(most).toBe(1);
    expect(await job.counted(ids)).toEqual({ target: SLOTS });
  });
});

/** Calls that the newest journal segment tells of. */
function startsIn({ settings: { batchDir, tenant, job } }: Job): number {
  const folder = new BatchFileManager(batchDir, { tenant, job }).journalFolder;
  const newest = readdirSync(folder).sort().at(-1)!;
  return readFileSync(join(folder, newest), "utf8").split('"kind":"start"').length - 1;
}

function start(job: Job, flags: readonly string[]): Cli {
  return startCli([...runFlags({ ...job.settings, concurrent: SLOTS }), ...flags], { cwd: job.settings.batchDir });
}

/** Resolves as soon as a page of at least this number was written down. */
async function pageOf(job: Job, number: number, cli: Cli): Promise<void> {
  let ended = false;
  cli.ended.then(() => {
    ended = true;
  });
  while ((reclassificationOf(job)?.page?.number ?? 0) < number && !ended) await turn();
  expect(ended).toBe(false);
}

function reclassificationOf({ settings: { batchDir, tenant, job } }: Job): { page: { number: number } | null } | null {
  const { folder } = new BatchFileManager(batchDir, { tenant, job });
  try {
    const text = readFileSync(join(folder, RECLASSIFICATION_FILE), "utf8");
    return JSON.parse(text.slice(text.indexOf("{")));
  } catch {
    return null;
  }
}
