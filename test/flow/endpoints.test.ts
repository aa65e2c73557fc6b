import { afterEach, describe, expect, it, vi } from "vitest";
import type { EndpointSettings, JobSettings } from "../../src/job.ts";
import { NO_LIMITS } from "../../src/rate-limits.ts";
import { type Job, makeJob } from "../support/job.ts";
import { type ModelServer, type ModelServerOptions, startModelServer } from "../support/model-server.ts";
import { PATIENT } from "../support/patience.ts";

const STORE = "the embedded store";
const servers: ModelServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close().catch(() => {});
});

async function openServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  const server = await startModelServer(options);
  servers.push(server);
  return server;
}

function endpointAt(
  { settings }: Job,
  name: string,
  { baseUrl }: Pick<ModelServer, "baseUrl">,
  changes: Partial<EndpointSettings> = {},
): EndpointSettings {
  return {
    name,
    model: { ...settings.model, baseUrl },
    weight: 1,
    concurrent: null,
    limits: NO_LIMITS,
    fallback: 0,
    ...changes,
  };
}

/** A job with the job's own server as `a` and another as `b`. */
async function makeTwo(
  first: ModelServerOptions,
  second: ModelServerOptions,
  changes: { a?: Partial<EndpointSettings>; b?: Partial<EndpointSettings> } = {},
) {
  const job = await makeJob(STORE, first);
  const other = await openServer(second);
  const endpoints = [endpointAt(job, "a", job.server, changes.a), endpointAt(job, "b", other, changes.b)];
  const run = (settings: Partial<JobSettings> = {}) => job.run({ concurrent: 20, endpoints, ...settings });
  return { job, other, endpoints, run };
}

async function answeredBy(job: Job): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { endpoint } of (await job.records()).values())
    counts[String(endpoint)] = (counts[String(endpoint)] ?? 0) + 1;
  return counts;
}

describe("two endpoints of one model", () => {
  it("share the items, each answered once", async () => {
    const { job, other, run } = await makeTwo({ latency: "fixed:20" }, { latency: "fixed:20" });
    const ids = await job.seed(200);
    const { end } = await run();
    expect(end).toMatchObject({ exitCode: 0, classified: 200, modelCalls: 200 });
    expect(await job.counted(ids)).toEqual({ target: 200 });
    const { a = 0, b = 0 } = await answeredBy(job);
    expect(a + b).toBe(200);
    expect(Math.min(a, b)).toBeGreaterThan(40);
    expect(job.server.ledger().ok + other.ledger().ok).toBe(200);
  });

  it("share them by their weights when told so", async () => {
    const { job, run } = await makeTwo({ latency: "fixed:5" }, { latency: "fixed:5" }, { a: { weight: 3 } });
    await job.seed(200);
    await run({ balance: "weight", concurrent: 4 });
    const { a = 0, b = 0 } = await answeredBy(job);
    expect(a / (a + b)).toBeGreaterThan(0.7);
    expect(a / (a + b)).toBeLessThan(0.8);
  });

  it("send them to the cheaper one when told so", async () => {
    const dear = { provider: "openai-compatible", name: "dear", baseUrl: null, apiKey: null };
    const { job, other, endpoints, run } = await makeTwo({ latency: "fixed:5" }, { latency: "fixed:5" });
    await job.seed(60);
    const [a, b] = endpoints as [EndpointSettings, EndpointSettings];
    const { end } = await run({
      balance: "cost",
      concurrent: 4,
      endpoints: [{ ...a, model: { ...dear, baseUrl: job.server.baseUrl } }, b],
      prices: { ...job.settings.prices, dear: { input: 9_000, output: 9_000 } },
    });
    expect(end.classified).toBe(60);
    expect(other.ledger().ok).toBe(60);
  });

  it("lose no item when one goes away in the middle, and use it again when it is back", async () => {
    const { job, other, endpoints } = await makeTwo({ latency: "fixed:60" }, { latency: "fixed:60" });
    const ids = await job.seed(1_600);
    const port = Number(new URL(other.baseUrl).port);
    const { execution, ended } = await job.start({ concurrent: 10, endpoints });
    await vi.waitFor(() => expect(other.ledger().ok).toBeGreaterThan(50), { ...PATIENT, interval: 5 });
    await other.close();
    await vi.waitFor(() => expect(execution.snapshot().endpoints[1]!.state).toBe("resting"), PATIENT);
    const again = await openServer({ port, latency: "fixed:60" });
    const { end, seen } = await ended;
    expect(end).toMatchObject({ exitCode: 0, classified: 1_600, retryQueued: 0, deadLetters: 0 });
    expect(await job.counted(ids)).toEqual({ target: 1_600 });
    expect(seen["endpoint:pause"].every(({ endpoint }) => endpoint === "b")).toBe(true);
    expect(seen["endpoint:resume"]).toMatchObject([{ endpoint: "b" }]);
    expect(again.ledger().ok).toBeGreaterThan(0);
    // What was in flight at the server that went away may have been paid for there.
    expect(end.modelCalls).toBeLessThanOrEqual(1_600 + 50);
  });

  it("go on with the other when one refuses our key for good, and the run ends well", async () => {
    const { job, run } = await makeTwo({ latency: "fixed:5" }, { fail: () => "401" });
    const ids = await job.seed(50);
    const { end, seen } = await run();
    expect(end).toMatchObject({ exitCode: 0, classified: 50, stopReason: null });
    expect(seen["endpoint:state"]).toMatchObject([{ endpoint: "b", state: "out" }]);
    expect(await job.counted(ids)).toEqual({ target: 50 });
  });

  it("stop the run when both refuse our key; everything stays pending", async () => {
    const { job, other, run } = await makeTwo({ fail: () => "401" }, { fail: () => "401" });
    const ids = await job.seed(50);
    const { end } = await run();
    expect(end).toMatchObject({ exitCode: 4, stopReason: "authentication", classified: 0 });
    expect(job.server.ledger().received + other.ledger().received).toBeLessThanOrEqual(40);
    expect(await job.counted(ids)).toEqual({ pending: 50 });
  });

  it("are no obstacle when one is away at the start; when both are, nothing is spent", async () => {
    const { job, other, endpoints, run } = await makeTwo({ latency: "fixed:5" }, {});
    await job.seed(30);
    await other.close();
    const { end, seen } = await run();
    expect(end).toMatchObject({ exitCode: 0, classified: 30 });
    expect(seen["execution:start"][0]!.notes.join()).toMatch(/b is away/);
    await job.seed(10, undefined, 31);
    const away = endpoints.map((endpoint) => ({ ...endpoint, model: endpoints[1]!.model }));
    await expect(run({ endpoints: away })).rejects.toMatchObject({ code: "MODEL_UNREACHABLE" });
  });
});

it("a later fallback answers only while the first one fails, and the record says who answered", async () => {
  let received = 0;
  const { job, run } = await makeTwo(
    { latency: "fixed:10", fail: () => (++received > 30 && received <= 120 ? "503" : null) },
    { latency: "fixed:10" },
    { b: { fallback: 1 } },
  );
  const ids = await job.seed(300);
  const { end } = await run({ concurrent: 10 });
  expect(end).toMatchObject({ exitCode: 0, classified: 300 });
  const { a = 0, b = 0 } = await answeredBy(job);
  expect(a).toBeGreaterThanOrEqual(25);
  expect(b).toBeGreaterThan(50);
  expect(await job.counted(ids)).toEqual({ target: 300 });
});

describe("rate limits of an endpoint", () => {
  it("that are configured are kept without a single refusal", async () => {
    const limits = { ...NO_LIMITS, requestsPerMinute: 600 };
    const { job, other, run } = await makeTwo(
      { rpm: 600, latency: "fixed:5" },
      { latency: "fixed:400" },
      { a: { limits } },
    );
    await job.seed(700);
    const { end } = await run({ concurrent: 30 });
    expect(end).toMatchObject({ exitCode: 0, classified: 700 });
    const { received, ok } = job.server.ledger();
    expect(received).toBe(ok);
    expect(other.ledger().ok).toBeGreaterThan(0);
  });

  it("that its answers tell of are paced: a refusal is the exception and makes nobody rest", async () => {
    const job = await makeJob(STORE, { rpm: 600, latency: "fixed:2" });
    await job.seed(640);
    const { end, seen } = await job.run({ concurrent: 5 });
    expect(end).toMatchObject({ exitCode: 0, classified: 640 });
    const { received, ok } = job.server.ledger();
    expect(received - ok).toBeLessThanOrEqual(0.02 * received);
    expect(seen["endpoint:pause"].filter(({ reason }) => reason.includes("half"))).toEqual([]);
  });
});

describe("concurrency on automatic", () => {
  it("begins at 8, grows with its reason told, and never beyond its ceiling", async () => {
    // Long calls: what a busy machine adds to them counts little, so that growth is not braked for it.
    const job = await makeJob(STORE, { latency: "fixed:60" });
    await job.seed(1_200);
    const { end, seen } = await job.run({ concurrent: "auto", concurrentMax: 40 });
    expect(end.classified).toBe(1_200);
    const changes = seen["limit:change"];
    expect(changes[0]).toMatchObject({ endpoint: "main", from: 8, reason: "slow-start" });
    expect(changes.at(-1)).toMatchObject({ to: 40, reason: "ceiling" });
    expect(job.server.ledger().maxInFlight).toBeLessThanOrEqual(40);
    expect(job.server.ledger().maxInFlight).toBeGreaterThan(20);
  });

  it("shrinks once for a crowd of 429, and recovers", async () => {
    const crowd = 10;
    let isCrowding = false;
    let held = 0;
    const all = Promise.withResolvers<"429">();
    const job = await makeJob(STORE, {
      latency: "fixed:5",
      throttleHeaders: { "retry-after-ms": "300" },
      // Refused together: one sent after the first refusal would be another episode.
      fail: () => {
        if (!isCrowding || held === crowd) return null;
        held += 1;
        if (held === crowd) all.resolve("429");
        return all.promise;
      },
    });
    await job.seed(700);
    const { execution, ended } = await job.start({ concurrent: "auto", concurrentMax: 32 });
    execution.events.on("limit:change", ({ to }) => {
      if (to >= 16) isCrowding = true;
    });
    const { end, seen } = await ended;
    expect(end).toMatchObject({ exitCode: 0, classified: 700, modelCalls: 700 + crowd });
    const shrunk = seen["limit:change"].filter(({ reason }) => reason === "rate-limited");
    expect(shrunk).toHaveLength(1);
    expect(shrunk[0]!.to).toBe(Math.floor(shrunk[0]!.from * 0.7));
  });
});

it("a call that takes long is made a second time elsewhere when asked for, and both are counted", async () => {
  let held = 0;
  const { job, run } = await makeTwo(
    { latency: "fixed:5", fail: () => (++held === 1 ? "hang" : null) },
    { latency: "fixed:5" },
    {},
  );
  const ids = await job.seed(40);
  const { end } = await run({ concurrent: 4, hedge: { afterMs: 500 } });
  expect(end).toMatchObject({ exitCode: 0, classified: 40, hedgedCalls: 1, uncertainCalls: 1, modelCalls: 41 });
  expect(end.uncertainUsd).toBeGreaterThan(0);
  expect(await job.counted(ids)).toEqual({ target: 40 });
});

it("an endpoint that is drained while the run goes on gets no new calls, until it is resumed", async () => {
  const { job, other, endpoints } = await makeTwo({ latency: "fixed:20" }, { latency: "fixed:20" });
  await job.seed(400);
  const { execution, ended } = await job.start({ concurrent: 10, endpoints });
  await vi.waitFor(() => expect(other.ledger().ok).toBeGreaterThan(20), { ...PATIENT, interval: 5 });
  expect(() => execution.drainEndpoint("B")).toThrow(/There is no endpoint B\. This run has a, b\./);
  execution.drainEndpoint("b");
  const state = () => execution.snapshot().endpoints.find(({ name }) => name === "b");
  expect(state()).toMatchObject({ state: "draining", stateReason: "told to drain" });
  await vi.waitFor(() => expect(state()!.inFlight).toBe(0), { ...PATIENT, interval: 5 });
  const before = other.ledger().received;
  const settledBefore = execution.snapshot().counters.classified;
  await vi.waitFor(() => expect(execution.snapshot().counters.classified).toBeGreaterThan(settledBefore + 60), PATIENT);
  expect(other.ledger().received).toBe(before);
  execution.resumeEndpoint("b");
  const { end, seen } = await ended;
  expect(end).toMatchObject({ exitCode: 0, classified: 400 });
  expect(other.ledger().received).toBeGreaterThan(before);
  expect(seen["endpoint:state"].map(({ state: told }) => told)).toEqual(["draining", "in"]);
});

it("the daily quota of one endpoint sends its items to the other; that of every endpoint stops the run", async () => {
  let left = 20;
  const { job, other, run } = await makeTwo({ fail: () => (left-- > 0 ? null : "daily-quota") }, {});
  const ids = await job.seed(100);
  const first = await run({ balance: "weight", limit: 60 });
  expect(first.end).toMatchObject({ exitCode: 0, classified: 60 });
  expect(new Set(first.seen["endpoint:pause"].map(({ endpoint }) => endpoint))).toEqual(new Set(["a"]));
  other.reset({ fail: () => "daily-quota" });
  const { end } = await run({ balance: "weight" });
  expect(end).toMatchObject({ status: "stopped", exitCode: 4, stopReason: "daily-quota", read: 0 });
  expect(await job.counted(ids)).toEqual({ target: 60, pending: 40 });
});

it("a 429 that tells of a limit makes its endpoint wait without resting; the others go on, and its end is told", async () => {
  const resumed = Promise.withResolvers<null>();
  let [received, arrivedInPause, othersInPause] = [0, 0, 0];
  let untilMs: number | null = null;
  const throttleHeaders = {
    "x-ratelimit-limit-requests": "6000",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "60s",
    "retry-after-ms": "1500",
  };
  const refusing = {
    throttleHeaders,
    fail: () => {
      received += 1;
      if (untilMs !== null && Date.now() < untilMs) arrivedInPause += 1;
      return received === 10 ? ("429" as const) : null;
    },
  };
  const going = {
    // Some answers in the pause, then none before it is over.
    fail: () => {
      if (untilMs === null) return null;
      othersInPause += 1;
      return othersInPause > 20 ? resumed.promise : null;
    },
  };
  const { job, endpoints } = await makeTwo(refusing, going, { b: { concurrent: 1 } });
  const ids = await job.seed(150);
  const { execution, ended } = await job.start({ concurrent: 5, endpoints, balance: "weight" });
  const states: unknown[] = [];
  const told = () => execution.snapshot().endpoints.find(({ name }) => name === "a")!;
  execution.events
    .on("endpoint:pause", (pause) => {
      untilMs = pause.untilMs;
      states.push(told().state);
    })
    .on("endpoint:resume", () => resumed.resolve(null));
  const { end, seen } = await ended;
  expect(end).toMatchObject({ exitCode: 0, classified: 150, retryQueued: 0, modelCalls: 151 });
  expect(seen["endpoint:pause"]).toMatchObject([{ endpoint: "a", reason: "rate limited (429)" }]);
  expect(seen["endpoint:resume"]).toMatchObject([{ endpoint: "a" }]);
  expect(states).toEqual(["open"]);
  // Only what was on its way already.
  expect(arrivedInPause).toBeLessThanOrEqual(5);
  expect(job.server.ledger().faults).toEqual({ "429": 1 });
  expect(told().limits.requestsPerMinute).toMatchObject({ limit: 6_000, origin: "headers" });
  expect(await job.counted(ids)).toEqual({ target: 150 });
});

it("an endpoint that hangs whatever is asked is soon asked last, with `hedge`", async () => {
  const { job, other, run } = await makeTwo({ faults: { hang: 1 } }, {});
  const ids = await job.seed(100);
  const { end } = await run({ concurrent: 5, hedge: { afterMs: 1_000 } });
  expect(end).toMatchObject({ exitCode: 0, classified: 100 });
  expect(end.hedgedCalls).toBe(job.server.ledger().received);
  expect(end.hedgedCalls).toBeLessThan(20);
  expect(other.ledger()).toMatchObject({ received: 100, docsPaidTwice: 0 });
  expect(await job.counted(ids)).toEqual({ target: 100 });
});
