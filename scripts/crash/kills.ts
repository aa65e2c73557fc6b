import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { MongoClient } from "mongodb";
import type { Store } from "../../src/store.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { type Cli, type CliEnd, runFlags, startCli } from "../../test/support/cli.ts";
import { uniform } from "../../test/support/model-draw.ts";
import { type ModelServer, startModelServer } from "../../test/support/model-server.ts";
import { startMongod } from "../../test/support/mongod.ts";
import { ATTEMPT_MS, type Findings, JOB, Judge, SOURCE } from "./judge.ts";

export type StoreKind = "mongodb" | "sqlite";

export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  readonly stores: readonly StoreKind[];
  /** Seeded at the start, and again whenever nearly all are settled. */
  readonly items: number;
  readonly slots: number;
  /** A MongoDB to use; null starts one. */
  readonly mongoUri: string | null;
  /** Called now and then with the number of kills so far. */
  readonly onProgress: (store: StoreKind, kills: number, items: number) => void;
}

/** What one store's kills came to. */
export interface KillReport extends Findings {
  readonly store: StoreKind;
  readonly seed: number;
  readonly slots: number;
  readonly kills: number;
  /** Kills that came soon after a start, while the job was opened or recovered. */
  readonly killsInRecovery: number;
  /** Runs that ended by themselves in between. */
  readonly ends: number;
  readonly modelCalls: number;
  /** Calls that the server had in flight, summed over the moments of the kills. */
  readonly inFlight: number;
  /** The same with calls that were answered and not acknowledged yet: what may be paid again. */
  readonly bound: number;
  readonly killsOverBound: number;
  /** Most calls that one kill found unacknowledged: never more than one in each slot, and as many answers that wait for the journal. */
  readonly mostInHand: number;
  readonly secondsPerKill: number;
  /** What the job counted in the end differs from what is there, in words; empty when all is right. */
  readonly countersWrong: readonly string[];
  /** Ends of the process that should not have been. */
  readonly badEnds: readonly string[];
}

/** Kills the command line again and again over each store at once, lets it recover, and looks what is left. */
export async function runKills(options: KillOptions): Promise<KillReport[]> {
  const needsMongo = options.stores.includes("mongodb") && options.mongoUri === null;
  const mongod = needsMongo ? await startMongod("replica-set") : null;
  const root = await mkdtemp(join(tmpdir(), "querymill-crash-"));
  try {
    return await Promise.all(
      options.stores.map(async (kind) => {
        const folder = join(root, kind);
        await mkdir(folder);
        const place = kind === "mongodb" ? mongoPlace(options.mongoUri ?? mongod!.uri) : sqlitePlace(folder);
        const batchDir = join(folder, "state");
        return await killOver(kind, { ...place, folder, batchDir }, options, async (cli, atMoment) => {
          atMoment();
          cli.kill("SIGKILL");
          return Number.POSITIVE_INFINITY;
        });
      }),
    );
  } finally {
    await rm(root, { recursive: true, force: true });
    await mongod?.stop();
  }
}

/** Where a job keeps everything. */
export interface Place {
  readonly storeUri: string;
  readonly db: string;
  /** Of the configuration; the process works in it. */
  readonly folder: string;
  readonly batchDir: string;
  open(): Promise<Store>;
  /** Removes what is left in the store. */
  drop(): Promise<void>;
}

export function sqlitePlace(folder: string): Pick<Place, "storeUri" | "db" | "open" | "drop"> {
  const path = join(folder, "store.sqlite");
  return { storeUri: `sqlite:${path}`, db: "querymill", open: () => openSqliteStore(path), drop: async () => {} };
}

function mongoPlace(uri: string): Pick<Place, "storeUri" | "db" | "open" | "drop"> {
  const db = `crash_${process.pid}_${Math.trunc(performance.now() * 1_000)}`;
  return {
    storeUri: uri,
    db,
    open: () => openMongoStore(uri, db, { connectTimeoutMs: 10_000 }),
    drop: async () => {
      const client = await new MongoClient(uri).connect();
      await client.db(db).dropDatabase();
      await client.close();
    },
  };
}

/** Short waits, so that retries, timeouts and recovery all happen within the life of one process. */
const CONFIG = `retry: { retries: 3, baseDelayMs: 20, maxDelayMs: 100, rounds: [50, 50, 50] }
deadlines: { attemptMs: ${ATTEMPT_MS} }
taxonomy: taxonomy.yaml
`;
const TAXONOMY = `name: shop
summary: true
dimensions:
  category: { choose: one, required: true, labels: { billing: money, shipping: parcels, returns: sent back } }
  sentiment: { choose: one, required: true, labels: { negative: bad, neutral: so so, positive: good } }
`;

export async function writeConfig(folder: string): Promise<void> {
  await writeFile(join(folder, "querymill.yaml"), CONFIG);
  await writeFile(join(folder, "taxonomy.yaml"), TAXONOMY);
}

/**
 * Ends a process, and whatever else it takes; returns when the next one can start.
 * @param atMoment called as it happens
 * @returns epoch ms from which on the process only seemed to live; infinite when it was dead at once
 */
type Strike = (cli: Cli, atMoment: () => void) => Promise<number>;

export async function killOver(
  kind: StoreKind,
  place: Place,
  options: KillOptions,
  strike: Strike,
): Promise<KillReport> {
  const { seed, slots, items } = options;
  const draw = `${seed}/${kind}`;
  const judge = new Judge(draw);
  const server = await startModelServer({ ...judge.server, seed, latency: "lognormal:30:200" });
  await writeConfig(place.folder);
  const startedMs = performance.now();
  const deaths: { life: number; inFlight: number; inHand: number }[] = [];
  const badEnds: string[] = [];
  let [lives, ends, killsInRecovery] = [0, 0, 0];
  /** Typical time from the start until a job is open, in ms. */
  let openMs = 400;
  try {
    for (;;) {
      const wanted = deaths.length < options.kills;
      if (wanted && judge.ids.length - judge.settled < slots * 4)
        await withStore(place, (store) => store.insert(SOURCE, judge.make(items)));
      lives += 1;
      judge.begin();
      const cli = startRun(place, server, slots, lives > 1);
      const soon = uniform(`${draw}/${lives}`, 20) < 0.5;
      const bornMs = performance.now();
      cli.seen("checkpoint:saved").then(
        () => {
          openMs = 0.8 * openMs + 0.2 * (performance.now() - bornMs);
        },
        () => {},
      );
      const struck = wanted
        ? await strikeAtRandom(cli, server, `${draw}/${lives}`, soon ? openMs : null, strike)
        : null;
      const end = await cli.ended;
      const { inHand } = judge.end(end.events, struck?.atMs ?? Number.POSITIVE_INFINITY);
      if (struck !== null) {
        deaths.push({ life: lives, inFlight: struck.inFlight, inHand });
        if (soon) killsInRecovery += 1;
        if (end.code === 1) badEnds.push(`exit 1: ${end.stderr.slice(0, 2_000)}`);
        if (deaths.length % 25 === 0) options.onProgress(kind, deaths.length, judge.settled);
        continue;
      }
      ends += 1;
      const problem = problemOf(end);
      if (problem !== null) badEnds.push(problem);
      if (badEnds.length > 5) break;
      if (!wanted) {
        const findings = await withStore(place, (store) => judge.decide(store, place.batchDir));
        return {
          ...findings,
          ...compare(deaths, judge.lostAnswers()),
          store: kind,
          seed,
          slots,
          kills: deaths.length,
          killsInRecovery,
          ends,
          modelCalls: server.ledger().received,
          secondsPerKill: (performance.now() - startedMs) / 1_000 / Math.max(1, deaths.length),
          countersWrong: compareCounters(end, findings),
          badEnds,
        };
      }
    }
    throw new Error(`The runs end wrongly again and again:\n${badEnds.join("\n")}`);
  } finally {
    await place.drop();
    await server.close();
  }
}

async function withStore<T>(place: Place, action: (store: Store) => Promise<T>): Promise<T> {
  const store = await place.open();
  try {
    return await action(store);
  } finally {
    await store.close();
  }
}

function startRun(place: Place, server: ModelServer, slots: number, recover: boolean): Cli {
  const model = { provider: "openai-compatible", name: "drawn-1", baseUrl: server.baseUrl, apiKey: null };
  const flags = runFlags({ ...place, job: JOB, model, concurrent: slots });
  return startCli([...flags, ...(recover ? ["--recover"] : [])], {
    cwd: place.folder,
    // Starting takes half as long when the sources need not be compiled again each time.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), "querymill-crash-compiled") },
  });
}

/**
 * Strikes at a time of its own for each draw: while the job is opened, while it recovers, or after some items.
 * @param openMs how long opening takes; null for a strike in the middle of the work
 * @returns calls in flight then, by the server's ledger, and when it was; null when the process had ended before
 */
async function strikeAtRandom(
  cli: Cli,
  server: ModelServer,
  draw: string,
  openMs: number | null,
  strike: Strike,
): Promise<{ inFlight: number; atMs: number } | null> {
  const random = uniform(draw, 21);
  const seen = (name: string, count: number, andMs: number): Promise<unknown> =>
    cli.seen(name, count).then(
      () => delay(andMs),
      () => {},
    );
  const afterMs = uniform(draw, 22) * 80;
  const moment =
    openMs === null
      ? seen("item:settled", 1 + Math.floor(random * 60), afterMs)
      : random < 0.4
        ? delay((0.5 + random) * openMs)
        : // The first checkpoint opens the recovery.
          seen("checkpoint:saved", 1, afterMs);
  const ended = await Promise.race([moment.then(() => false), cli.ended.then(() => true)]);
  if (ended) return null;
  let inFlight = 0;
  const atMs = await strike(cli, () => {
    inFlight = server.ledger().inFlight;
  });
  const { code } = await cli.ended;
  return code === 0 || code === 3 ? null : { inFlight, atMs };
}

/** @returns what is wrong with an end that no signal caused */
function problemOf(end: CliEnd): string | null {
  if (end.signal === null && (end.code === 0 || end.code === 3) && end.stderr === "") return null;
  return `exit ${end.code ?? end.signal}: ${end.stderr.slice(0, 2_000)}`;
}

function compare(
  deaths: readonly { life: number; inFlight: number; inHand: number }[],
  lost: ReadonlyMap<number, number>,
): Pick<KillReport, "inFlight" | "bound" | "killsOverBound" | "mostInHand"> {
  return {
    inFlight: deaths.reduce((sum, { inFlight }) => sum + inFlight, 0),
    bound: deaths.reduce((sum, { inHand }) => sum + inHand, 0),
    killsOverBound: deaths.filter(({ life, inHand }) => (lost.get(life) ?? 0) > inHand).length,
    mostInHand: Math.max(0, ...deaths.map(({ inHand }) => inHand)),
  };
}

/** @returns where the job's own totals differ from what is there */
function compareCounters({ end }: CliEnd, found: Findings): string[] {
  if (end === null) return ["the last run said nothing of its end"];
  const { classified, skipped, deadLetters, retryQueued } = end.jobTotals;
  return Object.entries({ classified, skipped, deadLetters, retryQueued })
    .filter(([name, counted]) => counted !== ({ ...found, retryQueued: 0 } as unknown as Record<string, number>)[name])
    .map(([name, counted]) => `${name}: ${counted} counted`);
}
