import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Db, MongoClient } from "mongodb";
import { contentHashOf } from "../../src/item.ts";
import { type Cli, type CliEnd, type CliEvent, runFlags, startCli } from "../../test/support/cli.ts";
import { uniform } from "../../test/support/model-draw.ts";
import { type ModelServer, startModelServer } from "../../test/support/model-server.ts";
import { type ReplicaSet, startReplicaSet } from "../../test/support/replica-set.ts";

const KINDS = ["kill", "pause", "isolate"] as const;
/** kill: SIGKILL of the primary. pause: SIGSTOP, and it wakes up behind a new one. isolate: both secondaries stopped. */
export type MemberFault = (typeof KINDS)[number];

export interface FailoverOptions {
  readonly faults: number;
  readonly seed: number;
  /** Which faults, in turn, shuffled by the seed. @default all three */
  readonly kinds?: readonly MemberFault[];
  /** New items before each fault. */
  readonly items: number;
  readonly slots: number;
  readonly onProgress: (line: string) => void;
}

/** One fault and how the run took it. */
export interface FaultSeen {
  readonly kind: MemberFault;
  /** Longest time in which nothing was stored; without a majority: from its return to the next store. In ms. */
  readonly pauseMs: number;
  /** The run said that it waits for the store. */
  readonly told: boolean;
}

export interface FailoverReport {
  readonly seed: number;
  readonly slots: number;
  readonly faults: readonly FaultSeen[];
  readonly items: number;
  /** Items without a record, without a mark, or with a record that is not what the server answered for their text. */
  readonly lost: number;
  readonly unmarked: number;
  readonly wrong: number;
  /** Items that were said to be settled more than once. */
  readonly doubled: number;
  /** Usable answers beyond the first of each item. */
  readonly paidTwice: number;
  readonly modelCalls: number;
  /** Groups that were called stored while there was no majority. */
  readonly falseSuccesses: number;
  /** What the job counted and differs from what is there. */
  readonly countersWrong: readonly string[];
  /** The store away for longer than `deadlines.storeMs`: how the run ended, and what the next one did. */
  readonly givenUp: {
    readonly exitCode: number | null;
    readonly message: string;
    /** From the loss of the majority to the end of the process, in ms. */
    readonly endedMs: number;
    /** Stored from the journal by the next run. */
    readonly stored: number;
    readonly nextExitCode: number | null;
  };
  readonly problems: readonly string[];
}

const SOURCE = "conversation_set";
const TARGET = "sentimental_analysis";
const JOB = "failover";
const DB = "failover";
/** How long the store may be away in the run that is to give up, in ms. */
const GIVE_UP_MS = 4_000;
/** What was acknowledged before the majority went may be told a little later, in ms. */
const LATE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** A replica set of three under a run that never ends by itself; faults in turn; then one that outlasts the patience. */
export async function runFailover(options: FailoverOptions): Promise<FailoverReport> {
  const { seed, slots } = options;
  const folder = await mkdtemp(join(tmpdir(), "querymill-failover-"));
  const server = await startModelServer({
    seed,
    latency: "lognormal:32:50",
    content: (id, _attempt, value) => JSON.stringify({ ...value, summary: summaryOf(id) }),
  });
  const set = await startReplicaSet();
  const client = await new MongoClient(set.uri).connect();
  const trial = new Trial(options, folder, server, set, client.db(DB));
  try {
    const faults = await trial.faults();
    const { givenUp, last } = await trial.giveUp();
    const findings = await trial.judge();
    const { received, ok, docsPaid } = server.ledger();
    const problems = [...trial.problems];
    return {
      seed,
      slots,
      faults,
      ...findings,
      doubled: trial.doubled(),
      paidTwice: ok - docsPaid,
      modelCalls: received,
      falseSuccesses: trial.falseSuccesses,
      countersWrong: compare(last, { classified: trial.ids.length, modelCalls: received }),
      givenUp,
      problems,
    };
  } finally {
    await trial.close();
    await client.close();
    await set.stop();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns whether every promise about failovers was kept */
export function isFailoverSound(report: FailoverReport): boolean {
  const { lost, unmarked, wrong, doubled, paidTwice, falseSuccesses, countersWrong, problems, givenUp, faults } =
    report;
  const broken =
    lost + unmarked + wrong + doubled + paidTwice + falseSuccesses + countersWrong.length + problems.length;
  const silent = faults.some(({ kind, told }) => kind === "isolate" && !told);
  const slow = faults.some(({ pauseMs }) => pauseMs > LONGEST_PAUSE_MS);
  const ended = givenUp.exitCode === 4 && givenUp.nextExitCode === 0 && givenUp.stored > 0;
  return broken === 0 && !silent && !slow && ended;
}

/** A report for people. */
export function failoverLines(report: FailoverReport): string[] {
  const { faults, givenUp, items, slots, seed } = report;
  const byKind = KINDS.map((kind) => {
    const pauses = faults.filter((fault) => fault.kind === kind).map(({ pauseMs }) => pauseMs / 1_000);
    if (pauses.length === 0) return "";
    const [shortest, longest] = [Math.min(...pauses), Math.max(...pauses)];
    return `${pauses.length} ${kind} (nothing stored for ${shortest.toFixed(1)} to ${longest.toFixed(1)} s)`;
  });
  return [
    `failover: ${faults.length} faults, ${items} items, ${report.modelCalls} model calls, ${slots} slots`,
    `  ${byKind.filter((part) => part !== "").join(", ")}`,
    `  lost ${report.lost}, unmarked ${report.unmarked}, wrong ${report.wrong}, doubled ${report.doubled}, paid twice ${report.paidTwice}; counters ${report.countersWrong.join(", ") || "exact"}`,
    `  called stored without a majority ${report.falseSuccesses}; waits told ${faults.filter(({ told }) => told).length} of ${faults.length}`,
    `  store away for longer than it may: exit ${givenUp.exitCode} after ${(givenUp.endedMs / 1_000).toFixed(1)} s, ${givenUp.stored} outcomes stored from the journal by the next run, exit ${givenUp.nextExitCode}`,
    ...report.problems.map((problem) => `  ${problem}`),
    `  again with: npm run crash -- --failover ${faults.length} --seed ${seed}`,
  ];
}

interface Settled {
  readonly contentHash?: string;
  readonly summary?: string;
  readonly processed?: boolean;
  readonly processedBy?: { readonly outcome: string };
}

/** One job on one replica set. */
class Trial {
  readonly ids: string[] = [];
  readonly problems: string[] = [];
  falseSuccesses = 0;
  readonly #options: FailoverOptions;
  readonly #folder: string;
  readonly #server: ModelServer;
  readonly #set: ReplicaSet;
  readonly #db: Db;
  readonly #said: CliEvent[][] = [];
  #running: Cli | null = null;

  constructor(options: FailoverOptions, folder: string, server: ModelServer, set: ReplicaSet, db: Db) {
    this.#options = options;
    this.#folder = folder;
    this.#server = server;
    this.#set = set;
    this.#db = db;
  }

  async faults(): Promise<FaultSeen[]> {
    const { faults, seed, kinds = KINDS, onProgress } = this.#options;
    const seen: FaultSeen[] = [];
    await this.#configure({});
    await this.#insert();
    const cli = this.#start("--mode", "continuous", "--interval", "1");
    for (let at = 0; at < faults; at += 1) {
      const draw = `${seed}/fault/${at}`;
      if (at > 0) await this.#insert();
      const before = this.ids.length - this.#options.items;
      await orEnded(
        cli,
        cli.seen("item:settled", before + Math.ceil(this.#options.items * (0.1 + 0.4 * uniform(draw, 1)))),
      );
      const kind = kindAt(kinds, seed, at);
      seen.push(await this.#inject(cli, kind, draw));
      const { pauseMs, told } = seen.at(-1)!;
      onProgress(
        `${at + 1} of ${faults}: ${kind}, nothing stored for ${(pauseMs / 1_000).toFixed(1)} s${told ? ", told" : ""}`,
      );
    }
    cli.kill("SIGTERM");
    const end = await cli.ended;
    if (end.code !== 0 || end.stderr !== "")
      this.problems.push(`exit ${end.code ?? end.signal} ${end.stderr.slice(0, 500)}`);
    this.#keep(end);
    return seen;
  }

  /** The majority stays away for longer than the run's patience; then a plain run with the majority back. */
  async giveUp(): Promise<{ givenUp: FailoverReport["givenUp"]; last: CliEnd }> {
    await this.#configure({ storeMs: GIVE_UP_MS, connectMs: 1_000 });
    const before = this.ids.length;
    await this.#insert();
    const cli = this.#start();
    await orEnded(cli, cli.seen("item:settled", Math.min(200, Math.ceil((this.ids.length - before) / 4))));
    const secondaries = await this.#secondaries();
    for (const member of secondaries) this.#set.pause(member);
    const startedMs = performance.now();
    const end = await cli.ended;
    const endedMs = performance.now() - startedMs;
    for (const member of secondaries) this.#set.resume(member);
    await this.#set.whole();
    this.#keep(end);
    const next = await this.#start().ended;
    this.#keep(next);
    if (next.stderr !== "") this.problems.push(next.stderr.slice(0, 500));
    const recover = next.events.find(({ event }) => event === "execution:recover");
    return {
      last: next,
      givenUp: {
        exitCode: end.code,
        message: end.end?.message ?? end.stderr,
        endedMs,
        stored: Number(recover?.stored ?? 0),
        nextExitCode: next.code,
      },
    };
  }

  /** Looks into source and target. */
  async judge(): Promise<Pick<FailoverReport, "items" | "lost" | "unmarked" | "wrong">> {
    const found = { items: this.ids.length, lost: 0, unmarked: 0, wrong: 0 };
    const [records, documents] = await Promise.all([TARGET, SOURCE].map((name) => this.#all(name)));
    for (const id of this.ids) {
      const record = records!.get(id);
      const document = documents!.get(id);
      if (record === undefined) found.lost += 1;
      else if (record.contentHash !== contentHashOf(textOf(id)) || record.summary !== summaryOf(id)) found.wrong += 1;
      if (document?.processed !== true || document.processedBy?.outcome !== "classified") found.unmarked += 1;
    }
    found.wrong += records!.size - (this.ids.length - found.lost);
    return found;
  }

  /** Items that one run called settled twice: what the next one stores from the journal is settled for it too. */
  doubled(): number {
    const settled = this.#said.flat().filter(({ event }) => event === "item:settled");
    return settled.length - new Set(settled.map(({ key, executionId }) => `${executionId} ${key}`)).size;
  }

  async close(): Promise<void> {
    this.#running?.kill("SIGKILL");
    await this.#running?.ended;
  }

  async #inject(cli: Cli, kind: MemberFault, draw: string): Promise<FaultSeen> {
    const set = this.#set;
    const startedMs = Date.now();
    let backMs = startedMs;
    await delay(50 * uniform(draw, 2));
    const primary = await set.primary();
    if (kind === "kill") {
      await set.kill(primary);
      await delay(1_000 + 3_000 * uniform(draw, 3));
      await set.start(primary);
    } else if (kind === "pause") {
      set.pause(primary);
      await set.primary();
      await delay(3_000 * uniform(draw, 3));
      set.resume(primary);
    } else {
      const secondaries = await this.#secondaries();
      for (const member of secondaries) set.pause(member);
      const alone = Date.now() + LATE_MS;
      await delay(7_000 + 8_000 * uniform(draw, 3));
      backMs = Date.now();
      for (const member of secondaries) set.resume(member);
      await delay(LATE_MS);
      this.falseSuccesses += storedAt(cli.events).filter((ms) => ms > alone && ms < backMs).length;
    }
    await set.whole();
    await this.#allStored(cli);
    const stored = storedAt(cli.events).filter((ms) => ms >= backMs);
    const gaps = stored.map((ms, at) => ms - (stored[at - 1] ?? backMs));
    const told = cli.events.some(
      ({ event, reason, time }) =>
        event === "execution:wait" &&
        /store does not answer/.test(String(reason)) &&
        Date.parse(String(time)) >= startedMs,
    );
    return { kind, told, pauseMs: kind === "isolate" ? (gaps[0] ?? 0) : Math.max(...gaps) };
  }

  /** Waits until the run has stored everything that was inserted, with nobody's help. */
  async #allStored(cli: Cli): Promise<void> {
    const startedMs = performance.now();
    for (;;) {
      const count = await this.#db
        .collection(TARGET)
        .countDocuments({})
        .catch(() => 0);
      if (count >= this.ids.length) return;
      if (performance.now() - startedMs > 3 * LONGEST_PAUSE_MS)
        throw new Error(`${count} of ${this.ids.length} stored`);
      await orEnded(cli, delay(200));
    }
  }

  async #insert(): Promise<void> {
    const documents = Array.from({ length: this.#options.items }, () => {
      const _id = `f${String(this.ids.length + 1).padStart(6, "0")}`;
      this.ids.push(_id);
      return { _id, text: textOf(_id) };
    });
    const writes = documents.map((document) => ({
      replaceOne: { filter: { _id: document._id as never }, replacement: document, upsert: true },
    }));
    await this.#db.collection(SOURCE).bulkWrite(writes, { ordered: false, writeConcern: { w: "majority" } });
  }

  async #secondaries(): Promise<number[]> {
    const primary = await this.#set.primary();
    return this.#set.members.filter((member) => member !== primary);
  }

  async #all(collection: string): Promise<Map<unknown, Settled>> {
    const fields = { contentHash: 1, summary: 1, processed: 1, processedBy: 1 };
    const found = await this.#db
      .collection(collection)
      .find({}, { projection: fields, readConcern: "majority" })
      .toArray();
    return new Map(found.map((document) => [document._id, document as Settled]));
  }

  #start(...flags: string[]): Cli {
    const model = { provider: "openai-compatible", name: "drawn-1", baseUrl: this.#server.baseUrl, apiKey: null };
    const place = { storeUri: this.#set.uri, db: DB, batchDir: this.#folder, job: JOB };
    const all = [...runFlags({ ...place, model, concurrent: this.#options.slots }), ...flags];
    this.#running = startCli(all, { cwd: this.#folder });
    return this.#running;
  }

  #keep(end: CliEnd): void {
    this.#running = null;
    this.#said.push([...end.events]);
  }

  async #configure(deadlines: Readonly<Record<string, number>>): Promise<void> {
    await writeFile(join(this.#folder, "querymill.yaml"), JSON.stringify({ deadlines, taxonomy: "taxonomy.yaml" }));
    await writeFile(join(this.#folder, "taxonomy.yaml"), TAXONOMY);
  }
}

const TAXONOMY = `name: shop
summary: true
dimensions:
  category: { choose: one, required: true, labels: { billing: money, shipping: parcels, returns: sent back } }
`;

const textOf = (id: string): string => `[doc:${id}] My parcel number ${id} has not arrived, where is it?`;
const summaryOf = (id: string): string => `What ${id} is about.`;

/** Every kind equally often, in an order that the seed decides. */
function kindAt(kinds: readonly MemberFault[], seed: number, at: number): MemberFault {
  const round = Math.floor(at / kinds.length);
  const order = kinds.toSorted((a, b) => uniform(`${seed}/${round}/${a}`, 4) - uniform(`${seed}/${round}/${b}`, 4));
  return order[at % kinds.length]!;
}

const storedAt = (events: readonly CliEvent[]): number[] =>
  events
    .filter(({ event, written }) => event === "sink:stored" && Number(written) > 0)
    .map(({ time }) => Date.parse(String(time)));

/** A process that ends too early must not leave anybody waiting. */
async function orEnded<T>(cli: Cli, wanted: Promise<T>): Promise<T> {
  const early = cli.ended.then(({ code, end, stderr }) => {
    throw new Error(`the run ended with ${code} in between: ${end?.message ?? ""} ${stderr}`);
  });
  return await Promise.race([wanted, early as Promise<never>]);
}

function compare({ end }: CliEnd, found: { classified: number; modelCalls: number }): string[] {
  const totals = end?.jobTotals;
  if (totals === undefined) return ["the last run said nothing of its end"];
  return (["classified", "modelCalls"] as const)
    .filter((name) => totals[name] !== found[name])
    .map((name) => `${name}: ${totals[name]} counted, ${found[name]} found`);
}
