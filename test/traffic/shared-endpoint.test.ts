import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NO_LIMITS } from "../../src/rate-limits.ts";
import type { Endpoint } from "../../src/traffic/endpoint.ts";
import { Gateway } from "../../src/traffic/gateway.ts";
import { Upstream } from "../../src/traffic/upstream.ts";
import { type HandOptions, handAnswered, REQUEST } from "../support/hand-answered.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** As estimated. */
const USAGE = { inputTokens: 100, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 100, reasoningTokens: 0 };
const MINUTE = (tokensPerMinute: number) => ({ ...NO_LIMITS, tokensPerMinute });

/** Runs whose gateways share places; each has callers as slots have. `order` tells whose calls went out, in turn. */
function openRuns(names: string) {
  const order: string[] = [];
  const places = [new Upstream(Date.now), new Upstream(Date.now)];
  const open = (name: string, options: readonly HandOptions[] = [{}], ceiling = 100) => {
    const told: string[] = [];
    const hands = options.map((one, at) =>
      handAnswered({
        name: `${name}${at}`,
        upstream: places[at]!,
        concurrent: 4,
        onPause: (reason) => told.push(reason),
        onResume: () => told.push("resumed"),
        onLimit: ({ from, to }) => told.push(`${from} → ${to}`),
        ...one,
      }),
    );
    const endpoints = hands.map(({ endpoint }) => endpoint);
    const gateway = new Gateway({ endpoints, balance: "latency", ceiling, now: Date.now, random: () => 0 });
    const stopping = new AbortController();
    let waiting = 0;
    let choosy = 0;
    const callOnce = async (avoid: readonly Endpoint[], chars: number): Promise<void> => {
      waiting += 1;
      if (avoid.length > 0) choosy += 1;
      const asked = gateway.acquire({ chars, avoid: new Set(avoid) }, stopping.signal);
      const permit = asked instanceof Promise ? await asked : asked;
      waiting -= 1;
      if (avoid.length > 0) choosy -= 1;
      if (permit === null) return;
      order.push(options.length > 1 ? permit.endpoint.name : name);
      await permit.call(REQUEST, stopping.signal).catch(() => {});
    };
    return {
      ...{ gateway, hands, stopping, told },
      /** Callers without a call. */
      waiting: () => waiting,
      /** Of these, those that may go anywhere. */
      anywhere: () => waiting - choosy,
      inFlight: () => endpoints.reduce((sum, { inFlight }) => sum + inFlight, 0),
      endpoint: endpoints[0]!,
      hand: hands[0]!,
      call: (times = 1, avoid: readonly Endpoint[] = [], chars = 0) => {
        for (let time = 0; time < times; time += 1) void callOnce(avoid, chars);
      },
    };
  };
  const runs = [...names].map((name) => open(name));
  /** Ends the oldest call of each run in turn, so many times. */
  const answer = async (times: number, of: readonly ReturnType<typeof open>[] = runs): Promise<void> => {
    for (let time = 0; time < times; time += 1)
      for (const { hand } of of) {
        hand.reply({ usage: USAGE });
        await pass(0);
      }
  };
  const count = (name: string, from = 0): number => order.slice(from).filter((one) => one === name).length;
  return { runs, open, order, places, answer, count };
}

describe("runs that share an endpoint", () => {
  it("get its calls by their weights while all want them", async () => {
    const { open, order, answer, count } = openRuns("");
    const runs = [1, 1, 2].map((weight, at) => open("abc"[at]!, [{ share: { weight, floor: null, ceiling: null } }]));
    for (const run of runs) run.call(300);
    expect(runs.map(({ endpoint }) => endpoint.inFlight).reduce((a, b) => a + b)).toBe(4);
    await answer(100, runs);
    const from = order.length - 200;
    expect(count("c", from)).toBeGreaterThanOrEqual(98);
    expect(count("a", from)).toBeGreaterThanOrEqual(48);
    expect(count("b", from)).toBeGreaterThanOrEqual(48);
  });

  it("tell the calls of all beside their own", () => {
    const { runs, places } = openRuns("ab");
    runs[0]!.call(3);
    runs[1]!.call(3);
    expect(runs[0]!.endpoint.snapshot()).toMatchObject({ inFlight: 3, limit: 4, shared: { inFlight: 4, parties: 2 } });
    expect(runs[1]!.endpoint.snapshot()).toMatchObject({ inFlight: 1, shared: { inFlight: 4, parties: 2 } });
    runs[1]!.gateway.close();
    expect("shared" in runs[0]!.endpoint.snapshot()).toBe(false);
    expect(places[0]!.parties).toBe(1);
  });

  it("leave what they do not want to the others, and one that comes gets the next calls", async () => {
    const { runs, order, answer } = openRuns("ab");
    const [a, b] = runs as [(typeof runs)[0], (typeof runs)[0]];
    a.call(50);
    await answer(5, [a]);
    expect(order).toEqual(Array(9).fill("a"));
    b.call(10);
    for (let time = 0; time < 4; time += 1) await answer(1, [a]);
    expect(order.slice(9, 12)).toEqual(["b", "b", "b"]);
    await answer(4, [b]);
    expect(order.slice(12).filter((one) => one === "a").length).toBeGreaterThanOrEqual(1);
    b.stopping.abort();
    await pass(0);
    expect(a.endpoint.inFlight).toBe(4);
  });

  it("wait in turn for a limit of tokens too, and a large call is not passed over", async () => {
    const { open, order, count } = openRuns("");
    const options = {
      limits: MINUTE(6_000),
      concurrent: 50,
      concurrency: { start: 50, max: 50, mode: "fixed" },
    } as const;
    const [small, large] = [open("s", [options]), open("l", [options])];
    small.call(60, [], 300);
    large.call(60, [], 3_000);
    // The bucket was full before the second one came.
    const from = order.length;
    for (let second = 0; second < 100; second += 1) {
      await pass(1_000);
      for (const { hand } of [small, large])
        while (hand.out.length > 0) {
          hand.reply();
          await pass(0);
        }
    }
    // 300 and 1,200 tokens a call, as estimated.
    const tokens = [count("s", from) * 300, count("l", from) * 1_200] as const;
    expect(tokens[0] + tokens[1]).toBeGreaterThan(8_000);
    expect(Math.abs(tokens[0] - tokens[1])).toBeLessThanOrEqual(1_200);
    expect(small.gateway.limitWait).not.toBeNull();
    small.gateway.close();
    large.gateway.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are each held by the strictest of the limits that they name", () => {
    const { open } = openRuns("");
    const a = open("a", [{ limits: MINUTE(50_000) }]);
    const b = open("b", [{ limits: { ...MINUTE(20_000), requestsPerDay: 9 } }]);
    for (const { endpoint } of [a, b])
      expect(endpoint.snapshot().limits).toMatchObject({
        tokensPerMinute: { limit: 20_000 },
        requestsPerDay: { limit: 9 },
      });
    b.gateway.close();
    expect(a.endpoint.snapshot().limits.tokensPerMinute?.limit).toBe(50_000);
    expect(a.endpoint.snapshot().limits.requestsPerDay).toBeNull();
  });

  it("find of a limit that one of them names what is left of it, each time that one comes back", async () => {
    const { open } = openRuns("");
    const other = open("a");
    const usedBy = async (requestsPerDay: number, calls: number): Promise<number> => {
      const run = open("b", [{ limits: { ...NO_LIMITS, requestsPerDay } }]);
      run.call(calls);
      for (let call = 0; call < calls; call += 1) run.hand.reply();
      await pass(0);
      const { used } = run.endpoint.snapshot().limits.requestsPerDay!;
      run.gateway.close();
      return used;
    };
    expect(await usedBy(8, 4)).toBeCloseTo(0.5);
    expect(other.endpoint.snapshot().limits.requestsPerDay).toBeNull();
    expect(await usedBy(8, 0)).toBeCloseTo(0.5);
    expect(await usedBy(16, 0)).toBeCloseTo(0.5);
    await pass(6 * 3_600_000);
    expect(await usedBy(16, 0)).toBeCloseTo(0.25);
  });

  it("may have as many calls at once as they are told, and together what each may", () => {
    const { open, places } = openRuns("");
    const five = { concurrent: 100, concurrency: { start: 8, max: 5, mode: "fixed" } } as const;
    const runs = [open("a", [five]), open("b", [five])];
    for (const run of runs) run.call(8);
    expect(places[0]!.limit).toBe(10);
    expect(runs.map(({ endpoint }) => endpoint.inFlight)).toEqual([5, 5]);
    // Its own, and one that waits for its turn.
    expect(runs.map(({ gateway }) => [gateway.capacity, gateway.slots])).toEqual([
      [5, 6],
      [5, 6],
    ]);
    runs[1]!.gateway.close();
    expect(places[0]!.limit).toBe(5);
  });
});

it("one that comes to a run that was alone gets the next calls until it has its part of those in flight", async () => {
  const { open, order, count, answer } = openRuns("");
  const eight = { concurrent: 8, concurrency: { start: 8, max: 8, mode: "fixed" } } as const;
  const large = open("l", [eight]);
  large.call(100);
  await answer(20, [large]);
  const from = order.length;
  const small = open("s", [eight]);
  small.call(10);
  await answer(7, [large]);
  expect(order.slice(from)).toEqual(Array(7).fill("s"));
  // And what the one used in the time before does not count.
  await answer(20, [large, small]);
  expect(count("s", from)).toBe(10);
  small.call(100);
  await answer(6, [large, small]);
  const later = order.length;
  await answer(20, [large, small]);
  expect(Math.abs(count("s", later) - count("l", later))).toBeLessThanOrEqual(2);
});

describe("one run's own trouble", () => {
  it("opens its breaker alone, and does not shrink what others get", async () => {
    const { runs, places } = openRuns("ab");
    const [a, b] = runs as [(typeof runs)[0], (typeof runs)[0]];
    for (let time = 0; time < 30; time += 1) {
      a.call();
      b.call();
      await pass(0);
      a.hand.fail("transient");
      b.hand.reply({ usage: USAGE });
      await pass(0);
    }
    expect(a.endpoint.canServe).toBe(false);
    expect(a.told[0]).toContain("calls failed");
    expect([b.endpoint.canServe, b.told, places[0]!.limit]).toEqual([true, [], 4]);
    b.call(9);
    expect(b.endpoint.inFlight).toBe(4);
  });

  it("does not keep the calls at once from growing", async () => {
    const { open, places } = openRuns("");
    const auto = { concurrent: 64, concurrency: { start: 8, max: 64, mode: "auto" } } as const;
    const [a, b] = [open("a", [auto]), open("b", [auto])];
    a.call(18);
    b.call(1_000);
    for (let time = 0; time < 136; time += 1) {
      await pass(1);
      if (time % 8 === 0) a.hand.fail("transient");
      b.hand.reply({ usage: USAGE });
      await pass(0);
    }
    expect(places[0]!.limit).toBeGreaterThan(16);
  });

  it("of a kind that answers, leaves everything as it is", async () => {
    const { runs, places } = openRuns("ab");
    const [a, b] = runs as [(typeof runs)[0], (typeof runs)[0]];
    for (const failure of ["content", "config", "too-long", "malformed"] as const)
      for (let time = 0; time < 20; time += 1) {
        a.call();
        await pass(0);
        a.hand.fail(failure);
        await pass(0);
      }
    expect([a.told, b.told, places[0]!.limit, places[0]!.inFlight]).toEqual([[], [], 4, 0]);
  });

  it("drains and takes out what it asks only", async () => {
    const { runs, order } = openRuns("ab");
    const [a, b] = runs as [(typeof runs)[0], (typeof runs)[0]];
    a.endpoint.drain("told to");
    a.call(3);
    b.call(6);
    await pass(0);
    expect(order).toEqual(["b", "b", "b", "b"]);
    b.endpoint.retire("the key was refused");
    a.endpoint.resume();
    b.hand.reply();
    await pass(0);
    expect(order.slice(4)).toEqual(["a"]);
    expect([a.endpoint.state, b.endpoint.state]).toEqual(["in", "out"]);
  });

  it("while it rests, costs the others nothing", async () => {
    const { runs } = openRuns("ab");
    const [a, b] = runs as [(typeof runs)[0], (typeof runs)[0]];
    a.call(20);
    a.endpoint.rest(600_000, "most items failed");
    for (let time = 0; time < 4; time += 1) a.hand.reply();
    await pass(0);
    expect(a.endpoint.inFlight).toBe(0);
    b.call(20);
    expect(b.endpoint.inFlight).toBe(4);
    expect(b.told).toEqual([]);
  });
});

describe("a limit that one meets", () => {
  it("makes all with that key rest, and one call finds out for all that it is over", async () => {
    const { runs, open, places } = openRuns("ab");
    const [a, b] = runs as [(typeof runs)[0], (typeof runs)[0]];
    const other = open("x", [{ upstream: new Upstream(Date.now) }]);
    for (const run of [a, b, other]) run.call(2);
    a.hand.fail("throttled", 3_000);
    await pass(0);
    expect([a.told[0], b.told[0]]).toEqual(["rate limited (429)", "rate limited (429)"].map(() => "4 → 2"));
    expect([a.told[1], b.told[1], other.told[0]]).toEqual(["rate limited (429)", "rate limited (429)", undefined]);
    for (const { hand } of [a, b]) while (hand.out.length > 0) await pass(hand.reply() ?? 0);
    for (const run of [a, b]) run.call(3);
    await pass(2_900);
    expect(a.endpoint.inFlight + b.endpoint.inFlight).toBe(0);
    await pass(600);
    expect(a.endpoint.inFlight + b.endpoint.inFlight).toBe(1);
    for (const { hand } of [a, b]) hand.reply();
    await pass(0);
    expect(a.endpoint.inFlight + b.endpoint.inFlight).toBe(places[0]!.limit);
    expect([a.told.at(-1), b.told.at(-1)]).toEqual(["resumed", "resumed"]);
  });

  it("is told to all where the server tells its limits", async () => {
    const { runs } = openRuns("ab");
    const [a, b] = runs as [(typeof runs)[0], (typeof runs)[0]];
    a.call();
    const rate = { limitRequests: 60, remainingRequests: 0, limitTokens: null, remainingTokens: null };
    a.hand.fail("throttled", 2_000, 0, { ...rate, resetRequestsMs: 60_000, resetTokensMs: null });
    await pass(0);
    for (const run of [a, b]) expect(run.told).toContain("rate limited (429)");
    b.call();
    await pass(1_900);
    expect(b.endpoint.inFlight).toBe(0);
    await pass(4_000);
    expect(b.endpoint.inFlight).toBe(1);
    b.hand.reply();
    await pass(0);
    for (const run of [a, b]) expect(run.told.at(-1)).toBe("resumed");
  });
});

describe("runs with several endpoints", () => {
  it("share each of them, avoid what failed an item, and are held by the ceiling of the run", async () => {
    const { open, order } = openRuns("");
    const a = open("a", [{}, {}], 5);
    const b = open("b", [{}, {}]);
    a.call(20);
    await pass(0);
    expect(a.hands.map(({ endpoint }) => endpoint.inFlight).reduce((x, y) => x + y)).toBe(5);
    b.call(20);
    await pass(0);
    expect(b.hands.map(({ endpoint }) => endpoint.inFlight).reduce((x, y) => x + y)).toBe(3);
    const before = order.length;
    const c = open("c", [{}, {}]);
    c.call(2, [c.hands[0]!.endpoint]);
    for (let time = 0; time < 6; time += 1)
      for (const { hands } of [a, b])
        for (const hand of hands) {
          hand.reply({ usage: USAGE });
          await pass(0);
        }
    expect(order.slice(before).filter((one) => one.startsWith("c"))).toEqual(["c1", "c1"]);
  });

  it("go to a later one while their own part of the first fails, and no other run does", async () => {
    const { open } = openRuns("");
    const parts = [{ fallback: 0 }, { fallback: 1 }];
    const a = open("a", parts);
    const b = open("b", parts);
    a.hands[0]!.endpoint.rest(60_000, "failing", true);
    a.call(2);
    b.call(2);
    await pass(0);
    expect(a.hands.map(({ endpoint }) => endpoint.inFlight)).toEqual([0, 2]);
    expect(b.hands.map(({ endpoint }) => endpoint.inFlight)).toEqual([2, 0]);
  });
});

describe("coming and going", () => {
  it("a run that waits for a limit alone is served in turn with one that comes, and goes on when that one has left", async () => {
    const { open, order } = openRuns("");
    const options = { limits: { ...NO_LIMITS, requestsPerMinute: 60 } };
    const a = open("a", [options]);
    const drainBucket = async (run: typeof a, seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second += 1) {
        await pass(1_000);
        while (run.hand.out.length > 0) {
          run.hand.reply({ usage: USAGE });
          await pass(0);
        }
      }
    };
    a.call(200);
    await drainBucket(a, 30);
    const alone = order.length;
    const b = open("b", [options]);
    b.call(100);
    for (let second = 0; second < 30; second += 1) {
      await drainBucket(a, 1);
      while (b.hand.out.length > 0) {
        b.hand.reply({ usage: USAGE });
        await pass(0);
      }
    }
    const both = order.slice(alone);
    expect(Math.abs(both.filter((one) => one === "b").length * 2 - both.length)).toBeLessThanOrEqual(6);
    b.gateway.close();
    const left = order.length;
    await drainBucket(a, 20);
    expect(order.length - left).toBeGreaterThanOrEqual(18);
    expect(order.slice(left).every((one) => one === "a")).toBe(true);
    a.gateway.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("a run with another key from now on counts there, and its calls in flight where they went", async () => {
    const { runs, places } = openRuns("ab");
    const [a, b] = runs as [(typeof runs)[0], (typeof runs)[0]];
    a.call(4);
    b.call(4);
    a.endpoint.moveTo(places[1]!);
    expect([places[0]!.inFlight, places[1]!.inFlight, places[0]!.parties]).toEqual([4, 0, 1]);
    a.call(1);
    expect(places[1]!.inFlight).toBe(1);
    for (let time = 0; time < 4; time += 1) a.hand.reply();
    await pass(0);
    expect([places[0]!.inFlight, b.endpoint.inFlight]).toEqual([4, 4]);
  });

  it("longer texts of one that comes do not look like a slow endpoint", async () => {
    const { open, places } = openRuns("");
    const auto = { concurrent: 40, concurrency: { start: 40, max: 40, mode: "auto" } } as const;
    const quick = open("q", [auto]);
    const slow = open("s", [auto]);
    const round = async (run: typeof quick, calls: number, ms: number): Promise<void> => {
      run.call(calls);
      await pass(ms);
      while (run.hand.out.length > 0) {
        run.hand.reply({ usage: USAGE });
        await pass(0);
      }
    };
    for (let time = 0; time < 10; time += 1) await round(quick, 40, 100);
    for (let time = 0; time < 10; time += 1) await round(slow, 40, 2_000);
    expect(places[0]!.limit).toBe(40);
    expect([...quick.told, ...slow.told]).toEqual([]);
  });
});

describe("whatever happens in whatever order", () => {
  it("no place is idle while somebody waits who may go there, nobody hangs, and all comes back to zero", async () => {
    const action = fc.oneof(
      fc.record({ what: fc.constant("call" as const), run: fc.nat(3), times: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ what: fc.constant("avoid" as const), run: fc.nat(3), at: fc.nat(1) }),
      fc.record({ what: fc.constantFrom("reply" as const, "transient", "content"), run: fc.nat(3), at: fc.nat(1) }),
      fc.record({ what: fc.constantFrom("throttled" as const), run: fc.nat(3), at: fc.nat(1), known: fc.boolean() }),
      fc.record({ what: fc.constantFrom("drain" as const, "resume", "rest"), run: fc.nat(3), at: fc.nat(1) }),
      fc.record({ what: fc.constantFrom("leave" as const, "join"), run: fc.nat(3) }),
      fc.record({ what: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 800 }) }),
    );
    const told = { limitRequests: 60, remainingRequests: 0, limitTokens: null, remainingTokens: null };
    const rate = { ...told, resetRequestsMs: 60_000, resetTokensMs: null };
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 60 }), async (actions) => {
        const { open, places } = openRuns("");
        const make = () => open("r", [{}, {}], 5);
        const runs = [make(), make(), make(), make()];
        const gone = new Set<number>();
        const left: (typeof runs)[0][] = [];
        const waiting = () => runs.filter((run, at) => !gone.has(at) && run.waiting() > 0);
        for (const one of actions) {
          if (one.what === "pass") await pass(one.ms);
          else if (gone.has(one.run)) {
            if (one.what !== "join") continue;
            gone.delete(one.run);
            runs[one.run] = make();
          } else {
            const run = runs[one.run]!;
            const hand = run.hands["at" in one ? one.at : 0]!;
            if (one.what === "call") run.call(one.times);
            if (one.what === "avoid") run.call(1, [hand.endpoint]);
            if (one.what === "reply") hand.reply({ usage: USAGE });
            if (one.what === "transient" || one.what === "content") hand.fail(one.what);
            if (one.what === "throttled") hand.fail("throttled", 500, 0, one.known ? rate : null);
            if (one.what === "drain") hand.endpoint.drain("told to");
            if (one.what === "resume") hand.endpoint.resume();
            if (one.what === "rest") hand.endpoint.rest(300, "failing", true);
            if (one.what === "leave") {
              gone.add(one.run);
              left.push(run);
              run.gateway.close();
            }
          }
          await pass(0);
          for (const run of waiting().filter(({ anywhere }) => anywhere() > 0))
            for (const { endpoint } of run.hands)
              if (run.inFlight() < 5) expect(endpoint.waitMs(0), endpoint.name).toBeGreaterThan(0);
        }
        for (const run of runs) for (const { endpoint } of run.hands) endpoint.resume();
        for (
          let time = 0;
          time < 400 && (waiting().length > 0 || places.some(({ inFlight }) => inFlight > 0));
          time += 1
        ) {
          await pass(500);
          for (const { hands } of [...runs, ...left])
            for (const { reply, out } of hands) while (out.length > 0) await pass(reply({ usage: USAGE }) ?? 0);
        }
        expect(waiting().length).toBe(0);
        expect(places.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
        for (const [at, run] of runs.entries()) if (!gone.has(at)) run.gateway.close();
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
