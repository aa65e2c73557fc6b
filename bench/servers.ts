import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MongoClient } from "mongodb";
import { startMongod } from "../test/support/mongod.ts";
import type { Flags } from "./child.ts";

export interface Mongo {
  readonly uri: string;
  /** `mongodb://host:port` of the primary, for programs that connect to it alone. */
  readonly direct: string;
  /** NaN when it runs on another machine. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** A replica set of one of our own, or the one that QUERYMILL_TEST_MONGO names. */
export async function startMongo(): Promise<Mongo> {
  const given = process.env.QUERYMILL_TEST_MONGO;
  const started = given ? null : await startMongod("replica-set");
  const uri = given ?? started!.uri;
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 5_000 });
  try {
    const hello = await client.db("admin").command({ hello: 1 });
    const { pid } = await client.db("admin").command({ serverStatus: 1 });
    const isHere = /^(127\.|localhost)/.test(String(hello.primary));
    return {
      uri,
      direct: `mongodb://${hello.primary}`,
      pid: isHere ? Number(pid) : Number.NaN,
      stop: async () => await started?.stop(),
    };
  } catch (error) {
    await started?.stop();
    throw error;
  } finally {
    await client.close();
  }
}

/** What a model server has seen since it was reset, in the words of both kinds of server. */
export interface Ledger {
  readonly received: number;
  readonly ok: number;
  readonly refused: number;
  readonly paid: number;
  readonly paidTwice: number;
  readonly maxInFlight: number;
  /** Mean from the first arrival to the last, so without the final drain. */
  readonly steadyInFlight: number;
  /** From the first request to the last answer, in ms; NaN when the server does not tell. */
  readonly wallMs: number;
  readonly tokens: number;
}

export interface ModelServerFlags {
  /** `fixed:MS` or `lognormal:MEDIAN:P99`. @default "fixed:0" */
  readonly latency?: string;
  readonly seed?: number;
  readonly rpm?: number;
  readonly tpm?: number;
  /** @default a free one */
  readonly port?: number;
}

export interface ModelServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly pid: number;
  reset(): Promise<void>;
  /** Empties the ledger, fills the buckets, and changes these. */
  configure(flags: ModelServerFlags): Promise<void>;
  ledger(): Promise<Ledger>;
  /** SIGKILL. */
  kill(): void;
  stop(): Promise<void>;
}

const ownServer = fileURLToPath(new URL("../test/support/model-server.ts", import.meta.url));
const READY_MS = 10_000;

/**
 * A model server in a process of its own: the light one of the measuring tools, or without them the tests', which costs
 * a core several times earlier.
 */
export async function startModelServer(tools: string | null, flags: ModelServerFlags = {}): Promise<ModelServer> {
  const port = flags.port ?? (await freePort());
  const path = tools === null ? ownServer : join(tools, "model-server.mjs");
  const options: Flags = { ...flags, port };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const origin = `http://127.0.0.1:${port}`;
  await firstOutput(child, path);
  return {
    origin,
    pid: child.pid!,
    reset: async () => void (await (await fetch(`${origin}/reset`, { method: "POST" })).text()),
    configure: async (changes) => {
      const query = new URLSearchParams(
        Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, String(value)])),
      );
      await (await fetch(`${origin}/reset?${query}`, { method: "POST" })).text();
    },
    ledger: async () => toLedger((await (await fetch(`${origin}/ledger`)).json()) as Record<string, unknown>),
    kill: () => void child.kill("SIGKILL"),
    stop: () => ended(child),
  };
}

function toLedger(raw: Readonly<Record<string, unknown>>): Ledger {
  const number = (...names: string[]): number => {
    const name = names.find((one) => one in raw);
    return name === undefined ? Number.NaN : Number(raw[name]);
  };
  const faults = raw.faults as Record<string, number> | undefined;
  return {
    received: number("received"),
    ok: number("ok"),
    refused: faults ? (faults["429"] ?? 0) : number("s429"),
    paid: number("docs_paid", "docsPaid"),
    paidTwice: number("docs_paid_twice", "docsPaidTwice"),
    maxInFlight: number("max_inflight", "maxInFlight"),
    steadyInFlight: number("steady_inflight", "steadyInFlight"),
    wallMs: number("wall_ms"),
    tokens: number("prompt_tokens") + number("completion_tokens"),
  };
}

async function firstOutput(child: ChildProcess, path: string): Promise<void> {
  const late = setTimeout(() => child.kill("SIGKILL"), READY_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout!.once("data", () => resolve());
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`${path} ended with ${code} before it listened`)));
    });
  } finally {
    clearTimeout(late);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await gone;
}

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
