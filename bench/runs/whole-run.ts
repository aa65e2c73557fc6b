// One whole run over MongoDB in this process, on a source that is filled already; prints one JSON line.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { MongoClient } from "mongodb";
import { BatchProcessor, openMongoStore, parseTaxonomy } from "../../src/index.ts";
import { nodeFileSystem } from "../../src/state/files.ts";
import { TARGET } from "../items.ts";
import { cpuMsOf } from "../process-cpu.ts";
import { PROTECTIONS, type Protection, takeOut } from "../take-out.ts";

export interface WholeRun {
  readonly items: number;
  readonly classified: number;
  readonly stored: number;
  readonly exitCode: number;
  readonly wallMs: number;
  readonly itemsPerSecond: number;
  readonly cpuUs: number;
  /** NaN (null in JSON) when mongod is on another machine. */
  readonly mongodUs: number;
  /** Commands of clients that mongod ran for 500 items. */
  readonly commandsPer500: number;
  readonly itemsPerSync: number;
  /** Longest time in which no timer could fire, after the first items were read. */
  readonly longestBlockMs: number;
  readonly slotUtilization: number | null;
  readonly peakRssMb: number;
  /** After a collection when nearly all items are stored; null without `--expose-gc`. */
  readonly liveHeapMb: number | null;
}

const BLOCK_RESOLUTION_MS = 2;
const COUNTED = ["find", "getMore", "insert", "update", "delete", "findAndModify", "aggregate", "count", "distinct"];

const { values } = parseArgs({
  options: {
    mongo: { type: "string" },
    db: { type: "string" },
    "mongod-pid": { type: "string", default: "NaN" },
    server: { type: "string" },
    items: { type: "string" },
    slots: { type: "string", default: "50" },
    "batch-size": { type: "string", default: "10" },
    without: { type: "string", default: "" },
    /** Of the length that the compared programs send, instead of the default taxonomy's. */
    "short-prompt": { type: "boolean", default: false },
  },
});
const { mongo: uri, db, server } = values;
if (!uri || !db || !server || !values.items) throw new Error("needs --mongo, --db, --server and --items");
const items = Number(values.items);
const mongodPid = Number(values["mongod-pid"]);
const without = values.without.split(",").filter(Boolean) as Protection[];
const unknown = without.filter((name) => !PROTECTIONS.includes(name));
if (unknown.length > 0) throw new Error(`--without knows ${PROTECTIONS.join(", ")}, not ${unknown.join(", ")}`);

/** Asks for about as much as the programs that are compared. */
const SHORT = parseTaxonomy(
  `name: short
summary: true
alternatives: false
dimensions:
  category: { labels: [billing, technical, account, shipping, refund, product_info, complaint, other] }
  urgency: { labels: [low, medium, high, urgent] }
  sentiment: { labels: [positive, neutral, negative] }
`,
  "short.yaml",
);

let syncs = 0;
const create = nodeFileSystem.create;
nodeFileSystem.create = async (path) => {
  const file = await create(path);
  if (!path.endsWith(".journal")) return file;
  return {
    ...file,
    sync() {
      syncs += 1;
      return file.sync();
    },
  };
};
const batchDir = await mkdtemp(join(tmpdir(), "querymill-bench-"));
const store = await openMongoStore(uri, db, { connectTimeoutMs: 5_000 });
const observer = await new MongoClient(uri).connect();
const putBack = await takeOut(without, { store, uri, db });
const processor = new BatchProcessor({
  store,
  baseUrl: `${server}/v1`,
  model: "bench",
  maxConcurrent: Number(values.slots),
  batchSize: Number(values["batch-size"]),
  batchDir,
  ...(values["short-prompt"] ? { taxonomy: SHORT } : {}),
});
const delays = monitorEventLoopDelay({ resolution: BLOCK_RESOLUTION_MS });
processor.on("batch:planned", () => {
  if (delays.count === 0) delays.enable();
});
let liveHeapMb: number | null = null;
let written = 0;
const { gc } = globalThis;
if (gc !== undefined)
  processor.on("sink:stored", (group) => {
    written += group.written;
    if (liveHeapMb !== null || written < items * 0.95) return;
    gc();
    liveHeapMb = process.memoryUsage().heapUsed / 1_048_576;
  });

const commandsBefore = await commands();
const mongodBefore = cpuMsOf(mongodPid);
const cpuBefore = process.cpuUsage();
const end = await processor.run();
const cpu = process.cpuUsage(cpuBefore);
const mongodMs = cpuMsOf(mongodPid) - mongodBefore;
const commandsAfter = await commands();
delays.disable();
const peakRssMb = process.resourceUsage().maxRSS / 1_024;
const stored = await store.target(TARGET).count();
await store.close();
await observer.close();
await putBack();
await rm(batchDir, { recursive: true, force: true });
const report: WholeRun = {
  items,
  classified: end.classified,
  stored,
  exitCode: end.exitCode,
  wallMs: end.durationMs,
  itemsPerSecond: rounded((items / end.durationMs) * 1_000),
  cpuUs: rounded((cpu.user + cpu.system) / items),
  mongodUs: rounded((mongodMs * 1_000) / items),
  commandsPer500: rounded(((commandsAfter - commandsBefore) / items) * 500),
  itemsPerSync: rounded(items / syncs),
  longestBlockMs: rounded(Math.max(0, delays.max / 1e6 - BLOCK_RESOLUTION_MS)),
  slotUtilization: end.slotUtilization,
  peakRssMb: rounded(peakRssMb),
  liveHeapMb: liveHeapMb === null ? null : rounded(liveHeapMb),
};
console.log(JSON.stringify(report));

async function commands(): Promise<number> {
  const { metrics } = await observer.db("admin").command({ serverStatus: 1 });
  return COUNTED.reduce((sum, name) => sum + Number(metrics.commands[name]?.total ?? 0), 0);
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
