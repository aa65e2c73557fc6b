import { rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import type { OptionKey } from "../config/schema.ts";
import { historyOf } from "../history.ts";
import type { JobSettings } from "../job.ts";
import { LeaseKeeper } from "../jobs/lease-keeper.ts";
import { openStore, prepareExecution } from "../jobs/wiring.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { openStateFolder } from "../state/files.ts";
import { OwnerLock } from "../state/owner.ts";
import type { Page, Store } from "../store.ts";
import type { StayingDashboard } from "./companion.ts";
import { untilStopped } from "./dashboard.ts";
import { loadDemo } from "./demo-job.ts";
import { DEMO_DOCUMENTS } from "./demo-queries.ts";
import { demoFlagsOf } from "./job-command.ts";
import { addOptions, makeCommand, retype } from "./options.ts";
import { besideOf, supervise } from "./supervise.ts";

const DEMO_OPTIONS: readonly OptionKey[] = [
  "store",
  "db",
  "model",
  "baseUrl",
  "taxonomy",
  "concurrent",
  "batchSize",
  "limits.requestsPerMinute",
  "retry.retries",
  "limit",
  "budget.usd",
  "batchDir",
  "wait",
  "dashboard.listen",
  "json",
  "quiet",
  "logLevel",
  "logFile",
];
/** Files of the demo's state that outlive a fresh start: who owns the folder, and the lock that is held meanwhile. */
const KEPT = new Set(["owner-id", "owner.lock"]);

/** `querymill demo`: the main job on sample queries, afresh each time. */
export function demoCommand(): Command {
  const command = makeCommand(
    "demo",
    "Classifies about 300 sample queries, afresh each time: no key, no network, nothing of yours is touched. --store, --model and --base-url take it to a real MongoDB and a real model.",
    `querymill demo
querymill demo --store mongodb://localhost --model openai/gpt-5-mini --budget 1`,
  );
  return addOptions(command, DEMO_OPTIONS).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await demo(flags);
  });
}

async function demo(flags: Record<string, unknown>): Promise<number> {
  const { settings, output, notes, service } = await loadDemo(flags);
  const manager = new BatchFileManager(settings.batchDir, settings);
  await openStateFolder(manager.files, manager.folder);
  const executionId = "demo-start";
  const owner = { pid: process.pid, host: hostname(), executionId, since: new Date().toISOString() };
  const lock = OwnerLock.take(manager.folder, owner, settings.job);
  let store: Store;
  try {
    store = await openStore(settings);
    try {
      const lease = await LeaseKeeper.take(store.lease, settings.targetCollection, manager, {
        job: settings.job,
        executionId,
      });
      await startAfresh(manager, store, settings);
      await lease.release();
    } catch (error) {
      await store.close();
      throw error;
    }
  } finally {
    lock.release();
  }
  try {
    let dashboard: StayingDashboard | null = null;
    const code = await supervise(await prepareExecution(settings, { store }), {
      settings,
      output,
      service: besideOf(service),
      stays: (staying) => {
        dashboard = staying;
      },
      notes,
      jobFlags: demoFlagsOf(flags),
      modelFlags: retype(flags, ["model", "baseUrl", "taxonomy"]),
      again: `querymill demo ${retype(flags, DEMO_OPTIONS)}`.trimEnd(),
      afterwards: [
        ...(flags.dashboard === undefined
          ? [{ command: "querymill demo --dashboard --rpm 120", does: "the same on a page, slowly enough to watch" }]
          : []),
        { command: "querymill run --help", does: "the same for your own queries" },
      ],
      needsReview: () => countUnsure(store, settings),
      summaryAlways: !output.json && !output.quiet,
    });
    await stay(dashboard);
    return code;
  } finally {
    await store.close();
  }
}

/** A demo is over in a moment, and its page is worth more than that. */
async function stay(dashboard: StayingDashboard | null): Promise<void> {
  if (dashboard === null) return;
  process.stderr.write(`The dashboard stays open at ${dashboard.url}. Ctrl-C closes it.\n`);
  await untilStopped();
  await dashboard.close();
}

async function countUnsure(store: Store, { targetCollection }: JobSettings): Promise<number> {
  const target = store.target(targetCollection);
  let unsure = 0;
  for (let after: string | null = null, last = false; !last; ) {
    const page: Page = await target.readAll(after, 500);
    unsure += page.documents.filter(({ needsReview }) => needsReview === true).length;
    after = page.cursor;
    last = page.last;
  }
  return unsure;
}

async function startAfresh(manager: BatchFileManager, store: Store, settings: JobSettings): Promise<void> {
  const { sourceCollection, targetCollection } = settings;
  for (const name of await manager.files.list(manager.folder))
    if (!KEPT.has(name)) await rm(join(manager.folder, name), { recursive: true, force: true });
  await store.drop(targetCollection);
  await store.drop(historyOf(targetCollection));
  await store.drop(sourceCollection);
  await store.insert(sourceCollection, DEMO_DOCUMENTS);
}
