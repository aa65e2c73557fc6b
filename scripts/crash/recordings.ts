import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClocks } from "../../src/clocks.ts";
import { loadSettings } from "../../src/config/load.ts";
import { contentHashOf, keyOf } from "../../src/item.ts";
import type { JobSettings } from "../../src/job.ts";
import { JobExecution } from "../../src/jobs/job-execution.ts";
import { chooseAdapters } from "../../src/jobs/wiring.ts";
import { applySettlement, EMPTY_JOB_STATE, NO_SPEND, type Settlement } from "../../src/outcome.ts";
import type { ClassificationRecord } from "../../src/record.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { Journal } from "../../src/state/journal.ts";
import type { Source, Store } from "../../src/store.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { uniform } from "../../test/support/model-draw.ts";
import { startModelServer } from "../../test/support/model-server.ts";
import { RecordingDisk, type Step } from "./disk.ts";
import { JOB, SOURCE } from "./judge.ts";
import { writeConfig } from "./kills.ts";
import type { Fact } from "./states.ts";

/**
 * A job as people run it, on the embedded store: two executions that die, one that recovers and ends, one that finds
 * new items, and one that works on the dead letters again.
 */
export async function recordJob(seed: number): Promise<Step<Fact>[]> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-states-"));
  const server = await startModelServer({
    latency: "lognormal:3:20",
    fail: (id, attempt) => (id.endsWith("7") ? "refusal" : id.endsWith("3") && attempt <= 2 ? "503" : null),
  });
  const store = await openSqliteStore(join(folder, "store.sqlite"));
  const disk = new RecordingDisk<Fact>(folder);
  const run = async (flags: Record<string, unknown>, changes: number, more: Partial<JobSettings> = {}) => {
    disk.changesLeft = changes;
    const { settings } = await loadSettings({ flags: { ...base, ...flags }, env: {}, cwd: folder });
    const adapters = await chooseAdapters(settings);
    const watched = { ...adapters, openStore: async () => watchMarks(await adapters.openStore(), disk) };
    const execution = new JobExecution({ ...settings, ...more }, watched, systemClocks, disk.files);
    execution.events.on("item:settled", ({ key, outcome }) => disk.say({ kind: "acknowledged", key, outcome }));
    await execution.run();
  };
  const base = {
    ...{ store: join(folder, "store.sqlite"), batchDir: join(folder, "state"), job: JOB },
    ...{ model: "drawn-1", baseUrl: server.baseUrl, concurrent: "6", batchSize: "5", checkpointInterval: "8" },
  };
  const seedItems = (first: number, count: number): Promise<void> =>
    store.insert(
      SOURCE,
      Array.from({ length: count }, (_, at) => `q${String(first + at).padStart(3, "0")}`).map((_id) =>
        _id.endsWith("9") ? { _id } : { _id, text: `[doc:${_id}] Where is parcel ${_id}?` },
      ),
    );
  try {
    await writeConfig(folder);
    await seedItems(1, 60);
    const life = (number: number): number => 60 + Math.floor(uniform(`${seed}/${number}`, 41) * 120);
    await run({}, life(1)).catch(() => {});
    await run({ recover: true }, life(2)).catch(() => {});
    await run({ recover: true }, Number.POSITIVE_INFINITY);
    await seedItems(61, 15);
    await run({}, Number.POSITIVE_INFINITY);
    await run({}, Number.POSITIVE_INFINITY, { retryOnly: {} });
    return disk.steps;
  } finally {
    await store.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The journal and the checkpoints alone, with records large enough to tear and to fill segments. */
export async function recordLargeRecords(): Promise<Step<Fact>[]> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-states-"));
  const disk = new RecordingDisk<Fact>(folder);
  const manager = new BatchFileManager(join(folder, "state"), { job: JOB }, disk.files);
  try {
    await manager.open();
    let state = EMPTY_JOB_STATE;
    const journal = await Journal.open(disk.files, manager.journalFolder, manager.identity, () => state, {
      seq: 0,
      segments: new Map(),
    });
    let appliedSeq = 0;
    let generation = 1;
    const save = async (sunkSeq: number): Promise<void> => {
      await manager.saveCheckpoint({
        ...CHECKPOINT,
        ...manager.identity,
        generation,
        state,
        stateSeq: appliedSeq,
        sunkSeq,
      });
      generation += 1;
      await journal.release(sunkSeq);
    };
    await save(0);
    for (let group = 0; group < 12; group += 1) {
      const settlements = Array.from({ length: 5 }, (_, at) => largeSettlement(group * 5 + at));
      const seqs = await Promise.all(
        settlements.map(async (settlement) => {
          journal.note({ kind: "start", key: settlement.key });
          const seq = await journal.append({ kind: "settled", settlement });
          state = applySettlement(state, settlement);
          appliedSeq = seq;
          disk.say({ kind: "acknowledged", key: settlement.key, outcome: settlement.outcome });
          return seq;
        }),
      );
      if (group % 3 !== 2) continue;
      disk.say({ kind: "marked", keys: settlements.map(({ key }) => key) });
      journal.note({ kind: "sunk", seqs: [[Math.min(...seqs), Math.max(...seqs)]] });
      if (group % 6 === 5) {
        disk.say({ kind: "marked", keys: Array.from({ length: (group + 1) * 5 }, (_, at) => keyOf(`large-${at}`)) });
        await save(Math.max(...seqs));
      }
    }
    await journal.close();
    await manager.close();
    return disk.steps;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Says which items source and store have for good. */
function watchMarks(store: Store, disk: RecordingDisk<Fact>): Store {
  const watchSource = (source: Source): Source =>
    new Proxy(source, {
      get(inner, name) {
        const value: unknown = Reflect.get(inner, name, inner);
        if (typeof value !== "function") return value;
        if (name !== "mark") return value.bind(inner);
        return async (groups: Parameters<Source["mark"]>[0]) => {
          await inner.mark(groups);
          disk.say({ kind: "marked", keys: groups.flatMap(({ keys }) => keys) });
        };
      },
    });
  return new Proxy(store, {
    get(inner, name) {
      const value: unknown = Reflect.get(inner, name, inner);
      if (typeof value !== "function") return value;
      if (name !== "source") return value.bind(inner);
      return (options: Parameters<Store["source"]>[0]) => watchSource(inner.source(options));
    },
  });
}

function largeSettlement(number: number): Settlement {
  const id = `large-${number}`;
  const summary = `${number} `.repeat(50_000).slice(0, 200_000);
  return {
    outcome: "classified",
    // What the journal keeps of a record, it does not look into.
    record: { summary, contentHash: contentHashOf(id) } as ClassificationRecord,
    key: keyOf(id),
    origin: "source",
    contentHash: contentHashOf(id),
    attempts: 1,
    spend: { ...NO_SPEND, calls: 1, costUsd: 0.25 },
    executionId: "large",
    atMs: Date.UTC(2026, 10, 24),
  };
}

const CHECKPOINT = {
  format: 1,
  executionId: "large",
  status: "running",
  fingerprint: { taxonomy: "t", prompt: "p", model: "m", mapping: "a", mark: "b" },
  cursor: null,
  settled: 0,
  suspects: {},
  startedAt: "2026-11-24T00:00:00.000Z",
  savedAt: "2026-11-24T00:00:00.000Z",
  lastEnd: null,
} as const;
