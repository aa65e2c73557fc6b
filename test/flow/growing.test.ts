import { describe, expect, it, vi } from "vitest";
import { QuerymillError } from "../../src/errors.ts";
import { contentHashOf, keyOf } from "../../src/item.ts";
import type { GrowingSettings, JobSettings } from "../../src/job.ts";
import { prepareExecution } from "../../src/jobs/wiring.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { loadContinuous } from "../../src/state/continuous-file.ts";
import type { SourceOptions, Store } from "../../src/store.ts";
import { type Job, makeHoldingJob, makeJob, STORES, type Started, textWith } from "../support/job.ts";
import { PATIENT } from "../support/patience.ts";

const HOUR_MS = 3_600_000;
const grownTo = (id: string, replies: number): string => `${textWith(id)}${" And another thing.".repeat(replies)}`;
const growing = (changes: Partial<GrowingSettings>): Partial<JobSettings> => ({
  mode: "continuous",
  intervalSeconds: 0.2,
  growing: { updatedAt: null, quietForMs: 0, again: false, sweepEveryMs: null, ...changes },
});

/** Changes fields of documents as their owner does: marks stay. */
async function edit(job: Job, ids: readonly string[], change: (id: string) => object): Promise<void> {
  const documents = await job.documents(ids);
  const changed = [...documents].map(([id, document]) => ({ ...document, _id: id, ...change(String(id)) }));
  await job.store.insert("conversation_set", changed);
}

/** Resolves when the run has waited for so many further polls. */
async function polls({ seen }: Started, more: number): Promise<void> {
  const count = () => seen["execution:wait"].filter(({ reason }) => reason === "next poll").length;
  const before = count();
  await vi.waitFor(() => expect(count()).toBeGreaterThanOrEqual(before + more), { ...PATIENT, interval: 20 });
}

async function settled({ seen }: Started, count: number): Promise<void> {
  await vi.waitFor(() => expect(seen["item:settled"].length).toBe(count), { ...PATIENT, interval: 10 });
}

async function stored({ seen }: Started, count: number): Promise<void> {
  const written = () => seen["sink:stored"].reduce((sum, { written }) => sum + written, 0);
  await vi.waitFor(() => expect(written()).toBe(count), { ...PATIENT, interval: 10 });
}

async function stop(started: Started) {
  started.execution.stop("stop-requested");
  return (await started.ended).end;
}

describe.each(STORES)("conversations that grow, over %s", (store) => {
  it("are asked once, with their whole text, when they grow several times before they are quiet", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(3);
    await edit(job, ids, () => ({ changed: new Date() }));
    const started = await job.start(growing({ updatedAt: "changed", quietForMs: HOUR_MS }));
    for (const replies of [1, 2, 3]) {
      await edit(job, ["q0002"], (id) => ({ text: grownTo(id, replies), changed: new Date().toISOString() }));
      await polls(started, 1);
    }
    expect(started.execution.snapshot()).toMatchObject({ quiet: { items: 3 }, counters: { read: 0, skipped: 0 } });
    expect(started.execution.snapshot().quiet.nextMs).toBeGreaterThan(Date.now() + HOUR_MS / 2);
    await edit(job, ["q0002"], () => ({ changed: Math.floor((Date.now() - 2 * HOUR_MS) / 1_000) }));
    await stored(started, 1);
    const end = await stop(started);
    expect(end).toMatchObject({ exitCode: 0, read: 1, classified: 1, modelCalls: 1, waitingUntilQuiet: 2 });
    expect(job.server.ledger()).toMatchObject({ received: 1 });
    expect((await job.records()).get("q0002")?.contentHash).toBe(contentHashOf(grownTo("q0002", 3)));
    // A run that ends leaves them as they are.
    const batch = { ...growing({ updatedAt: "changed", quietForMs: HOUR_MS }), mode: "batch" as const };
    expect((await job.run(batch)).end).toMatchObject({ exitCode: 0, read: 0, waitingUntilQuiet: 2 });
  });

  it("are read when they become quiet, however long the next poll is away", async () => {
    const job = await makeJob(store);
    await job.seed(1);
    await edit(job, ["q0001"], () => ({ changed: Date.now() - HOUR_MS + 1_500 }));
    const started = await job.start({
      ...growing({ updatedAt: "changed", quietForMs: HOUR_MS }),
      intervalSeconds: 86_400,
    });
    await settled(started, 1);
    expect(started.seen["execution:wait"].map(({ reason }) => reason)).toContain("not quiet yet");
    expect(await stop(started)).toMatchObject({ classified: 1 });
  });

  it.each([
    ["by what documents say of their last change", { updatedAt: "meta.changed" }],
    ["by comparing all of them now and then", { sweepEveryMs: 300 }],
  ])("are asked again once after they were classified, %s", async (_, way) => {
    const job = await makeJob(store);
    const ids = await job.seed(12, (id) => (id === "q0007" ? null : textWith(id)));
    await edit(job, ids, () => ({ meta: { changed: new Date() } }));
    const started = await job.start(growing({ ...way, again: true }));
    await stored(started, 12);
    await edit(job, ["q0002", "q0007"], (id) => ({ text: grownTo(id, 1), meta: { changed: new Date() } }));
    // Nothing of these is another text.
    await edit(job, ["q0003", "q0004"], () => ({ status: "closed", meta: { changed: new Date() } }));
    await stored(started, 14);
    expect((await job.records()).get("q0002")?.contentHash).toBe(contentHashOf(grownTo("q0002", 1)));
    await edit(job, ["q0002"], (id) => ({ text: grownTo(id, 2), meta: { changed: new Date() } }));
    await stored(started, 15);
    await polls(started, 3);
    expect(started.execution.snapshot().growing).toEqual({ found: 3, trouble: null });
    const end = await stop(started);
    expect(end).toMatchObject({ exitCode: 0, read: 15, classified: 14, skipped: 1, modelCalls: 14 });
    expect(end.jobTotals).toMatchObject({ classified: 12, skipped: 0 });
    expect(job.server.ledger().received).toBe(14);
    expect(await job.counted(ids)).toEqual({ target: 12 });
    const target = job.store.target("sentimental_analysis");
    const history = await target.history(keyOf("q0002"));
    expect(history.map(({ reason, record }) => [reason, (record as { contentHash: string }).contentHash])).toEqual([
      ["changed", contentHashOf(textWith("q0002"))],
      ["changed", contentHashOf(grownTo("q0002", 1))],
    ]);
    expect(await target.history(keyOf("q0003"))).toEqual([]);
    expect(await target.history(keyOf("q0007"))).toEqual([]);
    // Whoever starts anew looks at what came meanwhile, and finds no more than that.
    await edit(job, ["q0005"], (id) => ({ text: grownTo(id, 1), meta: { changed: new Date() } }));
    const next = await job.run({ ...growing({ ...way, sweepEveryMs: null, again: true }), mode: "batch" });
    expect(next.end).toMatchObject({ read: 1, classified: 1, jobTotals: { classified: 12 } });
    expect(next.seen["execution:start"][0]?.notes).toContain("1 item is classified again, since the text changed.");
  });

  it("say so when nothing can tell of them", async () => {
    const job = await makeJob(store);
    await job.seed(1);
    const started = await job.start({ ...growing({ again: true }), watch: "off" });
    await stored(started, 1);
    await stop(started);
    expect(started.seen["execution:start"][0]?.notes.join()).toContain("Nothing tells of changed conversations here");
  });

  it("are counted once when the store goes away before their marks are taken", async () => {
    const job = await makeJob(store);
    const ids = await job.seed(6);
    await job.run();
    await edit(job, ["q0002", "q0003"], (id) => ({ text: grownTo(id, 1) }));
    const batch = { ...growing({ again: true }), mode: "batch" as const };
    const deadlines = { ...job.settings.deadlines, storeMs: 0 };
    const broken = await prepareExecution(
      { ...job.settings, ...batch, deadlines },
      { store: withoutUnmark(job.store) },
    );
    expect(await broken.run()).toMatchObject({ exitCode: 4, read: 0, jobTotals: { classified: 4 } });
    // Also when nobody asks for changes any more: what was begun is finished.
    expect((await job.run()).end).toMatchObject({ exitCode: 0, read: 2, jobTotals: { classified: 6 } });
    expect(await job.counted(ids)).toEqual({ target: 6 });
    expect((await job.run(batch)).end).toMatchObject({ read: 0, jobTotals: { classified: 6 } });
  });

  it("are left to the person who decided them", async () => {
    const job = await makeJob(store);
    await job.seed(2);
    await job.run();
    const record = (await job.records()).get("q0001")!;
    await job.store.insert("sentimental_analysis", [{ ...record, decidedBy: "person", category: "returns" }]);
    await edit(job, ["q0001", "q0002"], (id) => ({ text: grownTo(id, 1) }));
    const { end } = await job.run({ ...growing({ again: true }), mode: "batch" });
    expect(end).toMatchObject({ read: 1, jobTotals: { classified: 2 } });
    expect((await job.records()).get("q0001")).toMatchObject({ decidedBy: "person", category: "returns" });
    expect(await job.store.target("sentimental_analysis").history(keyOf("q0001"))).toEqual([]);
  });

  it("are asked again when they had failed for good, and counted where they end", async () => {
    const job = await makeJob(store, { fail: (id, attempt) => (id === "q0002" && attempt === 1 ? "refusal" : null) });
    const ids = await job.seed(3);
    expect((await job.run()).end).toMatchObject({ exitCode: 3, deadLetters: 1 });
    const batch = { ...growing({ again: true }), mode: "batch" as const };
    expect((await job.run(batch)).end).toMatchObject({ exitCode: 0, read: 0 });
    await edit(job, ["q0002"], (id) => ({ text: grownTo(id, 1) }));
    const { end } = await job.run(batch);
    expect(end).toMatchObject({ exitCode: 0, read: 1, classified: 1 });
    expect(end.jobTotals).toMatchObject({ classified: 3, deadLetters: 0 });
    expect(await job.counted(ids)).toEqual({ target: 3 });
  });

  it("are found where the source is only read", async () => {
    const job = await makeJob(store);
    await job.seed(5);
    await edit(job, ["q0001"], () => ({ changed: "2026-01-01T00:00:00+05:00" }));
    const started = await job.start({ ...growing({ updatedAt: "changed", again: true }), markIn: "target" });
    await stored(started, 5);
    await edit(job, ["q0002"], (id) => ({ text: grownTo(id, 1), changed: Date.now() }));
    await edit(job, ["q0003"], () => ({ status: "closed", changed: Date.now() }));
    await stored(started, 6);
    await polls(started, 2);
    const end = await stop(started);
    expect(end).toMatchObject({ read: 6, classified: 6, modelCalls: 6, jobTotals: { classified: 5 } });
    expect((await job.documents(["q0002"])).get("q0002")).not.toHaveProperty("processed");
    expect(await job.store.target("sentimental_analysis").history(keyOf("q0002"))).toHaveLength(1);
  });
});

/** The same store, whose sources cannot be reached to take marks away. */
function withoutUnmark(store: Store): Store {
  const unmark = async (): Promise<never> => {
    throw new QuerymillError("STORE_UNREACHABLE", "away");
  };
  const withParts = <T extends object>(whole: T, parts: Partial<T>): T =>
    new Proxy(whole, {
      get(inner, at) {
        const value: unknown = Reflect.get(at in parts ? parts : inner, at);
        return typeof value === "function" ? value.bind(inner) : value;
      },
    });
  return withParts(store, { source: (options: SourceOptions) => withParts(store.source(options), { unmark }) });
}

describe("a change stream over MongoDB", () => {
  it.each(["source", "target"] as const)(
    "has a changed text asked again before the next poll, and nothing for other fields or our own marks, marks in the %s",
    async (markIn) => {
      const job = await makeJob("MongoDB");
      const ids = await job.seed(6);
      const started = await job.start({ ...growing({ again: true }), intervalSeconds: 86_400, markIn });
      await stored(started, 6);
      await vi.waitFor(() => expect(started.execution.snapshot().watch?.watching).toBe(true), PATIENT);
      await edit(job, ["q0003"], () => ({ status: "closed" }));
      await edit(job, ["q0002"], (id) => ({ text: grownTo(id, 1) }));
      await stored(started, 7);
      await edit(job, ["q0002"], (id) => ({ text: grownTo(id, 2) }));
      await stored(started, 8);
      const { growing: looked } = started.execution.snapshot();
      expect(looked).toEqual({ found: 2, trouble: null });
      expect(started.seen["items:grown"].map(({ foundBy }) => foundBy)).toEqual(["change-stream", "change-stream"]);
      const end = await stop(started);
      expect(end).toMatchObject({ exitCode: 0, read: 8, classified: 8, jobTotals: { classified: 6 } });
      expect(job.server.ledger().received).toBe(8);
      if (markIn === "source") expect(await job.counted(ids)).toEqual({ target: 6 });
      expect(await job.store.target("sentimental_analysis").history(keyOf("q0002"))).toHaveLength(2);
      // Our marks, and taking them away, are no changes: the texts were all that woke it.
      const changed = started.seen["source:wake"].reduce((sum, one) => sum + one.changed, 0);
      expect(changed).toBeLessThanOrEqual(3);
    },
  );

  it("tells again after a crash of an item whose text changed while it was asked", async () => {
    const { job, inFlight, answer } = await makeHoldingJob("MongoDB", 0, 1);
    await job.seed(1);
    const started = await job.start({ ...growing({ again: true }), intervalSeconds: 86_400 });
    await inFlight;
    await vi.waitFor(() => expect(started.execution.snapshot().watch?.watching).toBe(true), PATIENT);
    await edit(job, ["q0001"], (id) => ({ text: grownTo(id, 1) }));
    await vi.waitFor(() => expect(started.seen["source:wake"].length).toBeGreaterThan(0), PATIENT);
    started.execution.abort();
    await started.ended;
    answer();
    const { files, folder, identity } = new BatchFileManager(job.settings.batchDir, job.settings);
    const kept = await loadContinuous(files, folder, identity);
    const told: string[] = [];
    const watching = new AbortController();
    const { mark, sourceCollection: collection } = job.settings;
    const watched = job.store.source({ collection, mark, filter: null, fields: null }).watch!({
      resumeAfter: kept!.resumeToken,
      signal: watching.signal,
      onChanges: (changes) => void told.push(...changes.map(({ key }) => key)),
      onState: () => {},
    });
    await vi.waitFor(() => expect(told).toContain(keyOf("q0001")), PATIENT);
    watching.abort();
    await watched;
  });

  it("goes on behind the last change that was dealt with: what came while nobody watched is found", async () => {
    const job = await makeJob("MongoDB");
    await job.seed(3);
    const changes = { ...growing({ again: true }), intervalSeconds: 86_400 };
    const first = await job.start(changes);
    await vi.waitFor(() => expect(first.execution.snapshot().watch?.watching).toBe(true), PATIENT);
    await stored(first, 3);
    await edit(job, ["q0001"], (id) => ({ text: grownTo(id, 1) }));
    await stored(first, 4);
    await stop(first);
    await edit(job, ["q0002"], (id) => ({ text: grownTo(id, 1) }));
    const second = await job.start(changes);
    await stored(second, 1);
    expect(await stop(second)).toMatchObject({ classified: 1, jobTotals: { classified: 3 } });
    expect(job.server.ledger().received).toBe(5);
  });
});
