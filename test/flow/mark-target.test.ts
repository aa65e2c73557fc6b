import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { contentHashOf, keyOf } from "../../src/item.ts";
import { type CliEnd, runFlags, startCli } from "../support/cli.ts";
import { type Job, makeJob, STORES, textWith } from "../support/job.ts";
import { uniform } from "../support/model-draw.ts";

const IN_TARGET = { markIn: "target" } as const;
const KILLS = 4;
const SLOTS = 6;
const isEmpty = (id: string): boolean => id.endsWith("9");
const isRefused = (id: string): boolean => id.endsWith("41");
const isFlaky = (id: string): boolean => id.endsWith("13");

/** Outcomes noted beside the target, by id. */
async function notesOf(job: Job): Promise<Map<unknown, unknown>> {
  const { documents } = await job.store.target("sentimental_analysis_outcomes").readAll(null, 1_000);
  return new Map(documents.map(({ _id, outcome }) => [_id, outcome]));
}

async function expectUntouched(job: Job, ids: readonly string[], textOf: (id: string) => string | null): Promise<void> {
  for (const [id, { _id, channel, ...rest }] of await job.documents(ids))
    expect(rest).toEqual(textOf(String(id)) === null ? {} : { text: textOf(String(id)) });
}

describe.each(STORES)("marks in the target, over %s", (store) => {
  it("a run writes nothing to the source, the next one finds nothing to do, and late documents are found", async () => {
    const job = await makeJob(store, { fail: (id) => (isRefused(id) ? "refusal" : null) });
    const textOf = (id: string): string | null => (isEmpty(id) ? null : textWith(id));
    const ids = await job.seed(60, textOf);
    const { end } = await job.run(IN_TARGET);
    expect(end).toMatchObject({ exitCode: 3, read: 60, classified: 53, skipped: 6, deadLetters: 1 });
    expect((await job.records()).size).toBe(53);
    const notes = await notesOf(job);
    expect([...notes.values()].filter((outcome) => outcome === "skipped")).toHaveLength(6);
    expect(notes.get("q0041")).toBe("deadLetter");
    await expectUntouched(job, ids, textOf);
    expect((await job.run(IN_TARGET)).end).toMatchObject({ exitCode: 0, read: 0, modelCalls: 0 });
    await job.put(["a-late-one", "q0100"]);
    expect((await job.run(IN_TARGET)).end).toMatchObject({ exitCode: 0, read: 2, classified: 2 });
  });

  it("keeps its promises over kills: nothing lost, nothing twice, at most what was in flight is paid again", {
    timeout: 300_000 + 10_000 * KILLS,
  }, async () => {
    const job = await makeJob(store, {
      latency: "lognormal:25:150",
      fail: (id, attempt) => (isRefused(id) ? "refusal" : isFlaky(id) && attempt <= 2 ? "503" : null),
    });
    const textOf = (id: string): string | null => (isEmpty(id) ? null : textWith(id));
    const ids = await job.seed(140, textOf);
    const flags = [...runFlags({ ...job.settings, concurrent: SLOTS }), "--mark", "target"];
    await writeFile(
      join(job.settings.batchDir, "querymill.yaml"),
      "retry: { retries: 1, baseDelayMs: 20, maxDelayMs: 50, rounds: [50, 50, 50] }\n",
    );
    let kills = 0;
    let last: CliEnd;
    do {
      const cli = startCli([...flags, ...(kills === 0 ? [] : ["--recover"])], { cwd: job.settings.batchDir });
      if (kills < KILLS) {
        const settled = cli.seen("item:settled", 1 + Math.floor(uniform(`7/${store}/${kills}`, 3) * 20));
        await Promise.race([settled.then(() => delay(uniform(`7/${store}/${kills}`, 4) * 60)), cli.ended]).catch(
          () => {},
        );
        cli.kill("SIGKILL");
      }
      last = await cli.ended;
      if (last.signal === "SIGKILL") kills += 1;
    } while (last.signal !== null);
    expect([0, 3]).toContain(last.code);
    const skipped = ids.filter(isEmpty).length;
    const dead = ids.filter(isRefused).length;
    const classified = ids.length - skipped - dead;
    expect(last.end?.jobTotals).toMatchObject({ classified, skipped, retryQueued: 0, deadLetters: dead });
    expect((await job.records()).size).toBe(classified);
    expect([...(await notesOf(job)).values()].toSorted()).toEqual([
      ...Array(dead).fill("deadLetter"),
      ...Array(skipped).fill("skipped"),
    ]);
    await expectUntouched(job, ids, textOf);
    const ledger = job.server.ledger();
    expect(ledger.docsPaid).toBe(classified + dead);
    expect(ledger.ok).toBeLessThanOrEqual(classified + dead + kills * SLOTS);
    expect(kills).toBeGreaterThan(0);
    const after = await startCli(flags, { cwd: job.settings.batchDir }).ended;
    expect(after).toMatchObject({ code: 0, end: { read: 0, modelCalls: 0 } });
  });

  it("needs no local state to know what is settled", async () => {
    const job = await makeJob(store, { fail: (id) => (isRefused(id) ? "refusal" : null) });
    await job.seed(50, (id) => (isEmpty(id) ? null : textWith(id)));
    await job.run(IN_TARGET);
    job.server.reset();
    const { end } = await job.run({ ...IN_TARGET, job: "flow", tenant: "elsewhere" });
    expect(end).toMatchObject({ exitCode: 0, read: 0, modelCalls: 0 });
  });

  it("reads a document again that changed while it was in flight", async () => {
    const news = (id: string): string => `${textWith(id)} Update: it came today, thank you.`;
    const job: Job = await makeJob(store, {
      fail: async (id, attempt) => {
        if (id === "q0002" && attempt === 1) await job.put([id], news);
        return null;
      },
    });
    await job.seed(10);
    const { end } = await job.run(IN_TARGET);
    const again = end.modelCalls === 11 ? end : (await job.run(IN_TARGET)).end;
    expect(again.jobTotals).toMatchObject({ classified: 10 });
    expect((await job.records()).get("q0002")?.contentHash).toBe(contentHashOf(news("q0002")));
    expect(job.server.ledger().received).toBe(11);
    expect((await job.run(IN_TARGET)).end).toMatchObject({ read: 0 });
  });

  it("brings skipped items back that have a text now", async () => {
    const job = await makeJob(store);
    await job.seed(12, (id) => (isEmpty(id) ? null : textWith(id)));
    await job.run(IN_TARGET);
    await job.put(["q0009"]);
    const { batchDir, storeUri, db } = job.settings;
    const place = storeUri.startsWith("sqlite:") ? [storeUri.slice("sqlite:".length)] : [storeUri, "--db", db];
    const flags = ["--store", ...place, "--batch-dir", batchDir, "--job", "flow", "--mark", "target", "--json"];
    const retried = await startCli(["retry", "--skipped", "--yes", ...flags], { cwd: batchDir }).ended;
    expect(retried.stderr).toBe("");
    expect(retried.events.at(-1)).toMatchObject({ event: "retry:end", skipped: 1, readable: 1 });
    expect((await job.run(IN_TARGET)).end).toMatchObject({
      read: 1,
      classified: 1,
      jobTotals: { classified: 12, skipped: 0 },
    });
    const seen = await startCli(["get", "q0009", ...flags], { cwd: batchDir }).ended;
    expect(seen.stderr).toBe("");
    expect((await job.store.target("sentimental_analysis").existing([keyOf("q0009")])).size).toBe(1);
  });

  it("is another job's way to mark: going on with the other one is refused", async () => {
    const job = await makeJob(store);
    await job.seed(4);
    await job.run(IN_TARGET);
    await expect(job.run()).rejects.toMatchObject({ code: "FINGERPRINT_CHANGED" });
  });
});
