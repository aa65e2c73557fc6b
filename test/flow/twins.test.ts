import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { makeHoldingJob, makeJob, STORES } from "../support/job.ts";
import { PATIENT } from "../support/patience.ts";

/** Ten texts in all, each with the mark that the model server knows it by. */
const sameForTens = (id: string): string =>
  `[doc:t${id.slice(-1)}] Where is my parcel? It was due on day ${id.slice(-1)}.`;

describe.each(STORES)("items with the same text, over %s", (store) => {
  it("are asked once, in one run and in the next, and every record says where its answer came from", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(120, sameForTens);
    const { end } = await job.run();
    expect(end).toMatchObject({ read: 120, classified: 120, cacheHits: 110, modelCalls: 10, inFlight: 0, exitCode: 0 });
    expect(job.server.ledger().ok).toBe(10);
    const records = await job.records();
    const bought = [...records.values()].filter(({ decidedBy }) => decidedBy === "model");
    expect(bought).toHaveLength(10);
    const paid = bought.reduce((sum, { costUsd }) => sum + (costUsd as number), 0);
    expect(end.costUsd).toBeCloseTo(paid, 8);
    // Each answer served eleven more.
    expect(end.savedUsd).toBeCloseTo(paid * 11, 6);
    for (const id of ids) {
      const record = records.get(id)!;
      if (record.decidedBy === "model") continue;
      const from = records.get(JSON.parse(record.cachedFrom as string))!;
      expect(record).toMatchObject({
        decidedBy: "cache",
        costUsd: 0,
        attempts: 0,
        usage: { inputTokens: 0, outputTokens: 0 },
        category: from.category,
        model: from.model,
        taxonomyVersion: from.taxonomyVersion,
        contentHash: from.contentHash,
      });
      expect(from.decidedBy).toBe("model");
    }
    expect(await job.counted(ids)).toEqual({ target: 120 });

    await job.put(["q0500", "q0501"], (id) => `${sameForTens(id).toUpperCase()}  `);
    const next = (await job.run()).end;
    expect(next).toMatchObject({ read: 2, classified: 2, cacheHits: 2, modelCalls: 0, costUsd: 0, exitCode: 0 });
    expect(next.savedUsd).toBeGreaterThan(0);
  });

  it("are all asked without a cache", async () => {
    const job = await makeJob(store);
    await job.seed(20, sameForTens);
    const { end } = await job.run({ cache: null });
    expect(end).toMatchObject({ classified: 20, cacheHits: 0, modelCalls: 20, savedUsd: 0 });
    expect(
      readdirSync(job.settings.batchDir, { recursive: true }).filter((name) => /answers/.test(String(name))),
    ).toEqual([]);
  });

  it("wait without a slot for the one that is asked, and are asked themselves when it fails", async () => {
    const fails = new Set(["t0"]);
    const asked: string[] = [];
    const job = await makeJob(store, {
      fail: (id) => {
        asked.push(id);
        return fails.has(id) && asked.filter((one) => one === id).length === 1 ? "refusal" : null;
      },
    });
    await job.seed(30, (id) => sameForTens(`${id.slice(0, -1)}${Number(id.slice(-1)) % 2}`));
    const { end } = await job.run({ concurrent: 1 });
    // The first of t0 is refused; the 14 behind it are asked, and what they bring is for whoever comes later.
    expect(end).toMatchObject({ read: 30, deadLetters: 1, classified: 29, inFlight: 0, exitCode: 3 });
    expect(end.cacheHits + end.modelCalls).toBe(30);
    expect(asked.filter((id) => id === "t1")).toHaveLength(1);
  });

  it("go back when a run is stopped while they wait, and the answer that came home serves them in the next", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(store, 0, 1);
    const ids = await job.seed(40, () => "[doc:t1] The very same question of everybody?");
    const started = await job.start({ concurrent: 4 });
    await inFlight;
    await vi.waitFor(() => expect(started.execution.snapshot().counters.pending).toBeGreaterThan(5), PATIENT);
    expect(started.execution.snapshot().counters).toMatchObject({ read: 1, inFlight: 1 });
    started.execution.stop("stop-requested");
    answer();
    const { end } = await started.ended;
    expect(end).toMatchObject({ inFlight: 0, modelCalls: 1 });
    const rest = (await job.run()).end;
    expect(rest.modelCalls).toBe(0);
    expect(end.classified + rest.classified).toBe(40);
    expect(await job.counted(ids)).toEqual({ target: 40 });
    expect(job.server.ledger().ok).toBe(1);
  });

  it("are asked again when a person has overruled the answer", async () => {
    const job = await makeJob(store);
    const [first] = await job.seed(1, () => "[doc:t1] Is this a bill?");
    await job.run();
    await job.store.target("sentimental_analysis").write([
      {
        key: JSON.stringify(first),
        record: { ...(await job.records()).get(first), decidedBy: "person", fence: 99 } as never,
      },
    ]);
    await job.put(["q0002"], () => "[doc:t1] Is this a bill?");
    const { end } = await job.run({ acceptChanges: true });
    expect(end).toMatchObject({ classified: 1, cacheHits: 0, modelCalls: 1 });
  });

  it("are asked again when what lies on the disk is damaged, which is set aside", async () => {
    const job = await makeJob(store);
    await job.seed(3, () => "[doc:t1] Is anybody there?");
    await job.run();
    const { writeFileSync, readFileSync } = await import("node:fs");
    const folder = job.settings.batchDir;
    const name = readdirSync(folder, { recursive: true, encoding: "utf8" }).find((one) => one.endsWith(".answers"))!;
    const bytes = readFileSync(join(folder, name));
    bytes[20] = 0;
    writeFileSync(join(folder, name), bytes);
    await job.put(["q0009"], () => "[doc:t1] Is anybody there?");
    const { end, seen } = await job.run();
    expect(end).toMatchObject({ classified: 1, cacheHits: 0, modelCalls: 1, exitCode: 0 });
    expect(seen["execution:start"][0]!.notes.join()).toContain("answers kept for equal texts");
    expect(
      readdirSync(folder, { recursive: true, encoding: "utf8" }).some((one) =>
        /quarantine\/\d+-0+1\.answers/.test(one),
      ),
    ).toBe(true);
    await job.put(["q0010"], () => "[doc:t1] Is anybody there?");
    expect((await job.run()).end).toMatchObject({ cacheHits: 1, modelCalls: 0 });
  });
});
