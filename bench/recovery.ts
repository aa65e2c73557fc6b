// How soon a run works again after a death with many outcomes journaled and not stored, and in how much memory.
//   node bench/recovery.ts [--items 1000000] [--unsettled 100000] [--mongo URI]   (embedded store without --mongo)
// Seeds a source, writes the journal that a killed process would leave, recovers in this process, prints one JSON line.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BatchProcessor, contentHashOf, keyOf, openMongoStore, openSqliteStore } from "../src/index.ts";
import { applySettlement, EMPTY_JOB_STATE, type JobState, NO_SPEND, type Settlement } from "../src/outcome.ts";
import { BatchFileManager } from "../src/state/batch-file-manager.ts";
import { Journal } from "../src/state/journal.ts";

const { values } = parseArgs({
  options: {
    items: { type: "string", default: "1000000" },
    unsettled: { type: "string", default: "100000" },
    mongo: { type: "string" },
  },
});
const [items, unsettled] = [Number(values.items), Number(values.unsettled)];
const batchDir = await mkdtemp(join(tmpdir(), "querymill-recovery-"));
const store = values.mongo
  ? await openMongoStore(values.mongo, `recovery_${process.pid}`, { connectTimeoutMs: 5_000 })
  : await openSqliteStore(join(batchDir, "store.sqlite"));
const idOf = (n: number): string => `q${String(n).padStart(8, "0")}`;
const textOf = (n: number): string => `My order ${n} has not arrived, where is it, please help me with that`;
for (let from = 0; from < items; from += 5_000) {
  const documents = Array.from({ length: 5_000 }, (_, at) => ({ _id: idOf(from + at), text: textOf(from + at) }));
  await store.insert("conversation_set", documents);
}

const manager = new BatchFileManager(batchDir, { job: "recovery" });
await manager.open();
let state: JobState = EMPTY_JOB_STATE;
const journal = await Journal.open(manager.files, manager.journalFolder, manager.identity, () => state, {
  seq: 0,
  segments: new Map(),
});
for (let from = 0; from < unsettled; from += 500) {
  const settlements = Array.from({ length: 500 }, (_, at): Settlement => outcomeOf(from + at));
  await Promise.all(settlements.map((settlement) => journal.append({ kind: "settled", settlement })));
  for (const settlement of settlements) state = applySettlement(state, settlement);
}
await journal.close();
await manager.close();

const processor = new BatchProcessor({ store, model: "offline", batchDir, job: "recovery", limit: 100 });
let firstMs = Number.NaN;
let maxRss = 0;
const rssBefore = process.memoryUsage.rss();
const sampler = setInterval(() => {
  maxRss = Math.max(maxRss, process.memoryUsage.rss());
}, 20);
const startedMs = performance.now();
processor.on("batch:planned", () => {
  if (Number.isNaN(firstMs)) firstMs = performance.now() - startedMs;
});
const end = await processor.run();
clearInterval(sampler);
const stored = await store.target("sentimental_analysis").count();
for (const collection of ["conversation_set", "sentimental_analysis"]) await store.drop(collection);
await store.close();
await rm(batchDir, { recursive: true, force: true });
console.log(
  JSON.stringify({
    items,
    unsettled,
    worksAgainMs: Math.round(firstMs),
    wholeMs: Math.round(performance.now() - startedMs),
    recovered: end.recovered,
    modelCallsForThem: end.modelCalls,
    stored,
    rssBeforeMb: Math.round(rssBefore / 1_048_576),
    maxRssMb: Math.round(maxRss / 1_048_576),
  }),
);

function outcomeOf(n: number): Settlement {
  return {
    key: keyOf(idOf(n)),
    origin: "source",
    contentHash: contentHashOf(textOf(n)),
    attempts: 1,
    spend: NO_SPEND,
    executionId: "killed",
    atMs: Date.now(),
    outcome: "classified",
    record: {
      category: "shipping_delivery",
      subcategory: null,
      sentiment: "negative",
      urgency: "high",
      language: "en",
      summary: "The customer asks where the order is.",
      labels: {},
      alternatives: [{ label: "order_management", p: 0.2 }],
      confidence: { category: 0.8, sentiment: 0.7, urgency: 0.6 },
      confidenceKind: "self-rated",
      needsReview: false,
      reviewReasons: [],
      job: "recovery",
      decidedBy: "model",
      provider: "openai-compatible",
      model: "bench",
      endpoint: "main",
      promptVersion: "p-00000000",
      taxonomyVersion: "t-00000000",
      contentHash: contentHashOf(textOf(n)),
      usage: { inputTokens: 500, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 70, reasoningTokens: 0 },
      costUsd: null,
      latencyMs: 400,
      attempts: 1,
      executionId: "killed",
      fence: 1,
      classifiedAt: new Date(),
    },
  };
}
