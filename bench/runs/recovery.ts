// Goes on in this process where a killed one stopped, and ends some items later; prints one JSON line.
import { parseArgs } from "node:util";
import { BatchProcessor, openMongoStore, openSqliteStore } from "../../src/index.ts";

export interface RecoveryRun {
  /** From the start of the process to the first batch of new items. */
  readonly worksAgainMs: number;
  /** From the start of the process until everything journaled was stored. */
  readonly storedMs: number;
  readonly recovered: number;
  readonly cpuMs: number;
  readonly peakRssMb: number;
}

const NEW_ITEMS = 100;

const { values } = parseArgs({
  options: {
    mongo: { type: "string" },
    db: { type: "string" },
    sqlite: { type: "string" },
    server: { type: "string" },
    "batch-dir": { type: "string" },
    job: { type: "string" },
    unsettled: { type: "string" },
  },
});
const { mongo, db, sqlite, job } = values;
if (!job || !values["batch-dir"] || !values.unsettled) throw new Error("needs --job, --batch-dir and --unsettled");
const unsettled = Number(values.unsettled);
const store = sqlite
  ? await openSqliteStore(sqlite)
  : await openMongoStore(mongo ?? "", db ?? "", { connectTimeoutMs: 5_000 });
let worksAgainMs = Number.NaN;
let storedMs = Number.NaN;
let stored = 0;
const processor = new BatchProcessor({
  store,
  baseUrl: `${values.server}/v1`,
  model: "bench",
  maxConcurrent: 50,
  batchDir: values["batch-dir"],
  job,
  targetCollection: job,
  limit: NEW_ITEMS,
});
processor.on("batch:planned", () => {
  if (Number.isNaN(worksAgainMs)) worksAgainMs = performance.now();
});
processor.on("sink:stored", ({ written }) => {
  stored += written;
  if (Number.isNaN(storedMs) && stored >= unsettled) storedMs = performance.now();
});
const end = await processor.run();
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
await store.close();
const report: RecoveryRun = {
  worksAgainMs: Math.round(worksAgainMs),
  storedMs: Math.round(storedMs),
  recovered: end.recovered,
  cpuMs: Math.round((userCPUTime + systemCPUTime) / 1_000),
  peakRssMb: Math.round(maxRSS / 1_024),
};
console.log(JSON.stringify(report));
