import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MongoClient } from "mongodb";
import { type ModelServer, type ModelServerOptions, startModelServer } from "../test/support/model-server.ts";
import { startValkey, type Valkey } from "../test/support/valkey.ts";
import { type Mongo, startMongo } from "./servers.ts";

const bin = fileURLToPath(new URL("../src/bin.ts", import.meta.url));
/** Commands and scripts as clients send them; what a script does inside is not counted. */
const SENT = ["evalsha", "eval", "bzpopmin", "publish", "time", "hgetall", "script|load"];

/** A run and its workers as processes of their own, over servers of their own. */
export interface BenchFleet {
  readonly mongo: Mongo;
  readonly valkey: Valkey;
  readonly server: ModelServer;
  /** Starts all; resolves when the run has ended. */
  run(flags: Readonly<Record<string, string>>, workers: number): Promise<void>;
  /** Operations that the queue store was asked for since `run`. */
  operations(): Promise<number>;
  close(): Promise<void>;
}

/** @param items in the source */
export async function openFleet(items: number, model: ModelServerOptions): Promise<BenchFleet> {
  const [server, mongo, valkey] = await Promise.all([startModelServer(model), startMongo(), startValkey()]);
  const folder = await mkdtemp(join(tmpdir(), "querymill-fleet-"));
  const db = `querymill_bench_fleet_${process.pid}`;
  const children: ChildProcess[] = [];
  await seed(mongo.uri, db, items);
  const start = (command: "run" | "worker", number: number, flags: Readonly<Record<string, string>>): ChildProcess => {
    const all = {
      ...{ store: mongo.uri, db, model: "openai/drawn-1", "base-url": server.baseUrl },
      ...{ "batch-dir": join(folder, String(number)), "workers-at": valkey.url },
      ...flags,
    };
    const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
    const child = spawn(process.execPath, [bin, command, ...args, "--quiet"], {
      cwd: folder,
      env: { ...process.env, OPENAI_API_KEY: "none" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    children.push(child);
    return child;
  };
  return {
    mongo,
    valkey,
    server,
    run: async (flags, workers) => {
      await valkey.say("CONFIG RESETSTAT");
      for (let number = 1; number <= workers; number += 1) start("worker", number, flags);
      const run = start("run", 0, flags);
      await new Promise((resolve) => run.once("exit", resolve));
    },
    operations: async () => {
      const commands = await valkey.commands();
      return SENT.reduce((sum, name) => sum + (commands.get(name) ?? 0), 0);
    },
    close: async () => {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all([server.close(), valkey.stop(), mongo.stop()]);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function seed(uri: string, db: string, count: number): Promise<void> {
  const client = await MongoClient.connect(uri);
  const collection = client.db(db).collection<{ _id: number; text: string }>("conversation_set");
  await collection.drop().catch(() => {});
  for (let from = 0; from < count; from += 1_000)
    await collection.insertMany(
      Array.from({ length: Math.min(1_000, count - from) }, (_, index) => ({
        _id: from + index,
        text: `[doc:d${from + index}] My parcel number ${from + index} has not come yet, where is it?`,
      })),
    );
  await client.close();
}
