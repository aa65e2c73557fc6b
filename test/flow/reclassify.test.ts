import { rm } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { QuerymillError } from "../../src/errors.ts";
import { contentHashOf } from "../../src/item.ts";
import type { JobSettings } from "../../src/job.ts";
import { dryRun } from "../../src/jobs/dry-run.ts";
import { chooseAdapters, prepareExecution } from "../../src/jobs/wiring.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import type { SourceOptions, Store } from "../../src/store.ts";
import { type Job, makeJob, STORES, textWith } from "../support/job.ts";

const news = (id: string): string => `${textWith(id)} Update: it came today, thank you.`;
const revised = ({ taxonomy }: JobSettings): Partial<JobSettings> => ({
  taxonomy: { ...taxonomy, version: "t-0000000b" },
});

/** A person decides an item. */
async function decide(job: Job, id: string): Promise<void> {
  const record = (await job.records()).get(id)!;
  await job.store.insert("sentimental_analysis", [{ ...record, category: "returns", decidedBy: "person" }]);
}

const preview = async (job: Job, changes: Partial<JobSettings>) => {
  const settings = { ...job.settings, ...changes };
  return await dryRun(settings, await chooseAdapters(settings));
};

describe.each(STORES)("classifying settled items again, over %s", (store) => {
  it("asks for exactly the records of another taxonomy, in the same run as what is new, and never for a person's", async () => {
    const job = await makeJob(store);
    const old = await job.seed(20);
    await job.run();
    await decide(job, "q0007");
    const fresh = await job.seed(5, textWith, 21);
    await job.run({ ...revised(job.settings), acceptChanges: true });
    expect(job.server.ledger().received).toBe(25);

    const changes = { ...revised(job.settings), reclassify: "stale" as const };
    expect(await preview(job, changes)).toMatchObject({
      items: 19,
      unprocessed: 0,
      sampled: 19,
      calls: { from: 19 },
      again: { which: "stale", settled: 25, items: 19, reasons: { taxonomy: 19 }, keptByPerson: 1 },
      obstacles: [],
    });
    expect(job.server.ledger().received).toBe(25);
    const { end, seen } = await job.run(changes);
    expect(end).toMatchObject({ exitCode: 0, read: 19, classified: 19, modelCalls: 19 });
    expect(end.jobTotals).toMatchObject({ classified: 25, skipped: 0, deadLetters: 0 });
    expect(seen["execution:start"][0]?.notes).toContain("19 items are classified again (--reclassify stale).");
    const records = await job.records();
    for (const id of [...old, ...fresh])
      expect(records.get(id)?.taxonomyVersion, id).toBe(id === "q0007" ? "t-f10f10f1" : "t-0000000b");
    expect(records.get("q0007")).toMatchObject({ decidedBy: "person", category: "returns" });
    expect(await job.counted([...old, ...fresh])).toEqual({ target: 25 });

    expect((await job.run(changes)).end).toMatchObject({ exitCode: 0, read: 0 });
    expect(job.server.ledger().received).toBe(44);
  });

  it("asks for what another model or prompt answered, and accepts no other change of the settings", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(6);
    await job.run();
    const model = { ...job.settings.model, name: "drawn-2" };
    const changes = { model, endpoints: [{ ...job.settings.endpoints[0]!, model }], reclassify: "stale" as const };
    expect((await preview(job, changes)).again).toMatchObject({ items: 6, reasons: { model: 6 } });
    const renamed = { ...changes, mapping: { text: "text", maxChars: 24_000 } };
    await expect(job.run(renamed)).rejects.toMatchObject({ code: "FINGERPRINT_CHANGED" });
    await expect(job.run({ ...changes, reclassify: "changed" })).rejects.toMatchObject({ code: "FINGERPRINT_CHANGED" });
    const summary = { taxonomy: { ...job.settings.taxonomy, summary: false } };
    expect((await preview(job, { ...summary, reclassify: "stale" })).again).toMatchObject({ reasons: { prompt: 6 } });
    expect((await job.run(changes)).end).toMatchObject({ read: 6, classified: 6 });
    expect((await job.records()).get(ids[0])?.model).toMatch(/^drawn/);
    expect((await preview(job, changes)).again).toMatchObject({ items: 0 });
  });

  it("asks for what changed since, and for what was skipped and has a text now", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(12, (id) => (id === "q0003" ? null : textWith(id)));
    await job.run();
    const before = await job.documents(["q0002", "q0003"]);
    for (const [id, document] of before)
      await job.store.insert("conversation_set", [{ ...document, _id: id, text: news(String(id)) }]);
    expect((await job.run()).end).toMatchObject({ read: 0 });
    const { end } = await job.run({ reclassify: "changed" });
    expect(end).toMatchObject({ exitCode: 0, read: 2, classified: 2 });
    expect(end.jobTotals).toMatchObject({ classified: 12, skipped: 0 });
    expect(await job.counted(ids)).toEqual({ target: 12 });
    expect((await job.records()).get("q0002")?.contentHash).toBe(contentHashOf(news("q0002")));
    expect((await job.run({ reclassify: "changed" })).end).toMatchObject({ read: 0 });
  });

  it("does all of them in parts when it has a limit, each item once", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(10);
    await job.run();
    for (const read of [4, 4, 2]) {
      const { end } = await job.run({ reclassify: "all", limit: 4 });
      expect(end).toMatchObject({ exitCode: 0, read, classified: read });
      expect(end.jobTotals).toMatchObject({ classified: 10 });
    }
    expect(await job.counted(ids)).toEqual({ target: 10 });
    for (const { paid } of job.server.ledger().perDoc.values()) expect(paid).toBe(2);
    expect((await job.run({ reclassify: "all" })).end).toMatchObject({ read: 10 });
  });

  it("goes on after a stop with the rest, and asks nobody twice", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(30);
    await job.run();
    const started = await job.start({ ...revised(job.settings), reclassify: "stale", concurrent: 2 });
    let settled = 0;
    started.execution.events.on("item:settled", () => {
      settled += 1;
      if (settled === 8) started.execution.stop("stop-requested");
    });
    const { end } = await started.ended;
    expect(end.classified).toBeLessThan(30);
    const rest = await job.run(revised(job.settings));
    expect(rest.end).toMatchObject({ exitCode: 0, read: 30 - end.classified });
    expect(rest.end.jobTotals).toMatchObject({ classified: 30 });
    expect(await job.counted(ids)).toEqual({ target: 30 });
    for (const { paid } of job.server.ledger().perDoc.values()) expect(paid).toBe(2);
  });

  it("counts a page once when the store goes away before its marks are taken", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(20);
    await job.run();
    const changes = { reclassify: "all" as const, limit: 4 };
    const settings = { ...job.settings, ...changes, deadlines: { ...job.settings.deadlines, storeMs: 0 } };
    const broken = await prepareExecution(settings, { store: withoutUnmark(job.store) });
    expect(await broken.run()).toMatchObject({ exitCode: 4, read: 0, jobTotals: { classified: 16 } });
    expect(job.server.ledger().received).toBe(20);
    expect((await job.run()).end).toMatchObject({ exitCode: 0, read: 4, jobTotals: { classified: 20 } });
    expect(await job.counted(ids)).toEqual({ target: 20 });
    for (const { paid } of job.server.ledger().perDoc.values()) expect(paid).toBeLessThanOrEqual(2);
  });

  it("asks again for everything although the local state is lost, and takes no old record for the answer", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(8);
    await job.run();
    await rm(new BatchFileManager(job.settings.batchDir, job.settings).folder, { recursive: true });
    await job.unmark(ids.slice(0, 3));
    expect((await job.run({ reclassify: "all" })).end).toMatchObject({ read: 8, recovered: 0, modelCalls: 8 });
    expect(await job.counted(ids)).toEqual({ target: 8 });
  });
});

/** The same store, whose sources cannot be reached to take marks away. */
function withoutUnmark(store: Store): Store {
  const unreachable = async (): Promise<never> => {
    throw new QuerymillError("STORE_UNREACHABLE", "away");
  };
  return replaced(store, "source", (options: SourceOptions) => replaced(store.source(options), "unmark", unreachable));
}

function replaced<T extends object>(whole: T, name: keyof T, part: unknown): T {
  return new Proxy(whole, {
    get(inner, at) {
      const value: unknown = at === name ? part : Reflect.get(inner, at, inner);
      return typeof value === "function" ? value.bind(inner) : value;
    },
  });
}
