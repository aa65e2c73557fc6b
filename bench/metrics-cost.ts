// What watching costs an item: CPU of whole runs over the embedded store with a model that answers at once, each in a process of
// its own, in turn. node bench/metrics-cost.ts [--items 20000] [--rounds 5]
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { metrics } from "@opentelemetry/api";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, InMemorySpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";
import { BatchProcessor, openSqliteStore } from "../src/index.ts";
import { openScraped } from "../src/observe/prometheus.ts";
import { observeTraces } from "../src/observe/traces.ts";
import { instantModel } from "./instant-model.ts";

const VARIANTS = ["none", "metrics", "metrics, 1 % traced", "metrics, all traced"] as const;
type Variant = (typeof VARIANTS)[number];

const { values } = parseArgs({
  options: {
    items: { type: "string", default: "20000" },
    rounds: { type: "string", default: "5" },
    variant: { type: "string" },
  },
});
const items = Number(values.items);
if (values.variant !== undefined) console.log(await runOnce(values.variant as Variant));
else compare(Number(values.rounds));

function compare(rounds: number): void {
  const seen = new Map<Variant, number[]>(VARIANTS.map((variant) => [variant, []]));
  for (let round = 0; round < rounds; round++)
    for (const variant of VARIANTS) {
      const args = [fileURLToPath(import.meta.url), "--items", String(items), "--variant", variant];
      const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
      if (!Number.isFinite(Number(stdout))) throw new Error(stderr);
      seen.get(variant)!.push(Number(stdout));
    }
  const base = median(seen.get("none")!);
  for (const [variant, figures] of seen) {
    const us = median(figures);
    const range = `${Math.min(...figures).toFixed(1)}–${Math.max(...figures).toFixed(1)}`;
    console.log(`${variant.padEnd(22)} ${us.toFixed(1)} µs an item (${range})  ${(us / base).toFixed(3)} ×`);
  }
}

/** @returns µs of CPU an item, all threads */
async function runOnce(variant: Variant): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-bench-metrics-"));
  const store = await openSqliteStore(join(folder, "store.sqlite"));
  for (let at = 0; at < items; at += 1_000) {
    const page = Array.from({ length: Math.min(1_000, items - at) }, (_, one) => ({
      _id: `q${at + one}`,
      text: `My parcel number ${at + one} has not arrived, where is it?`,
    }));
    await store.insert("conversation_set", page);
  }
  const model = { provider: instantModel(), model: "openai-compatible/bench-1" };
  const prices = { "bench-1": { input: 1, output: 4 } };
  const processor = new BatchProcessor({
    store,
    ...model,
    prices,
    batchDir: folder,
    maxConcurrent: 50,
    batchSize: 100,
  });
  const scrapes = variant === "none" ? null : await watch(variant, processor);
  const before = process.cpuUsage();
  const end = await processor.run();
  const { user, system } = process.cpuUsage(before);
  if (scrapes !== null) clearInterval(scrapes);
  if (end.classified !== items) throw new Error(JSON.stringify(end));
  await store.close();
  await rm(folder, { recursive: true });
  return (user + system) / items;
}

/** An SDK that is scraped every second, 15 times as often as usual. */
async function watch(variant: Variant, processor: BatchProcessor): Promise<NodeJS.Timeout> {
  const scraped = await openScraped();
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [scraped.reader] }));
  const ratio = variant === "metrics, all traced" ? 1 : 0.01;
  if (variant !== "metrics")
    observeTraces(
      { events: processor, snapshot: () => ({ job: "bench" }) } as never,
      new TracerProvider({
        spanProcessors: [new BatchSpanProcessor({ exporter: new InMemorySpanExporter() })],
      }).getTracer("querymill"),
      ratio,
    );
  return setInterval(() => void scraped.text(), 1_000);
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)]!;
}
