import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeasedShare, paceOf } from "../../src/traffic/leased-share.ts";

const MINUTE = 60_000;

/** Sends as much as it may until a time, looking every `stepMs`. @returns when each call went out, and its tokens */
function greedy(
  share: LeasedShare,
  full: ReturnType<typeof paceOf>,
  { fromMs, untilMs, stepMs, tokens }: { fromMs: number; untilMs: number; stepMs: number; tokens: () => number },
): { atMs: number; tokens: number }[] {
  const sent: { atMs: number; tokens: number }[] = [];
  let wanted = tokens();
  for (let now = fromMs; now < untilMs; now += stepMs) {
    while (share.waitMs(wanted, full, now) === 0) {
      share.take("requests", 1);
      share.take("tokens", wanted);
      sent.push({ atMs: now, tokens: wanted });
      wanted = tokens();
    }
  }
  return sent;
}

/** The most that any minute of a sliding window holds. */
function busiestMinute(sent: readonly { atMs: number; amount: number }[]): number {
  const sorted = sent.toSorted((a, b) => a.atMs - b.atMs);
  let [from, sum, most] = [0, 0, 0];
  for (const { atMs, amount } of sorted) {
    sum += amount;
    while (sorted[from]!.atMs <= atMs - MINUTE) sum -= sorted[from++]!.amount;
    most = Math.max(most, sum);
  }
  return most;
}

describe("calls that go out by a leased share", () => {
  it("of several processes never exceed the limits together in any minute, and use nearly all", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 600, max: 6_000 }),
        fc.integer({ min: 20, max: 300 }),
        fc.integer({ min: 1, max: 40 }),
        (weights, requestsPerMinute, typical, stepMs) => {
          const whole = weights.reduce((sum, one) => sum + one, 0);
          const tokensPerMinute = requestsPerMinute * typical;
          const full = paceOf({ requestsPerMinute, tokensPerMinute });
          const untilMs = 2.5 * MINUTE;
          const sent = weights.flatMap((weight, at) => {
            const share = new LeasedShare(0);
            share.lease((0.98 * weight) / whole, untilMs, full, 0);
            let number = at;
            const tokens = () => Math.ceil(typical * (0.5 + ((number++ * 7) % 10) / 10));
            return greedy(share, full, { fromMs: 0, untilMs, stepMs, tokens });
          });
          const requests = busiestMinute(sent.map(({ atMs }) => ({ atMs, amount: 1 })));
          const tokens = busiestMinute(sent.map(({ atMs, tokens: amount }) => ({ atMs, amount })));
          // Each may have saved up half a second of its pace, or one call.
          expect(requests).toBeLessThanOrEqual(requestsPerMinute * (0.98 + 0.5 / 60) + 2 * weights.length);
          expect(tokens).toBeLessThanOrEqual(tokensPerMinute * (0.98 + 0.5 / 60) + 3 * typical * weights.length);
          const used = Math.max(requests / requestsPerMinute, tokens / tokensPerMinute);
          // Where both limits are equally tight, a small share cannot save up for calls larger than most.
          expect(used).toBeGreaterThan(0.85);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("end with the lease, and a process that slept has saved up no more than half a second", () => {
    const full = paceOf({ requestsPerMinute: 6_000, tokensPerMinute: null });
    const share = new LeasedShare(0);
    share.lease(0.5, 10_000, full, 0);
    const once = { stepMs: 1, tokens: () => 10 };
    expect(greedy(share, full, { fromMs: 9_000, untilMs: 9_001, ...once })).toHaveLength(25);
    expect(greedy(share, full, { fromMs: 60_000, untilMs: 61_000, ...once })).toHaveLength(0);
    expect(share.shareAt(60_000)).toBe(0);
    expect(share.waitMs(10, full, 60_000)).toBeGreaterThan(0);
  });

  it("may be larger than what is saved up: the credit is paid back first", () => {
    const full = paceOf({ requestsPerMinute: null, tokensPerMinute: 60_000 });
    const share = new LeasedShare(0);
    share.lease(1, 100_000, full, 0);
    expect(share.waitMs(5_000, full, 500)).toBe(0);
    share.take("tokens", 5_000);
    expect(greedy(share, full, { fromMs: 500, untilMs: 4_990, stepMs: 10, tokens: () => 10 })).toHaveLength(0);
    expect(share.waitMs(10, full, 5_100)).toBe(0);
  });

  it("tell what was wanted: the part that was used, and whether calls had to wait", () => {
    const full = paceOf({ requestsPerMinute: 600, tokensPerMinute: null });
    const share = new LeasedShare(0);
    share.lease(0.5, 100_000, full, 0);
    greedy(share, full, { fromMs: 0, untilMs: 10_000, stepMs: 10, tokens: () => 1 });
    const busy = share.look(full, 10_000);
    expect(busy.isShort).toBe(true);
    expect(busy.used).toBeCloseTo(0.5, 1);
    expect(share.look(full, 20_000)).toEqual({ used: 0, isShort: false });
  });
});
