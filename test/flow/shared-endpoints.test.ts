import { afterEach, expect, it, vi } from "vitest";
import { type EndpointSettings, mainEndpoint, type Share } from "../../src/job.ts";
import { EndpointPool } from "../../src/traffic/endpoint-pool.ts";
import { makeJob, type Started } from "../support/job.ts";
import { type Fault, type ModelServer, type ModelServerOptions, startModelServer } from "../support/model-server.ts";
import { PATIENT } from "../support/patience.ts";

const SLOTS = 8;
const servers: ModelServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** One answer, as the server counts it. */
interface Answered {
  readonly tenant: string;
  readonly tokens: number;
}

/**
 * A model server that several tenants of one process ask, with what it was asked and has answered in turn. From
 * `hold` on it answers nobody until `release`.
 */
async function openPlace(
  options: ModelServerOptions & { fault?: (tenant: string, attempt: number) => Fault | null } = {},
) {
  const { fault, ...rest } = options;
  const asked: string[] = [];
  const answered: Answered[] = [];
  const inFlight: Record<string, number> = {};
  const most: Record<string, number> = {};
  let gate: PromiseWithResolvers<void> | null = null;
  const server = await startModelServer({
    latency: "fixed:30",
    ...rest,
    fail: async (id, attempt) => {
      const tenant = id.split("-")[0]!;
      asked.push(tenant);
      await gate?.promise;
      const failed = fault?.(tenant, attempt) ?? null;
      if (failed !== null) return failed;
      inFlight[tenant] = (inFlight[tenant] ?? 0) + 1;
      most[tenant] = Math.max(most[tenant] ?? 0, inFlight[tenant]);
      return null;
    },
    usage: ({ id, tokens }) => {
      const tenant = id.split("-")[0]!;
      inFlight[tenant]! -= 1;
      answered.push({ tenant, tokens });
      return { prompt_tokens: tokens - 70, completion_tokens: 70, total_tokens: tokens };
    },
  });
  servers.push(server);
  const pool = new EndpointPool();
  const of = (tenant: string, from = 0): number => answered.slice(from).filter((one) => one.tenant === tenant).length;
  const hold = (): void => {
    gate = Promise.withResolvers();
  };
  const release = (): void => {
    gate?.resolve();
    gate = null;
  };
  return { server, pool, asked, answered, most, of, hold, release };
}

interface TenantOptions {
  readonly items: number;
  readonly share?: Partial<Share>;
  readonly apiKey?: string;
  /** Of its texts, beside what all have. */
  readonly chars?: number;
}

/** A run of a tenant with its own store, source and state, under way. */
async function start(
  { server, pool }: Awaited<ReturnType<typeof openPlace>>,
  tenant: string,
  { items, share, apiKey, chars = 0 }: TenantOptions,
): Promise<Started & { readonly endpoint: EndpointSettings; readonly running: Promise<void> }> {
  const job = await makeJob("the embedded store");
  await job.seed(items, (id) => `[doc:${tenant}-${id}] Where is my parcel?${" It is late.".repeat(chars / 12)}`);
  const model = { ...job.settings.model, baseUrl: server.baseUrl, apiKey: apiKey ?? null };
  const endpoint = { ...mainEndpoint(model), concurrent: SLOTS };
  const started = await job.start(
    {
      ...{ tenant, model, endpoints: [endpoint], concurrent: 30, batchSize: 100, wait: false },
      ...(share === undefined ? {} : { share: { weight: 1, floor: null, ceiling: null, ...share } }),
    },
    { pool },
  );
  const running = new Promise<void>((resolve) => started.execution.events.on("execution:start", () => resolve()));
  return { ...started, endpoint, running };
}

const endpointOf = ({ execution }: Started) => execution.snapshot().endpoints[0]!;

it("three with weights 1:1:2 get their shares of the tokens within 5 %, whatever the lengths of their texts", async () => {
  const place = await openPlace();
  place.hold();
  const runs = [
    await start(place, "a", { items: 600, share: { weight: 1 } }),
    await start(place, "b", { items: 600, share: { weight: 1 }, chars: 6_000 }),
    await start(place, "c", { items: 600, share: { weight: 2 } }),
  ];
  await Promise.all(runs.map(({ running }) => running));
  place.release();
  // Each of them wants more all this time.
  const from = place.answered.length + 100;
  await vi.waitFor(() => expect(place.answered.length).toBeGreaterThan(from + 600), PATIENT);
  const counted = place.answered.slice(from, from + 600);
  for (const { execution } of runs) execution.stop("stop-requested");
  await Promise.all(runs.map(({ ended }) => ended));
  const tokens = (tenant: string): number =>
    counted.reduce((sum, one) => (one.tenant === tenant ? sum + one.tokens : sum), 0);
  const all = tokens("a") + tokens("b") + tokens("c");
  for (const [tenant, due] of [
    ["a", 0.25],
    ["b", 0.25],
    ["c", 0.5],
  ] as const)
    expect(Math.abs(tokens(tenant) / all / due - 1), tenant).toBeLessThan(0.05);
  // Long texts are fewer.
  expect(counted.filter(({ tenant }) => tenant === "b").length).toBeLessThan(80);
  expect(place.server.ledger().maxInFlight).toBe(SLOTS);
  expect(place.server.ledger().docsPaidTwice).toBe(0);
});

it("ten items beside a large backlog are answered with the next calls, and cost the others no more than that", async () => {
  const place = await openPlace();
  const large = await start(place, "large", { items: 500 });
  await vi.waitFor(() => expect(place.of("large")).toBeGreaterThan(50), PATIENT);
  place.hold();
  const small = await start(place, "small", { items: 10 });
  await small.running;
  place.release();
  const { end } = await small.ended;
  expect(end).toMatchObject({ classified: 10, status: "completed" });
  const first = place.asked.indexOf("small");
  const last = place.asked.lastIndexOf("small");
  // Half of the calls that go out are its own, and it is at most one call late.
  expect(last - first).toBeLessThanOrEqual(20);
  expect(place.of("large")).toBeLessThan(400);
  expect((await large.ended).end).toMatchObject({ classified: 500, status: "completed" });
  expect(place.pool.size).toBe(0);
});

it("a refused key ends the run that has it, and nothing of those with another", async () => {
  const place = await openPlace({ apiKey: "the-key-that-is-right" });
  const good = await start(place, "good", { items: 200, apiKey: "the-key-that-is-right" });
  await good.running;
  const bad = await start(place, "bad", { items: 50, apiKey: "a-key-that-is-wrong" });
  await bad.running;
  expect(endpointOf(good).shared).toBeUndefined();
  expect((await bad.ended).end).toMatchObject({ stopReason: "authentication", classified: 0 });
  const { end, seen } = await good.ended;
  expect(end).toMatchObject({ classified: 200, status: "completed" });
  expect([seen["endpoint:state"], seen["endpoint:pause"], seen["call:failed"]].flat()).toEqual([]);
});

it("items that break the model for one run open its breaker, and no other's", async () => {
  const place = await openPlace({ fault: (tenant) => (tenant === "poison" ? "500" : null) });
  place.hold();
  const good = await start(place, "good", { items: 300 });
  const poison = await start(place, "poison", { items: 100 });
  await Promise.all([good.running, poison.running]);
  place.release();
  const { end, seen } = await good.ended;
  expect(end).toMatchObject({ classified: 300, status: "completed" });
  expect([seen["endpoint:state"], seen["endpoint:pause"]].flat()).toEqual([]);
  expect(seen["limit:change"].filter(({ from, to, reason }) => to < from && reason !== "ceiling")).toEqual([]);
  await vi.waitFor(() => expect(poison.seen["endpoint:pause"].length).toBeGreaterThan(0), PATIENT);
  poison.execution.stop("stop-requested");
  expect((await poison.ended).end.classified).toBe(0);
});

it("answers that one run cannot use, and refusals of its texts, are its own", async () => {
  const content = (tenant: string) => (tenant === "odd" ? "not what was asked for" : null);
  const place = await openPlace({
    content: (id, _attempt, value) => content(id.split("-")[0]!) ?? JSON.stringify(value),
    fault: (tenant, attempt) => (tenant === "odd" && attempt > 1 ? "context-length" : null),
  });
  place.hold();
  const good = await start(place, "good", { items: 200 });
  const odd = await start(place, "odd", { items: 40 });
  await Promise.all([good.running, odd.running]);
  place.release();
  expect((await odd.ended).end).toMatchObject({ stopReason: "run-breaker", classified: 0 });
  const { end, seen } = await good.ended;
  expect(end).toMatchObject({ classified: 200, status: "completed" });
  expect([seen["endpoint:state"], seen["endpoint:pause"], seen["call:failed"]].flat()).toEqual([]);
});

it("one run drains and pauses what it asks itself", async () => {
  const place = await openPlace();
  place.hold();
  const a = await start(place, "a", { items: 60 });
  const b = await start(place, "b", { items: 150 });
  const c = await start(place, "c", { items: 60 });
  await Promise.all([a.running, b.running, c.running]);
  place.release();
  await vi.waitFor(() => expect(Math.min(place.of("a"), place.of("b"), place.of("c"))).toBeGreaterThan(5), PATIENT);
  a.execution.drainEndpoint("main");
  c.execution.pause("by hand");
  await vi.waitFor(() => expect([endpointOf(a).inFlight, endpointOf(c).inFlight]).toEqual([0, 0]), PATIENT);
  const before = [place.of("a"), place.of("c")];
  expect([endpointOf(a).state, endpointOf(b).state, endpointOf(c).state]).toEqual(["draining", "open", "open"]);
  expect((await b.ended).end).toMatchObject({ classified: 150, status: "completed" });
  expect([place.of("a"), place.of("c")]).toEqual(before);
  a.execution.resumeEndpoint("main");
  c.execution.resume();
  expect((await a.ended).end).toMatchObject({ classified: 60, status: "completed" });
  expect((await c.ended).end).toMatchObject({ classified: 60, status: "completed" });
});

it("a limit that one meets makes all with that key wait, tells each of them, and nobody with another key", async () => {
  let refused = 0;
  const place = await openPlace({
    throttleHeaders: { "retry-after": "1" },
    fault: (tenant) => {
      if (tenant !== "a" || place.of("a") < 20 || refused > 0) return null;
      refused += 1;
      return "429";
    },
  });
  place.hold();
  const a = await start(place, "a", { items: 100, apiKey: "one-and-the-same" });
  const b = await start(place, "b", { items: 100, apiKey: "one-and-the-same" });
  const other = await start(place, "other", { items: 100, apiKey: "of-its-own" });
  await Promise.all([a.running, b.running, other.running]);
  place.release();
  for (const run of [a, b]) {
    const { end, seen } = await run.ended;
    expect(end).toMatchObject({ classified: 100, status: "completed" });
    expect(seen["endpoint:pause"].map(({ reason }) => reason)).toEqual(["rate limited (429)"]);
    expect(seen["endpoint:resume"]).toHaveLength(1);
    expect(seen["limit:change"].some(({ reason }) => reason === "rate-limited")).toBe(true);
  }
  const { end, seen } = await other.ended;
  expect(end).toMatchObject({ classified: 100, status: "completed" });
  expect([seen["endpoint:pause"], seen["limit:change"]].flat()).toEqual([]);
});

it("a floor is had beside any weight, and a ceiling never passed", async () => {
  const place = await openPlace();
  place.hold();
  const runs = [
    await start(place, "great", { items: 600, share: { weight: 1_000 } }),
    await start(place, "floor", { items: 600, share: { weight: 0.001, floor: 2 } }),
    await start(place, "ceiling", { items: 600, share: { weight: 1_000, ceiling: 1 } }),
  ];
  await Promise.all(runs.map(({ running }) => running));
  place.release();
  const from = place.answered.length + 50;
  await vi.waitFor(() => expect(place.answered.length).toBeGreaterThan(from + 400), PATIENT);
  const shares = ["great", "floor", "ceiling"].map((tenant) => place.of(tenant, from) / (place.answered.length - from));
  for (const { execution } of runs) execution.stop("stop-requested");
  await Promise.all(runs.map(({ ended }) => ended));
  // Two, one and the rest of eight calls at once.
  expect(shares[1]).toBeGreaterThan(0.2);
  expect(shares[1]).toBeLessThan(0.3);
  expect(shares[2]).toBeLessThan(0.15);
  expect(place.most.ceiling).toBe(1);
});

it("runs come and go: what they share is told while they do, all of it is left to the last, and another key leaves", async () => {
  const place = await openPlace();
  const a = await start(place, "a", { items: 400 });
  await a.running;
  expect(endpointOf(a)).toMatchObject({ limit: SLOTS, ceiling: SLOTS });
  expect(endpointOf(a).shared).toBeUndefined();
  place.hold();
  const b = await start(place, "b", { items: 60 });
  await b.running;
  await vi.waitFor(() => expect(endpointOf(a).shared).toEqual({ inFlight: SLOTS, parties: 2 }), PATIENT);
  expect(place.pool.size).toBe(1);
  const model = { ...b.endpoint.model, apiKey: "a-key-of-its-own" };
  await b.execution.change({ endpoints: [{ ...b.endpoint, model }] });
  expect([place.pool.size, endpointOf(a).shared, endpointOf(b).shared]).toEqual([2, undefined, undefined]);
  await b.execution.change({ endpoints: [b.endpoint] });
  expect(place.pool.size).toBe(1);
  place.release();
  expect((await b.ended).end).toMatchObject({ classified: 60, status: "completed" });
  expect(endpointOf(a).shared).toBeUndefined();
  expect((await a.ended).end).toMatchObject({ classified: 400, status: "completed" });
  expect([place.pool.size, place.server.ledger().docsPaidTwice]).toEqual([0, 0]);
  expect(place.most.a).toBe(SLOTS);
});
