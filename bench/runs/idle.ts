// Continuous mode over a source that is worked off and then idle; prints one JSON line with what woke it and what it asked.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { MongoClient } from "mongodb";
import { BatchProcessor, openMongoStore } from "../../src/index.ts";
import { idOf, SOURCE, textOf } from "../items.ts";

export interface IdleRun {
  /** From the insert of one item to its answer, in ms. */
  readonly answeredMs: readonly number[];
  readonly marked: number;
  /** Wake-ups, passes over the source, and commands to MongoDB while nothing happened. */
  readonly idle: {
    readonly ms: number;
    readonly wakes: number;
    readonly polls: number;
    readonly commands: Record<string, number>;
  };
}

const { values } = parseArgs({
  options: {
    mongo: { type: "string" },
    db: { type: "string" },
    server: { type: "string" },
    watch: { type: "string", default: "auto" },
    items: { type: "string", default: "10000" },
    inserts: { type: "string", default: "20" },
    interval: { type: "string", default: "60" },
    idle: { type: "string", default: "300" },
  },
});
const { mongo: uri, db, server } = values;
if (!uri || !db || !server) throw new Error("needs --mongo, --db and --server");
const [items, inserts, interval] = [Number(values.items), Number(values.inserts), Number(values.interval)];
const batchDir = await mkdtemp(join(tmpdir(), "querymill-bench-"));
const client = new MongoClient(uri, { monitorCommands: true });
let commands: Record<string, number> = {};
client.on("commandStarted", ({ commandName }) => {
  commands[commandName] = (commands[commandName] ?? 0) + 1;
});
const store = await openMongoStore(uri, db, { connectTimeoutMs: 5_000, client });
const processor = new BatchProcessor({
  store,
  mode: "continuous",
  continuousInterval: interval,
  source: { watch: values.watch === "off" ? "off" : "auto" },
  maxConcurrent: 50,
  model: "openai-compatible/bench",
  baseUrl: server,
  batchDir,
});
let [marked, wakes, polls] = [0, 0, 0];
let onSettled = (): void => {};
processor
  .on("item:settled", () => onSettled())
  .on("sink:stored", (stored) => {
    marked += stored.marked;
  })
  .on("source:wake", () => {
    wakes += 1;
  })
  .on("execution:wait", ({ reason }) => {
    if (reason === "next poll") polls += 1;
  });
const running = processor.run();
while (marked < items) await delay(50);
await delay(5_000);

const other = await new MongoClient(uri).connect();
const answeredMs: number[] = [];
for (let n = 0; n < inserts; n += 1) {
  await delay(Math.random() * Math.min(interval, 5) * 1_000);
  const answered = new Promise<void>((resolve) => {
    onSettled = resolve;
  });
  const startedMs = performance.now();
  await other
    .db(db)
    .collection(SOURCE)
    .insertOne({ _id: idOf(items + n) as never, text: textOf(items + n) });
  await answered;
  answeredMs.push(performance.now() - startedMs);
}
while (marked < items + inserts) await delay(50);
await delay(2_000);

[wakes, polls, commands] = [0, 0, {}];
const idleMs = Number(values.idle) * 1_000;
await delay(idleMs);
const report: IdleRun = { answeredMs, marked, idle: { ms: idleMs, wakes, polls, commands: { ...commands } } };
processor.stop();
await running;
await store.close();
await Promise.all([client.close(), other.close()]);
await rm(batchDir, { recursive: true, force: true });
console.log(JSON.stringify(report));
