import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ConcurrencyOptions,
  type ConcurrencyState,
  firstLimit,
  type LimitChange,
  nextLimit,
  type Seen,
} from "../../src/traffic/concurrency.ts";
import { SILENT } from "../support/limited-server.ts";
import { heavyTail, makeRandom, SimulatedClient, VirtualTime } from "../support/traffic-simulation.ts";

const AUTO: ConcurrencyOptions = { start: 8, max: 1_000, mode: "auto" };

/** A limit that is told what happens, always in full use. */
class Told {
  state: ConcurrencyState;
  nowMs = 0;
  readonly changes: LimitChange[] = [];
  readonly #options: ConcurrencyOptions;

  constructor(options: ConcurrencyOptions) {
    this.#options = options;
    this.state = firstLimit(options);
  }

  get limit(): number {
    return this.state.limit;
  }

  see(seen: Seen): void {
    const step = nextLimit(this.state, seen, this.#options);
    this.state = step.state;
    if (step.change !== null) this.changes.push(step.change);
  }

  answers(count: number, { latencyMs = 400, use = 1, headroom = null as number | null } = {}): void {
    for (let seen = 0; seen < count; seen++)
      this.see({ what: "answer", latencyMs, inFlight: Math.ceil(use * this.limit), headroom });
  }

  /** As many answers as the limit is now. */
  rounds(count: number, answers?: Parameters<Told["answers"]>[1]): void {
    for (let round = 0; round < count; round++) this.answers(this.limit, answers);
  }

  refused(sentMs: number): void {
    this.nowMs += 100;
    this.see({ what: "refused", sentMs, nowMs: this.nowMs });
  }
}

describe("slow start", () => {
  it("begins at 8 and doubles per round, up to the ceiling", () => {
    const told = new Told(AUTO);
    for (let round = 0; round < 8; round++) {
      const before = told.limit;
      for (let quarter = 0; quarter < 4; quarter++) told.answers(Math.ceil(told.limit / 4));
      expect(told.limit).toBeGreaterThanOrEqual(Math.min(1.85 * before, 1_000));
      expect(told.limit).toBeLessThanOrEqual(2.15 * before);
    }
    expect(told.limit).toBe(1_000);
    expect(told.changes.at(-1)).toMatchObject({ to: 1_000, reason: "ceiling" });
    expect(new Set(told.changes.slice(0, -1).map(({ reason }) => reason))).toEqual(new Set(["slow-start"]));
  });

  it("does not grow a limit that is not used", () => {
    const told = new Told(AUTO);
    told.rounds(20, { use: 0.8 });
    expect(told.changes).toEqual([]);
  });

  it("does not grow while little is left of the rate limits, and goes on when there is more", () => {
    const told = new Told(AUTO);
    told.rounds(20, { headroom: 0.05 });
    expect(told.limit).toBe(8);
    told.rounds(2, { headroom: 0.5 });
    expect(told.limit).toBeGreaterThan(16);
  });

  it("begins below 8 where the ceiling is lower", () => {
    expect(firstLimit({ ...AUTO, max: 5 }).limit).toBe(5);
  });
});

describe("a refusal", () => {
  it("shrinks the limit once per episode, however many calls were refused together", () => {
    const told = new Told(AUTO);
    told.rounds(4);
    const before = told.limit;
    told.nowMs = 1_000;
    for (let refused = 0; refused < 50; refused++) told.refused(1_000 + refused);
    expect(told.limit).toBe(Math.floor(0.7 * before));
    expect(told.changes.at(-1)?.reason).toBe("rate-limited");
    told.refused(told.nowMs + 1);
    expect(told.limit).toBe(Math.floor(0.7 * Math.floor(0.7 * before)));
  });

  it("ends slow start: quick growth to near the place of trouble, slow beyond it", () => {
    const told = new Told(AUTO);
    while (told.limit < 400) told.rounds(1);
    const trouble = told.limit;
    told.refused(1);
    let quick = 0;
    for (; told.limit < 0.9 * trouble; quick++) told.rounds(1);
    expect(quick).toBeLessThanOrEqual(2);
    const near = told.limit;
    told.rounds(1);
    expect(told.limit - near).toBeLessThanOrEqual(0.06 * near);
    expect(told.changes.at(-1)?.reason).toBe("clean-round");
  });

  it("at 500 is forgotten within 20 rounds: the limit comes to 1,000", () => {
    const told = new Told({ ...AUTO, start: 500 });
    told.refused(1);
    let rounds = 0;
    for (; told.limit < 1_000 && rounds < 100; rounds++) told.rounds(1);
    expect(rounds).toBeLessThanOrEqual(20);
  });
});

describe("a failure", () => {
  it("stops growth for a round and shrinks nothing", () => {
    const told = new Told(AUTO);
    told.rounds(2);
    const before = told.limit;
    told.see({ what: "failed" });
    told.answers(before);
    expect(told.limit).toBe(before);
    told.answers(before);
    expect(told.limit).toBeGreaterThan(before);
  });
});

describe("a fixed limit", () => {
  const fixed: ConcurrencyOptions = { start: 8, max: 50, mode: "fixed" };

  it("begins at its ceiling and stays there, however slow answers become", () => {
    const told = new Told(fixed);
    told.rounds(10);
    told.rounds(20, { latencyMs: 20_000 });
    expect(told.limit).toBe(50);
    expect(told.changes).toEqual([]);
  });

  it("shrinks when the provider pushes back, and comes back to its ceiling", () => {
    const told = new Told(fixed);
    told.refused(1);
    expect(told.limit).toBe(35);
    told.rounds(10);
    expect(told.limit).toBe(50);
    expect(told.changes.at(-1)?.reason).toBe("ceiling");
  });
});

it("a ceiling that is lowered in mid-run holds at once", () => {
  const state = { ...firstLimit(AUTO), limit: 200 };
  const answer: Seen = { what: "answer", latencyMs: 400, inFlight: 200, headroom: null };
  const { change } = nextLimit(state, answer, { ...AUTO, max: 60 });
  expect(change).toEqual({ from: 200, to: 60, reason: "ceiling" });
});

describe("whatever happens", () => {
  it("the limit is whole, within 1 and the ceiling, and every change is told as it is", () => {
    const seen = fc.oneof(
      fc.record({
        what: fc.constant("answer" as const),
        latencyMs: fc.integer({ min: 0, max: 100_000 }),
        inFlight: fc.integer({ min: 0, max: 300 }),
        headroom: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      }),
      fc.record({
        what: fc.constant("refused" as const),
        sentMs: fc.integer({ min: 0, max: 1_000 }),
        nowMs: fc.integer({ min: 0, max: 1_000 }),
      }),
      fc.constant({ what: "failed" as const }),
    );
    const options = fc.record({
      start: fc.integer({ min: 1, max: 50 }),
      max: fc.integer({ min: 1, max: 200 }),
      mode: fc.constantFrom("auto" as const, "fixed" as const),
    });
    fc.assert(
      fc.property(options, fc.array(fc.tuple(seen, fc.nat({ max: 60 })), { maxLength: 40 }), (options, events) => {
        let state = firstLimit(options);
        for (const [seen, times] of events) {
          for (let time = 0; time <= times; time++) {
            const { state: next, change } = nextLimit(state, seen, options);
            expect(Number.isInteger(next.limit) && next.limit >= 1 && next.limit <= options.max).toBe(true);
            if (change === null) expect(next.limit).toBe(state.limit);
            else expect(change).toMatchObject({ from: state.limit, to: next.limit });
            state = next;
          }
        }
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

describe("at a simulated server", () => {
  interface Server {
    /** Of one call, by the calls the server works on, ms. */
    readonly latencyMs: (inFlight: number, nowMs: number) => number;
    /** Calls at once beyond which it refuses. */
    readonly refusesBeyond?: number;
    readonly forMs: number;
    readonly seed: number;
  }

  function simulate({ latencyMs, refusesBeyond = Number.POSITIVE_INFINITY, forMs, seed }: Server) {
    const time = new VirtualTime();
    const random = makeRandom(seed);
    const client: SimulatedClient = new SimulatedClient({
      time,
      limits: {
        arrive: () => ({ headers: SILENT, refusedMs: client.atServer >= refusesBeyond ? 1_000 : null }),
      },
      limiter: null,
      concurrency: AUTO,
      latencyMs: (inFlight) => latencyMs(inFlight, time.now),
      networkMs: () => 2 + 40 * random(),
      tokens: () => ({ used: 1, estimate: 1 }),
      stopAtMs: forMs,
    });
    /** Limit every 100 ms. */
    const limits: number[] = [];
    for (let ms = 0; ms < forMs; ms += 100) time.at(ms, () => limits.push(client.concurrency.limit));
    client.pump();
    time.run();
    return { client, limits };
  }

  const SEEDS = [1, 2, 3];
  const tail = (seed: number) => heavyTail(makeRandom(100 + seed), 400, 4_000);

  it.each(SEEDS)("without end, with a heavy tail, it grows to its ceiling within 10 s and stays (seed %i)", (seed) => {
    const { limits } = simulate({ latencyMs: tail(seed), forMs: 60_000, seed });
    expect(limits.indexOf(1_000)).toBeGreaterThan(0);
    expect(limits.indexOf(1_000)).toBeLessThan(100);
    expect(limits.slice(100).every((limit) => limit === 1_000)).toBe(true);
  });

  const queues = [10, 20, 50, 100, 300].flatMap((places) => SEEDS.map((seed) => [places, seed] as const));
  it.each(queues)(
    "that queues beyond %i calls it settles at about 1 to 2.5 times as many (seed %i)",
    (places, seed) => {
      for (const baseMs of [() => 400, tail(seed)]) {
        const latencyMs = (inFlight: number) => baseMs() * Math.max(1, inFlight / places);
        const { limits } = simulate({ latencyMs, forMs: 300_000, seed });
        const settled = limits.slice(1_200);
        expect(settled.reduce((sum, limit) => sum + limit, 0) / settled.length).toBeGreaterThan(0.9 * places);
        expect(Math.min(...settled)).toBeGreaterThan(0.7 * places);
        expect(Math.max(...settled)).toBeLessThanOrEqual(2.5 * places);
      }
    },
  );

  it.each([30, 200, 800])("that refuses beyond %i calls it uses at least three quarters of them", (places) => {
    const { client, limits } = simulate({ latencyMs: tail(1), refusesBeyond: places, forMs: 120_000, seed: 1 });
    const settled = limits.slice(200);
    expect(settled.reduce((sum, limit) => sum + limit, 0) / settled.length).toBeGreaterThan(0.75 * places);
    expect(client.refused / client.sent).toBeLessThan(0.02);
  });

  it("that becomes four times slower for good it finds its way back to the ceiling", () => {
    const draw = tail(2);
    const latencyMs = (_inFlight: number, nowMs: number) => draw() * (nowMs < 60_000 ? 1 : 4);
    const { limits } = simulate({ latencyMs, forMs: 300_000, seed: 2 });
    expect(Math.min(...limits.slice(600))).toBeGreaterThan(250);
    expect(limits.at(-1)).toBe(1_000);
  });
});
