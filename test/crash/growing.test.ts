import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import { contentHashOf } from "../../src/item.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { GROWING_FILE } from "../../src/state/growing.ts";
import { type Cli, runFlags, startCli } from "../support/cli.ts";
import { type Job, makeJob, STORES, textWith } from "../support/job.ts";

const SLOTS = 6;
/** Three groups of marks, so that there is something between them. */
const ITEMS = 1_200;
const news = (id: string): string => `${textWith(id)} And another thing.`;

describe.each(STORES)("SIGKILL while conversations that grew are classified again, over %s", (store) => {
  it("loses none, counts each once, and asks for none twice but what was in flight", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(ITEMS);
    await job.run({ taxonomy: DEFAULT_TAXONOMY, concurrent: 100, batchSize: 100, checkpointInterval: 500 });
    const documents = await job.documents(ids);
    const grown = [...documents].map(([id, document]) => ({ ...document, _id: id, text: news(String(id)) }));
    await job.store.insert("conversation_set", grown);
    await writeFile(join(job.settings.batchDir, "querymill.yaml"), "reclassify: changed\n");

    // While marks are taken away: once a group is written down, and once before that which follows is.
    for (const number of [1, 2]) {
      const run = start(job);
      await groupOf(job, number, run);
      run.kill("SIGKILL");
      expect((await run.ended).signal).toBe("SIGKILL");
    }
    // While they are asked.
    const kills = 2;
    for (let at = 0; at < kills; at += 1) {
      const run = start(job);
      await run.seen("item:settled", 150);
      run.kill("SIGKILL");
      await run.ended;
    }
    const last = await start(job).ended;
    expect(last).toMatchObject({ code: 0, stderr: "" });
    expect(last.end?.jobTotals).toMatchObject({ classified: ITEMS, skipped: 0, retryQueued: 0, deadLetters: 0 });
    expect(await job.counted(ids)).toEqual({ target: ITEMS });
    const { ok } = job.server.ledger();
    expect(ok).toBeGreaterThanOrEqual(2 * ITEMS);
    expect(ok).toBeLessThanOrEqual(2 * ITEMS + kills * SLOTS);
    const history = job.store.target("sentimental_analysis_history");
    const kept = (await history.readAll(null, 2 * ITEMS)).documents;
    expect(kept.length).toBe(ITEMS);
    for (const { _id, reason } of kept) {
      const { item, contentHash } = _id as { item: string; contentHash: string };
      expect([reason, contentHash]).toEqual(["changed", contentHashOf(textWith(item))]);
    }
    expect(await start(job).ended).toMatchObject({ code: 0, end: { read: 0, modelCalls: 0 } });
  });
});

function start(job: Job): Cli {
  const flags = [...runFlags({ ...job.settings, concurrent: SLOTS }), "--recover"];
  return startCli(flags, { cwd: job.settings.batchDir });
}

/** Resolves as soon as a group with this number is written down. */
async function groupOf(job: Job, number: number, cli: Cli): Promise<void> {
  let ended = false;
  cli.ended.then(() => {
    ended = true;
  });
  const { folder } = new BatchFileManager(job.settings.batchDir, job.settings);
  const seen = (): number => {
    try {
      const text = readFileSync(join(folder, GROWING_FILE), "utf8");
      return JSON.parse(text.slice(text.indexOf("{"))).page?.number ?? 0;
    } catch {
      return 0;
    }
  };
  while (seen() < number && !ended) await turn();
  expect(ended, ended ? JSON.stringify(await cli.ended).slice(0, 3000) : "").toBe(false);
}
