import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RateHeaders, RateLimits } from "../../src/rate-limits.ts";
import { RateLimiter } from "../../src/traffic/limiter.ts";
import { BucketServer, SILENT } from "../support/limited-server.ts";

const UNLIMITED: RateLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  requestsPerDay: null,
  tokensPerDay: null,
};
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

function makeLimiter(configured: Partial<RateLimits> = {}) {
  const clock = { now: 1_000 };
  return { clock, limiter: new RateLimiter({ configured: { ...UNLIMITED, ...configured }, now: () => clock.now }) };
}

const requests = (limit: number, remaining: number, resetMs: number | null): RateHeaders => ({
  ...SILENT,
  limitRequests: limit,
  remainingRequests: remaining,
  resetRequestsMs: resetMs,
});
const tokens = (limit: number, remaining: number, resetMs: number | null): RateHeaders => ({
  ...SILENT,
  limitTokens: limit,
  remainingTokens: remaining,
  resetTokensMs: resetMs,
});

/** Takes as many calls as may go out now, at most `most`. */
function takeAll(limiter: RateLimiter, perCall = 1, most = 10_000): number {
  let taken = 0;
  for (; taken < most && limiter.waitMs(perCall) === 0; taken++) limiter.take(perCall);
  return taken;
}

describe("the rate limiter", () => {
  it("lets everything through while no limit is known", () => {
    const { limiter } = makeLimiter();
    expect(takeAll(limiter, 1_000_000)).toBe(10_000);
    expect(limiter.headroom).toBeNull();
    expect(Object.values(limiter.snapshot())).toEqual([null, null, null, null]);
  });

  it("lets a minute's worth out at once, then one at a time as it fills in", () => {
    const { limiter, clock } = makeLimiter({ requestsPerMinute: 600 });
    // What fills in in 200 ms is left in the bucket.
    expect(takeAll(limiter)).toBe(598);
    expect(limiter.waitMs(1)).toBe(100);
    clock.now += 100;
    expect(takeAll(limiter)).toBe(1);
    clock.now += MINUTE_MS;
    expect(takeAll(limiter)).toBe(598);
  });

  it("counts tokens beside requests, and the tighter limit decides", () => {
    const { limiter } = makeLimiter({ requestsPerMinute: 600, tokensPerMinute: 60_000 });
    limiter.take(50_000);
    expect(limiter.waitMs(5_000)).toBe(0);
    expect(limiter.waitMs(20_000)).toBeGreaterThan(10_000);
    expect(limiter.headroom).toBeCloseTo(1 / 6);
  });

  it("lets a call that is larger than the whole limit out when the bucket is full", () => {
    const { limiter, clock } = makeLimiter({ tokensPerMinute: 1_000 });
    expect(limiter.waitMs(5_000)).toBe(0);
    limiter.take(5_000);
    const waitMs = limiter.waitMs(5_000);
    expect(waitMs).toBe(5 * MINUTE_MS);
    clock.now += waitMs;
    expect(limiter.waitMs(5_000)).toBe(0);
  });

  it("waits for hours when a day's limit is used up", () => {
    const { limiter, clock } = makeLimiter({ requestsPerDay: 24 });
    expect(takeAll(limiter)).toBe(23);
    clock.now += limiter.waitMs(1);
    expect(clock.now).toBeLessThan(1_300);
    expect(takeAll(limiter)).toBe(1);
    expect(limiter.waitMs(1)).toBeGreaterThan(DAY_MS / 24 - 1_000);
    expect(limiter.waitMs(1)).toBeLessThan(DAY_MS / 24 + 1_000);
    clock.now += limiter.waitMs(1);
    expect(takeAll(limiter)).toBe(1);
  });

  it("corrects the charge by what a call has used, and gives back what was never sent", () => {
    const { limiter } = makeLimiter({ requestsPerMinute: 100, tokensPerMinute: 10_000 });
    const left = () => {
      const { requestsPerMinute, tokensPerMinute } = limiter.snapshot();
      return [Math.round(requestsPerMinute!.remaining), Math.round(tokensPerMinute!.remaining)];
    };
    const [one, other, third] = [limiter.take(1_000), limiter.take(1_000), limiter.take(1_000)];
    expect(left()).toEqual([97, 7_000]);
    limiter.settle(one, 1_400);
    expect(left()).toEqual([97, 6_600]);
    limiter.settle(other, null);
    expect(left()).toEqual([97, 6_600]);
    limiter.cancel(third);
    expect(left()).toEqual([98, 7_600]);
  });

  it("sends nothing before the time that a refusal asks for", () => {
    const { limiter, clock } = makeLimiter();
    const refused = limiter.take(1);
    clock.now += 50;
    limiter.refused(refused, 2_000);
    expect(limiter.waitMs(1)).toBe(2_000);
    limiter.refused(limiter.take(1), 500);
    expect(limiter.waitMs(1)).toBe(2_000);
    clock.now += 2_000;
    expect(limiter.waitMs(1)).toBe(0);
  });

  it("takes the tightest limit for used up when a refusal says nothing else", () => {
    const { limiter, clock } = makeLimiter({ requestsPerMinute: 600, tokensPerMinute: 1_000_000 });
    const refused = limiter.take(100);
    clock.now += 50;
    limiter.refused(refused, null);
    expect(limiter.snapshot().requestsPerMinute?.remaining).toBeCloseTo(0.5);
    expect(limiter.snapshot().tokensPerMinute?.remaining).toBeCloseTo(1_000_000);
    expect(limiter.waitMs(100)).toBeGreaterThan(0);
  });

  it("keeps a little more back after a refusal, and less again with time", () => {
    const { limiter, clock } = makeLimiter({ requestsPerMinute: 660 });
    const crowd = [limiter.take(1), limiter.take(1), limiter.take(1)];
    clock.now += 1_000;
    for (const refused of crowd) limiter.refused(refused, null);
    clock.now += MINUTE_MS;
    // 200 ms at first; a crowd that is refused together counts once, and half of that is left a minute later.
    expect(takeAll(limiter)).toBe(656);
    clock.now += 20 * MINUTE_MS;
    expect(takeAll(limiter)).toBe(657);
  });
});

describe("what the headers of answers teach", () => {
  it("is a limit, and how much of it is left", () => {
    const { limiter, clock } = makeLimiter();
    const call = limiter.take(1);
    clock.now += 1_000;
    limiter.learn(call, requests(600, 99, 50_100));
    // 99 were left when it arrived; in the second since then 10 have come back.
    expect(limiter.snapshot().requestsPerMinute).toEqual({
      limit: 600,
      remaining: expect.closeTo(109),
      used: expect.closeTo(1 - 109 / 600),
      origin: "headers",
    });
    expect(takeAll(limiter)).toBe(107);
  });

  it("is true of the moment at which the call arrived: what was sent since is taken off", () => {
    const { limiter, clock } = makeLimiter();
    const call = limiter.take(1);
    clock.now += 500;
    for (let sent = 0; sent < 30; sent++) limiter.take(1);
    clock.now += 500;
    limiter.learn(call, requests(600, 99, 50_100));
    expect(limiter.snapshot().requestsPerMinute?.remaining).toBeCloseTo(79);
  });

  it("does not count calls that were refused since", () => {
    const { limiter, clock } = makeLimiter();
    const call = limiter.take(1);
    clock.now += 500;
    for (const refused of Array.from({ length: 30 }, () => limiter.take(1))) limiter.cancel(refused);
    clock.now += 500;
    limiter.learn(call, requests(600, 99, 50_100));
    expect(limiter.snapshot().requestsPerMinute?.remaining).toBeCloseTo(109);
  });

  it("follows the server down and up: others may use the same key", () => {
    const { limiter, clock } = makeLimiter();
    const learn = (remaining: number, limit = 600) => {
      const call = limiter.take(1);
      limiter.learn(call, requests(limit, remaining, ((limit - remaining) / limit) * MINUTE_MS));
      clock.now += 1_000;
      return Math.round(limiter.snapshot().requestsPerMinute!.remaining);
    };
    expect(learn(500)).toBe(510);
    expect(learn(100)).toBe(110);
    // Of the time that a call takes on its way 100 ms are not counted upwards.
    expect(learn(400)).toBe(410);
    expect(learn(200, 300)).toBe(205);
    expect(learn(599)).toBe(600);
  });

  it("never raises a configured limit, and lowers it", () => {
    const { limiter } = makeLimiter({ requestsPerMinute: 300 });
    const call = limiter.take(1);
    limiter.learn(call, requests(600, 599, 100));
    expect(limiter.snapshot().requestsPerMinute).toMatchObject({ limit: 300, origin: "config" });
    expect(takeAll(limiter)).toBe(298);
    limiter.learn(limiter.take(1), requests(120, 110, 5_000));
    expect(limiter.snapshot().requestsPerMinute).toMatchObject({ limit: 120, origin: "headers" });
  });

  it("is not put off by calls that overtake each other", () => {
    const { limiter, clock } = makeLimiter();
    limiter.learn(limiter.take(1), requests(600, 599, 100));
    clock.now += 10_000;
    const crowd = Array.from({ length: 100 }, () => limiter.take(1));
    clock.now += 300;
    // They arrived in the opposite order.
    for (const [at, call] of crowd.entries()) limiter.learn(call, requests(600, 500 + at, 10_000 - at * 100));
    expect(limiter.snapshot().requestsPerMinute?.remaining).toBeCloseTo(503);
  });

  it("counts nothing when it is older than what is known", () => {
    const { limiter, clock } = makeLimiter();
    const slow = limiter.take(1);
    clock.now += 5_000;
    const fast = limiter.take(1);
    limiter.learn(fast, requests(600, 400, 20_000));
    limiter.learn(slow, requests(1_200, 10, 59_000));
    expect(limiter.snapshot().requestsPerMinute).toMatchObject({ limit: 600, remaining: 400 });
  });

  it.each([
    ["a minute", 600, 540, 6_000, "requestsPerMinute"],
    ["a minute, rounded to seconds", 4_000, 3_999, 1_000, "requestsPerMinute"],
    ["a minute, without a reset", 600, 540, null, "requestsPerMinute"],
    ["a day, as Groq counts requests", 14_400, 14_370, 180_000, "requestsPerDay"],
    ["a day, as OpenAI does for small accounts", 200, 199, 432_000, "requestsPerDay"],
    ["a window that ends at midnight", 50, 40, 40_000_000, "requestsPerDay"],
    ["a window of a minute", 600, 590, 55_000, "requestsPerMinute"],
  ] as const)("is a limit for %s by its reset", (_name, limit, remaining, resetMs, name) => {
    const { limiter } = makeLimiter();
    limiter.learn(limiter.take(1), requests(limit, remaining, resetMs));
    const known = Object.entries(limiter.snapshot()).filter(([, each]) => each !== null);
    expect(known).toEqual([[name, expect.objectContaining({ limit, origin: "headers" })]]);
  });

  it("waits for the end of a window that gives nothing back before", () => {
    const { limiter, clock } = makeLimiter();
    const call = limiter.take(1);
    clock.now += 200;
    limiter.learn(call, requests(600, 0, 20_000));
    expect(limiter.waitMs(1)).toBe(20_000 - 200 + 100);
    clock.now += limiter.waitMs(1);
    expect(takeAll(limiter)).toBe(598);
  });

  it("says nothing of the level when its window is over", () => {
    const { limiter, clock } = makeLimiter();
    limiter.learn(limiter.take(1), requests(600, 100, 50_000));
    const slow = limiter.take(1);
    clock.now += 30_000;
    limiter.learn(slow, requests(600, 0, 20_000));
    expect(limiter.snapshot().requestsPerMinute?.remaining).toBeCloseTo(100 - 1 + 300);
  });

  it("is no window when a reset is a second or two off", () => {
    const { limiter, clock } = makeLimiter();
    limiter.learn(limiter.take(1), requests(60, 58, 4_000));
    clock.now += 1_000;
    expect(limiter.snapshot().requestsPerMinute?.remaining).toBeCloseTo(59);
  });

  it("is not corrected again by calls that the server had counted", () => {
    const { limiter, clock } = makeLimiter();
    limiter.learn(limiter.take(1_000), tokens(600_000, 500_000, 10_000));
    const [settled, cancelled] = [limiter.take(1_000), limiter.take(1_000)];
    clock.now += 1_000;
    limiter.learn(limiter.take(1_000), tokens(600_000, 300_000, 30_000));
    limiter.settle(settled, 5_000);
    limiter.cancel(cancelled);
    expect(limiter.snapshot().tokensPerMinute?.remaining).toBeCloseTo(300_000);
  });

  it("leaves a margin for token estimates that are off, none for those that are exact", () => {
    const room = (factor: (call: number) => number) => {
      const { limiter, clock } = makeLimiter();
      for (let call = 0; call < 500; call++) {
        const reservation = limiter.take(1_000);
        clock.now += 1_000;
        limiter.settle(reservation, 1_000 * factor(call));
        limiter.learn(reservation, tokens(600_000, 300_000, 30_000));
      }
      for (let call = 0; call < 100; call++) limiter.take(1_000);
      return takeAll(limiter, 1_000);
    };
    expect(room(() => 1)).toBeGreaterThan(room((call) => (call % 2 === 0 ? 0.7 : 1.3)) + 4);
  });
});

describe("whatever happens", () => {
  const options = { seed: 7, numRuns: 200 };
  const limit = fc.option(fc.integer({ min: 1, max: 5_000 }));
  const count = fc.integer({ min: 0, max: 6_000 });

  it("a wait is whole, finite and never negative, and what is left is within its limit", () => {
    const told = fc.record({
      limitRequests: fc.option(count),
      remainingRequests: fc.option(count),
      limitTokens: fc.option(count),
      remainingTokens: fc.option(count),
      resetRequestsMs: fc.option(fc.integer({ min: 0, max: DAY_MS })),
      resetTokensMs: fc.option(fc.integer({ min: 0, max: DAY_MS })),
    });
    const step = fc.record({
      afterMs: fc.integer({ min: 0, max: 100_000 }),
      tokens: count,
      end: fc.constantFrom("settle", "cancel", "refused", "open"),
      ofCall: fc.nat(),
      used: fc.option(count),
      told: fc.option(told),
    });
    const configured = fc.record({
      requestsPerMinute: limit,
      tokensPerMinute: limit,
      requestsPerDay: limit,
      tokensPerDay: limit,
    });
    fc.assert(
      fc.property(configured, fc.array(step, { maxLength: 60 }), (configured, steps) => {
        const { limiter, clock } = makeLimiter(configured);
        const open = [];
        for (const { afterMs, tokens, end, ofCall, used, told } of steps) {
          clock.now += afterMs;
          open.push(limiter.take(tokens));
          const [call] = end === "open" ? [] : open.splice(ofCall % open.length, 1);
          if (call !== undefined) {
            if (end === "settle") limiter.settle(call, used);
            else if (end === "cancel") limiter.cancel(call);
            else limiter.refused(call, used);
            if (told !== null) limiter.learn(call, told);
          }
          const waitMs = limiter.waitMs(tokens);
          expect(Number.isSafeInteger(waitMs) && waitMs >= 0).toBe(true);
          const headroom = limiter.headroom ?? 0;
          expect(headroom >= 0 && headroom <= 1).toBe(true);
          for (const each of Object.values(limiter.snapshot()))
            if (each !== null) expect(each.remaining >= 0 && each.remaining <= each.limit).toBe(true);
        }
        const tokens = 500;
        clock.now += limiter.waitMs(tokens);
        expect(limiter.waitMs(tokens)).toBe(0);
      }),
      options,
    );
  });

  it.each(["config", "headers"])(
    "a call that may go out is not refused by a server with the same limits: %s",
    (from) => {
      const step = fc.record({ afterMs: fc.integer({ min: 0, max: 3_000 }), tokens: fc.integer({ min: 0, max: 400 }) });
      const limits = fc.record({ rpm: fc.integer({ min: 1, max: 300 }), tpm: fc.integer({ min: 400, max: 9_000 }) });
      fc.assert(
        fc.property(limits, fc.array(step, { maxLength: 200 }), ({ rpm, tpm }, steps) => {
          const configured = from === "config" ? { requestsPerMinute: rpm, tokensPerMinute: tpm } : {};
          const { limiter, clock } = makeLimiter(configured);
          const server = new BucketServer(rpm, tpm, { nowMs: clock.now });
          for (const { afterMs, tokens } of steps) {
            clock.now += afterMs;
            const waitMs = limiter.waitMs(tokens);
            // Sooner or later it goes, but not always at the first moment.
            if (waitMs > 3_000) continue;
            clock.now += waitMs;
            const call = limiter.take(tokens);
            const { refusedMs, headers } = server.arrive(clock.now, tokens);
            expect(refusedMs).toBeNull();
            limiter.settle(call, tokens);
            if (from === "headers") limiter.learn(call, headers);
          }
        }),
        options,
      );
    },
  );

  it("what calls have used is charged, once each, and nothing else", () => {
    const call = fc.record({
      estimate: count,
      used: fc.option(count),
      end: fc.constantFrom("settle", "cancel", "refused"),
    });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 50 }), fc.array(fc.nat(), { maxLength: 50 }), (calls, order) => {
        const { limiter } = makeLimiter({ requestsPerMinute: 1_000, tokensPerMinute: 1_000_000 });
        const open = calls.map(({ estimate, ...rest }) => ({ ...rest, estimate, taken: limiter.take(estimate) }));
        let [usedRequests, usedTokens] = [0, 0];
        for (let at = 0; open.length > 0; at++) {
          const [{ taken, used, end, estimate }] = open.splice((order[at] ?? 0) % open.length, 1) as [(typeof open)[0]];
          if (end === "settle") {
            limiter.settle(taken, used);
            usedRequests += 1;
            usedTokens += used ?? estimate;
          } else limiter.cancel(taken);
        }
        const { requestsPerMinute, tokensPerMinute } = limiter.snapshot();
        expect(requestsPerMinute?.remaining).toBeCloseTo(1_000 - usedRequests, 6);
        expect(tokensPerMinute?.remaining).toBeCloseTo(1_000_000 - usedTokens, 3);
      }),
      options,
    );
  });
});
