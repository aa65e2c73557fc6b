// One pilot, the estimate from it, and the run of the rest in this process; prints one JSON line.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadSettings } from "../../src/config/load.ts";
import { dryRun } from "../../src/jobs/dry-run.ts";
import { PilotExecution, planPilot } from "../../src/jobs/pilot.ts";
import { chooseAdapters, prepareExecution } from "../../src/jobs/wiring.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import {
  BILLED_PRICE,
  billedDocuments,
  billedUsage,
  type Shape,
  SMALL_TAXONOMY,
} from "../../test/support/billed-data.ts";
import { startModelServer } from "../../test/support/model-server.ts";
import { SOURCE } from "../items.ts";

export interface EstimateRun {
  /** USD before anything was asked, from the texts alone. */
  readonly guess: { readonly from: number; readonly to: number };
  /** USD of the rest, by the pilot. */
  readonly estimate: { readonly from: number; readonly expected: number; readonly to: number };
  readonly timeMs: { readonly from: number; readonly expected: number; readonly to: number };
  readonly pilotUsd: number;
  /** USD that the rest has cost. */
  readonly billUsd: number;
  readonly durationMs: number;
}

const { values } = parseArgs({
  options: {
    shape: { type: "string" },
    items: { type: "string" },
    pilot: { type: "string", default: "100" },
    seed: { type: "string" },
    latency: { type: "string", default: "lognormal:60:400" },
    slots: { type: "string", default: "20" },
  },
});
const seed = Number(values.seed);
const shape = values.shape as Shape;
const folder = await mkdtemp(join(tmpdir(), "querymill-bench-"));
const server = await startModelServer({
  seed,
  latency: values.latency,
  usage: billedUsage(seed),
  faults: { "500": 0.01, malformed: 0.02, "content-filter": 0.005 },
});
try {
  const path = join(folder, "store.sqlite");
  const store = await openSqliteStore(path);
  await store.insert(SOURCE, billedDocuments(shape, Number(values.items), seed));
  await store.close();
  await writeFile(join(folder, "small.yaml"), SMALL_TAXONOMY);
  const { settings } = await loadSettings({
    flags: {
      store: path,
      batchDir: join(folder, "state"),
      job: "bench",
      model: "drawn-1",
      baseUrl: server.baseUrl,
      concurrent: values.slots,
      wait: false,
      ...(shape === "even" ? {} : { taxonomy: join(folder, "small.yaml") }),
    },
    env: {},
    cwd: folder,
    config: { prices: { "drawn-1": BILLED_PRICE }, retry: { baseDelayMs: 20 } },
  });
  const adapters = await chooseAdapters(settings);
  const guess = await dryRun(settings, adapters);
  const plan = await planPilot(settings, adapters, Number(values.pilot), Math.random);
  const pilot = new PilotExecution(settings, adapters, plan);
  const { costUsd: pilotUsd } = await pilot.execution.run();
  await pilot.remember();
  const estimate = await dryRun(settings, adapters);
  const { costUsd: billUsd, durationMs } = await (await prepareExecution(settings)).run();
  const report: EstimateRun = {
    guess: guess.costUsd!,
    estimate: estimate.costUsd!,
    timeMs: estimate.durationMs!,
    pilotUsd: pilotUsd!,
    billUsd: billUsd!,
    durationMs,
  };
  console.log(JSON.stringify(report));
} finally {
  await server.close();
  await rm(folder, { recursive: true, force: true });
}
