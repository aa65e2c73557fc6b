import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import { runFlags, startCli } from "../support/cli.ts";
import { makeJob, STORES } from "../support/job.ts";
import { uniform } from "../support/model-draw.ts";

const KILLS = 5;
const TEXTS = 40;
const ITEMS = 400;
const SLOTS = 6;

/** A text for every tenth item. */
const textOf = (id: string): string =>
  `[doc:t${Number(id.slice(1)) % TEXTS}] Where is the parcel of route ${Number(id.slice(1)) % TEXTS}?`;

describe.each(STORES)("SIGKILL among items with the same text, over %s", (store) => {
  it("loses and doubles nothing, and pays a text again only when its call was in flight", async () => {
    const job = await makeJob(store, { latency: "lognormal:120:400" });
    const ids = await job.seed(ITEMS, textOf);
    const start = (flags: readonly string[]) =>
      startCli([...runFlags({ ...job.settings, concurrent: SLOTS }), ...flags], { cwd: job.settings.batchDir });
    for (let kill = 0; kill < KILLS; kill += 1) {
      const cli = start(kill === 0 ? [] : ["--recover"]);
      const settled = cli.seen("item:settled", 1 + Math.floor(uniform(`${store}/${kill}`, 1) * 60));
      // It may end by itself before that.
      await Promise.race([settled.catch(() => {}), cli.ended]);
      await Promise.race([delay(uniform(`${store}/${kill}`, 2) * 200), cli.ended]);
      cli.kill("SIGKILL");
      await cli.ended;
    }
    const last = await start(["--recover"]).ended;
    let totals = last.end?.jobTotals;
    // Kills from outside can hit the same item twice while it is in flight alone: then it is taken for their cause.
    const dead = (await job.queues()).deadLetters.list();
    expect(dead.map(({ failure }) => failure)).toEqual(dead.map(() => "poison"));
    expect(dead.length).toBeLessThan(KILLS);
    if (dead.length > 0) totals = (await job.run({ retryOnly: {}, taxonomy: DEFAULT_TAXONOMY })).end.jobTotals;
    else expect(last.code, last.stderr).toBe(0);
    expect(await job.counted(ids)).toEqual({ target: ITEMS });
    const { ok, docsPaid } = job.server.ledger();
    console.log(`${store}: ${ok} answers for ${TEXTS} texts after ${KILLS} kills`);
    expect(docsPaid).toBe(TEXTS);
    expect(ok).toBeLessThanOrEqual(TEXTS + KILLS * 2 * SLOTS);
    expect(totals).toMatchObject({ classified: ITEMS, retryQueued: 0, deadLetters: 0 });
    // Everything answered is in the cache: more of the same costs nothing.
    await job.put(["q9001", "q9002"], textOf);
    const more = await start([]).ended;
    expect(more).toMatchObject({ code: 0, end: { read: 2, classified: 2, cacheHits: 2, modelCalls: 0 } });
  });
});
