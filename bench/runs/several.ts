// One run over several endpoints, on a source that is filled already; prints one JSON line with what happened when.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BatchProcessor, type BatchProcessorOptions, openMongoStore } from "../../src/index.ts";

export interface SeveralRun {
  readonly classified: number;
  readonly exitCode: number;
  /** Items of each second, from the first one settled. */
  readonly perSecond: readonly number[];
  /** Every change of an endpoint's calls at once; ms since the first item. */
  readonly changes: readonly { atMs: number; endpoint: string; from: number; to: number; reason: string }[];
  readonly pauses: readonly { atMs: number; endpoint: string; reason: string }[];
}

const { values } = parseArgs({
  options: {
    mongo: { type: "string" },
    db: { type: "string" },
    endpoints: { type: "string" },
    concurrent: { type: "string", default: "auto" },
  },
});
const { mongo: uri, db, endpoints, concurrent } = values;
if (!uri || !db || !endpoints) throw new Error("needs --mongo, --db and --endpoints");
const batchDir = await mkdtemp(join(tmpdir(), "querymill-bench-"));
const store = await openMongoStore(uri, db, { connectTimeoutMs: 5_000 });
const processor = new BatchProcessor({
  store,
  maxConcurrent: concurrent === "auto" ? concurrent : Number(concurrent),
  endpoints: JSON.parse(endpoints) as NonNullable<BatchProcessorOptions["endpoints"]>,
  batchDir,
});
let firstMs: number | null = null;
const at = (): number => Math.round(performance.now() - (firstMs ?? performance.now()));
const perSecond: number[] = [];
const changes: SeveralRun["changes"][number][] = [];
const pauses: SeveralRun["pauses"][number][] = [];
processor.on("item:settled", () => {
  firstMs ??= performance.now();
  const second = Math.floor(at() / 1_000);
  while (perSecond.length <= second) perSecond.push(0);
  perSecond[second]! += 1;
});
processor.on("limit:change", ({ endpoint, from, to, reason }) =>
  changes.push({ atMs: at(), endpoint, from, to, reason }),
);
processor.on("endpoint:pause", ({ endpoint, reason }) => pauses.push({ atMs: at(), endpoint, reason }));
const end = await processor.run();
await store.close();
await rm(batchDir, { recursive: true, force: true });
const report: SeveralRun = { classified: end.classified, exitCode: end.exitCode, perSecond, changes, pauses };
console.log(JSON.stringify(report));
