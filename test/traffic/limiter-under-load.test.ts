import { describe, expect, it } from "vitest";
import type { RateLimits } from "../../src/rate-limits.ts";
import { RateLimiter } from "../../src/traffic/limiter.ts";
import { BucketServer, type ServerLimits, SILENT, WindowServer } from "../support/limited-server.ts";
import {
  heavyTail,
  makeRandom,
  SimulatedClient,
  type SimulationOptions,
  VirtualTime,
} from "../support/traffic-simulation.ts";

const NOTHING: RateLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  requestsPerDay: null,
  tokensPerDay: null,
};

interface Load extends Partial<Omit<SimulationOptions, "time" | "limits" | "limiter">> {
  readonly limits: ServerLimits;
  readonly configured?: Partial<RateLimits>;
  readonly plan?: (time: VirtualTime) => void;
}

/** Work without end, 50 calls at once, answers of 400 ms with a tail to 4 s, 2 to 42 ms on the way. */
function simulate({ configured, plan, limits, ...options }: Load): SimulatedClient {
  const time = new VirtualTime();
  const random = makeRandom(7);
  const limiter = new RateLimiter({ configured: { ...NOTHING, ...configured }, now: () => time.now });
  const client = new SimulatedClient({
    time,
    limits,
    limiter,
    concurrency: { start: 8, max: 50, mode: "fixed" },
    latencyMs: heavyTail(random, 400, 4_000),
    networkMs: () => 2 + 40 * random(),
    tokens: () => ({ used: 1, estimate: 1 }),
    ...options,
  });
  plan?.(time);
  client.pump();
  time.run();
  return client;
}

/** Refused calls among those sent, 0..1. */
const refusedShare = ({ refused, sent }: SimulatedClient): number => refused / sent;

/** Answers between two times per minute. */
const perMinute = ({ answeredAtMs }: SimulatedClient, fromMs: number, toMs: number): number =>
  (answeredAtMs.filter((ms) => ms >= fromMs && ms < toMs).length / (toMs - fromMs)) * 60_000;

/** About 2,400 tokens, our estimates of them off by up to 30 % either way. */
function roughTokens(): SimulationOptions["tokens"] {
  const random = makeRandom(8);
  return () => {
    const estimate = Math.round(2_400 * (0.5 + random()));
    return { estimate, used: Math.round(estimate * (0.7 + 0.6 * random())) };
  };
}

describe("a steady stream", () => {
  it("of 900 calls at 600 a minute takes 30 s and a little, without a refusal", () => {
    const client = simulate({ limits: new BucketServer(600, 0), latencyMs: () => 100, calls: 900 });
    expect(client.refused).toBe(0);
    expect(client.endedMs).toBeLessThan(1.02 * 30_000);
  });

  it("does so by a configured limit, when the server tells nothing", () => {
    const server = new BucketServer(600, 0);
    const limits = { arrive: (nowMs: number) => ({ ...server.arrive(nowMs, 0), headers: SILENT }) };
    const configured = { requestsPerMinute: 600 };
    const client = simulate({ limits, configured, latencyMs: () => 100, calls: 900, refusal: "nothing" });
    expect(client.refused).toBe(0);
    expect(client.endedMs).toBeLessThan(1.02 * 30_000);
  });

  it.each([
    ["a heavy tail", undefined],
    ["0.3 s", () => 300],
    ["4 s", () => 4_000],
  ])("uses the tighter of two limits, though estimates are off, with answers after %s", (_name, latencyMs) => {
    const client = simulate({
      limits: new BucketServer(3_000, 400_000),
      tokens: roughTokens(),
      stopAtMs: 600_000,
      ...(latencyMs === undefined ? {} : { latencyMs }),
    });
    // A full bucket and ten minutes.
    expect(client.usedTokens).toBeGreaterThan(0.99 * 11 * 400_000);
    expect(refusedShare(client)).toBeLessThan(0.01);
  });

  it.each([50, 200, 500])("is not refused by more than 1 % when calls take up to %i ms on their way", (mostMs) => {
    const random = makeRandom(9);
    const networkMs = () => mostMs * random();
    const concurrency = { start: 8, max: 200, mode: "fixed" } as const;
    const client = simulate({ limits: new BucketServer(3_000, 0), networkMs, concurrency, stopAtMs: 300_000 });
    expect(client.answered).toBeGreaterThan(0.98 * 6 * 3_000);
    expect(refusedShare(client)).toBeLessThan(0.01);
  });

  it("follows a server that halves its limits, and doubles them again", () => {
    const limits = new BucketServer(3_000, 0);
    const client = simulate({
      limits,
      concurrency: { start: 8, max: 200, mode: "fixed" },
      stopAtMs: 600_000,
      plan: (time) => {
        time.at(200_000, () => limits.setLimits(1_500, 0));
        time.at(400_000, () => limits.setLimits(3_000, 0));
      },
    });
    expect(perMinute(client, 70_000, 200_000)).toBeGreaterThan(0.98 * 3_000);
    expect(perMinute(client, 210_000, 400_000)).toBeGreaterThan(0.98 * 1_500);
    expect(perMinute(client, 410_000, 600_000)).toBeGreaterThan(0.98 * 3_000);
    expect(refusedShare(client)).toBeLessThan(0.01);
  });

  it.each([
    ["a heavy tail", undefined],
    ["4 s", () => 4_000],
  ])("shares the key with another client that takes half of it, with answers after %s", (_name, latencyMs) => {
    const limits = new BucketServer(1_200, 0);
    const client = simulate({
      limits,
      concurrency: { start: 8, max: 100, mode: "fixed" },
      stopAtMs: 300_000,
      ...(latencyMs === undefined ? {} : { latencyMs }),
      plan: (time) => {
        for (let ms = 50_000; ms < 300_000; ms += 100) time.at(ms, () => limits.arrive(time.now, 1));
      },
    });
    expect(perMinute(client, 130_000, 300_000)).toBeGreaterThan(0.95 * 600);
    expect(refusedShare(client)).toBeLessThan(0.015);
  });

  it.each(["retry-after-and-headers", "retry-after", "nothing"] as const)(
    "uses fixed windows to their end and begins with the next one; a refusal brings %s",
    (refusal) => {
      const limits = new WindowServer(600, 60_000);
      const concurrency = { start: 8, max: 100, mode: "fixed" } as const;
      const client = simulate({ limits, concurrency, refusal, stopAtMs: 300_000 });
      expect(client.answered).toBeGreaterThan(0.98 * 5 * 600);
      expect(refusedShare(client)).toBeLessThan(refusal === "nothing" ? 0.04 : 0.01);
    },
  );

  it("spreads a day's limit over the day once it is used up", () => {
    const limits = new BucketServer(1_440, 0, { periodMs: 86_400_000 });
    const client = simulate({ limits, stopAtMs: 5 * 3_600_000 });
    expect(client.answered).toBeGreaterThan(0.98 * 1_440 * (1 + 5 / 24));
    expect(refusedShare(client)).toBeLessThan(0.01);
  });
});
