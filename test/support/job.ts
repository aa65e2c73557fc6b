import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MongoClient } from "mongodb";
import { afterEach, expect, inject } from "vitest";
import type { Counters } from "../../src/counters.ts";
import type { EventMap, ExecutionEnd } from "../../src/events.ts";
import { contentHashOf, type ItemKey, idOf, keyOf } from "../../src/item.ts";
import { type JobSettings, MARK_FIELDS, mainEndpoint } from "../../src/job.ts";
import type { Execution } from "../../src/jobs/execution.ts";
import { type Common, prepareExecution } from "../../src/jobs/wiring.ts";
import { NO_REDACTION } from "../../src/redaction/kinds.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import type { SourceDocument, Store } from "../../src/store.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import type { Taxonomy } from "../../src/taxonomy.ts";
import { type ModelServer, type ModelServerOptions, startModelServer } from "./model-server.ts";

/** The stores that every flow and crash test runs over. */
export const STORES = ["the embedded store", "MongoDB"] as const;
export type StoreName = (typeof STORES)[number];

const SOURCE = "conversation_set";
const TARGET = "sentimental_analysis";
const PAGE = 1_000;

/** What was seen of one run. */
export interface Run {
  readonly end: ExecutionEnd;
  /** Payloads by the name of their event, in order. */
  readonly seen: { readonly [K in keyof EventMap]: readonly EventMap[K][] };
}

/** A run under way. */
export interface Started {
  readonly execution: Execution;
  /** Events so far. */
  readonly seen: Run["seen"];
  /** Its end; checks that the counters added up at every settled item. */
  readonly ended: Promise<Run>;
}

/** Where an item is when nobody works on it. */
type Place = "target" | "skipped" | "retry queue" | "dead letters" | "pending";

/** A job of one test: its own database, state folder and model server. */
export class Job {
  readonly server: ModelServer;
  readonly settings: JobSettings;
  /** Another connection than the runs', to look and to meddle. */
  readonly store: Store;
  readonly #removeById: (key: ItemKey) => Promise<void>;

  constructor(server: ModelServer, settings: JobSettings, store: Store, remove: (key: ItemKey) => Promise<void>) {
    this.server = server;
    this.settings = settings;
    this.store = store;
    this.#removeById = remove;
  }

  /** Inserts items with ids from `q0001` on. @param textOf null: a document without text */
  async seed(count: number, textOf: (id: string) => string | null = textWith, first = 1): Promise<string[]> {
    const ids = Array.from({ length: count }, (_, at) => `q${String(at + first).padStart(4, "0")}`);
    await this.put(ids, textOf);
    return ids;
  }

  /** Inserts or replaces documents, unmarked. */
  async put(ids: readonly string[], textOf: (id: string) => string | null = textWith): Promise<void> {
    const documents = ids.map((_id) => {
      const text = textOf(_id);
      return text === null ? { _id } : { _id, text, channel: Number(_id.slice(-1)) % 2 === 0 ? "email" : "chat" };
    });
    await this.store.insert(SOURCE, documents);
  }

  async remove(id: string): Promise<void> {
    await this.#removeById(keyOf(id));
  }

  /** Takes all marks away, as if another tool had restored the source. */
  async unmark(ids: readonly string[]): Promise<void> {
    await this.#source().unmark(ids.map(keyOf));
  }

  /** Begins a run. Its settings are the job's with these changes. */
  async start(changes: Partial<JobSettings> = {}, common: Common = {}): Promise<Started> {
    const execution = await prepareExecution({ ...this.settings, ...changes }, {}, common);
    const seen: Record<string, unknown[]> = {};
    const wrong: Counters[] = [];
    execution.events.onAny((name, payload) => {
      const list = seen[name] ?? [];
      seen[name] = list;
      list.push(payload);
      if (name !== "item:settled") return;
      const { counters } = execution.snapshot();
      if (!addsUp(counters)) wrong.push(counters);
    });
    const of = new Proxy(seen, { get: (all, name) => all[String(name)] ?? [] }) as unknown as Run["seen"];
    const ended = execution.run().then((end) => {
      expect(wrong).toEqual([]);
      expect(addsUp(end)).toBe(true);
      expect(end.inFlight).toBe(0);
      return { end, seen: of };
    });
    // Whoever started it awaits it later.
    ended.catch(() => {});
    return { execution, seen: of, ended };
  }

  /** A whole run. */
  async run(changes: Partial<JobSettings> = {}): Promise<Run> {
    return await (await this.start(changes)).ended;
  }

  /** All records of the target by id. */
  async records(): Promise<Map<unknown, SourceDocument>> {
    const records = new Map<unknown, SourceDocument>();
    const target = this.store.target(TARGET);
    for (let page = await target.readAll(null, PAGE); ; page = await target.readAll(page.cursor, PAGE)) {
      for (const record of page.documents) {
        expect(records.has(record._id)).toBe(false);
        records.set(record._id, record);
      }
      if (page.last) return records;
    }
  }

  /** Documents of the source by id, with their marks. */
  async documents(ids: readonly string[]): Promise<Map<unknown, SourceDocument>> {
    const found = await this.#source().readByKeys(ids.map(keyOf));
    return new Map(found.map((document) => [document._id, document]));
  }

  /** Makes everything in the retry queue due now. Only between two runs. */
  async makeDue(): Promise<void> {
    const { batchDir, tenant, job } = this.settings;
    const manager = new BatchFileManager(batchDir, { tenant, job });
    await manager.open();
    await manager.retryQueue.add(manager.retryQueue.list().map((entry) => ({ ...entry, dueMs: 0 })));
    await manager.close();
  }

  /** What waits in the retry queue and in the dead letters. */
  async queues(): Promise<Pick<BatchFileManager, "retryQueue" | "deadLetters">> {
    const { batchDir, tenant, job } = this.settings;
    const { retryQueue, deadLetters } = new BatchFileManager(batchDir, { tenant, job });
    await retryQueue.open({ readOnly: true });
    await deadLetters.open({ readOnly: true });
    return { retryQueue, deadLetters };
  }

  /**
   * Where each item is. Checks that it is in one place only, that its mark agrees with the place, and that its record
   * was made from the text it has now.
   */
  async places(ids: readonly string[]): Promise<Map<string, Place>> {
    const [records, documents, { retryQueue, deadLetters }] = await Promise.all([
      this.records(),
      this.documents(ids),
      this.queues(),
    ]);
    const places = new Map<string, Place>();
    for (const id of ids) {
      const document = documents.get(id);
      const record = records.get(id);
      const by = document?.processedBy as { outcome: string; job: string } | undefined;
      const found: Place[] = [];
      if (record !== undefined) found.push("target");
      if (by?.outcome === "skipped") found.push("skipped");
      if (retryQueue.get(keyOf(id)) !== null) found.push("retry queue");
      if (deadLetters.get(keyOf(id)) !== null) found.push("dead letters");
      expect(found.length, `${id} is in ${found.join(" and ")}`).toBeLessThanOrEqual(1);
      const place = found[0] ?? "pending";
      places.set(id, place);
      expect(document?.processed === true, `${id} in ${place}`).toBe(place !== "retry queue" && place !== "pending");
      if (by !== undefined)
        expect(by).toMatchObject({ job: this.settings.job, outcome: OUTCOMES[place as keyof typeof OUTCOMES] });
      if (record !== undefined) expect(record.contentHash, id).toBe(contentHashOf((document!.text as string).trim()));
    }
    return places;
  }

  /** How many items are in each place. */
  async counted(ids: readonly string[]): Promise<Partial<Record<Place, number>>> {
    const counts: Partial<Record<Place, number>> = {};
    for (const place of (await this.places(ids)).values()) counts[place] = (counts[place] ?? 0) + 1;
    return counts;
  }

  #source() {
    return this.store.source({ collection: SOURCE, mark: MARK_FIELDS, filter: null, fields: null });
  }
}

/** What a test's text looks like: the model server knows the item by its mark. */
export function textWith(id: string): string {
  return `[doc:${id}] My parcel number ${id} has not arrived, where is it?`;
}

/** Calls cost one USD per 1,000 tokens in and out. */
const PRICES = { "drawn-1": { input: 1_000, output: 1_000 } };

const OUTCOMES = { target: "classified", skipped: "skipped", "dead letters": "deadLetter" } as const;
const closing: (() => Promise<unknown>)[] = [];
let made = 0;

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Makes an empty job over a store. Closed after the test. */
export async function makeJob(name: StoreName, serverOptions: ModelServerOptions = {}): Promise<Job> {
  made += 1;
  const batchDir = await mkdtemp(join(tmpdir(), "querymill-job-"));
  closing.push(() => rm(batchDir, { recursive: true, force: true, maxRetries: 20 }));
  const server = await startModelServer(serverOptions);
  closing.push(() => server.close());
  const path = join(batchDir, "store.sqlite");
  const mongo = inject("mongoReplicaUri");
  const place = name === "MongoDB" ? { storeUri: mongo, db: `job_${process.pid}_${Date.now()}_${made}` } : null;
  const settings = settingsOf(batchDir, server.baseUrl, place ?? { storeUri: `sqlite:${path}`, db: "querymill" });
  if (place === null) {
    const store = await openSqliteStore(path);
    closing.push(() => store.close());
    return new Job(server, settings, store, async (key) => removeRow(path, key));
  }
  const client = await new MongoClient(mongo).connect();
  const store = await openMongoStore(mongo, place.db, { connectTimeoutMs: 5_000, client });
  closing.push(async () => {
    await client.db(place.db).dropDatabase();
    await client.close();
  });
  const source = client.db(place.db).collection(SOURCE);
  return new Job(server, settings, store, async (key) => {
    await source.deleteOne({ _id: idOf(key) as never });
  });
}

/** A job whose server answers some calls and then holds `slots` more until it is told to answer. */
export async function makeHoldingJob(name: StoreName, answers: number, slots: number) {
  const holding = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<null>();
  let received = 0;
  const job = await makeJob(name, {
    fail: () => {
      received += 1;
      if (received === answers + slots) holding.resolve();
      return received > answers ? answer.promise : null;
    },
  });
  return { job, inFlight: holding.promise, answer: () => answer.resolve(null) };
}

function removeRow(path: string, key: ItemKey): void {
  using database = new DatabaseSync(path);
  database.exec("PRAGMA busy_timeout = 5000");
  const { id } = database.prepare("select id from collections where name = ?").get(SOURCE)!;
  database.prepare(`delete from documents_${id} where key = ?`).run(key);
}

function settingsOf(batchDir: string, baseUrl: string, place: { storeUri: string; db: string }): JobSettings {
  const model = { provider: "openai-compatible", name: "drawn-1", baseUrl, apiKey: null };
  return {
    tenant: "default",
    job: "flow",
    mode: "batch",
    batchSize: 10,
    concurrent: 5,
    concurrentMax: 1_000,
    intervalSeconds: 1,
    batchDir,
    checkpointInterval: 50,
    recover: false,
    fresh: false,
    acceptChanges: false,
    wait: true,
    dryRun: false,
    ...place,
    sourceCollection: SOURCE,
    targetCollection: TARGET,
    model,
    endpoints: [mainEndpoint(model)],
    balance: "latency",
    hedge: null,
    taxonomy: TAXONOMY,
    examples: null,
    mapping: { text: null, maxChars: 24_000 },
    redaction: NO_REDACTION,
    cache: { maxMb: 64, ttlDays: 30 },
    mark: MARK_FIELDS,
    filter: null,
    retryOnly: null,
    reclassify: null,
    limit: null,
    budget: null,
    prices: PRICES,
    retry: { retries: 3, baseDelayMs: 5, maxDelayMs: 50, rounds: [50, 100, 150] },
    deadlines: {
      connectMs: 5_000,
      attemptMs: 20_000,
      itemMs: 60_000,
      idleMs: 60_000,
      drainMs: 20_000,
      retryWaitMs: 30_000,
      storeMs: 20_000,
    },
    maxOutputTokens: 300,
    runBreaker: { share: 0.5, window: 50 },
  };
}

function addsUp({ read, classified, skipped, retryQueued, deadLetters, inFlight }: Counters): boolean {
  return read === classified + skipped + retryQueued + deadLetters + inFlight && inFlight >= 0;
}

const label = (id: string) => ({ id, description: `about ${id}`, aliases: [], examples: [] });

/** A small one: what is answered does not matter here. */
const TAXONOMY: Taxonomy = {
  name: "shop",
  version: "t-f10f10f1",
  summary: true,
  alternatives: false,
  dimensions: [
    {
      id: "category",
      description: "what it is about",
      choose: "one",
      required: true,
      labels: [label("billing"), label("shipping"), label("returns")],
    },
    {
      id: "sentiment",
      description: "how it sounds",
      choose: "one",
      required: true,
      labels: [label("negative"), label("neutral"), label("positive")],
    },
  ],
};
