import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClocks } from "../src/clocks.ts";
import { QuerymillError } from "../src/errors.ts";
import { Events } from "../src/events.ts";
import { contentHashOf, keyOf } from "../src/item.ts";
import { MARK_FIELDS } from "../src/job.ts";
import { EMPTY_JOB_STATE, NO_SPEND, type Settlement } from "../src/outcome.ts";
import { Recorder } from "../src/recorder.ts";
import { Sink, type SinkOptions } from "../src/sink.ts";
import { BatchFileManager } from "../src/state/batch-file-manager.ts";
import { Journal } from "../src/state/journal.ts";
import type { Source, SourceDocument, Target } from "../src/store.ts";
import { openSqliteStore } from "../src/stores/sqlite.ts";
import { StoreWatch } from "../src/traffic/store-watch.ts";
import { recordWith } from "./contract/store-contract.ts";
import { faultyFiles } from "./state/made-up-state.ts";

const ROUNDS = [60_000, 300_000];
const textOf = (id: number) => `query ${id}`;

interface Faults {
  source?: (source: Source) => Partial<Source>;
  target?: (target: Target) => Partial<Target>;
  unsunk?: readonly number[];
  storeMs?: number;
  confirm?: () => Promise<void>;
}

/** A sink between a journal and a real embedded store with `count` documents. */
async function openSink(count: number, faults: Faults = {}) {
  const folder = await mkdtemp(join(tmpdir(), "querymill-sink-"));
  const store = await openSqliteStore(join(folder, "store.db"));
  const numbered = Array.from({ length: count }, (_, at) => ({ _id: at + 1, text: textOf(at + 1) }));
  await store.insert("source", numbered);
  const source = store.source({ collection: "source", mark: MARK_FIELDS, filter: null, fields: null });
  await source.prepare();
  const target = store.target("target");
  const { files, disk } = faultyFiles();
  const manager = new BatchFileManager(join(folder, "state"), { job: "j" }, files);
  await manager.open();
  const events = new Events();
  const recorder = new Recorder({ events, executionId: "x", state: EMPTY_JOB_STATE, seq: 0, ...systemClocks });
  const journal = await Journal.open(files, manager.journalFolder, manager.identity, () => recorder.state, {
    seq: 0,
    segments: new Map(),
  });
  recorder.attach(journal);
  const fatal: { reason: string; error: QuerymillError }[] = [];
  const stored: [key: string, left: string][] = [];
  const options: SinkOptions = {
    source: within(source, faults.source?.(source)),
    target: within(target, faults.target?.(target)),
    retryQueue: manager.retryQueue,
    deadLetters: manager.deadLetters,
    recorder,
    journal,
    events,
    job: "j",
    executionId: "x",
    fence: 5,
    rounds: ROUNDS,
    keyOf: (document) => keyOf(document._id),
    isChanged: (document, settlement) =>
      settlement.contentHash !== null && contentHashOf(String(document.text)) !== settlement.contentHash,
    restored: null,
    unsunk: faults.unsunk ?? [],
    watch: new StoreWatch({ storeMs: faults.storeMs ?? 60_000, now: Date.now }),
    confirm: faults.confirm ?? (async () => {}),
    ...systemClocks,
    onFatal: (reason, error) => fatal.push({ reason, error }),
    onStored: (key, left) => stored.push([key, left]),
  };
  const sink = new Sink(options);
  onTestFinished(async () => {
    sink.stop();
    await journal.close().catch(() => {});
    await manager.close();
    await store.close();
    await rm(folder, { recursive: true });
  });
  const settle = async (...settlements: Settlement[]) => {
    await Promise.all(
      settlements.map(async (settlement) => {
        recorder.admit(settlement.key);
        sink.push(await recorder.settle(settlement, null), settlement);
      }),
    );
  };
  const unprocessed = async () => (await source.readUnprocessed(null, 10_000)).documents.map(({ _id }) => _id);
  const records = async () => (await target.readAll(null, 10_000)).documents;
  return { store, source, target, manager, recorder, journal, sink, settle, fatal, stored, unprocessed, records, disk };
}

/** The same object with some methods of its own. */
function within<T extends object>(whole: T, own: Partial<T> = {}): T {
  return new Proxy(whole, {
    get(_, name) {
      const value: unknown = Reflect.get(name in own ? own : whole, name);
      return typeof value === "function" ? value.bind(name in own ? own : whole) : value;
    },
  });
}

type Changes = Partial<Settlement & { outcome: "classified" }>;
function classified(id: number, changes: Changes = {}): Settlement & { outcome: "classified" } {
  const contentHash = contentHashOf(textOf(id));
  return {
    outcome: "classified",
    record: recordWith({ contentHash, category: "billing" }),
    key: keyOf(id),
    origin: "source",
    contentHash,
    attempts: 1,
    spend: { ...NO_SPEND, calls: 1, costUsd: 0.5 },
    executionId: "x",
    atMs: 1_000,
    ...changes,
  };
}

function failed(id: number, outcome: "retryQueued" | "deadLetter"): Settlement {
  const { outcome: _, record: __, ...base } = classified(id);
  const failure = { queue: "model", failure: "transient", message: "HTTP 503" } as const;
  return outcome === "retryQueued"
    ? { ...base, ...failure, outcome, dueMs: 2_000, round: 1, alike: 1 }
    : { ...base, ...failure, outcome, rawAnswer: "{" };
}

const skipped = (id: number): Settlement => {
  const { outcome: _, record: __, ...base } = classified(id);
  return { ...base, outcome: "skipped", reason: "no text", contentHash: null };
};

const many = (count: number) => Array.from({ length: count }, (_, at) => classified(at + 1));
const awayFor = (failures: number) => {
  let left = failures;
  return async <T>(action: () => Promise<T>): Promise<T> => {
    if (left <= 0) return await action();
    left -= 1;
    throw new QuerymillError("STORE_FAILED", "connection reset");
  };
};

describe("bringing outcomes to where they belong", () => {
  it("writes records, queues failures and marks all that is settled", async () => {
    const { sink, settle, unprocessed, records, manager, stored, recorder, fatal } = await openSink(4);
    await settle(classified(1), skipped(2), failed(3, "deadLetter"), failed(4, "retryQueued"));
    await sink.drain();
    expect((await records()).map(({ _id, fence }) => [_id, fence])).toEqual([[1, 5]]);
    expect(await unprocessed()).toEqual([4]);
    expect(manager.deadLetters.get(keyOf(3))).toMatchObject({ failure: "transient" });
    expect((await manager.deadLetters.read(keyOf(3)))?.payload).toMatchObject({ rawAnswer: "{" });
    expect(manager.retryQueue.get(keyOf(4))).toMatchObject({ dueMs: 2_000, round: 1 });
    expect(new Map(stored).get(keyOf(4))).toBe("queued");
    expect(recorder.totals).toMatchObject({ classified: 1, skipped: 1, deadLetters: 1, retryQueued: 1 });
    expect(sink.sunkSeq()).toBe(4);
    expect(fatal).toEqual([]);
  });

  it("sent twice it changes nothing", async () => {
    const { sink, settle, records, unprocessed } = await openSink(3);
    await settle(...many(3));
    await sink.drain();
    const before = await records();
    await settle(...many(3));
    await sink.drain();
    expect(await records()).toEqual(before);
    expect(await unprocessed()).toEqual([]);
  });

  it("takes an item out of the retry queue once it is stored", async () => {
    const { sink, settle, manager, recorder } = await openSink(1);
    await settle(failed(1, "retryQueued"));
    await sink.drain();
    await settle(classified(1, { origin: "retryQueue" }));
    await sink.drain();
    expect(manager.retryQueue.size).toBe(0);
    expect(recorder.totals).toMatchObject({ classified: 1, retryQueued: 0 });
  });
});

describe("a document that changed while in flight", () => {
  it("keeps its record, stays unprocessed and is counted as not settled", async () => {
    const { sink, settle, store, unprocessed, records, recorder, stored } = await openSink(2);
    await store.insert("source", [{ _id: 1, text: "another question" }]);
    await settle(...many(2));
    await sink.drain();
    expect(await unprocessed()).toEqual([1]);
    expect(await records()).toHaveLength(2);
    expect(recorder.totals).toMatchObject({ classified: 1 });
    expect(recorder.counters(0)).toMatchObject({ read: 1, classified: 1, inFlight: 0 });
    expect([sink.changed, new Map(stored).get(keyOf(1))]).toEqual([1, "changed"]);
  });

  it("is no dead letter of its old text", async () => {
    const { sink, settle, store, unprocessed, recorder, manager } = await openSink(1);
    await store.insert("source", [{ _id: 1, text: "another question" }]);
    await settle(failed(1, "deadLetter"));
    await sink.drain();
    expect(await unprocessed()).toEqual([1]);
    expect(recorder.totals.deadLetters).toBe(0);
    expect(manager.deadLetters.size).toBe(0);
  });

  it("and whose record the store refuses is taken back once", async () => {
    const huge = recordWith({ summary: "x".repeat(16_000_000) });
    const { sink, settle, store, recorder, manager, unprocessed } = await openSink(1);
    await store.insert("source", [{ _id: 1, text: "another question" }]);
    await settle(classified(1, { record: huge }));
    await sink.drain();
    expect(recorder.totals).toMatchObject({ classified: 0, deadLetters: 0 });
    expect(recorder.counters(0)).toMatchObject({ read: 0, inFlight: 0 });
    expect(manager.deadLetters.size).toBe(0);
    expect(await unprocessed()).toEqual([1]);
  });
});

it("a document that was deleted while in flight is recorded and not looked for again", async () => {
  const reads: number[] = [];
  const { sink, settle, records, fatal, stored } = await openSink(2, {
    source: (source) => ({
      readByKeys: async (keys) => {
        reads.push(keys.length);
        return (await source.readByKeys(keys)).filter(({ _id }) => _id !== 2);
      },
    }),
  });
  await settle(...many(2));
  await sink.drain();
  expect(reads).toEqual([2]);
  expect(await records()).toHaveLength(2);
  expect([stored.length, fatal]).toEqual([2, []]);
});

it("a record that is too large becomes a dead letter with its record, and the others are written", async () => {
  const huge = recordWith({ summary: "x".repeat(16_000_000) });
  const { sink, settle, records, unprocessed, manager, recorder, stored } = await openSink(3);
  await settle(classified(1), classified(2, { record: huge }), classified(3));
  await sink.drain();
  expect((await records()).map(({ _id }) => _id)).toEqual([1, 3]);
  expect(await unprocessed()).toEqual([]);
  const entry = await manager.deadLetters.read(keyOf(2));
  expect(entry).toMatchObject({ queue: "store", failure: "store-refused", message: expect.stringMatching(/bytes/) });
  expect(entry).toHaveProperty("payload.record.summary.length", 16_000_000);
  expect(recorder.totals).toMatchObject({ classified: 2, deadLetters: 1 });
  expect(recorder.counters(0)).toMatchObject({ read: 3, classified: 2, deadLetters: 1, inFlight: 0 });
  expect(recorder.spend.calls).toBe(3);
  expect(stored.filter(([key]) => key === keyOf(2))).toEqual([[keyOf(2), "marked"]]);
});

describe("a mark that is refused", () => {
  const refusing = (id: number): Faults => ({
    source: (source) => ({
      mark: async (groups) => {
        if (groups.some(({ keys }) => keys.includes(keyOf(id))))
          throw new QuerymillError("STORE_REFUSED", "a validator refuses the mark");
        await source.mark(groups);
      },
    }),
  });

  it("goes to the retry queue with its record, and all others are marked", async () => {
    const { sink, settle, unprocessed, manager, recorder } = await openSink(20, refusing(7));
    await settle(...many(20));
    await sink.drain();
    expect(await unprocessed()).toEqual([7]);
    expect(await manager.retryQueue.read(keyOf(7))).toMatchObject({ queue: "mark", round: 1, failure: "mark-refused" });
    expect(recorder.totals).toMatchObject({ classified: 19, retryQueued: 1 });
    expect(recorder.counters(0)).toMatchObject({ read: 20, classified: 19, retryQueued: 1, inFlight: 0 });
  });

  it("ends as a dead letter after its rounds", async () => {
    const { sink, settle, manager, recorder } = await openSink(1, refusing(1));
    await settle(classified(1));
    await sink.drain();
    for (const _ of ROUNDS) {
      await settle(classified(1, { origin: "retryQueue" }));
      await sink.drain();
    }
    expect(manager.retryQueue.size).toBe(0);
    expect(manager.deadLetters.get(keyOf(1))).toMatchObject({ queue: "mark" });
    expect(recorder.totals).toMatchObject({ classified: 0, retryQueued: 0, deadLetters: 1 });
  });
});

describe("trouble with the store", () => {
  it("is waited out at every step, and nothing is lost or doubled", async () => {
    for (const step of ["readByKeys", "mark", "write"] as const) {
      const away = awayFor(3);
      const { sink, settle, unprocessed, records, fatal } = await openSink(5, {
        source: (source) => ({
          ...(step === "readByKeys" ? { readByKeys: (keys) => away(() => source.readByKeys(keys)) } : {}),
          ...(step === "mark" ? { mark: (groups) => away(() => source.mark(groups)) } : {}),
        }),
        target: (target) => (step === "write" ? { write: (rows) => away(() => target.write(rows)) } : {}),
      });
      await settle(...many(5));
      await sink.drain();
      expect([step, await unprocessed(), (await records()).length, fatal]).toEqual([step, [], 5, []]);
    }
  });

  it("that another process owns now: what carries no fence is not marked", async () => {
    const taken = new QuerymillError("FENCED", "another process has taken over");
    const { sink, settle, fatal, unprocessed } = await openSink(2, { confirm: () => Promise.reject(taken) });
    await settle(failed(1, "deadLetter"), failed(2, "deadLetter"));
    await sink.drain();
    expect(fatal.map(({ reason, error }) => [reason, error.code])).toEqual([["fenced", "FENCED"]]);
    expect(await unprocessed()).toHaveLength(2);
    expect(sink.sunkSeq()).toBe(0);
  });

  it("that lasts too long ends it: drain returns, the reason is told once, nothing is claimed stored", async () => {
    const { sink, settle, fatal } = await openSink(1_200, {
      target: () => ({ write: () => awayFor(1)(async () => []) }),
      storeMs: -1,
    });
    await settle(...many(1_200));
    await sink.drain();
    expect(fatal.map(({ reason, error }) => [reason, error.code])).toEqual([["store", "STORE_FAILED"]]);
    expect(sink.sunkSeq()).toBe(0);
    await sink.room();
    await settle(classified(1));
    await sink.drain();
  });

  it("is not waited for any more once it was stopped", async () => {
    const { sink, settle, fatal, unprocessed } = await openSink(10, {
      target: () => ({ write: () => awayFor(1)(async () => []) }),
    });
    await settle(...many(10));
    const drained = sink.drain();
    sink.stop();
    await drained;
    expect([fatal, (await unprocessed()).length, sink.sunkSeq()]).toEqual([[], 10, 0]);
  });

  it("a higher fence in the target stops it at once, and its marks are left alone", async () => {
    const { sink, settle, target, fatal, unprocessed } = await openSink(2);
    await target.write([{ key: keyOf(1), record: recordWith({ fence: 9, category: "newer" }) }]);
    await settle(...many(2));
    await sink.drain();
    expect(fatal.map(({ reason, error }) => [reason, error.code])).toEqual([["fenced", "FENCED"]]);
    expect(await unprocessed()).toEqual([1, 2]);
    expect((await target.readByKeys([keyOf(1)]))[0]?.category).toBe("newer");
  });

  it("a disk that is full in the retry queue's file stops it, with the reason", async () => {
    const { sink, settle, fatal, disk } = await openSink(2);
    await settle(failed(1, "retryQueued"));
    disk.room = 10;
    await sink.drain();
    expect(fatal.map(({ reason }) => reason)).toEqual(["disk"]);
  });
});

describe("more than it takes in at once", () => {
  it("lets slots wait while the store is behind, and lets them go on", async () => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { sink, settle, records } = await openSink(6_000, {
      target: (target) => ({
        write: async (rows) => {
          await opened;
          return await target.write(rows);
        },
      }),
    });
    await settle(...many(6_000));
    let waiting = true;
    const room = sink.room().then(() => {
      waiting = false;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(waiting).toBe(true);
    open();
    await room;
    await sink.drain();
    expect(await records()).toHaveLength(6_000);
  });

  it("stores any number of outcomes that an earlier process left in the journal", async () => {
    const count = 4_500;
    const unsunk = Array.from({ length: count }, (_, at) => at + 1);
    const { sink, records, unprocessed, fatal } = await openSink(count, { unsunk });
    for (const seq of unsunk) {
      await sink.room();
      sink.push(seq, classified(seq));
    }
    await sink.drain();
    expect([(await records()).length, await unprocessed(), fatal]).toEqual([count, [], []]);
  });

  it("does not wait for outcomes that nobody brings", async () => {
    const { sink } = await openSink(1, { unsunk: [1, 2] });
    sink.push(2, classified(1));
    await sink.drain();
    expect(sink.sunkSeq()).toBe(0);
  });
});

it("keeps the store's documents as they are but for the marks", async () => {
  const { sink, settle, source } = await openSink(1);
  await settle(classified(1));
  await sink.drain();
  const [document] = (await source.readByKeys([keyOf(1)])) as [SourceDocument];
  expect(document).toEqual({
    _id: 1,
    text: textOf(1),
    processed: true,
    processedAt: expect.any(Date),
    processedBy: { job: "j", executionId: "x", outcome: "classified" },
  });
});
