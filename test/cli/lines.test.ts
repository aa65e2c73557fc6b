import { expect, test } from "vitest";
import { endLine, endNotes, LimitChanges, progressLine, stateLines } from "../../src/cli/lines.ts";
import { NO_HISTORY, nextHistory } from "../../src/estimation/finish.ts";
import { COUNTERS, makeEnd, makeSnapshot, START_MS } from "./made-up-run.ts";

test("a progress line has plain numbers, one blank between fields, and a question mark for what is unknown", () => {
  const early = makeSnapshot({ nowMs: START_MS, counters: { ...COUNTERS, costUsd: null } });
  expect(progressLine(early, NO_HISTORY)).toBe(
    "13:14:08 done=161354/248310 rate=45.2/s ends=? cost=? flight=48 backoff=12 retry=297 dead=264",
  );
  const later = makeSnapshot();
  expect(progressLine(later, nextHistory(NO_HISTORY, later))).toMatch(/ ends=\d\d:\d\d-\d\d:\d\d cost=\$144\.63 /);
});

test("the start names job, model, store and collections, never a password", () => {
  const start = {
    executionId: "1188",
    job: "support-inbox",
    mode: "batch",
    total: null,
    store: "mongodb://me:hunter22@db.internal/support",
    source: "conversation_set",
    target: "sentimental_analysis",
    model: "openai/small",
    taxonomyVersion: "t-1",
    promptVersion: "p-1",
    notes: ["The index is built now."],
  };
  expect(stateLines("execution:start", start, START_MS)).toEqual([
    "13:14:08 start support-inbox execution=1188 total=? model=openai/small",
    "13:14:08 store mongodb://db.internal/support source=conversation_set target=sentimental_analysis",
    '13:14:08 note "The index is built now."',
  ]);
});

test("an endpoint that leaves and a changed number of calls are a line each", () => {
  const base = { executionId: "x", endpoint: "eu" };
  const change = { ...base, from: 45, to: 31, reason: "rate-limited" as const };
  expect(stateLines("limit:change", change, START_MS)).toEqual(["13:14:08 limit eu 45->31 reason=rate-limited"]);
  const out = { ...base, state: "out" as const, reason: "host answered 401" };
  expect(stateLines("endpoint:state", out, START_MS)).toEqual(['13:14:08 endpoint eu out reason="host answered 401"']);
  const back = { ...base, state: "in" as const, reason: null };
  expect(stateLines("endpoint:state", back, START_MS)).toEqual(["13:14:08 endpoint eu in"]);
});

test("changes of the calls at once between two looks are one line for each endpoint, with the reason of what they amount to", () => {
  const changes = new LimitChanges();
  const base = { executionId: "x", endpoint: "eu" };
  changes.add({ ...base, from: 8, to: 16, reason: "slow-start" });
  changes.add({ ...base, endpoint: "us", from: 8, to: 9, reason: "slow-start" });
  changes.add({ ...base, from: 16, to: 32, reason: "ceiling" });
  expect(changes.take(START_MS)).toEqual([
    "13:14:08 limit eu 8->32 reason=ceiling",
    "13:14:08 limit us 8->9 reason=slow-start",
  ]);
  expect(changes.take(START_MS)).toEqual([]);
  changes.add({ ...base, from: 32, to: 22, reason: "rate-limited" });
  changes.add({ ...base, from: 22, to: 23, reason: "clean-round" });
  expect(changes.take(START_MS)).toEqual(["13:14:08 limit eu 32->23 reason=rate-limited"]);
  changes.add({ ...base, from: 23, to: 30, reason: "clean-round" });
  changes.add({ ...base, from: 30, to: 23, reason: "latency" });
  expect(changes.take(START_MS)).toEqual([]);
});

test("pauses, waits and drains are lines, single items are not", () => {
  const pause = { executionId: "1", endpoint: "main", reason: "529 x5 in 20 s", untilMs: START_MS + 2_000 };
  expect(stateLines("endpoint:pause", pause, START_MS)).toEqual([
    '13:14:08 limit main pause reason="529 x5 in 20 s" until=13:14:10',
  ]);
  const wait = { executionId: "1", reason: "retry queues", untilMs: START_MS + 252_000, items: 281 };
  expect(stateLines("execution:wait", wait, START_MS)).toEqual([
    '13:14:08 wait items=281 reason="retry queues" until=13:18:20 in="4 min"',
  ]);
  expect(stateLines("batch:planned", { executionId: "1", batchId: "b", items: 10 }, START_MS)).toEqual([]);
});

test("the last line tells status, counters and exit code", () => {
  expect(endLine(makeEnd(), START_MS)).toBe(
    "13:14:08 end completed_with_failures classified=900 skipped=60 retry=0 dead=40 cost=$144.63 exit=3",
  );
});

test("before it, the reasons with their counts and what to type next", () => {
  const hints = [{ command: "querymill retry --dry-run", does: "what it costs" }];
  expect(endNotes(makeEnd(), makeSnapshot().errors, hints, START_MS)).toEqual([
    '13:14:08 skipped reason="no text" items=60',
    "13:14:08 dead reason=label-unknown items=30",
    "13:14:08 dead reason=content items=10",
    '13:14:08 error message="urgency \\"urgent\\" is no label of the taxonomy: add it as an alias, then retry" times=214 class=label-unknown',
    '13:14:08 note "Their text may be in fields that were not looked at: set source.text in querymill.yaml to its path, such as ticket.body, or name the column of a file with --text-column."',
    "13:14:08 next querymill retry --dry-run   # what it costs",
  ]);
});

test("the next poll, which comes every minute for months, is no line", () => {
  const wait = { executionId: "x", reason: "next poll", untilMs: START_MS + 60_000, items: 0 };
  expect(stateLines("execution:wait", wait, START_MS)).toEqual([]);
});
