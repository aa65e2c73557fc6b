import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startModelServer } from "../../test/support/model-server.ts";
import { runChild } from "../child.ts";
import { seedEmbedded } from "../items.ts";
import type { ReadingRun } from "../runs/reading.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { type Figure, figure } from "../statistics.ts";

const LARGE = { items: 1_000_000, done: 900_000 };
const SMALL = { items: 50_000, done: 0 };
/** Of the source that `run` begins on when the size of the source is not what is measured. */
const FEW_ITEMS = 1_000;
/** Items of one run: it ends by itself, so that the next one finds the job free. */
const LIMIT = 50;

const root = fileURLToPath(new URL("../..", import.meta.url));
const entry = join(root, "dist", "bin.js");
const execute = promisify(execFile);

/** How long a user waits until something happens: the built command line, as it is installed. */
export const start: Scenario = {
  name: "start",
  what: "process start to the first call at the model server, and to the end of --version; how fast a source is read",
  quick: true,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    await execute("npm", ["run", "-s", "build"], { cwd: root, timeout: 120_000 });
    const { uri } = await bench.mongo();
    const folder = await mkdtemp(join(tmpdir(), "querymill-bench-"));
    const witness = await startWitness();
    const firstCallMs = async (name: string, store: readonly string[]): Promise<number> => {
      const batchDir = join(folder, name);
      await mkdir(batchDir, { recursive: true });
      return await witness.firstCallMs(batchDir, store);
    };
    try {
      const sqlite = join(folder, "store.sqlite");
      await seedEmbedded(sqlite, FEW_ITEMS);
      const small = await bench.seeded(FEW_ITEMS, async (db) => {
        const variants = {
          version: versionMs,
          embedded: () => firstCallMs("embedded", ["--store", `sqlite:${sqlite}`]),
          mongodb: () => firstCallMs("mongodb", ["--store", uri, "--db", db]),
        };
        // Once before it counts: the disk is warm.
        for (const run of Object.values(variants)) await run();
        return await bench.interleave(variants);
      });
      const { items, done } = bench.options.brief ? SMALL : { ...LARGE, ...scaled(bench.options.items) };
      const large = await bench.seeded(
        items,
        (db) =>
          bench.interleave<number>({
            reading: async () => (await runChild<ReadingRun>("reading", { mongo: uri, db })).itemsPerSecond,
            ...(bench.options.brief ? {} : { large: () => firstCallMs("large", ["--store", uri, "--db", db]) }),
          }),
        done,
      );
      const count = items.toLocaleString("en-US");
      if (bench.options.brief) bench.notes.push("a large source takes a minute to fill: npm run bench -- start");
      return [
        figure("--version", "ms", small.version!, { atMost: 150 }),
        figure("run to the first call, embedded store", "ms", small.embedded!, { atMost: 700 }),
        figure("run to the first call, MongoDB", "ms", small.mongodb!, { atMost: 700 }),
        ...(large.large
          ? [
              figure(`run to the first call, ${count} items of which 90 % are done`, "ms", large.large, {
                atMost: 1_000,
              }),
            ]
          : []),
        figure(`reading what is unprocessed of ${count}`, "items/s", large.reading!, { atLeast: 50_000 }),
      ];
    } finally {
      await witness.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

function scaled(items: number | null): Partial<typeof LARGE> {
  return items === null ? {} : { items, done: Math.floor(items * 0.9) };
}

async function versionMs(): Promise<number> {
  const startedMs = performance.now();
  await execute(process.execPath, [entry, "--version"], { timeout: 30_000 });
  return performance.now() - startedMs;
}

/** Notes when the first call of a run arrives. One address for all: a job that comes back finds the model where it was. */
async function startWitness(): Promise<{
  firstCallMs(folder: string, args: readonly string[]): Promise<number>;
  close(): Promise<void>;
}> {
  let arrivedMs: number | null = null;
  const server = await startModelServer({
    fail: () => {
      arrivedMs ??= performance.now();
      return null;
    },
  });
  return {
    /** One run as a user starts it. @returns ms from before the process exists until its first call is here */
    async firstCallMs(folder, args) {
      arrivedMs = null;
      const flags = ["--batch-dir", folder, "--model", "bench", "--limit", String(LIMIT), "--base-url", server.baseUrl];
      const startedMs = performance.now();
      await execute(process.execPath, [entry, "run", ...args, ...flags], { cwd: folder, timeout: 60_000 });
      if (arrivedMs === null) throw new Error("the run asked nobody");
      return arrivedMs - startedMs;
    },
    close: () => server.close(),
  };
}
