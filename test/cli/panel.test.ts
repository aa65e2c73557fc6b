import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { widthOf } from "../../src/cli/format.ts";
import { renderPanel } from "../../src/cli/panel.ts";
import { costRange, finishRange, NO_HISTORY, nextHistory, slotAdvice } from "../../src/estimation/finish.ts";
import { limitNote } from "../../src/estimation/run-limit.ts";
import type { EndpointSnapshot, RunSnapshot } from "../../src/events.ts";
import { COUNTERS, makeSnapshot, START_MS } from "./made-up-run.ts";

const plain = (_format: string, text: string): string => text;

function draw(snapshot: RunSnapshot, columns: number, rows = 50, ascii = false): string[] {
  const history = nextHistory(NO_HISTORY, snapshot);
  return renderPanel(snapshot, { columns, rows, ascii, style: plain, history });
}

test.each([100, 72, 60, 44, 38])("no line is wider than a window of %i columns", (columns) => {
  for (const ascii of [false, true])
    for (const line of draw(makeSnapshot(), columns, 50, ascii)) expect(widthOf(line)).toBeLessThanOrEqual(columns);
});

test.each([100, 72, 60, 44])("shows every part of the sum at %i columns", (columns) => {
  const text = draw(makeSnapshot(), columns).join("\n");
  for (const part of ["161,402", "158,947", "1,846", "297", "264", "48"]) expect(text).toContain(part);
});

test("below 40 columns or 12 rows it is one line", () => {
  expect(draw(makeSnapshot(), 38)).toEqual(["161,354/248,310  45.2/s  $144.63"]);
  expect(draw(makeSnapshot(), 100, 11)[0]).toMatch(
    /^161,354\/248,310 {2}45\.2\/s {2}ends \d\d:\d\d–\d\d:\d\d {2}\$144\.63/,
  );
});

test("tells in continuous mode how far it is behind and that a change wakes it, instead of when it ends", () => {
  const since = START_MS + 60 * 60_000;
  const lag = { ms: 1_080_000, sinceMs: since, basis: "object-id" } as const;
  const running = makeSnapshot({ mode: "continuous", lag });
  expect(draw(running, 100).join("\n")).toMatch(/ {2}Lag +18 min +oldest from \d\d:\d\d +by the time in its id\n/);
  expect(draw(running, 100).join("\n")).not.toContain("Ends");
  expect(draw(running, 60).join("\n")).toMatch(/^lag {4}18 min +oldest from \d\d:\d\d$/m);
  const waiting = { reason: "next poll", untilMs: running.nowMs + 42_000, items: 0 };
  const none = { ms: 0, sinceMs: null, basis: null };
  const idle = makeSnapshot({ mode: "continuous", waiting, lag: none, watch: { watching: true, reason: null } });
  expect(draw(idle, 100).join("\n")).toMatch(/Lag +none +everything is done/);
  expect(draw(idle, 100).join("\n")).toMatch(/Waiting +next poll, or a change of the source until .*, in 42 s/);
});

test("aligns the numbers of the sum", () => {
  const rows = draw(makeSnapshot(), 100).filter((line) => /^ {2}(read|=|\+| {2}in backoff)/.test(line));
  expect(rows).toHaveLength(7);
  const ends = rows.map((line) => /^.{16} *[\d,]+/.exec(line)?.[0].length);
  expect(new Set(ends).size).toBe(1);
});

test("says what rests, until when and why", () => {
  const text = draw(makeSnapshot(), 100).join("\n");
  expect(text).toMatch(/⏸ {2}overflow +0 of 18 +resting until \d\d:\d\d:\d\d: five 529 in 20 s/);
  expect(text).toMatch(/in backoff +12 +first again at \d\d:\d\d:\d\d, in 8 s +529 overloaded/);
  expect(text).toMatch(/\+ retry queued +297 +281 model at \d\d:\d\d +16 store at \d\d:\d\d/);
});

test("a frame keeps its height when errors and waits come", () => {
  const calm = makeSnapshot({ errors: [], backoff: { count: 0, nextAtMs: null, reason: null } });
  const waiting = { reason: "retry queues", untilMs: calm.nowMs + 252_000, items: 281 };
  expect(draw(makeSnapshot({ waiting }), 100)).toHaveLength(draw(calm, 100).length);
  expect(draw(makeSnapshot({ waiting }), 100).join("\n")).toContain("281 items: retry queues until");
});

test("while it waits for a scheduled time the next ones are shown, and not while it runs", () => {
  const { nowMs } = makeSnapshot();
  const schedules = ["nightly", "sunday"].map((name, at) => ({
    name,
    cron: "30 2 * * *",
    timezone: "UTC",
    nextMs: [1, 2, 3, 4, 5].map((day) => nowMs + day * 3_600_000 + at * 60_000),
  }));
  const waiting = { reason: "next scheduled time", untilMs: nowMs + 3_600_000, items: 0 };
  const text = draw(makeSnapshot({ schedules, waiting, state: "waiting" }), 100).join("\n");
  expect(text).toMatch(
    / {2}Next +nightly {2}\d\d:\d\d {3}\d\d:\d\d {3}\d\d:\d\d {3}\d\d:\d\d {3}\d\d:\d\d\n +sunday {3}\d\d:\d\d/,
  );
  expect(draw(makeSnapshot({ schedules }), 100).join("\n")).not.toContain("Next");
  for (let rows = 12; rows < 40; rows++)
    expect(draw(makeSnapshot({ schedules, waiting, state: "waiting" }), 100, rows).length).toBeLessThan(rows);
});

test("a run of a schedule has an end as any batch, and one that goes on for ever has none", () => {
  expect(finishRange(makeSnapshot({ mode: "scheduled" }))).toEqual(finishRange(makeSnapshot({ mode: "batch" })));
  expect(finishRange(makeSnapshot({ mode: "scheduled" }))).not.toBeNull();
  expect(finishRange(makeSnapshot({ mode: "scheduled", state: "waiting" }))).toBeNull();
  expect(finishRange(makeSnapshot({ mode: "continuous" }))).toBeNull();
});

test("a low window loses errors, endpoints and tokens before the sum", () => {
  for (let rows = 12; rows < 40; rows++) {
    const lines = draw(makeSnapshot(), 100, rows);
    expect(lines.length).toBeLessThan(rows);
    expect(lines.join("\n")).toMatch(/read +161,402/);
    expect(lines.join("\n")).toMatch(/\+ in flight +48/);
  }
  expect(draw(makeSnapshot(), 100, 28).join("\n")).not.toContain("Last errors");
  expect(draw(makeSnapshot(), 100, 28).join("\n")).toContain("Tokens");
});

test("what is not known is a question mark, not a zero", () => {
  const counters = { ...COUNTERS, costUsd: null };
  const text = draw(makeSnapshot({ counters, total: null }), 100).join("\n");
  expect(text).toContain("Cost        ? (no known price)");
  expect(text).toContain("Ends        ?");
  expect(text).toContain("161,354 so far");
});

test("neither a password nor a control sequence of a server reaches the screen", () => {
  const message = "bad\u001b[2J gateway\u202e at https://user:hunter22@proxy.example/v1\nnext";
  const errors = [{ message, failure: "transient", endpoint: "main", count: 1, lastMs: START_MS }];
  const text = draw(makeSnapshot({ store: "mongodb://u:hunter22@h/db", errors }), 100).join("\n");
  expect(text).not.toContain("hunter22");
  expect(text).not.toContain("\u001b");
  expect(text).not.toContain("\u202e");
});

test("in ASCII nothing else is drawn", () => {
  for (const columns of [100, 60, 38])
    expect(draw(makeSnapshot(), columns, 50, true).join("")).toMatch(/^[\x20-\x7e]*$/);
});

test("gives the advice only when slots have been full for 30 s and nobody limits", () => {
  const endpoints = makeSnapshot().endpoints.slice(0, 1);
  const full = {
    slots: { limit: 5, ceiling: 5, busy: 5, utilization: 1, automatic: false },
    endpoints,
    errors: [],
    itemsPerSecond: 3,
  };
  const before = makeSnapshot({ ...full, nowMs: START_MS + 60_000 });
  const after = makeSnapshot({ ...full, nowMs: START_MS + 91_000 });
  const history = nextHistory(NO_HISTORY, before);
  expect(slotAdvice(before, history)).toBeNull();
  expect(slotAdvice(after, nextHistory(history, after))).toMatchObject({ slots: 5, instead: 50 });
  const limited = { ...after, endpoints: [{ ...endpoints[0]!, pausedUntilMs: after.nowMs + 1 }] };
  expect(slotAdvice(limited, nextHistory(history, limited))).toBeNull();
  const offline = { ...after, endpoints: [{ ...endpoints[0]!, name: "offline" }] };
  expect(slotAdvice(offline, nextHistory(history, offline))).toBeNull();
  const lines = renderPanel(after, {
    columns: 100,
    rows: 50,
    ascii: false,
    style: plain,
    history: nextHistory(history, after),
  });
  expect(lines.join("\n")).toContain("With --concurrent 50");
});

test("no range before 10 s of data, then one that is renewed at most every 5 s and narrows by half steps", () => {
  const early = makeSnapshot({ nowMs: START_MS + 9_000 });
  expect([finishRange(early), costRange(early)]).toEqual([null, null]);
  const first = makeSnapshot({ nowMs: START_MS + 60_000, itemsPerSecond: 10, itemsPerSecondMean: 40 });
  const history = nextHistory(NO_HISTORY, first);
  const soon = makeSnapshot({ nowMs: START_MS + 64_000, itemsPerSecond: 40, itemsPerSecondMean: 40 });
  expect(nextHistory(history, soon).finish).toEqual(history.finish);
  const later = { ...soon, nowMs: START_MS + 65_000 };
  const narrowed = nextHistory(history, later).finish!;
  expect(narrowed.toMs).toBe((history.finish!.toMs + finishRange(later)!.toMs) / 2);
});

test("stays inside any window with any numbers", () => {
  const number = fc.nat({ max: 2_000_000_000 });
  const run = fc.record({
    columns: fc.integer({ min: 1, max: 200 }),
    rows: fc.integer({ min: 1, max: 80 }),
    read: number,
    total: fc.option(number),
    cost: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })),
    name: fc.string({ maxLength: 60 }),
  });
  fc.assert(
    fc.property(run, ({ columns, rows, read, total, cost, name }) => {
      const counters = { ...COUNTERS, read, costUsd: cost };
      const snapshot = makeSnapshot({
        counters,
        total,
        source: name,
        executionId: name,
        deadLetterReasons: { [name]: read },
      });
      const lines = draw(snapshot, columns, rows);
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns);
      expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows < 12 || columns < 40 ? 1 : rows - 1));
    }),
    { seed: 7, numRuns: 300 },
  );
});

test("a clock that is set back begins the forecast anew, instead of keeping an old one for as long", () => {
  const hour = 3_600_000;
  const history = nextHistory(NO_HISTORY, makeSnapshot({ nowMs: START_MS + 60_000 }));
  const setBack = makeSnapshot({ nowMs: START_MS + 61_000 - hour, startedAtMs: START_MS - hour });
  expect(nextHistory(history, setBack).finish).toEqual(finishRange(setBack));
});

test("a forecast of the cost never goes beyond the budget, and is there after 10 s", () => {
  const counters = { ...COUNTERS, costUsd: 1 };
  const early = makeSnapshot({ nowMs: START_MS + 11_000, counters, budget: { usd: 10, per: "job", spentUsd: 9.8 } });
  expect(costRange(early)!.toUsd).toBeCloseTo(1.2);
  const calm = finishRange(makeSnapshot())!;
  const wide = finishRange(early)!;
  const [from, to] = [wide.fromMs - early.nowMs, wide.toMs - early.nowMs];
  const late = makeSnapshot();
  expect(to / from).toBeGreaterThan((calm.toMs - late.nowMs) / (calm.fromMs - late.nowMs));
});

test("a drain counts calls, and a backoff behind a resting endpoint tells of its rest", () => {
  const slots = { limit: 50, ceiling: 50, busy: 7, utilization: 0.5, automatic: false };
  expect(draw(makeSnapshot({ state: "draining", slots }), 100).join("\n")).toContain("Draining: 7 calls come home");
  const { nowMs, endpoints } = makeSnapshot();
  const resting = endpoints.slice(1);
  const backoff = { count: 3, nextAtMs: nowMs - 20_000, reason: "429" };
  expect(draw(makeSnapshot({ endpoints: resting, backoff }), 100).join("\n")).toMatch(
    /in backoff +3 +when the endpoint is asked again, at \d\d:\d\d:\d\d +429/,
  );
  expect(draw(makeSnapshot({ backoff }), 100).join("\n")).toMatch(/in backoff +3 +first again now/);
});

test("the share stands behind the bar, on its line", () => {
  expect(draw(makeSnapshot(), 100).join("\n")).toMatch(/░ +161,354 of 248,310 +65\.0 %/);
});

describe("endpoints", () => {
  const [main, overflow] = makeSnapshot().endpoints as [EndpointSnapshot, EndpointSnapshot];
  const limits = {
    ...main.limits,
    requestsPerMinute: { limit: 3_000, remaining: 2_000, used: 1 / 3, origin: "config" as const },
    tokensPerMinute: { limit: 400_000, remaining: 12_000, used: 0.97, origin: "headers" as const },
  };
  const nowMs = START_MS + 78 * 60_000;
  const lastChange = { from: 45, to: 32, reason: "rate-limited" as const, atMs: nowMs - 5_000 };
  const automatic = { limit: 50, ceiling: 1_000, busy: 40, utilization: 0.81, automatic: true };
  const full = { ...main, inFlight: 32 };

  test("show the tightest rate limit, and the ceiling of calls at once while they take fewer", () => {
    const text = draw(makeSnapshot({ endpoints: [{ ...main, limits, ceiling: 50 }] }), 100).join("\n");
    expect(text).toMatch(/calls\/s +p50 +p95 +limit used$/m);
    expect(text).toMatch(/main +31 of 32, max 50 +19\.4 +1\.3 s +3\.4 s +tok\/min 97\.0 %/);
    const calm = draw(makeSnapshot({ endpoints: [main] }), 100).join("\n");
    expect(calm).not.toMatch(/limit used|max/);
  });

  test("show what changed their calls at once last: behind the row where it fits, without its time where only that fits", () => {
    const row = (endpoint: EndpointSnapshot): string =>
      draw(makeSnapshot({ endpoints: [endpoint], nowMs }), 100).find((line) => line.includes(" of 32"))!;
    expect(row({ ...main, lastChange })).toMatch(/45 → 32 rate limited 5 s ago$/);
    expect(row({ ...main, limits, lastChange })).toMatch(/97\.0 % +45 → 32 rate limited$/);
    expect(row({ ...main, name: "a-long-name-of-one", limits, lastChange })).toMatch(/97\.0 %$/);
  });

  test("tell the calls of all runs that share them", () => {
    const endpoint = { ...main, inFlight: 9, shared: { inFlight: 32, parties: 3 } };
    expect(draw(makeSnapshot({ endpoints: [endpoint] }), 100).join("\n")).toMatch(/9 of 32 .*32 in flight by 3 runs/);
  });

  test("have a second line where calls at once change all the time, or models differ, from the start", () => {
    const frame = (changes: Partial<RunSnapshot>): string[] => draw(makeSnapshot({ nowMs, ...changes }), 100);
    const before = frame({ endpoints: [main], slots: automatic });
    const after = frame({ endpoints: [{ ...main, lastChange, limits }], slots: automatic });
    expect(after.join("\n")).toMatch(/main .*\n {5}45 → 32 rate limited 5 s ago\n/);
    expect(after).toHaveLength(before.length);
    const differing = frame({ endpoints: [main, { ...overflow, model: "openai/nano", fallback: 1 }] });
    expect(differing.join("\n")).toMatch(
      /main .*\n {5}openai\/support-small-2\n .*overflow.*\n {5}openai\/nano · fallback 1\n/,
    );
  });

  test("keep their columns while numbers grow", () => {
    const headOf = (inFlight: number, limit: number): string =>
      draw(makeSnapshot({ endpoints: [{ ...main, inFlight, limit, ceiling: 1_000 }], slots: automatic }), 100).find(
        (line) => line.startsWith("  Endpoint"),
      )!;
    expect(headOf(8, 8)).toBe(headOf(1_000, 563));
  });

  test("that take no calls say why, wide and narrow, and never a password", () => {
    const reason = "https://me:hunter22@eu.example answered 401";
    const out = { ...main, name: "us", state: "out" as const, stateReason: reason };
    const draining = { ...main, name: "eu", state: "draining" as const, stateReason: null };
    const snapshot = makeSnapshot({ endpoints: [out, draining, overflow] });
    for (const columns of [100, 60]) {
      const text = draw(snapshot, columns).join("\n");
      expect(text).toMatch(/✖ +us .*out: https:\/\/.*eu\.example answered 401$/m);
      expect(text).toMatch(/⏸ +eu .*draining$/m);
      expect(text).toMatch(/⏸ +overflow .*resting until \d\d:\d\d:\d\d: five 529 in 20 s$/m);
      expect(text).not.toContain("hunter22");
    }
  });

  test("show their rate limit in the narrow form where there is room", () => {
    const snapshot = makeSnapshot({ endpoints: [{ ...main, limits }] });
    expect(draw(snapshot, 60).join("\n")).toMatch(/main +31\/32 +19\.4\/s +1\.3 s +tok\/min 97\.0 %$/m);
    expect(draw(snapshot, 44).join("\n")).toMatch(/main +31\/32 +19\.4\/s +1\.3 s$/m);
  });

  test("beyond four are counted, with how many of them take no calls", () => {
    const named = Array.from({ length: 5 }, (_, at) => ({ ...main, name: `e${at}` }));
    const endpoints = [...named, { ...main, state: "out" as const }, overflow];
    expect(draw(makeSnapshot({ endpoints }), 100).join("\n")).toContain("and 3 more: 1 out, 1 resting");
  });

  test("in a low window lose their second lines, then all but the worst: out before resting before slow", () => {
    const out = { ...main, name: "gone", state: "out" as const, stateReason: "answered 401" };
    const slow = { ...main, name: "slow", p95Ms: 1e9 };
    const snapshot = makeSnapshot({
      endpoints: [slow, overflow, out, { ...main, lastChange }],
      slots: automatic,
      nowMs,
    });
    const heights = Array.from({ length: 40 }, (_, at) => draw(snapshot, 100, at + 12).join("\n"));
    const lost = (part: string): number => heights.findIndex((text) => text.includes(part));
    const secondLine = "\n     45 → 32 rate limited";
    expect(lost("Last errors")).toBeGreaterThan(lost(secondLine));
    expect(lost(secondLine)).toBeGreaterThan(lost("slow"));
    expect(lost("slow")).toBeGreaterThan(lost("gone"));
  });

  test("whose rate limit is used up are named as the limit, as long as no other has room", () => {
    const eu = { ...full, name: "eu", limits };
    const note = (endpoints: readonly EndpointSnapshot[], changes: Partial<RunSnapshot> = {}) =>
      limitNote(makeSnapshot({ endpoints, ...changes }));
    const sentence = "The rate limit of eu (tokens per minute) is the limit: 97 % used.";
    expect(note([eu])).toBe(sentence);
    expect(note([eu, full])).toBe(sentence);
    expect(note([eu, { ...main, fallback: 1, inFlight: 0 }])).toBe(sentence);
    expect(note([eu, { ...main, inFlight: 10 }])).toBeNull();
    expect(note([eu], { state: "draining" })).toBeNull();
    expect(note([full, { ...eu, state: "out" }])).toBeNull();
    const tighter = { ...limits, requestsPerDay: { limit: 9, remaining: 0, used: 1, origin: "config" as const } };
    expect(note([eu, { ...eu, name: "us", limits: tighter }])).toBe(
      "The rate limits of 2 endpoints are the limit, that of us first: requests per day, 100 % used.",
    );
  });

  test("that pushed back are named as the limit, unless the number of calls is found out anyway", () => {
    const lowered = { ...main, name: "eu", inFlight: 32, ceiling: 50, lastChange };
    const note = (changes: Partial<RunSnapshot>) => limitNote(makeSnapshot({ endpoints: [lowered], ...changes }));
    expect(note({})).toBe("eu pushed back: 32 instead of 50 calls at once, more again while its answers come clean.");
    expect(note({ slots: automatic })).toBeNull();
    expect(note({ endpoints: [{ ...lowered, inFlight: 3 }] })).toBeNull();
  });

  test("that are the limit are told some seconds longer than they are, and not in a drain", () => {
    const told = makeSnapshot({ endpoints: [{ ...full, limits }], nowMs });
    const history = nextHistory(NO_HISTORY, told);
    const at = (afterMs: number, changes: Partial<RunSnapshot> = {}) =>
      nextHistory(history, makeSnapshot({ endpoints: [main], nowMs: nowMs + afterMs, ...changes })).limit;
    expect(draw(told, 100).join("\n")).toContain(
      "→ The rate limit of main (tokens per minute) is the limit: 97 % used.",
    );
    expect(at(4_900)?.note).toContain("rate limit of main");
    expect(at(5_000)).toBeNull();
    expect(at(1_000, { state: "draining" })).toBeNull();
  });

  test("that are the limit, or find their number of calls themselves, bring no advice for more slots", () => {
    const run = { endpoints: [main], errors: [], itemsPerSecond: 3, nowMs: START_MS + 91_000 };
    const slots = { limit: 5, ceiling: 5, busy: 5, utilization: 1, automatic: false };
    const history = { ...NO_HISTORY, busySinceMs: START_MS };
    const next = (changes: Partial<RunSnapshot>) => nextHistory(history, makeSnapshot({ ...run, slots, ...changes }));
    expect(next({}).busySinceMs).toBe(START_MS);
    expect(next({ slots: { ...slots, automatic: true } }).busySinceMs).toBeNull();
    expect(next({ slots: { ...slots, ceiling: 50 } }).busySinceMs).toBeNull();
    expect(next({ endpoints: [{ ...main, limits }] }).busySinceMs).toBeNull();
    expect(next({ endpoints: [{ ...main, limit: 3 }] }).busySinceMs).toBeNull();
    expect(next({ endpoints: [main, { ...main, limit: 3, state: "out" }] }).busySinceMs).toBe(START_MS);
  });
});
