import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ModelError } from "../../src/errors.ts";
import type { Balance } from "../../src/job.ts";
import { NO_LIMITS } from "../../src/rate-limits.ts";
import type { Endpoint } from "../../src/traffic/endpoint.ts";
import { Gateway, type Wish } from "../../src/traffic/gateway.ts";
import { type HandOptions, handAnswered, REQUEST } from "../support/hand-answered.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const SLOTS = { start: 8, max: 2, mode: "fixed" } as const;

/** A gateway over endpoints that are answered by hand, and callers as slots are. */
function open(options: readonly HandOptions[], ceiling = 1_000, balance: Balance = "latency") {
  const hands = options.map((one, at) => handAnswered({ name: "abc"[at]!, ...one }));
  const endpoints = hands.map(({ endpoint }) => endpoint);
  const gateway = new Gateway({ endpoints, balance, ceiling, now: Date.now, random: () => 0 });
  const stopping = new AbortController();
  const ends: string[] = [];
  const callOnce = async (avoid: readonly Endpoint[] = []): Promise<void> => {
    const wish: Wish = { chars: 0, avoid: new Set(avoid) };
    const asked = gateway.acquire(wish, stopping.signal);
    const permit = asked instanceof Promise ? await asked : asked;
    if (permit === null) {
      ends.push("stopped");
      return;
    }
    const name = permit.endpoint.name;
    await permit.call(REQUEST, stopping.signal).then(
      () => ends.push(`answered by ${name}`),
      (error: unknown) => ends.push(error instanceof ModelError ? `${error.failure} at ${name}` : "bug"),
    );
  };
  const call = (times = 1): void => {
    for (let time = 0; time < times; time += 1) void callOnce();
  };
  return { gateway, hands, stopping, ends, call, callOnce, out: () => hands.map((hand) => hand.out.length) };
}

/** Makes an endpoint's breaker open. */
async function breakDown({ gateway, hands }: ReturnType<typeof open>, at: number): Promise<void> {
  const { endpoint, fail } = hands[at]!;
  for (let call = 0; call < 20; call += 1) {
    const asked = endpoint.take(0);
    const ended = asked.call(REQUEST, new AbortController().signal).catch(() => {});
    fail("transient", null, hands[at]!.out.length - 1);
    await ended;
  }
  expect(endpoint.canServe).toBe(false);
  expect(gateway.find(endpoint.name)).toBe(endpoint);
}

describe("callers", () => {
  it("wait in turn while all endpoints are full, and go out as calls come home", async () => {
    const run = open([{ concurrency: SLOTS }, { concurrency: SLOTS }]);
    run.call(7);
    expect(run.out()).toEqual([2, 2]);
    run.hands[0]!.reply();
    await pass(0);
    expect(run.out()).toEqual([2, 2]);
    expect(run.ends).toEqual(["answered by a"]);
    while (run.out().some((count) => count > 0)) {
      for (const hand of run.hands) hand.reply();
      await pass(0);
    }
    expect(run.ends).toHaveLength(7);
  });

  it("wait for an endpoint that has not failed them, as long as there is one, and hold up nobody else", async () => {
    const run = open([{}, { concurrency: { ...SLOTS, max: 1 } }]);
    void run.callOnce([run.hands[0]!.endpoint]);
    void run.callOnce([run.hands[0]!.endpoint]);
    expect(run.out()).toEqual([0, 1]);
    run.call();
    await pass(0);
    expect(run.out()).toEqual([1, 1]);
    run.hands[0]!.reply();
    run.hands[1]!.reply();
    await pass(0);
    expect(run.out()).toEqual([0, 1]);
    run.hands[1]!.endpoint.drain("test");
    void run.callOnce([run.hands[0]!.endpoint]);
    await pass(0);
    expect(run.out()).toEqual([1, 1]);
  });

  it("are let go when the run stops, and when the gateway closes", async () => {
    const run = open([{ concurrency: { ...SLOTS, max: 1 } }]);
    run.call(3);
    run.stopping.abort();
    await pass(0);
    expect(run.ends.sort()).toEqual(["stopped", "stopped", "unknown-outcome at a"]);
    const closed = open([{ concurrency: { ...SLOTS, max: 1 } }]);
    closed.call(2);
    closed.gateway.close();
    await pass(0);
    expect(closed.ends).toEqual(["stopped"]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the capacity", () => {
  it("is the sum of what the endpoints take, up to the ceiling of the run", () => {
    expect(open([{ concurrency: SLOTS }, { concurrency: SLOTS }]).gateway.capacity).toBe(4);
    expect(open([{ concurrency: SLOTS }, { concurrency: SLOTS }], 3).gateway.capacity).toBe(3);
  });

  it("is told to change, and is 0 while every endpoint was told to take nothing", async () => {
    const run = open([{ concurrency: SLOTS }, { concurrency: SLOTS }]);
    let told = 0;
    run.gateway.onCapacity = () => {
      told += 1;
    };
    for (const { endpoint } of run.hands) endpoint.drain("test");
    expect([told, run.gateway.capacity]).toEqual([2, 0]);
    run.call();
    await pass(60_000);
    expect(run.out()).toEqual([0, 0]);
    run.hands[1]!.endpoint.resume();
    await pass(0);
    expect(run.out()).toEqual([0, 1]);
  });
});

describe("a later fallback", () => {
  const options: HandOptions[] = [{ concurrency: SLOTS }, { fallback: 1, concurrency: SLOTS }];

  it("is not asked while the first one is only busy, or rests for a limit", async () => {
    const run = open(options);
    run.call(4);
    expect(run.out()).toEqual([2, 0]);
    run.hands[0]!.fail("throttled", 3_000);
    await pass(10);
    expect(run.out()[1]).toBe(0);
  });

  it("is asked while the first one fails, and no longer once it is back", async () => {
    const run = open(options);
    await breakDown(run, 0);
    run.call(2);
    expect(run.out()).toEqual([0, 2]);
    run.hands[1]!.reply();
    run.hands[1]!.reply();
    await pass(6_000);
    // The free look found it: one item probes it, the others still go to the fallback.
    run.call(2);
    expect(run.out()[0]).toBe(1);
    run.hands[0]!.reply();
    await pass(0);
    for (const hand of run.hands) hand.reply();
    await pass(0);
    run.call(2);
    expect(run.out()).toEqual([2, 0]);
  });

  it("is asked when the first one is out or draining", () => {
    for (const leave of ["drain", "retire"] as const) {
      const run = open(options);
      run.hands[0]!.endpoint[leave]("test");
      run.call();
      expect(run.out()).toEqual([0, 1]);
    }
  });
});

describe("an endpoint that failed", () => {
  const spare: HandOptions = { fallback: 1, concurrency: { ...SLOTS, max: 50 }, weight: 100, cost: 1 };

  it.each(["latency", "cost", "weight"] as const)("is probed though another is better by %s", async (balance) => {
    const run = open([{ concurrency: SLOTS, cost: 5 }, spare], 1_000, balance);
    run.call();
    await pass(9_000);
    run.hands[0]!.reply();
    await breakDown(run, 0);
    run.call();
    await pass(10);
    run.hands[1]!.reply();
    await pass(6_000);
    run.call();
    expect(run.out()).toEqual([1, 0]);
    run.call(3);
    expect(run.out()).toEqual([1, 3]);
  });

  it("in the probe after a 429 leaves the calls to its fallback", async () => {
    const run = open([{ concurrency: SLOTS }, spare]);
    run.call();
    run.hands[0]!.fail("throttled", 1_000);
    await pass(0);
    run.call(2);
    await pass(1_010);
    run.hands[0]!.fail("transient");
    await pass(0);
    expect(run.out()).toEqual([0, 1]);
  });

  it("together with its fallback is waited for no longer than the fallback", async () => {
    const run = open([{ concurrency: SLOTS, isThere: () => false }, spare]);
    await breakDown(run, 0);
    await breakDown(run, 1);
    run.call(3);
    await pass(6_000);
    expect(run.out()).toEqual([0, 1]);
    run.hands[1]!.reply();
    await pass(0);
    expect(run.out()).toEqual([0, 2]);
  });

  it("is no other endpoint for an item, not even when it has rested", async () => {
    const run = open([{}, {}]);
    const avoid = new Set([run.hands[0]!.endpoint]);
    const wish = { chars: 0, avoid };
    expect(run.gateway.hasOther(avoid)).toBe(true);
    run.gateway.takeOther(wish)!.cancel();
    await breakDown(run, 1);
    for (const ms of [0, 6_000]) {
      await pass(ms);
      expect([run.gateway.hasOther(avoid), run.gateway.takeOther(wish)]).toEqual([false, null]);
    }
  });
});

describe("trouble", () => {
  it("is how long none of those that are asked has answered: a fallback that nobody asks says nothing", async () => {
    for (const [fallback, troubleMs] of [
      [1, 50_000],
      [0, 0],
    ] as const) {
      const run = open([{ concurrency: SLOTS }, { fallback }]);
      run.call();
      run.hands[0]!.fail("throttled", 60_000);
      await pass(50_000);
      expect(run.gateway.troubleMs).toBe(troubleMs);
    }
  });

  it("is none while every endpoint was told to take nothing", async () => {
    const run = open([{}]);
    run.call();
    run.hands[0]!.fail("throttled");
    await pass(0);
    run.hands[0]!.endpoint.drain("test");
    await pass(3_600_000);
    expect(run.gateway.troubleMs).toBe(0);
  });
});

describe("a pause for a known limit", () => {
  const limits = { ...NO_LIMITS, requestsPerMinute: 1_000 };
  function openTold() {
    const told: string[] = [];
    const onPause = (_: string, untilMs: number) => told.push(`pause until ${untilMs}`);
    const run = open([{ limits, onPause, onResume: () => told.push("resume") }]);
    return { run, told, hand: run.hands[0]! };
  }

  it("is told once for a crowd, and its end with the first answer to a later call", async () => {
    const { run, told, hand } = openTold();
    run.call(5);
    hand.fail("throttled", 4_000);
    await pass(300);
    hand.fail("throttled", 4_000);
    hand.reply();
    await pass(0);
    run.call(2);
    expect([run.out(), hand.endpoint.snapshot().state]).toEqual([[2], "open"]);
    await pass(4_500);
    expect(run.out()).toEqual([4]);
    for (const answers of [2, 1, 1]) {
      for (let answer = 0; answer < answers; answer += 1) hand.reply();
      await pass(0);
      expect(told).toEqual(answers === 2 ? ["pause until 1004000"] : ["pause until 1004000", "resume"]);
    }
  });

  it("becomes a rest when calls are refused three times running, which ends once", async () => {
    const { run, told, hand } = openTold();
    for (let refusal = 0; refusal < 3; refusal += 1) {
      run.call();
      await pass(5_000);
      hand.fail("throttled", 2_000);
      await pass(0);
    }
    expect(hand.endpoint.snapshot().state).toBe("resting");
    run.call();
    await pass(3_000);
    hand.reply();
    await pass(0);
    expect(told.filter((each) => each === "resume")).toHaveLength(1);
    expect(hand.endpoint.snapshot().state).toBe("open");
  });
});

describe("a limit", () => {
  const limits = { ...NO_LIMITS, requestsPerMinute: 60 };

  it("is waited for, and told; then the next goes out by itself", async () => {
    const run = open([{ limits }]);
    run.call(70);
    const sent = run.out()[0]!;
    expect(sent).toBeGreaterThan(50);
    expect(sent).toBeLessThanOrEqual(60);
    expect(run.gateway.limitWait).toMatchObject({ endpoint: "a", untilMs: expect.any(Number) });
    await pass(5_000);
    expect(run.out()[0]! - sent).toBeGreaterThanOrEqual(4);
    await pass(30_000);
    expect(run.out()[0]).toBe(70);
    expect(run.gateway.limitWait).toBeNull();
  });

  it("has room again for a caller, though one before it waits for another endpoint", async () => {
    const run = open([{ limits: { ...limits, requestsPerMinute: 1 } }, { concurrency: { ...SLOTS, max: 1 } }]);
    run.call(2);
    expect(run.out()).toEqual([1, 1]);
    void run.callOnce([run.hands[0]!.endpoint]);
    run.call();
    await pass(61_000);
    expect(run.out()).toEqual([2, 1]);
  });

  it("is not waited for by the run while another endpoint is only full", async () => {
    const run = open([{ limits: { ...NO_LIMITS, requestsPerDay: 3 } }, { concurrency: SLOTS }], 1_000, "weight");
    run.call(10);
    await pass(1_000);
    expect([run.out(), run.gateway.limitWait]).toEqual([[3, 2], null]);
    run.hands[1]!.endpoint.drain("test");
    expect(run.gateway.limitWait).toMatchObject({ endpoint: "a" });
    expect(run.gateway.limitWait!.untilMs - Date.now()).toBeGreaterThan(3_600_000);
    run.stopping.abort();
    expect(run.gateway.limitWait).toBeNull();
  });

  it("of one endpoint sends calls to the other", () => {
    const run = open([{ limits: { ...limits, requestsPerMinute: 10 } }, {}]);
    run.call(40);
    expect(run.out().reduce((sum, count) => sum + count, 0)).toBe(40);
  });
});

it("rather waits for a full endpoint at the end of a run than ask one that is much slower", async () => {
  const run = open([{ concurrency: { ...SLOTS, max: 1 } }, {}]);
  const [fast, slow] = [run.hands[0]!, run.hands[1]!];
  void run.callOnce([slow.endpoint]);
  await pass(10);
  fast.reply();
  void run.callOnce([fast.endpoint]);
  await pass(5_000);
  slow.reply();
  await pass(0);
  run.call();
  expect(run.out()).toEqual([1, 0]);
  run.gateway.soonest = true;
  run.call();
  expect(run.out()).toEqual([1, 0]);
  fast.reply();
  await pass(0);
  expect(run.out()).toEqual([1, 0]);
  run.gateway.soonest = false;
  run.call();
  expect(run.out()).toEqual([1, 1]);
});

it("waits for no faster endpoint where they are chosen by weight", async () => {
  const run = open([{ concurrency: { ...SLOTS, max: 1 } }, {}], 1_000, "weight");
  run.call(2);
  run.hands[0]!.reply();
  await pass(9_000);
  run.hands[1]!.reply();
  await pass(0);
  run.gateway.soonest = true;
  run.call(2);
  expect(run.out()).toEqual([1, 1]);
});

it("leaves no timer after its end, not even for a call that fails later", async () => {
  const run = open([{}]);
  run.call(2);
  run.hands[0]!.fail("throttled");
  await pass(0);
  run.gateway.close();
  run.hands[0]!.fail("throttled", 60_000);
  await pass(0);
  expect(vi.getTimerCount()).toBe(0);
});

it("nobody hangs, whatever happens in whatever order", async () => {
  const at = fc.nat(2);
  const failures = ["throttled", "transient", "unknown-outcome", "content", "config"] as const;
  const action = fc.oneof(
    { weight: 5, arbitrary: fc.constant({ do: "call" } as const) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("reply" as const), at }) },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant("fail" as const), at, failure: fc.constantFrom(...failures) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1, 5_001, 60_000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("drain", "retire", "resume"), at }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 60 }), async (actions) => {
      vi.setSystemTime(1_000_000);
      const limits = { ...NO_LIMITS, requestsPerMinute: 30 };
      const run = open([{ concurrency: SLOTS }, { limits }, { fallback: 1, concurrency: SLOTS }]);
      let calls = 0;
      for (const one of actions) {
        if (one.do === "call") {
          run.call();
          calls += 1;
        } else if (one.do === "pass") await pass(one.ms);
        else if (one.do === "reply") run.hands[one.at]!.reply();
        else if (one.do === "fail") run.hands[one.at]!.fail(one.failure, one.failure === "throttled" ? 500 : null);
        else if (one.do === "resume") run.hands[one.at]!.endpoint.resume();
        else run.hands[one.at]!.endpoint[one.do]("test");
        await pass(0);
        for (const { endpoint, out } of run.hands) expect(endpoint.inFlight).toBe(out.length);
      }
      for (const { endpoint } of run.hands) endpoint.resume();
      for (let round = 0; round < 200 && run.ends.length < calls; round += 1) {
        for (const hand of run.hands) while (hand.out.length > 0) hand.reply();
        await pass(3_000);
      }
      expect(run.ends).toHaveLength(calls);
      run.gateway.close();
      expect(vi.getTimerCount()).toBe(0);
    }),
    { seed: 7, numRuns: 200 },
  );
});
