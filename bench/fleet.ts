// How a fleet scales on one machine: one worker, then several at the same calls at once each, against a model server with
// a fixed latency. Run it on a quiet machine: node bench/fleet.ts [--workers 4] [--concurrent 64] [--latency 200]
// [--items 10000 for each worker] [--range-size 500: so that the last ones end together] [--rounds 3]
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MongoClient } from "mongodb";
import { type ModelServer, type Mongo, startModelServer, startMongo } from "./servers.ts";

const entry = fileURLToPath(new URL("../src/bin.ts", import.meta.url));
const AT_ONCE = 5_000;
const COUNTED = ["find", "getMore", "insert", "update", "delete", "findAndModify", "aggregate", "count", "distinct"];

const number = (fallback: string) => ({ type: "string", default: fallback }) as const;
const { values } = parseArgs({
  options: {
    workers: number("4"),
    concurrent: number("64"),
    latency: number("200"),
    items: number("10000"),
    "range-size": number("500"),
    rounds: number("3"),
    tools: { type: "string" },
  },
});

interface Figures {
  readonly workers: number;
  readonly items: number;
  /** From the first call to the last answer, as the workers' own counters tell it. */
  readonly itemsPerSecond: number;
  readonly commandsPerItem: number;
  readonly paid: number;
}

const mongo = await startMongo();
const server = await startModelServer(values.tools ?? null, { latency: `fixed:${values.latency}` });
try {
  const ratios: number[] = [];
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const one = await measure(mongo, server, 1);
    const several = await measure(mongo, server, Number(values.workers));
    ratios.push(several.itemsPerSecond / one.itemsPerSecond);
    for (const figures of [one, several]) console.log(JSON.stringify(figures));
    console.log(`round ${round}: ${ratios.at(-1)!.toFixed(2)} x one worker`);
  }
  const sorted = ratios.toSorted((a, b) => a - b);
  console.log(`median ${sorted[sorted.length >> 1]!.toFixed(2)} x one worker (goal 3.8 with 4)`);
} finally {
  await server.stop();
  await mongo.stop();
}

async function measure({ uri }: Mongo, model: ModelServer, workers: number): Promise<Figures> {
  const client = await new MongoClient(uri).connect();
  const db = client.db(`fleet_${process.pid}_${Date.now()}`);
  const items = Number(values.items) * workers;
  const folders: string[] = [];
  const folder = async (): Promise<string> => {
    folders.push(await mkdtemp(join(tmpdir(), "querymill-fleet-")));
    return folders.at(-1)!;
  };
  const started: ChildProcess[] = [];
  try {
    for (let at = 0; at < items; at += AT_ONCE) {
      const texts = Array.from({ length: Math.min(AT_ONCE, items - at) }, (_, n) => `parcel ${at + n} has not come`);
      await db
        .collection("conversation_set")
        .insertMany(texts.map((text, n) => ({ text: `[doc:d${at + n}] ${text}` })));
    }
    await model.reset();
    const flags = async (command: string): Promise<string[]> => [
      ...[command, "--json", "--log-level", "silent", "--job", "fleet", "--workers-at", "mongodb"],
      ...["--store", uri, "--db", db.databaseName, "--batch-dir", await folder(), "--no-cache"],
      ...["--model", "drawn-1", "--base-url", `${model.origin}/v1`, "--concurrent", String(values.concurrent)],
      ...["--range-size", String(values["range-size"])],
    ];
    const start = async (command: string, onEvent: (event: Record<string, unknown>) => void): Promise<ChildProcess> => {
      const child = spawn(process.execPath, [entry, ...(await flags(command))], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      createInterface({ input: child.stdout }).on("line", (line) =>
        onEvent(JSON.parse(line) as Record<string, unknown>),
      );
      started.push(child);
      return child;
    };
    let [firstMs, lastMs] = [Number.POSITIVE_INFINITY, 0];
    const onEvent = ({ event }: Record<string, unknown>): void => {
      if (event === "range:taken") firstMs = Math.min(firstMs, performance.now());
      if (event === "range:end") lastMs = performance.now();
    };
    const ready: Promise<unknown>[] = [];
    for (let at = 0; at < workers; at += 1) {
      const isReady = Promise.withResolvers<void>();
      ready.push(isReady.promise);
      await start("worker", (event) => {
        if (event.event === "worker:start") isReady.resolve();
        onEvent(event);
      });
    }
    await Promise.all(ready);
    const before = await commandsOf(client);
    const run = await start("run", () => {});
    const code = await new Promise((resolve) => run.once("exit", resolve));
    const commands = (await commandsOf(client)) - before;
    const stored = await db.collection("sentimental_analysis").countDocuments();
    if (code !== 0 || stored !== items)
      throw new Error(`the run ended with ${String(code)}: ${stored} of ${items} stored`);
    return {
      workers,
      items,
      itemsPerSecond: (items / (lastMs - firstMs)) * 1_000,
      commandsPerItem: commands / items,
      paid: (await model.ledger()).ok,
    };
  } finally {
    for (const child of started) child.kill("SIGKILL");
    await db.dropDatabase();
    await client.close();
    for (const path of folders) await rm(path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Commands of clients that the server has run so far. */
async function commandsOf(client: MongoClient): Promise<number> {
  const { metrics } = await client.db("admin").command({ serverStatus: 1 });
  return COUNTED.reduce((sum, name) => sum + Number(metrics.commands[name]?.total ?? 0), 0);
}
