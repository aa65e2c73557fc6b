import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ObjectId } from "mongodb";
import { describe, expect, it } from "vitest";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { loadContinuous } from "../../src/state/continuous-file.ts";
import { type Job, makeJob, STORES, type Started, textWith } from "../support/job.ts";
import { until } from "../support/patience.ts";

/** No poll comes to help. */
const NEVER = { mode: "continuous", intervalSeconds: 86_400 } as const;
const MARKS = ["source", "target"] as const;

describe.each(MARKS)("a change stream, with marks in the %s,", (markIn) => {
  const settings = { ...NEVER, ...(markIn === "target" ? { markIn } : {}) };

  it("wakes for inserts, also with ids that sort before the last one read, and for changes that make one unprocessed", async () => {
    const job = await makeJob("MongoDB");
    await job.seed(20, textWith, 100);
    const started = await job.start(settings);
    await classified(started, 20);
    await idle(started);
    const before = await job.seed(5, textWith, 1);
    await classified(started, 25);
    await idle(started);
    await job.seed(5, textWith, 900);
    await classified(started, 30);
    if (markIn === "source") {
      await job.unmark(before.slice(0, 2));
      await classified(started, 32);
      await job.put(before.slice(2, 3), (id) => `${textWith(id)} And where is my money?`);
      await classified(started, 33);
    }
    const { end, seen } = await stopped(started);
    expect(end).toMatchObject({ exitCode: 0, deadLetters: 0 });
    expect(seen["source:watch"]).toEqual([expect.objectContaining({ watching: true, reason: null })]);
    expect(await job.records().then(({ size }) => size)).toBe(30);
  });

  it("does not wake for what this run stores and marks", async () => {
    const job = await makeEmptyJob();
    const started = await job.start({ ...settings, concurrent: 50 });
    await idle(started);
    await job.seed(600);
    await classified(started, 600);
    await idle(started);
    const wakes = wakesOf(started);
    // What is told of comes in the order of the server: had there been a mark, it would come before this.
    await job.seed(1, textWith, 5_000);
    await classified(started, 601);
    expect(wakesOf(started).slice(wakes.length)).toEqual([[1, 0]]);
    expect(wakes.reduce((sum, [added]) => sum + added!, 0)).toBe(600);
    await stopped(started);
  });
});

describe("continuous mode over MongoDB", () => {
  it("reads a burst of single inserts in a few passes", async () => {
    const job = await makeEmptyJob();
    const started = await job.start({ ...NEVER, concurrent: 50 });
    await idle(started);
    for (let at = 0; at < 30; at += 1) await job.seed(20, textWith, 1 + at * 20);
    await classified(started, 600);
    const { seen } = await stopped(started);
    const { durationMs } = seen["execution:end"][0]!;
    expect(seen["execution:wait"].filter(({ reason }) => reason === "next poll").length).toBeLessThan(
      durationMs / 250 + 2,
    );
  });

  it("goes on from where it was told of changes, after a restart", async () => {
    const job = await makeJob("MongoDB");
    const settings = { ...NEVER, markIn: "target" } as const;
    const ids = await job.seed(3);
    const first = await job.start(settings);
    await classified(first, 3);
    await idle(first);
    await job.seed(1, textWith, 10);
    await classified(first, 4);
    await stopped(first);
    const kept = await stateOf(job);
    expect(kept).toMatchObject({ format: 1, job: "flow", lag: { ms: 0, sinceMs: null } });
    // Nobody watches now.
    await job.put(ids.slice(0, 1), (id) => `${textWith(id)} Anybody there?`);
    const second = await job.start(settings);
    await until(() => wakesOf(second).length > 0);
    expect(wakesOf(second)).toEqual([[0, 1]]);
    await stopped(second);
    expect((await stateOf(job)).resumeToken).not.toBe(kept.resumeToken);
  });

  it("is not woken when watching is switched off, and its poll finds what came", async () => {
    const job = await makeEmptyJob();
    const started = await job.start({ mode: "continuous", intervalSeconds: 1, watch: "off" });
    await idle(started);
    await job.seed(5);
    await classified(started, 5);
    const { seen } = await stopped(started);
    expect([seen["source:watch"], seen["source:wake"], started.execution.snapshot().watch]).toEqual([[], [], null]);
  });

  it("tells the age of the oldest unprocessed item by its ObjectId", async () => {
    const answer = Promise.withResolvers<null>();
    const job = await makeJob("MongoDB", { fail: () => answer.promise });
    const hourAgo = Math.floor(Date.now() / 1_000) - 3_600;
    await job.store.insert("conversation_set", [
      { _id: new ObjectId(), text: textWith("b") },
      { _id: ObjectId.createFromTime(hourAgo), text: textWith("a") },
    ]);
    const started = await job.start(NEVER);
    await until(() => started.execution.snapshot().lag.basis === "object-id");
    const { lag } = started.execution.snapshot();
    expect(lag.sinceMs).toBe(hourAgo * 1_000);
    expect(lag.ms).toBeGreaterThanOrEqual(3_600_000);
    answer.resolve(null);
    await until(() => started.execution.snapshot().lag.ms === 0);
    await stopped(started);
  });
});

describe.each(STORES)("continuous mode over %s", (store) => {
  it("works off a retry when it is due although the source is idle and no poll comes", async () => {
    const job = await makeJob(store, { fail: (_, attempt) => (attempt <= 2 ? "500" : null) });
    const ids = await job.seed(1);
    const started = await job.start({ ...NEVER, retry: { ...job.settings.retry, retries: 0, rounds: [300, 600] } });
    await until(() => started.seen["item:settled"].some(({ outcome }) => outcome === "classified"));
    expect(started.seen["item:settled"].map(({ outcome }) => outcome)).toEqual([
      "retryQueued",
      "retryQueued",
      "classified",
    ]);
    await stopped(started);
    expect(await job.counted(ids)).toEqual({ target: 1 });
  });

  it("tells since when it has known of unprocessed items whose ids tell no time", async () => {
    const answer = Promise.withResolvers<null>();
    const job = await makeJob(store, { fail: () => answer.promise });
    const beforeMs = Date.now();
    await job.seed(3);
    const started = await job.start({ ...NEVER, concurrent: 1 });
    await until(() => started.execution.snapshot().lag.basis === "first-seen");
    expect(started.execution.snapshot().lag.sinceMs).toBeGreaterThanOrEqual(beforeMs);
    await until(() => started.execution.snapshot().lag.ms! > 1_000);
    answer.resolve(null);
    await until(() => started.execution.snapshot().lag.ms === 0);
    await stopped(started);
  });
});

/** Its source exists, and nothing is in it. */
async function makeEmptyJob(): Promise<Job> {
  const job = await makeJob("MongoDB");
  await job.store.insert("conversation_set", []);
  return job;
}

async function stateOf({ settings: { batchDir, tenant, job } }: Job) {
  const { files, folder, identity } = new BatchFileManager(batchDir, { tenant, job });
  expect(await readFile(join(folder, "continuous.json"), "utf8")).toMatch(/^[0-9a-f]{8} 1 /);
  return (await loadContinuous(files, folder, identity))!;
}

/** Inserted and changed documents by wake-up. */
function wakesOf({ seen }: Started): number[][] {
  return seen["source:wake"].map(({ added, changed }) => [added, changed]);
}

async function classified({ seen }: Started, count: number): Promise<void> {
  await until(() => seen["item:settled"].length >= count);
}

/** Everything is stored, and it waits for its next poll or for somebody who wakes it. */
async function idle({ execution }: Started): Promise<void> {
  await until(() => {
    const { waiting, lag, watch } = execution.snapshot();
    return waiting?.reason === "next poll" && lag.ms === 0 && watch?.watching !== false;
  });
  // The pass that the beginning of the watch itself wakes.
  await delay(1_500);
}

async function stopped({ execution, ended }: Started) {
  execution.stop("stop-requested");
  return await ended;
}
