import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClocks } from "../../src/clocks.ts";
import { Events, type RunSnapshot } from "../../src/events.ts";
import { prepareExecution } from "../../src/jobs/wiring.ts";
import type { ModelProvider } from "../../src/llm/provider.ts";
import { liveness, readiness } from "../../src/observe/health.ts";
import { HealthWatch } from "../../src/observe/health-watch.ts";
import { makeSnapshot } from "../cli/made-up-run.ts";
import { handAnswered } from "../support/hand-answered.ts";
import { makeJob } from "../support/job.ts";

const deadlines = { attemptMs: 60_000, itemMs: 600_000, idleMs: 120_000 };
const HOUR_MS = 3_600_000;
const [open] = makeSnapshot().endpoints;
const resting = { ...open!, state: "resting", pauseReason: "half of the last 50 calls failed" } as const;
const busy = makeSnapshot({ oldestInFlightMs: 30_000, endpoints: [open!] });
const live = (changes: Partial<RunSnapshot>, quietMs = 0) =>
  liveness({ snapshot: { ...busy, ...changes }, quietMs, deadlines });
const ready = (changes: Partial<RunSnapshot>, freeBytes: number | null = 1e12) =>
  readiness({ snapshot: { ...busy, ...changes }, quietMs: 0, deadlines }, freeBytes);
const waiting = (reason: string) => ({ state: "waiting", waiting: { reason, untilMs: null, items: 0 } }) as const;

describe("whether a process hangs", () => {
  it("does, when a call outlives its deadline or items in flight do nothing with nothing to wait for", () => {
    expect(live({}).ok).toBe(true);
    expect(live({ oldestInFlightMs: 124_000 }).ok).toBe(true);
    expect(live({ oldestInFlightMs: 130_000 }).reasons[0]).toContain("in flight for 130 s");
    expect(live({}, 721_000).reasons[0]).toContain("nothing has happened for 721 s");
  });

  it("does not while something else is away, however long", () => {
    expect(live(waiting("the store does not answer"), HOUR_MS).ok).toBe(true);
    expect(live({ endpoints: [resting] }, HOUR_MS).ok).toBe(true);
    expect(live({ held: "the store has not confirmed the lease" }, HOUR_MS).ok).toBe(true);
    expect(live({ backoff: { ...busy.backoff, count: busy.counters.inFlight } }, HOUR_MS).ok).toBe(true);
    expect(live(waiting("next poll"), HOUR_MS).ok).toBe(true);
    expect(live({ state: "paused" }, HOUR_MS).ok).toBe(true);
    expect(live({ counters: { ...busy.counters, inFlight: 0 } }, HOUR_MS).ok).toBe(true);
  });

  it("does not right after an hour in which there was something to wait for", () => {
    const atWork = { ...busy, oldestInFlightMs: null };
    const away: Partial<RunSnapshot>[] = [{ state: "paused" }, { held: "the store is late" }, { endpoints: [resting] }];
    for (const wait of away) {
      let [nowMs, snapshot] = [0, { ...atWork, ...wait }];
      const watch = new HealthWatch({ events: new Events(), snapshot: () => snapshot }, deadlines, "/", () => nowMs);
      for (; nowMs < HOUR_MS; nowMs += 10_000) expect(watch.live().ok).toBe(true);
      snapshot = atWork;
      expect(watch.live().ok).toBe(true);
      nowMs += deadlines.itemMs + deadlines.idleMs + 20_000;
      expect(watch.live()).toMatchObject({ ok: false, status: "hung" });
    }
  });
});

describe("whether a process can work now", () => {
  it("cannot before it runs, when it ends, and without store, lease, endpoint or disk; it says why", () => {
    expect(ready({})).toEqual({ ok: true, reasons: [] });
    for (const state of ["starting", "recovering", "draining", "ended"] as const)
      expect(ready({ state }).ok, state).toBe(false);
    expect(ready(waiting("the store does not answer: connection refused")).reasons).toEqual([
      "It waits: the store does not answer: connection refused.",
    ]);
    expect(ready({ ...waiting("MongoDB at h cannot be reached."), state: "starting" }).reasons).toEqual([
      "It is starting. It waits: MongoDB at h cannot be reached.",
    ]);
    expect(ready({ held: "the store has not confirmed the lease" }).reasons[0]).toContain("lease");
    expect(ready({ endpoints: [resting, { ...open!, name: "us" }] }).ok).toBe(true);
    expect(ready({ endpoints: [resting] }).reasons[0]).toContain("main is resting (half of the last 50 calls failed)");
    expect(ready({}, 3_000_000).reasons[0]).toContain("2.9 MB left");
    expect(ready({}, null).ok).toBe(true);
  });

  it("can while it waits for work, or for the next scheduled time", () => {
    expect(ready(waiting("next poll")).ok).toBe(true);
    expect(ready(waiting("retry queues")).ok).toBe(true);
    expect(ready({ mode: "scheduled", endpoints: [resting], ...waiting("next scheduled time") }).ok).toBe(true);
  });
});

it("finds a call that nothing gives up, in a real run, and calls it what it is", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(2);
  const called = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<never>();
  const provider: ModelProvider = {
    ...handAnswered().endpoint.provider,
    remote: true,
    check: async () => {},
    close: async () => {},
    call: () => {
      called.resolve();
      return answer.promise;
    },
  };
  const settings = { ...job.settings, deadlines: { ...job.settings.deadlines, attemptMs: 50 } };
  const execution = await prepareExecution(settings, { provider });
  const watch = new HealthWatch(execution, settings.deadlines, settings.batchDir, systemClocks.steadyNow);
  expect(watch.live()).toMatchObject({ ok: true, status: "ok", state: "starting" });
  expect(await watch.ready()).toMatchObject({ ok: false, status: "not ready", reasons: ["It is starting."] });
  const ended = execution.run();
  await called.promise;
  await expect.poll(() => watch.live()).toMatchObject({ ok: false, status: "hung" });
  expect(watch.live().reasons[0]).toMatch(/in flight for \d+ s; it should have been given up after 0 s/);
  execution.abort();
  answer.reject(new Error("let go"));
  await ended.catch(() => {});
});

it("is not ready while the store is away, and ready again when it is back", async () => {
  const { startMongod } = await import("../support/mongod.ts");
  const mongod = await startMongod("standalone");
  let stopped = false;
  onTestFinished(async () => {
    if (stopped) process.kill(mongod.pid, "SIGCONT");
    await mongod.stop();
  });
  const job = await makeJob("the embedded store");
  const batchDir = await mkdtemp(join(tmpdir(), "querymill-health-"));
  const settings = { ...job.settings, storeUri: mongod.uri, db: "health", batchDir, mode: "continuous" as const };
  const { MongoClient } = await import("mongodb");
  const client = await new MongoClient(mongod.uri).connect();
  await client
    .db("health")
    .collection<{ _id: string; text: string }>("conversation_set")
    .insertOne({ _id: "a", text: "late" });
  await client.close();
  const execution = await prepareExecution({ ...settings, sourceCollection: "conversation_set" });
  const watch = new HealthWatch(execution, settings.deadlines, batchDir, systemClocks.steadyNow);
  const ended = execution.run();
  await expect.poll(() => watch.ready()).toMatchObject({ ok: true });
  process.kill(mongod.pid, "SIGSTOP");
  stopped = true;
  const away = /store/;
  await expect.poll(async () => (await watch.ready()).reasons.join(" ")).toMatch(away);
  expect(watch.live()).toMatchObject({ ok: true });
  process.kill(mongod.pid, "SIGCONT");
  stopped = false;
  await expect.poll(() => watch.ready()).toMatchObject({ ok: true });
  execution.stop("stop-requested");
  await ended;
  expect(await watch.ready()).toMatchObject({ ok: false });
  await delay(0);
});
