// What tenants get of an endpoint that they share, by the count of the model server.
// 1. Three with full backlogs, weights 1:1:2 and texts of unequal length: their shares of all tokens in any minute, where
//    calls at once are the limit, and where tokens per minute are.
// 2. One with ten items beside one with a large backlog: its time divided by its time alone, in turn.
// Runs, pool and model server are in one process; the model takes so long that the processor is no limit.
// node bench/fair-share.ts [--seconds 120] [--window 60] [--rounds 5] [--backlog 100000]; 0 seconds or rounds: not that part
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { loadSettings } from "../src/config/load.ts";
import type { JobSettings, Share } from "../src/job.ts";
import type { Execution } from "../src/jobs/execution.ts";
import { prepareExecution } from "../src/jobs/wiring.ts";
import { openSqliteStore } from "../src/stores/sqlite.ts";
import { EndpointPool } from "../src/traffic/endpoint-pool.ts";
import { makeLatency } from "../test/support/model-draw.ts";
import { type ModelServer, type ModelServerOptions, startModelServer } from "../test/support/model-server.ts";

interface Tenant {
  readonly name: string;
  readonly weight: number;
  readonly items: number;
  /** Number of the first. */
  readonly from: number;
  /** Of its texts, beside what all have. */
  readonly chars: number;
}

/** One answer, as the server counts it. */
interface Answered {
  readonly atMs: number;
  readonly tenant: string;
  readonly tokens: number;
}

const SLOTS = 16;
const LATENCY = "lognormal:400:2000";
/** So that about eight calls a second go out, half of what the slots would let through. */
const TOKENS_PER_MINUTE = 400_000;
const THREE: readonly Omit<Tenant, "items" | "from">[] = [
  { name: "a", weight: 1, chars: 100 },
  { name: "b", weight: 1, chars: 4_000 },
  { name: "c", weight: 2, chars: 1_000 },
];

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    window: { type: "string", default: "60" },
    rounds: { type: "string", default: "5" },
    backlog: { type: "string", default: "100000" },
  },
});
const seconds = Number(values.seconds);
const windowMs = Number(values.window) * 1_000;
const rounds = Number(values.rounds);

for (const [limit, options] of [
  [`${SLOTS} calls at once`, {}],
  [`${TOKENS_PER_MINUTE.toLocaleString("en-US")} tokens per minute`, { tpm: TOKENS_PER_MINUTE }],
] as const)
  if (seconds > 0) tellShares(limit, await shared(options));
for (const latency of [LATENCY, "fixed:400"]) if (rounds > 0) await compare(latency, Number(values.backlog));

/** Three tenants, until the time is over. */
async function shared(options: ModelServerOptions): Promise<Answered[]> {
  return await withServer(options, async (server, log) => {
    const pool = new EndpointPool();
    const tenants = THREE.map((one) => ({ ...one, items: seconds * 60, from: 0 }));
    const folders = await Promise.all(tenants.map(seeded));
    const runs = await Promise.all(tenants.map((one, at) => prepared(one, folders[at]!, server, pool)));
    const ends = runs.map((run) => run.run());
    await delay(seconds * 1_000);
    for (const run of runs) run.stop("stop-requested");
    const counted = [...log];
    await Promise.all(ends);
    await Promise.all(folders.map(removed));
    return counted;
  });
}

/** The worst of all windows, one beginning with each second after the first five. */
function tellShares(limit: string, log: readonly Answered[]): void {
  const weights = THREE.reduce((sum, { weight }) => sum + weight, 0);
  const fromMs = log[0]!.atMs + 5_000;
  const untilMs = log.at(-1)!.atMs;
  const worst = new Map(THREE.map(({ name }) => [name, 0]));
  let windows = 0;
  for (let startMs = fromMs; startMs + windowMs <= untilMs; startMs += 1_000) {
    const inside = log.filter(({ atMs }) => atMs >= startMs && atMs < startMs + windowMs);
    windows += 1;
    for (const { name, weight } of THREE) {
      const off = shareOf(name, inside) / (weight / weights) - 1;
      if (Math.abs(off) > Math.abs(worst.get(name)!)) worst.set(name, off);
    }
  }
  const rate = log.length / ((untilMs - log[0]!.atMs) / 1_000);
  console.log(`${limit}: ${rate.toFixed(1)} answers/s, ${windows} windows of ${windowMs / 1_000} s`);
  console.log("  tenant  weight   answers    tokens     share     due   worst window");
  for (const { name, weight } of THREE) {
    const own = log.filter(({ tenant }) => tenant === name);
    const tokens = own.reduce((sum, one) => sum + one.tokens, 0);
    const line = [
      `  ${name.padEnd(6)}`,
      String(weight).padStart(7),
      String(own.length).padStart(10),
      tokens.toLocaleString("en-US").padStart(10),
      percent(shareOf(name, log)).padStart(10),
      percent(weight / weights).padStart(8),
      `${worst.get(name)! >= 0 ? "+" : ""}${percent(worst.get(name)!)}`.padStart(11),
    ];
    console.log(`${line.join("")}`);
  }
  const off = Math.max(...[...worst.values()].map(Math.abs));
  console.log(`  off by at most ${percent(off)} of what is due; goal ≤ 5 %: ${off <= 0.05 ? "met" : "NOT met"}\n`);
}

/** Ten items alone, and beside a large backlog, in turn. */
async function compare(latency: string, backlog: number): Promise<void> {
  const large: Tenant = { name: "large", weight: 1, items: backlog, from: 0, chars: 300 };
  await withServer({ latency }, async (server) => {
    const pool = new EndpointPool();
    const timed = async (round: number): Promise<number> => {
      // The same items alone and beside the others: they take as long.
      const small: Tenant = { name: "small", weight: 1, items: 10, from: round * 10, chars: 300 };
      const folder = await seeded(small);
      const run = await prepared(small, folder, server, pool);
      const startMs = performance.now();
      await run.run();
      const tookMs = performance.now() - startMs;
      await removed(folder);
      return tookMs;
    };
    const folder = await seeded(large);
    const pairs: { alone: number; beside: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const alone = await timed(round);
      const run = await prepared(large, folder, server, pool);
      const end = run.run();
      // Calls that take equally long come back in crowds: it comes at another time between two of these in each round.
      await delay(3_000 + (400 * round) / rounds);
      const beside = await timed(round);
      run.stop("stop-requested");
      await end;
      pairs.push({ alone, beside });
    }
    await removed(folder);
    const ratios = pairs.map(({ alone, beside }) => beside / alone);
    const middle = median(pairs.map(({ beside }) => beside)) / median(pairs.map(({ alone }) => alone));
    console.log(
      `ten items beside a backlog of ${backlog.toLocaleString("en-US")}, ${SLOTS} calls at once, ${latency} ms:`,
    );
    console.log(
      `  ${middle.toFixed(2)} × their time alone (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)} in ${rounds} rounds); goal ≤ 2: ${middle <= 2 ? "met" : "NOT met"}`,
    );
  });
}

async function withServer<T>(
  options: ModelServerOptions,
  use: (server: ModelServer, log: Answered[]) => Promise<T>,
): Promise<T> {
  const log: Answered[] = [];
  const { latency = LATENCY, ...limits } = options;
  const latencyOf = makeLatency(latency);
  const server = await startModelServer({
    ...limits,
    // By the item alone, whenever it is asked.
    fail: async (id) => {
      await delay(latencyOf(id));
      return null;
    },
    usage: ({ id, tokens }) => {
      log.push({ atMs: performance.now(), tenant: id.split("-")[0]!, tokens });
      return { prompt_tokens: tokens - 70, completion_tokens: 70, total_tokens: tokens };
    },
  });
  try {
    return await use(server, log);
  } finally {
    await server.close();
  }
}

/** @returns the folder of its store and its state */
async function seeded({ name, items, from, chars }: Tenant): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-bench-fair-"));
  const store = await openSqliteStore(join(folder, "store.sqlite"));
  const words = "My parcel has not arrived, where is it? ".repeat(Math.ceil(chars / 40)).slice(0, chars);
  for (let at = 0; at < items; at += 1_000)
    await store.insert(
      "conversation_set",
      Array.from({ length: Math.min(1_000, items - at) }, (_, one) => ({
        _id: from + at + one,
        text: `[doc:${name}-${from + at + one}] ${words}`,
      })),
    );
  await store.close();
  return folder;
}

async function prepared(
  { name, weight }: Tenant,
  folder: string,
  { baseUrl }: ModelServer,
  pool: EndpointPool,
): Promise<Execution> {
  const { settings } = await loadSettings({
    flags: {},
    config: {
      store: `sqlite:${join(folder, "store.sqlite")}`,
      batchDir: join(folder, "state"),
      job: name,
      model: "openai-compatible/bench-1",
      baseUrl,
      concurrent: SLOTS,
      batchSize: 100,
    },
    env: {},
    cwd: folder,
    files: false,
  });
  const share: Share = { weight, floor: null, ceiling: null };
  const endpoints = settings.endpoints.map((endpoint) => ({ ...endpoint, concurrent: SLOTS }));
  const one: JobSettings = { ...settings, share, endpoints, recover: true };
  return await prepareExecution(one, {}, { pool });
}

function removed(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}

function shareOf(name: string, log: readonly Answered[]): number {
  const all = log.reduce((sum, { tokens }) => sum + tokens, 0);
  return log.reduce((sum, { tenant, tokens }) => (tenant === name ? sum + tokens : sum), 0) / all;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)]!;
}
