import { expect, it } from "vitest";
import type { ModelSettings } from "../../src/job.ts";
import { NO_LIMITS, type RateLimits } from "../../src/rate-limits.ts";
import { EndpointPool } from "../../src/traffic/endpoint-pool.ts";
import { LeasedShare } from "../../src/traffic/leased-share.ts";
import type { Upstream } from "../../src/traffic/upstream.ts";
import { type HandOptions, handAnswered, REQUEST } from "../support/hand-answered.ts";
import { SILENT } from "../support/limited-server.ts";

const MODEL: ModelSettings = { provider: "openai", name: "m", baseUrl: "https://a.example/v1", apiKey: "one" };

function byHand(pool: EndpointPool, changes: Partial<ModelSettings> = {}, options: HandOptions = {}) {
  return handAnswered({ upstream: pool.upstreamOf({ ...MODEL, ...changes }, Date.now), ...options });
}

it("one place is one model of one provider at one URL with one key and the same settings", () => {
  const pool = new EndpointPool();
  const first = pool.upstreamOf(MODEL, Date.now);
  const same = { ...MODEL, settings: {} };
  expect(pool.upstreamOf(same, Date.now)).toBe(first);
  const regions = { settings: { region: "eu", resource: "r" } };
  const turned = { settings: { resource: "r", region: "eu" } };
  expect(pool.upstreamOf({ ...MODEL, ...regions }, Date.now)).toBe(pool.upstreamOf({ ...MODEL, ...turned }, Date.now));
  const others: Partial<ModelSettings>[] = [
    regions,
    { provider: "openai-compatible" },
    { name: "n" },
    { baseUrl: "https://b.example/v1" },
    { baseUrl: null },
    { apiKey: "two" },
    { apiKey: null },
  ];
  const places = others.map((changes) => pool.upstreamOf({ ...MODEL, ...changes }, Date.now));
  expect(new Set([first, ...places]).size).toBe(others.length + 1);
});

it("is kept as long as somebody asks there, and what is left of its limits for as long as they count it", () => {
  const pool = new EndpointPool();
  let nowMs = 5_000;
  const now = (): number => nowMs;
  const usedOf = ({ limits }: Upstream): number => limits.requestsPerMinute!.used;
  const enter = (limits: Partial<RateLimits> = {}) => {
    const upstream = pool.upstreamOf(MODEL, now);
    return { upstream, ...handAnswered({ upstream, limits: { ...NO_LIMITS, requestsPerMinute: 2, ...limits } }) };
  };
  const [a, b] = [enter(), enter()];
  expect([pool.size, a.upstream.parties, a.endpoint.isShared]).toEqual([1, 2, true]);
  a.endpoint.close();
  expect([pool.size, b.upstream.parties, b.endpoint.isShared]).toEqual([1, 1, false]);
  pool.move(b.endpoint, { ...MODEL, apiKey: "two" }, now);
  expect([pool.size, a.upstream.parties]).toEqual([1, 0]);
  pool.move(b.endpoint, MODEL, now);
  expect(pool.size).toBe(1);
  void b.endpoint.take(1).call(REQUEST, new AbortController().signal);
  b.endpoint.close();
  b.endpoint.close();
  expect(pool.size).toBe(0);
  // The next one begins with what is left, though nobody was there.
  nowMs += 300;
  const c = enter();
  expect(c.upstream).toBe(a.upstream);
  expect(usedOf(c.upstream)).toBeCloseTo(0.5, 1);
  c.endpoint.close();
  nowMs += 60_000;
  const d = enter({ requestsPerDay: 1_000 });
  expect(d.upstream).not.toBe(a.upstream);
  expect(usedOf(d.upstream)).toBe(0);
  // The last one there names none.
  const e = enter();
  d.endpoint.close();
  e.endpoint.close();
  nowMs += 23 * 3_600_000;
  expect(pool.upstreamOf(MODEL, now)).toBe(d.upstream);
  nowMs += 3_600_000;
  expect(pool.upstreamOf(MODEL, now)).not.toBe(d.upstream);
});

it("one whose limits other processes count too is begun anew: they know", () => {
  const pool = new EndpointPool();
  const { endpoint } = byHand(pool);
  const place = pool.upstreamOf(MODEL, Date.now);
  endpoint.shared.join(new LeasedShare(0, {}), () => null);
  endpoint.close();
  expect(pool.upstreamOf(MODEL, Date.now)).not.toBe(place);
});

it("parts of one run come and go: the place stays with its calls at once, its limits and its news", async () => {
  const pool = new EndpointPool(6);
  const auto = { concurrency: { start: 4, max: 6, mode: "auto" } } as const;
  const first = byHand(pool, {}, auto);
  let left = 0;
  first.endpoint.shared.onLeave = () => {
    left += 1;
  };
  const refused = first.endpoint.take(100).call(REQUEST, new AbortController().signal);
  const rate = { ...SILENT, limitRequests: 60, remainingRequests: 0, resetRequestsMs: 60_000 };
  first.fail("throttled", 30_000, 0, rate);
  await expect(refused).rejects.toThrow();
  expect(first.endpoint.limit).toBe(2);
  first.endpoint.close();
  expect([pool.size, left]).toEqual([0, 0]);
  // What another process tells while nobody asks here.
  first.endpoint.shared.hear({ requestsPerMinute: 30, tokensPerMinute: null, restMs: 0, isRefused: false });
  const next = byHand(pool, {}, auto).endpoint;
  expect([next.limit, (next.shared.pace.requests ?? 0) * 60_000]).toEqual([2, 30]);
  expect(next.waitMs(100)).toBeGreaterThan(20_000);
});

it("parts of one run make no more calls at once than it may, also when that is changed", () => {
  const pool = new EndpointPool(3);
  const fixed = { concurrency: { start: 8, max: 3, mode: "fixed" } } as const;
  const [a, b] = [byHand(pool, {}, fixed), byHand(pool, {}, fixed)];
  const take = (): number => {
    let taken = 0;
    for (const { endpoint } of [a, b])
      for (let at = 0; at < 5 && endpoint.waitMs(100) === 0; at += 1) {
        void endpoint.take(100).call(REQUEST, new AbortController().signal);
        taken += 1;
      }
    return taken;
  };
  expect(take()).toBe(3);
  pool.bound(5);
  expect(take()).toBe(2);
  // Nobody is there, and the next ones hold to it.
  a.endpoint.close();
  b.endpoint.close();
  pool.bound(9);
  const c = byHand(pool, {}, { concurrency: { start: 8, max: 20, mode: "fixed" } });
  expect(c.endpoint.limit).toBe(9);
});
