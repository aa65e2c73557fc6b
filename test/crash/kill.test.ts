import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type Cli, type CliEnd, runFlags, startCli } from "../support/cli.ts";
import { type Job, makeJob, STORES, textWith } from "../support/job.ts";
import { uniform } from "../support/model-draw.ts";

const KILLS = Number(process.env.QUERYMILL_CRASH_KILLS ?? 5);
/** Enough for every kill to find work. */
const ITEMS = 20 + 30 * KILLS;
const SLOTS = 6;
const SEED = Number(process.env.QUERYMILL_CRASH_SEED ?? 7);

const isEmpty = (id: string): boolean => id.endsWith("09");
const isRefused = (id: string): boolean => id.endsWith("41");
/** Fails for a round, so that it waits in the retry queue. */
const isFlaky = (id: string): boolean => id.endsWith("3") && Number(id.slice(1)) % 20 === 13;

describe.each(STORES)("SIGKILL at random times, over %s", (store) => {
  it("loses nothing, doubles nothing and pays again at most what was in flight", {
    timeout: 300_000 + 10_000 * KILLS,
  }, async () => {
    console.log(`seed ${SEED} (QUERYMILL_CRASH_SEED), ${KILLS} kills (QUERYMILL_CRASH_KILLS)`);
    const job = await makeJob(store, {
      latency: "lognormal:25:150",
      fail: (id, attempt) => (isRefused(id) ? "refusal" : isFlaky(id) && attempt <= 2 ? "503" : null),
    });
    await writeFile(
      join(job.settings.batchDir, "querymill.yaml"),
      "retry: { retries: 1, baseDelayMs: 20, maxDelayMs: 50, rounds: [50, 50, 50] }\n",
    );
    const ids = await job.seed(ITEMS, (id) => (isEmpty(id) ? null : textWith(id)));
    let kills = 0;
    let last: CliEnd;
    do {
      const cli = start(job, kills === 0 ? [] : ["--recover"]);
      if (kills < KILLS && (await killAtRandom(cli, `${SEED}/${store}/${kills}`, kills))) kills += 1;
      last = await cli.ended;
      if (last.signal === null) expect(last.stderr).toBe("");
    } while (last.signal !== null);
    expect([0, 3]).toContain(last.code);

    const skipped = ids.filter(isEmpty).length;
    const dead = ids.filter(isRefused).length;
    const classified = ITEMS - skipped - dead;
    expect(await job.counted(ids)).toEqual({ target: classified, skipped, "dead letters": dead });
    expect((await job.records()).size).toBe(classified);
    const ledger = job.server.ledger();
    expect(ledger.docsPaid).toBe(classified + dead);
    expect(ledger.ok).toBeLessThanOrEqual(classified + dead + kills * SLOTS);
    const totals = last.end?.jobTotals;
    expect(totals).toMatchObject({ classified, skipped, retryQueued: 0, deadLetters: dead });
    expect(Math.abs(totals!.modelCalls - ledger.received)).toBeLessThanOrEqual(kills * SLOTS);
    console.log(`${store}: ${kills} kills, ${ledger.ok - classified - dead} answers paid twice of ${ledger.ok}`);

    const after = await start(job, []).ended;
    expect(after).toMatchObject({ code: 0, end: { read: 0, modelCalls: 0 } });
  });
});

function start(job: Job, flags: readonly string[]): Cli {
  return startCli([...runFlags({ ...job.settings, concurrent: SLOTS }), ...flags], { cwd: job.settings.batchDir });
}

/**
 * Every second kill comes soon after the start, while the process opens or recovers the job; the others after some
 * settled items.
 * @returns false when the run ended before
 */
async function killAtRandom(cli: Cli, draw: string, kill: number): Promise<boolean> {
  const random = uniform(draw, 21);
  const settled = (): Promise<unknown> => cli.seen("item:settled", 1 + Math.floor(random * 45));
  const moment =
    kill % 2 === 1
      ? delay(100 + random * 900)
      : settled().then(
          () => delay(uniform(draw, 22) * 60),
          () => {},
        );
  await Promise.race([moment, cli.ended]);
  cli.kill("SIGKILL");
  return (await cli.ended).signal === "SIGKILL";
}
