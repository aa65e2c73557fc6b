import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openMongoStore, openSqliteStore, type Store } from "../../src/index.ts";
import { MARK_FIELDS } from "../../src/job.ts";
import { runChild } from "../child.ts";
import { SOURCE, seedEmbedded } from "../items.ts";
import { leaveBehind } from "../leftover.ts";
import type { RecoveryRun } from "../runs/recovery.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { type Figure, figure, ratio } from "../statistics.ts";

const ITEMS = 1_000_000;
/** Of all items: journaled and not stored, in the larger case and in the smaller one. */
const SHARES = [0.1, 0.01] as const;
/** Items that a run may touch beside those it recovers. */
const ROOM = 1_000;

/** How soon a run works again after a death that left many outcomes journaled and not stored, and in how much memory. */
export const recovery: Scenario = {
  name: "recovery",
  what: "a start after a kill that left a tenth of all items journaled and not stored, against one that left a hundredth",
  quick: false,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const items = bench.options.items ?? ITEMS;
    const mongo = await bench.mongo();
    const overMongo = await bench.seeded(items, (db) =>
      measureStore(bench, "mongodb", items, { mongo: mongo.uri, db }),
    );
    const folder = await mkdtemp(join(tmpdir(), "querymill-bench-"));
    try {
      const sqlite = join(folder, "store.sqlite");
      await seedEmbedded(sqlite, items);
      return [...overMongo, ...(await measureStore(bench, "embedded", items, { sqlite }))];
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

type StorePlace = { readonly mongo: string; readonly db: string } | { readonly sqlite: string };

async function openStore(place: StorePlace): Promise<Store> {
  if ("sqlite" in place) return await openSqliteStore(place.sqlite);
  return await openMongoStore(place.mongo, place.db, { connectTimeoutMs: 5_000 });
}

async function measureStore(bench: Bench, name: string, items: number, store: StorePlace): Promise<readonly Figure[]> {
  const server = (await bench.modelServer()).origin;
  const counts = SHARES.map((share) => Math.ceil(items * share));
  let [from, runs] = [0, 0];
  const recover = (unsettled: number) => async () => {
    const batchDir = await mkdtemp(join(tmpdir(), "querymill-bench-"));
    try {
      runs += 1;
      // Each run is a job of its own on the next items, so that one filled source serves all rounds.
      const job = `recovery-${runs}`;
      const opened = await openStore(store);
      const source = opened.source({ collection: SOURCE, mark: MARK_FIELDS, filter: null, fields: ["channel"] });
      await leaveBehind({ batchDir, job, source, server, from, unsettled }).finally(() => opened.close());
      from += unsettled + ROOM;
      if (from > items) throw new Error(`${items} items are too few for ${bench.options.rounds} rounds`);
      const flags = { ...store, server, "batch-dir": batchDir, job, unsettled };
      const run = await runChild<RecoveryRun>("recovery", flags);
      if (run.recovered !== unsettled) throw new Error(`${run.recovered} of ${unsettled} items were recovered`);
      return run;
    } finally {
      await rm(batchDir, { recursive: true, force: true });
    }
  };
  const variants = Object.fromEntries(counts.map((count) => [`${name}, ${count} unsettled`, recover(count)]));
  const [many = [], few = []] = Object.values(await bench.interleave(variants));
  const of = (runs: readonly RecoveryRun[], field: keyof RecoveryRun): number[] => runs.map((run) => run[field]);
  const [large, small] = counts.map((count) => count.toLocaleString("en-US"));
  return [
    figure(`${name}: process start to first new work, ${large}`, "ms", of(many, "worksAgainMs")),
    figure(`${name}: process start to first new work, ${small}`, "ms", of(few, "worksAgainMs")),
    figure(`${name}: process start to all stored, ${large}`, "ms", of(many, "storedMs")),
    figure(`${name}: peak RSS, ${large}`, "MB", of(many, "peakRssMb")),
    ratio(`${name}: peak RSS, ${large} / ${small}`, of(many, "peakRssMb"), of(few, "peakRssMb")),
  ];
}
