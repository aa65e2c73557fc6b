import { describe, expect, it } from "vitest";
import { causesOf, priceAgain } from "../../src/dashboard/causes.ts";
import { RunHistory } from "../../src/dashboard/history.ts";
import { overviewOf, type Sight } from "../../src/dashboard/overview.ts";
import { changesBetween } from "../../src/dashboard/snapshot-changes.ts";
import { duration, money } from "../../src/dashboard/words.ts";
import { NO_HISTORY } from "../../src/estimation/finish.ts";
import type { RunSnapshot } from "../../src/events.ts";
import { keyOf } from "../../src/item.ts";
import { COUNTERS, makeSnapshot } from "../cli/made-up-run.ts";

const [MAIN] = makeSnapshot().endpoints;
const QUIET: Partial<RunSnapshot> = { endpoints: [MAIN!], errors: [], waiting: null };

function sightOf(changes: Partial<RunSnapshot> = {}, more: Partial<Sight> = {}): Sight {
  const snapshot = makeSnapshot({ ...QUIET, ...changes });
  return {
    nowMs: snapshot.nowMs,
    from: "this-process",
    trouble: null,
    snapshot,
    status: null,
    lastEnd: null,
    model: null,
    totals: null,
    dead: [],
    quietMs: 0,
    deadlines: { attemptMs: 60_000, itemMs: 300_000, idleMs: 60_000 },
    history: NO_HISTORY,
    persons: null,
    toReview: null,
    priceOf: null,
    viewers: 1,
    ...more,
  };
}

const at = (changes: Partial<RunSnapshot>, more: Partial<Sight> = {}) => overviewOf(sightOf(changes, more));

describe("health", () => {
  const { nowMs } = makeSnapshot();
  it.each<[string, Partial<RunSnapshot>, Partial<Sight>, string, string]>([
    ["a run without trouble", {}, {}, "ok", "Healthy"],
    ["a call that no timer gave up", { oldestInFlightMs: 200_000 }, {}, "bad", "Hangs"],
    ["items in flight and nothing that happens", { oldestInFlightMs: 1_000 }, { quietMs: 400_000 }, "bad", "Hangs"],
    [
      "a pause",
      { state: "paused", paused: { reason: "lunch", by: "ana", holder: "operator", sinceMs: nowMs - 1 } },
      {},
      "warn",
      "Paused",
    ],
    [
      "a store that is away",
      { state: "waiting", waiting: { reason: "the store does not answer", untilMs: null, items: 0 } },
      {},
      "bad",
      "Waits",
    ],
    [
      "nothing left to do",
      { state: "waiting", waiting: { reason: "next poll", untilMs: nowMs, items: 0 } },
      {},
      "ok",
      "Up to date",
    ],
    ["every endpoint out", { endpoints: [{ ...MAIN!, state: "out" }] }, {}, "bad", "No endpoint takes calls"],
    [
      "one of two endpoints out",
      { endpoints: [MAIN!, { ...MAIN!, name: "eu", state: "out" }] },
      {},
      "warn",
      "1 of 2 endpoints takes no calls",
    ],
    [
      "every tenth item failed",
      {
        counters: { ...COUNTERS, read: 100, classified: 90, skipped: 0, retryQueued: 0, deadLetters: 10, inFlight: 0 },
      },
      {},
      "warn",
      "10 % of the items fail",
    ],
    [
      "a process that does not answer",
      {},
      { from: "other-process", trouble: "it is stopped" },
      "warn",
      "Does not answer",
    ],
  ])("of %s", (_, changes, more, level, title) => {
    expect(at(changes, more).health).toMatchObject({ level, title });
  });

  it("of a job that nobody works on is told from its state", () => {
    const alone = { from: "nobody", snapshot: null } as const;
    expect(overviewOf({ ...sightOf(), ...alone }).health).toMatchObject({ level: "idle", title: "Has not run yet" });
    const status = { state: "unclean", problem: null, callsUnderWay: 3, journaled: 7 } as const;
    expect(overviewOf({ ...sightOf(), ...alone, status })).toMatchObject({
      health: {
        level: "bad",
        title: "Did not end cleanly",
        detail: expect.stringContaining("3 calls may be paid twice"),
      },
      needs: [{ id: "unclean", count: 3 }],
    });
  });
});

describe("what needs a person", () => {
  it("is told with a number, a cause and what can be done, worst first", () => {
    const entry = { queue: "model", round: 0, alike: 0, contentHash: null, message: "refused", failure: "content" };
    const entries = ["a", "b", "c"].map((id, dueMs) => ({ ...entry, key: keyOf(id), dueMs }));
    const { needs } = at(
      {
        budget: { usd: 50, per: "day", spentUsd: 47 },
        endpoints: [MAIN!, { ...MAIN!, name: "eu", state: "out", stateReason: "401 from the server" }],
      },
      { dead: causesOf(entries, priceAgain(0.02)), toReview: 12 },
    );
    expect(needs.map(({ id, level }) => [id, level])).toEqual([
      ["endpoint:eu", "bad"],
      ["budget", "warn"],
      ["dead-letters:content", "warn"],
      ["review", "info"],
    ]);
    const [endpoint, budget, dead] = needs;
    expect(endpoint!.actions).toMatchObject([{ verb: "endpoint-resume", body: { name: "eu" } }]);
    expect(budget!.actions).toMatchObject([{ verb: "set", body: { budget: 75 }, label: "Raise to $75.00" }]);
    expect(dead!.actions).toMatchObject([
      { verb: "requeue", label: "Retry 3 · about $0.06", body: { queue: "model", failure: "content" } },
      { kind: "open" },
    ]);
  });

  it("offers no verb that nobody would hear", () => {
    const entries = [
      {
        key: keyOf("a"),
        queue: "store",
        dueMs: 1,
        round: 0,
        alike: 0,
        contentHash: null,
        message: "x",
        failure: "store-refused",
      },
    ];
    const dead = causesOf(entries, priceAgain(null));
    expect(dead).toMatchObject([{ estimateUsd: 0 }]);
    const { needs } = overviewOf({ ...sightOf({}, { dead }), from: "nobody", snapshot: null });
    expect(needs.flatMap(({ actions }) => actions.map(({ kind }) => kind))).toEqual(["open"]);
  });
});

it("adds up who decided to what is classified, and says what is not known", () => {
  const counters = { ...COUNTERS, cacheHits: 10, studentAnswers: 5, recovered: 7 };
  const { decidedBy, spend, sum, forecast } = at({ counters, total: null });
  expect(decidedBy).toEqual({ model: COUNTERS.classified - 22, cache: 10, student: 5, recovered: 7 });
  // The same of an execution that has ended, when nobody works any more.
  const ended = overviewOf({
    ...sightOf({}),
    snapshot: null,
    model: "offline",
    lastEnd: { ...COUNTERS, cacheHits: 10, status: "completed", message: null } as unknown as Sight["lastEnd"],
  });
  expect(ended.decidedBy).toEqual({ offline: COUNTERS.classified - 10, cache: 10 });
  // What a person decided is taken from whose answer it replaced; a count of another moment or execution from nobody's.
  const { executionId } = makeSnapshot();
  const decidedWith = (id: string, items: Record<string, number>) =>
    at({ counters }, { persons: { executionId: id, items } }).decidedBy;
  const corrected = decidedWith(executionId, { model: 2, "": 1, cache: 4, student: 5 });
  expect(corrected).toEqual({ model: COUNTERS.classified - 25, cache: 6, recovered: 7, person: 12 });
  expect(Object.values(corrected).reduce((all, items) => all + items, 0)).toBe(COUNTERS.classified);
  for (const other of [decidedWith("another", { model: 2 }), decidedWith(executionId, { model: 1, cache: 11 })])
    expect(other).toEqual(decidedBy);
  expect(sum).toEqual({ holds: true, checkedAtMs: makeSnapshot().nowMs });
  expect(at({ counters: { ...counters, read: 1 } }).sum).toMatchObject({ holds: false });
  expect(spend.every(({ usd, what }) => usd === null || what === "uncertain")).toBe(true);
  expect(forecast).toMatchObject({ finish: null, note: "Nobody knows how many items there are." });
});

it("lists what waits, the longest first, each with its end", () => {
  const { nowMs } = makeSnapshot();
  const { waiting } = at({
    oldestInFlightMs: 4_000,
    attemptTimeoutMs: 60_000,
    backoff: { count: 3, nextAtMs: nowMs + 500, reason: "503 from the server" },
    retryQueues: [{ queue: "model", count: 9, nextDueMs: nowMs + 60_000 }],
    endpoints: [MAIN!, { ...MAIN!, name: "eu", state: "resting", pausedUntilMs: nowMs + 9_000, pauseReason: "429" }],
  });
  expect(waiting.map(({ what, untilMs }) => [what, untilMs === null ? null : untilMs - nowMs])).toEqual([
    ["The oldest call in flight", 56_000],
    ["Retry queue model", 60_000],
    ["Endpoint eu rests", 9_000],
    ["Items between two attempts", 500],
  ]);
});

it("names the items whose calls are in flight the longest, with their attempt and their end", () => {
  const { nowMs } = makeSnapshot();
  const oldestCalls = [
    { key: keyOf("T-7"), attempt: 2, ageMs: 41_000 },
    { key: keyOf(8), attempt: 1, ageMs: 22_000 },
  ];
  const { waiting } = at({ oldestInFlightMs: 41_000, oldestCalls, attemptTimeoutMs: 60_000, retryQueues: [] });
  expect(waiting.filter(({ key }) => key !== undefined)).toEqual([
    {
      what: "T-7 in flight",
      key: keyOf("T-7"),
      reason: "the model has not answered attempt 2",
      items: 1,
      sinceMs: nowMs - 41_000,
      untilMs: nowMs + 19_000,
    },
    expect.objectContaining({ what: "8 in flight", reason: "the model has not answered", sinceMs: nowMs - 22_000 }),
  ]);
});

it("keeps a day of samples in bounded memory, each moment once, also when the clock is set back", () => {
  const history = new RunHistory();
  const sample = { itemsPerSecond: 1, p50Ms: null, p95Ms: null, inFlight: 1, limit: 1, settled: 1, costUsd: null };
  for (let second = 0; second < 90_000; second++) history.add({ ...sample, atMs: second * 1_000 });
  const times = history.all.samples.map(({ atMs }) => atMs);
  expect(times.length).toBeLessThan(2_760);
  expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
  expect(times.at(-1)! - times[0]!).toBeGreaterThan(86_000_000);
  expect(times.slice(-600).every((ms, index, all) => index === 0 || ms - all[index - 1]! === 1_000)).toBe(true);
  history.add({ ...sample, atMs: 89_000_000 });
  expect(history.all.samples.at(-1)!.atMs).toBe(89_000_000);
});

it("tells what happened to another process from two of its snapshots", () => {
  const before = makeSnapshot(QUIET);
  const names = (changes: Partial<RunSnapshot>): string[] =>
    changesBetween(before, { ...before, ...changes }).map(({ name }) => name);
  expect(names({})).toEqual([]);
  expect(names({ executionId: "other" })).toEqual(["execution:start"]);
  expect(names({ paused: { reason: null, by: null, holder: "operator", sinceMs: 1 } })).toEqual(["execution:pause"]);
  expect(names({ state: "draining" })).toEqual(["execution:drain"]);
  expect(names({ endpoints: [{ ...MAIN!, state: "out" }] })).toEqual(["endpoint:state"]);
  const lastChange = { from: 32, to: 16, reason: "rate-limited", atMs: 1 } as const;
  expect(names({ endpoints: [{ ...MAIN!, limit: 16, lastChange }] })).toEqual(["limit:change"]);
});

it("writes times and money as people read them", () => {
  expect([0, 300, 41_000, 252_000, 4_680_000, 273_600_000].map(duration)).toEqual([
    ...["0 s", "0.3 s", "41 s", "4 min 12 s", "1 h 18 min", "3 d 4 h"],
  ]);
  expect([0, 0.0042, 0.00996, 0.31, 1234.5].map(money)).toEqual(["$0.00", "$0.0042", "$0.01", "$0.31", "$1,234.50"]);
});
