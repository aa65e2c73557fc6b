import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { MARK_FIELDS } from "../../src/job.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import type { CliEvent } from "../../test/support/cli.ts";
import { startReplicaSet } from "../../test/support/replica-set.ts";
import { Arrivals } from "./arrivals.ts";
import { chart, type Point } from "./chart.ts";
import { type Struck, strike } from "./faults.ts";
import { Job } from "./job.ts";
import { Provider } from "./provider.ts";
import { Receiver } from "./receiver.ts";
import type { SoakReport } from "./report.ts";
import { slopeOf } from "./slope.ts";
import { statusOf } from "./status.ts";
import { Acknowledged, judge } from "./verdict.ts";

export interface SoakOptions {
  readonly folder: string;
  readonly minutes: number;
  readonly seed: string;
  readonly perSecond: number;
  readonly faultEveryMs: number;
  readonly say: (line: string) => void;
}

const DB = "soak";
const MB = 1024 * 1024;
/** Until code is compiled and caches are full, memory grows: this share of the time is no part of the slope. */
const WARM_UP = 1 / 3;
/** Everything has to be settled within this after the last fault, in ms. */
const SETTLE_MS = 180_000;
const SAMPLE_MS = 1_000;

/** One soak from the first arrival until everything is settled. @returns the report, and its graph as SVG */
export async function runSoak(options: SoakOptions): Promise<{ report: SoakReport; svg: string }> {
  const { seed, perSecond, minutes, say } = options;
  const set = await startReplicaSet();
  const client = await new MongoClient(set.uri).connect();
  const provider = new Provider(seed);
  const receiver = new Receiver();
  await provider.open();
  const webhookUrl = await receiver.open();
  const badEnds: string[] = [];
  const made: Record<string, number> = {};
  const madeIds = new Set<string>();
  const settledAt: number[] = [];
  const jobs = ["restarted", "steady"].map((name) => {
    const acknowledged = new Acknowledged();
    const onEvent = (event: CliEvent): void => {
      acknowledged.take(event);
      if (event.event === "item:settled") settledAt.push(Date.parse(event.time as string));
      if (event.event === "notification:made" && !madeIds.has(event.id as string)) {
        madeIds.add(event.id as string);
        made[`${event.rule} ${event.state}`] = (made[`${event.rule} ${event.state}`] ?? 0) + 1;
      }
    };
    const job = new Job({
      name,
      folder: join(options.folder, name),
      storeUri: set.uri,
      db: DB,
      collection: name,
      modelUrl: provider.baseUrl,
      webhookUrl,
      probed: name === "steady",
      onEvent,
      onBadEnd: (what) => {
        badEnds.push(what);
        say(`not expected: ${what}`);
      },
    });
    const arrivals = new Arrivals(client, { db: DB, collection: name }, perSecond, `${seed}/${name}`);
    return { job, arrivals, acknowledged };
  });
  const [restarted, steady] = jobs.map(({ job }) => job) as [Job, Job];
  const faults: Struck[] = [];
  const lags: Point[] = [];
  try {
    const over = new AbortController();
    for (const { arrivals } of jobs) arrivals.start();
    await Promise.all(jobs.map(({ arrivals }) => until(async () => arrivals.conversations.size > 0, 30_000)));
    for (const { job } of jobs) await job.start();
    const beganMs = Date.now();
    const sampling = sample(steady, lags, over.signal);
    await delay(Math.min(10_000, options.faultEveryMs));
    const troubles = new AbortController();
    setTimeout(() => troubles.abort(), Math.max(0, minutes * 60_000 - (Date.now() - beganMs)));
    const progress = setInterval(() => {
      const arrived = jobs.map(({ arrivals }) => arrivals.conversations.size);
      say(
        `${((Date.now() - beganMs) / 60_000).toFixed(1)} min: ${arrived.join(" + ")} arrived, ${settledAt.length} settled, ${faults.length} faults, lag ${lags.at(-1)?.y.toFixed(1)} s`,
      );
    }, 60_000);
    await strike(
      { set, provider, receiver, restarted, steady },
      {
        everyMs: options.faultEveryMs,
        seed,
        signal: troubles.signal,
        tell: (struck) => {
          faults.push(struck);
        },
      },
    );
    clearInterval(progress);
    const heap = await steady.heapSamples();
    for (const { arrivals } of jobs) await arrivals.stop();
    const quietMs = Date.now();
    await set.whole();
    for (const { job } of jobs)
      if (!(await until(() => isSettled(client, job), SETTLE_MS)))
        badEnds.push(`${job.options.name} was not settled in time`);
    const settledAfterS = (Date.now() - quietMs) / 1_000;
    const delivered = (): boolean => [...madeIds].every((id) => receiver.arrived.has(id));
    await until(async () => delivered(), 60_000);
    over.abort();
    await sampling;
    let retriesLeft = 0;
    for (const { job } of jobs) {
      const end = await job.stop();
      if (end !== null && end.code !== 0)
        badEnds.push(`${job.options.name}: the end gave exit ${end.code}: ${end.stderr.slice(-500)}`);
      retriesLeft += await dueRetries(job);
    }
    const verdicts = [];
    for (const { job, arrivals, acknowledged } of jobs)
      verdicts.push(await judge(client, job, arrivals, provider, acknowledged));
    const arrived: Record<string, number> = {};
    for (const { rule, state } of receiver.arrived.values())
      arrived[`${rule} ${state}`] = (arrived[`${rule} ${state}`] ?? 0) + 1;
    const warm = heap.filter(({ atMs }) => atMs - beganMs > minutes * 60_000 * WARM_UP);
    const sortedLags = lags.map(({ y }) => y * 1_000).toSorted((a, b) => a - b);
    const report: SoakReport = {
      minutes,
      seed,
      perSecond,
      faults: countBy(faults.map(({ name }) => name)),
      verdicts,
      modelCalls: provider.calls,
      liveHeap: slopeOf(warm.map(({ atMs, heapUsed, external }) => ({ atMs, y: (heapUsed + external) / MB }))),
      rss: slopeOf(warm.map(({ atMs, rss }) => ({ atMs, y: rss / MB }))),
      code: slopeOf(warm.map(({ atMs, code }) => ({ atMs, y: code / MB }))),
      liveHeapMb: { first: (warm[0]?.heapUsed ?? 0) / MB, last: (warm.at(-1)?.heapUsed ?? 0) / MB },
      lag: {
        p50Ms: quantile(sortedLags, 0.5),
        p99Ms: quantile(sortedLags, 0.99),
        maxMs: sortedLags.at(-1) ?? 0,
      },
      settledAfterS,
      retriesLeft,
      notifications: {
        made,
        arrived,
        lost: [...madeIds].filter((id) => !receiver.arrived.has(id)).length,
        again: [...receiver.arrived.values()].filter(({ times }) => times > 1).length,
        refusedMeanwhile: receiver.refused,
      },
      badEnds,
    };
    const svg = chart(
      [
        {
          title: "Memory of the process that was not restarted",
          unit: "MB",
          lines: [
            { name: "resident", colour: "#9a9ab0", points: heap.map(({ atMs, rss }) => ({ atMs, y: rss / MB })) },
            {
              name: "alive after a full collection",
              colour: "#4b3fd1",
              points: heap.map(({ atMs, heapUsed, external }) => ({ atMs, y: (heapUsed + external) / MB })),
            },
          ],
        },
        {
          title: "Lag: age of the oldest unprocessed item",
          unit: "s",
          lines: [{ name: "steady job", colour: "#c2410c", points: lags }],
        },
        {
          title: "Rate",
          unit: "items/s",
          lines: [{ name: "both jobs, settled", colour: "#047857", points: perSeconds(settledAt, 5_000) }],
        },
      ],
      faults,
    );
    return { report, svg };
  } finally {
    for (const { job, arrivals } of jobs) {
      await arrivals.stop();
      await job.stop();
    }
    await client.close();
    await provider.close();
    await receiver.close();
    await set.stop();
  }
}

async function sample(job: Job, lags: Point[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const status = await statusOf(job);
    if (status !== null && status.lagMs !== null) lags.push({ atMs: Date.now(), y: status.lagMs / 1_000 });
    await delay(SAMPLE_MS, undefined, { signal }).catch(() => {});
  }
}

/** Everything that arrived is marked, and nothing waits in the retry queue. */
async function isSettled(client: MongoClient, job: Job): Promise<boolean> {
  const { db, collection, name } = job.options;
  const open = await client
    .db(db)
    .collection(collection)
    .countDocuments({ [MARK_FIELDS.processed]: null })
    .catch(() => 1);
  if (open > 0) return false;
  const { retryQueue } = new BatchFileManager(job.batchDir, { job: name });
  await retryQueue.open({ readOnly: true });
  return retryQueue.size === 0;
}

async function dueRetries(job: Job): Promise<number> {
  const { retryQueue } = new BatchFileManager(job.batchDir, { job: job.options.name });
  await retryQueue.open({ readOnly: true });
  return retryQueue.list().filter(({ dueMs }) => dueMs <= Date.now()).length;
}

async function until(look: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  const startedMs = performance.now();
  while (performance.now() - startedMs < withinMs) {
    if (await look()) return true;
    await delay(250);
  }
  return false;
}

function perSeconds(times: readonly number[], everyMs: number): Point[] {
  const groups = Map.groupBy(times, (atMs) => Math.floor(atMs / everyMs));
  const indices = [...groups.keys()];
  const points: Point[] = [];
  for (let at = Math.min(...indices); at <= Math.max(...indices); at += 1)
    points.push({ atMs: at * everyMs, y: ((groups.get(at)?.length ?? 0) * 1_000) / everyMs });
  return points;
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
