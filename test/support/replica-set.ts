import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { MongoInstance } from "mongodb-memory-server-core/lib/util/MongoInstance.js";
import { findMongod } from "./mongod.ts";
import { PATIENCE_MS } from "./patience.ts";

/** Three members of one's own that can be killed, paused and brought back. */
export interface ReplicaSet {
  readonly uri: string;
  /** Members by number. Those that were killed or paused count too. */
  readonly members: readonly number[];
  /** The member that a majority follows; waits until there is one. */
  primary(): Promise<number>;
  /** SIGKILL: what was not on its disk is gone. */
  kill(member: number): Promise<void>;
  /** Starts a killed member again on its own files. */
  start(member: number): Promise<void>;
  /** SIGSTOP: it keeps its connections and answers nothing. */
  pause(member: number): void;
  /** SIGCONT: it wakes up and believes to be what it was. */
  resume(member: number): void;
  /** Resolves when every member is up and one is primary. */
  whole(): Promise<void>;
  /** Ends everything and removes its files, whatever state it is in. */
  stop(): Promise<void>;
}

/** How soon members call an election when they hear nothing of the primary, in ms. The server's own default is 10 s. */
const ELECTION_MS = 2_000;
const LOOK_MS = 100;

/** Starts a replica set of three with fast elections. Its processes end with this one even when that is killed. */
export async function startReplicaSet(): Promise<ReplicaSet> {
  const { path } = await findMongod();
  process.env.MONGOMS_SYSTEM_BINARY_VERSION_CHECK = "false";
  const folder = await mkdtemp(join(tmpdir(), "querymill-replica-set-"));
  const ports = await freePorts(3);
  const members = [0, 1, 2];
  const running = new Map<number, MongoInstance>();
  const pidOf = (member: number): number => {
    const pid = running.get(member)?.mongodProcess?.pid;
    if (pid === undefined) throw new Error(`member ${member} does not run`);
    return pid;
  };
  const start = async (member: number): Promise<void> => {
    const dbPath = join(folder, String(member));
    await mkdir(dbPath, { recursive: true });
    const args = [
      "--wiredTigerCacheSizeGB",
      "0.25",
      "--oplogSize",
      "64",
      "--setParameter",
      "diagnosticDataCollectionEnabled=false",
    ];
    const port = ports[member]!;
    const instance = { port, dbPath, ip: "127.0.0.1", replSet: "rs", storageEngine: "wiredTiger" as const, args };
    const binary = { systemBinary: path };
    running.set(
      member,
      await MongoInstance.create({ instance: { ...instance, launchTimeout: PATIENCE_MS }, binary, spawn: {} }),
    );
  };
  const kill = async (member: number): Promise<void> => {
    const child = running.get(member)?.mongodProcess;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await gone;
    await running.get(member)!.stop();
    running.delete(member);
  };
  const states = (): Promise<(string | null)[]> => Promise.all(ports.map(stateOf));
  const until = async <T>(what: string, look: () => Promise<T | null>): Promise<T> => {
    const startedMs = performance.now();
    for (;;) {
      const found = await look();
      if (found !== null) return found;
      if (performance.now() - startedMs > PATIENCE_MS) throw new Error(`no ${what} within ${PATIENCE_MS / 1_000} s`);
      await delay(LOOK_MS);
    }
  };
  const set: ReplicaSet = {
    uri: `mongodb://${ports.map((port) => `127.0.0.1:${port}`).join(",")}/?replicaSet=rs`,
    members,
    primary: () =>
      until("primary", async () => {
        const found = (await states()).indexOf("primary");
        return found < 0 ? null : found;
      }),
    kill,
    start,
    pause: (member) => void process.kill(pidOf(member), "SIGSTOP"),
    resume: (member) => void process.kill(pidOf(member), "SIGCONT"),
    whole: () =>
      until("whole replica set", async () => {
        const found = await states();
        return found.every((state) => state !== null) && found.includes("primary") ? undefined : null;
      }) as Promise<void>,
    stop: async () => {
      await Promise.all(members.map(kill));
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await Promise.all(members.map(start));
    await initiate(ports);
    await set.whole();
    return set;
  } catch (error) {
    await set.stop();
    throw error;
  }
}

async function initiate(ports: readonly number[]): Promise<void> {
  await direct(ports[0]!, 10_000, async (client) => {
    await client.db("admin").command({
      replSetInitiate: {
        _id: "rs",
        members: ports.map((port, _id) => ({ _id, host: `127.0.0.1:${port}` })),
        settings: {
          electionTimeoutMillis: ELECTION_MS,
          heartbeatIntervalMillis: ELECTION_MS / 4,
          heartbeatTimeoutSecs: 2,
        },
      },
    });
  });
}

/** @returns null for one that is down, paused, or neither primary nor secondary */
async function stateOf(port: number): Promise<"primary" | "secondary" | null> {
  try {
    return await direct(port, 1_000, async (client) => {
      const hello = await client.db("admin").command({ hello: 1 });
      return hello.isWritablePrimary ? "primary" : hello.secondary ? "secondary" : null;
    });
  } catch {
    return null;
  }
}

async function direct<T>(port: number, timeoutMs: number, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}`, {
    directConnection: true,
    serverSelectionTimeoutMS: timeoutMs,
    connectTimeoutMS: timeoutMs,
    socketTimeoutMS: timeoutMs,
  });
  try {
    return await use(await client.connect());
  } finally {
    await client.close();
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
