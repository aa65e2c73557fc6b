import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type FailureClass, ModelError } from "../../src/errors.ts";
import type { ModelReply } from "../../src/llm/provider.ts";
import { NO_LIMITS } from "../../src/rate-limits.ts";
import { Gateway } from "../../src/traffic/gateway.ts";
import { handAnswered, REPLY, REQUEST } from "../support/hand-answered.ts";

const CALLERS = 1_000;

interface Call {
  readonly reply: () => Promise<void>;
  readonly fail: (failure: FailureClass, retryAfterMs?: number | null) => Promise<void>;
  readonly crash: () => Promise<void>;
}

/** An endpoint whose calls are answered by hand, and callers that go through it as slots do. */
function openEndpoint(random = () => 0) {
  const pauses: [reason: string, untilMs: number][] = [];
  let resumed = 0;
  const clock = { offsetMs: 0 };
  const now = () => Date.now() + clock.offsetMs;
  const { endpoint, out } = handAnswered({
    now,
    random,
    onPause: (reason, untilMs) => pauses.push([reason, untilMs]),
    onResume: () => {
      resumed += 1;
    },
  });
  const gateway = new Gateway({ endpoints: [endpoint], balance: "latency", ceiling: CALLERS, now, random });
  const stopping = new AbortController();
  const mayCall = (): boolean => endpoint.waitMs(0) === 0;
  let open = 0;
  /** One caller: enters when it may, calls once, ends however that ends. */
  const callOnce = async (): Promise<string> => {
    open += 1;
    try {
      const asked = gateway.acquire({ chars: 0, avoid: new Set() }, stopping.signal);
      const permit = asked instanceof Promise ? await asked : asked;
      if (permit === null) return "stopped";
      return await permit.call(REQUEST, stopping.signal).then(
        () => "answered",
        (error: Error) => (error instanceof ModelError ? error.failure : "crashed"),
      );
    } finally {
      open -= 1;
    }
  };
  const settle = async (at: number, outcome: ModelReply | Error): Promise<void> => {
    out[at]?.settle(outcome);
    await vi.advanceTimersByTimeAsync(0);
  };
  const next = (at = 0): Call => ({
    reply: () => settle(at, REPLY),
    fail: (failure, retryAfterMs = null) => settle(at, new ModelError(failure, failure, { retryAfterMs })),
    crash: () => settle(at, new Error("bug")),
  });
  return {
    endpoint,
    gateway,
    mayCall,
    pauses,
    stopping,
    callOnce,
    next,
    clock,
    out,
    resumed: () => resumed,
    open: () => open,
  };
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("a 429", () => {
  it("pauses all callers for what it asked; then one probe goes out, and its answer frees the others", async () => {
    const { callOnce, next, out, pauses, resumed, open } = openEndpoint();
    void callOnce();
    await next().fail("throttled", 7_000);
    expect(pauses).toEqual([["rate limited (429)", 1_007_000]]);
    for (let caller = 0; caller < 10; caller += 1) void callOnce();
    await pass(6_999);
    expect(out).toHaveLength(0);
    await pass(10);
    expect(out).toHaveLength(1);
    await next().reply();
    expect([out.length, resumed()]).toEqual([9, 1]);
    while (out.length > 0) await next().reply();
    expect(open()).toBe(0);
  });

  it("without Retry-After rests 5 s, doubled with each probe that fails, at most 120 s, and begins anew after an answer", async () => {
    const { callOnce, next, out } = openEndpoint();
    void callOnce();
    await next().fail("throttled");
    for (const seconds of [5, 10, 20, 40, 80, 120, 120]) {
      void callOnce();
      await pass(seconds * 1_000 - 1);
      expect([seconds, out.length]).toEqual([seconds, 0]);
      await pass(10);
      expect([seconds, out.length]).toEqual([seconds, 1]);
      await next().fail("throttled");
    }
    void callOnce();
    await pass(120_010);
    await next().reply();
    void callOnce();
    await next().fail("throttled");
    void callOnce();
    await pass(5_010);
    expect(out).toHaveLength(1);
  });

  it("that asks for hours is probed after two minutes", async () => {
    const { callOnce, next, out } = openEndpoint();
    void callOnce();
    await next().fail("throttled", 24 * 3_600_000);
    void callOnce();
    await pass(120_010);
    expect(out).toHaveLength(1);
  });

  it("that asks for nothing is not asked again at once for ever", async () => {
    const { callOnce, next, out } = openEndpoint();
    void callOnce();
    let calls = 1;
    await next().fail("throttled", 0);
    for (let ms = 0; ms < 60_000; ms += 100) {
      if (out.length === 0) void callOnce();
      await pass(100);
      if (out.length === 0) continue;
      calls += 1;
      await next().fail("throttled", 0);
    }
    expect(calls).toBeLessThan(10);
  });

  it("of many calls that were under way is one pause, as long as the longest that was asked", async () => {
    const { callOnce, next, out } = openEndpoint();
    for (let caller = 0; caller < 5; caller += 1) void callOnce();
    await next().fail("throttled", 3_000);
    await next().fail("throttled", 20_000);
    await next().fail("throttled", 1_000);
    await next().fail("throttled");
    await next().reply();
    void callOnce();
    await pass(19_990);
    expect(out).toHaveLength(0);
    await pass(20);
    expect(out).toHaveLength(1);
  });

  it("rests a little longer than asked, never shorter", async () => {
    for (const random of [0, 0.5, 0.999]) {
      const { callOnce, next, pauses } = openEndpoint(() => random);
      void callOnce();
      await next().fail("throttled", 10_000);
      const restMs = pauses[0]![1] - Date.now();
      expect(restMs).toBeGreaterThanOrEqual(10_000);
      expect(restMs).toBeLessThanOrEqual(11_000);
    }
  });
});

describe("the breaker", () => {
  it("opens when half of at least 20 calls failed, and not before", async () => {
    const { callOnce, next, pauses, mayCall } = openEndpoint();
    for (let call = 1; call <= 20; call += 1) {
      expect([call, mayCall(), pauses.length]).toEqual([call, true, 0]);
      void callOnce();
      await (call % 2 === 0 ? next().fail("transient") : next().reply());
    }
    expect(pauses).toEqual([["half of the last 20 calls failed: transient", expect.any(Number)]]);
    expect(mayCall()).toBe(false);
  });

  it("stays closed for what says something about an item only", async () => {
    const { callOnce, next, pauses } = openEndpoint();
    for (const failure of ["content", "malformed", "too-long", "truncated", "label-unknown"] as const) {
      for (let call = 0; call < 30; call += 1) {
        void callOnce();
        await next().fail(failure);
      }
    }
    expect(pauses).toEqual([]);
  });

  it("looks back on 50 calls", async () => {
    const { callOnce, next, pauses } = openEndpoint();
    for (let call = 0; call < 200; call += 1) {
      void callOnce();
      await next().reply();
    }
    for (let call = 0; call < 24; call += 1) {
      void callOnce();
      await next().fail("unknown-outcome");
    }
    expect(pauses).toEqual([]);
    void callOnce();
    await next().fail("transient");
    expect(pauses).toHaveLength(1);
  });
});

describe("a probe", () => {
  const rested = async () => {
    const opened = openEndpoint();
    void opened.callOnce();
    await opened.next().fail("throttled", 1_000);
    await pass(1_010);
    void opened.callOnce();
    expect(opened.out).toHaveLength(1);
    return opened;
  };

  it("that ends in a bug of ours leaves the way free for the next", async () => {
    const { callOnce, next, out, endpoint } = await rested();
    void callOnce();
    await next().crash();
    await pass(0);
    expect([out.length, endpoint.snapshot().pauseReason]).toEqual([1, "rate limited (429)"]);
    await next().reply();
    expect(endpoint.snapshot().pauseReason).toBeNull();
  });

  it("that was answered with a fault of the item shows that the endpoint is there", async () => {
    const { callOnce, next, out } = await rested();
    void callOnce();
    await next().fail("content");
    await pass(0);
    expect(out).toHaveLength(1);
  });

  it("does not end a rest that was ordered while it was out", async () => {
    const { callOnce, next, out, endpoint } = await rested();
    endpoint.rest(600_000, "the daily quota is used up");
    endpoint.rest(1_000, "shorter");
    await next().reply();
    void callOnce();
    await pass(599_990);
    expect(out).toHaveLength(0);
    await pass(20);
    expect(out).toHaveLength(1);
  });
});

it("a timer that is early holds up nobody", async () => {
  const { callOnce, next, out, clock } = openEndpoint();
  void callOnce();
  await next().fail("throttled", 5_000);
  void callOnce();
  clock.offsetMs = -20;
  await pass(5_100);
  expect(out).toHaveLength(1);
});

it("lets all go when it is stopped or closed", async () => {
  const { callOnce, next, stopping, open, gateway } = openEndpoint();
  void callOnce();
  await next().fail("throttled", 60_000);
  const ended = Promise.all([callOnce(), callOnce()]);
  stopping.abort();
  expect(await ended).toEqual(["stopped", "stopped"]);
  gateway.close();
  expect([open(), vi.getTimerCount()]).toEqual([0, 0]);
});

it("tells how long nothing was answered", async () => {
  const { callOnce, next, endpoint } = openEndpoint();
  expect(endpoint.troubleMs).toBe(0);
  void callOnce();
  await next().fail("transient");
  await pass(3_000);
  expect(endpoint.troubleMs).toBe(3_000);
  void callOnce();
  await next().reply();
  expect(endpoint.troubleMs).toBe(0);
});

describe("whatever happens in whatever order", () => {
  type Run = ReturnType<typeof openEndpoint>;
  type Action = (run: Run) => Promise<unknown>;
  const action = (name: string, act: Action) => Object.assign(act, { toString: () => name });
  const failures: FailureClass[] = [
    "throttled",
    "transient",
    "unknown-outcome",
    "content",
    "malformed",
    "config",
    "daily-quota",
  ];
  const anyAction: fc.Arbitrary<Action> = fc.oneof(
    { weight: 5, arbitrary: fc.constant(action("call", async ({ callOnce }) => void callOnce().catch(() => {}))) },
    {
      weight: 4,
      arbitrary: fc
        .nat(5)
        .map((at) =>
          action(`reply ${at}`, async ({ next, out }) => out.length > 0 && (await next(at % out.length).reply())),
        ),
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(fc.nat(5), fc.constantFrom(...failures), fc.constantFrom(null, 0, 1, 700, 30_000, 10 ** 9))
        .map(([at, failure, retryAfterMs]) =>
          action(
            `${failure} ${retryAfterMs} at ${at}`,
            async ({ next, out }) => out.length > 0 && (await next(at % out.length).fail(failure, retryAfterMs)),
          ),
        ),
    },
    {
      weight: 1,
      arbitrary: fc.constant(action("bug", async ({ next, out }) => out.length > 0 && (await next().crash()))),
    },
    {
      weight: 3,
      arbitrary: fc.constantFrom(0, 1, 4_999, 5_001, 60_000).map((ms) => action(`wait ${ms}`, () => pass(ms))),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(10, 600_000)
        .map((ms) => action(`rest ${ms}`, async ({ endpoint }) => endpoint.rest(ms, "ordered"))),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(-2, -1, 1).map((ms) =>
        action(`clock ${ms}`, async ({ clock }) => {
          clock.offsetMs += ms;
        }),
      ),
    },
  );

  it("nobody hangs, one probe at a time, and all comes back to zero", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyAction, { minLength: 1, maxLength: 40 }), fc.boolean(), async (actions, stop) => {
        vi.setSystemTime(1_000_000);
        const run = openEndpoint(() => 0.37);
        for (const act of actions) {
          const resting = run.endpoint.snapshot().pauseReason !== null;
          const before = run.out.length;
          await act(run);
          expect(run.endpoint.inFlight).toBe(run.out.length);
          // While it rests, time alone lets out one call at most.
          if (resting && String(act).startsWith("wait")) expect(run.out.length - before).toBeLessThanOrEqual(1);
        }
        if (stop) run.stopping.abort();
        // From now on every call is answered: everybody who waits must get through.
        for (let round = 0; round < 400 && run.open() > 0; round += 1) {
          while (run.out.length > 0) await run.next().reply();
          await pass(2_000);
        }
        expect([run.open(), run.endpoint.inFlight]).toEqual([0, 0]);
        expect(run.mayCall() || stop || run.endpoint.snapshot().pauseReason !== null).toBe(true);
        run.gateway.close();
        expect(vi.getTimerCount()).toBe(0);
      }),
      { seed: 7, numRuns: 400 },
    );
  });
});

describe("tokens read from a prompt cache", () => {
  const usage = {
    inputTokens: 20_000,
    cachedInputTokens: 19_900,
    cacheWriteTokens: 0,
    outputTokens: 60,
    reasoningTokens: 0,
  };

  it.each([
    [false, 20_060],
    [true, 160],
  ])("count against the limits unless the provider leaves them out: %j", async (cachedIsUncounted, tokens) => {
    const { endpoint, reply } = handAnswered({ cachedIsUncounted, limits: { ...NO_LIMITS, tokensPerMinute: 50_000 } });
    for (let call = 0; call < 400; call += 1) {
      await pass(60_000);
      const answered = endpoint.take(80_000).call(REQUEST, new AbortController().signal);
      reply({ usage });
      await answered;
    }
    expect(endpoint.tokensOf(80_000)).toBeGreaterThanOrEqual(tokens - 1);
    expect(endpoint.tokensOf(80_000)).toBeLessThanOrEqual(tokens * 1.1);
  });
});
