// One whole run in this process, for bench/throughput.ts: seeds a collection, classifies it, prints one JSON line.
//   node bench/one-run.ts --mongo URI --server http://127.0.0.1:PORT/v1 --items 30000 --slots 50 [--batch-size 10]
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BatchProcessor, openMongoStore } from "../src/index.ts";

const { values } = parseArgs({
  options: {
    mongo: { type: "string", default: "mongodb://127.0.0.1:27017" },
    server: { type: "string", default: "http://127.0.0.1:8089/v1" },
    items: { type: "string", default: "30000" },
    slots: { type: "string", default: "50" },
    "batch-size": { type: "string", default: "10" },
  },
});
const items = Number(values.items);
const batchDir = await mkdtemp(join(tmpdir(), "querymill-bench-"));
const store = await openMongoStore(values.mongo, `bench_${process.pid}`, { connectTimeoutMs: 5_000 });
const WORDS = "my order has not arrived where is it I was charged twice please help the app crashes on start".split(
  " ",
);
const textOf = (n: number): string =>
  Array.from({ length: 40 }, (_, at) => WORDS[(n * 7 + at * 13) % WORDS.length]).join(" ");
for (let from = 0; from < items; from += 5_000) {
  const documents = Array.from({ length: Math.min(5_000, items - from) }, (_, at) => {
    const id = `q${String(from + at).padStart(8, "0")}`;
    return { _id: id, text: `[doc:${id}] ${textOf(from + at)}` };
  });
  await store.insert("conversation_set", documents);
}

const processor = new BatchProcessor({
  store,
  baseUrl: values.server,
  model: "bench",
  maxConcurrent: Number(values.slots),
  batchSize: Number(values["batch-size"]),
  batchDir,
});
let maxRss = 0;
let longestBlockMs = 0;
let lastTick = performance.now();
const sampler = setInterval(() => {
  maxRss = Math.max(maxRss, process.memoryUsage.rss());
  longestBlockMs = Math.max(longestBlockMs, performance.now() - lastTick - 10);
  lastTick = performance.now();
}, 10);
const before = process.cpuUsage();
const end = await processor.run();
const cpu = process.cpuUsage(before);
clearInterval(sampler);
const stored = await store.target("sentimental_analysis").count();
await store.drop("conversation_set");
await store.drop("sentimental_analysis");
await store.close();
await rm(batchDir, { recursive: true, force: true });
console.log(
  JSON.stringify({
    items,
    classified: end.classified,
    stored,
    exitCode: end.exitCode,
    wallMs: end.durationMs,
    itemsPerSecond: Math.round((items / end.durationMs) * 1000),
    cpuUsPerItem: Math.round((cpu.user + cpu.system) / items),
    slotUtilization: end.slotUtilization,
    maxRssMb: Math.round(maxRss / 1_048_576),
    longestBlockMs: Math.round(longestBlockMs),
  }),
);
