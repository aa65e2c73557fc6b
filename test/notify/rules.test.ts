import { describe, expect, it } from "vitest";
import { COUNTERS } from "../cli/made-up-run.ts";
import { HOUR_MS, MINUTE_MS, MONDAY_MS, only, WatchedRules } from "./watched-rules.ts";

const ENDPOINT = {
  name: "eu",
  model: "openai/small",
  state: "open",
  stateReason: null,
  fallback: 0,
  weight: 1,
  inFlight: 0,
  limit: 5,
  ceiling: 5,
  lastChange: null,
  answered: 0,
  callsPerSecond: 0,
  p50Ms: null,
  p95Ms: null,
  limits: { requestsPerMinute: null, tokensPerMinute: null, requestsPerDay: null, tokensPerDay: null },
  pausedUntilMs: null,
  pauseReason: null,
} as const;
const DOWN = { ...ENDPOINT, state: "resting", pauseReason: "connection refused" } as const;
const STORE_AWAY = { reason: "the store does not answer: connection refused", untilMs: null, items: 0 };

describe("the rule lag", () => {
  it("tells an old item once it has been old for long enough, and that it was caught up", () => {
    const seen = new WatchedRules({ rules: only("lag") });
    seen.look({ lag: { ms: 2 * HOUR_MS } }).pass(4 * MINUTE_MS);
    expect(seen.taken()).toEqual([]);
    seen.pass(3 * HOUR_MS);
    expect(seen.notifications).toHaveLength(1);
    expect(seen.notifications[0]).toMatchObject({
      severity: "warning",
      job: "inbox",
      title: "The oldest unprocessed item has waited for 2 h",
      actions: ["querymill status --job inbox"],
      figures: { lagMs: 2 * HOUR_MS, limitMs: HOUR_MS },
    });
    seen.look({ lag: { ms: 0 } }).pass(HOUR_MS);
    expect(seen.taken()).toEqual(["problem lag", "recovered lag"]);
  });

  it("says nothing of a lag that is over before its time, or that nobody measured", () => {
    const seen = new WatchedRules({ rules: only("lag") });
    seen.look({ lag: { ms: 2 * HOUR_MS } }).pass(4 * MINUTE_MS);
    seen.look({ lag: { ms: 0 } }).pass(MINUTE_MS);
    seen.look({ lag: { ms: 2 * HOUR_MS } }).pass(4 * MINUTE_MS);
    seen.look({ lag: { ms: null } }).pass(HOUR_MS);
    expect(seen.taken()).toEqual([]);
  });
});

describe("a problem over a restart", () => {
  it("is not told again, and its recovery is told once, by the process that sees it", () => {
    const seen = new WatchedRules({ rules: only("lag") });
    seen.look({ lag: { ms: 2 * HOUR_MS } }).pass(6 * MINUTE_MS);
    for (let restarts = 0; restarts < 5; restarts++) seen.restart().pass(90 * MINUTE_MS);
    expect(seen.taken()).toEqual(["problem lag"]);
    seen.restart();
    seen.look({ lag: { ms: 0 } }).restart();
    seen.pass(HOUR_MS);
    expect(seen.taken()).toEqual(["recovered lag"]);
  });

  it("ends when its rule was switched off meanwhile", () => {
    const before = new WatchedRules({ rules: only("lag") });
    before.look({ lag: { ms: 2 * HOUR_MS } }).pass(6 * MINUTE_MS);
    const after = new WatchedRules({ rules: only(), saved: before.rules.saved(before.nowMs), atMs: before.nowMs });
    expect(after.pass(HOUR_MS).taken()).toEqual(["recovered lag"]);
  });
});

describe("the rule error-share", () => {
  it("looks at a window that slides, and not at a few items", () => {
    const seen = new WatchedRules({ rules: only("error-share") });
    seen.settle("retryQueued", 10).settle("classified", 9).look();
    expect(seen.taken()).toEqual([]);
    seen.settle("skipped", 100).look();
    expect(seen.taken()).toEqual([]);
    seen.settle("classified").look();
    expect(seen.notifications[0]?.figures).toMatchObject({ share: 0.5, failed: 10, items: 20 });
    expect(seen.taken()).toEqual(["problem error-share"]);
    seen
      .pass(5 * MINUTE_MS)
      .settle("classified", 29)
      .look();
    expect(seen.taken()).toEqual([]);
    seen.settle("classified", 2).look();
    expect(seen.taken()).toEqual(["recovered error-share"]);
  });

  it("is not over because nothing is settled any more", () => {
    const seen = new WatchedRules({ rules: only("error-share") });
    seen
      .settle("deadLetter", 30)
      .look()
      .pass(5 * HOUR_MS);
    expect(seen.taken()).toEqual(["problem error-share"]);
  });
});

describe("the rule dead-letters", () => {
  it("counts a window and, when told to, all", () => {
    const seen = new WatchedRules({ rules: { ...only("dead-letters"), "dead-letters": { total: 100 } } });
    const totals = (deadLetters: number) => ({
      jobTotals: { classified: 0, skipped: 0, retryQueued: 0, deadLetters, modelCalls: 0, costUsd: 0, uncertainUsd: 0 },
    });
    seen.settle("deadLetter", 9).look(totals(99));
    expect(seen.taken()).toEqual([]);
    seen.settle("deadLetter").look({ ...totals(100), deadLetterReasons: { content: 8, malformed: 2 } });
    expect(seen.notifications[0]?.actions).toEqual(["querymill retry --error content --dry-run --job inbox"]);
    expect(seen.taken()).toEqual(["problem dead-letters", "problem dead-letters:total"]);
    seen.pass(59 * MINUTE_MS);
    expect(seen.taken()).toEqual([]);
    expect(seen.pass(2 * MINUTE_MS).taken()).toEqual(["recovered dead-letters"]);
  });
});

describe("the rule endpoint-down", () => {
  it("tells each endpoint by its name, and that it is back", () => {
    const seen = new WatchedRules({ rules: only("endpoint-down") });
    seen.look({ endpoints: [DOWN, { ...ENDPOINT, name: "us" }] }).pass(5 * MINUTE_MS);
    expect(seen.notifications[0]).toMatchObject({
      subject: "endpoint-down:eu",
      details: ["Reason: connection refused.", "Other endpoints that take calls: 1."],
    });
    seen.look({ endpoints: [ENDPOINT, { ...ENDPOINT, name: "us" }] });
    expect(seen.taken()).toEqual(["problem endpoint-down:eu", "recovered endpoint-down:eu"]);
  });

  it("says nothing of one that was told to drain, and ends for one that is not asked any more", () => {
    const seen = new WatchedRules({ rules: only("endpoint-down") });
    seen.look({ endpoints: [{ ...ENDPOINT, state: "draining", stateReason: "told to drain" }] }).pass(HOUR_MS);
    expect(seen.taken()).toEqual([]);
    seen.look({ endpoints: [DOWN] }).pass(HOUR_MS);
    seen.look({ endpoints: [{ ...ENDPOINT, name: "us" }] });
    expect(seen.taken()).toEqual(["problem endpoint-down:eu", "recovered endpoint-down:eu"]);
  });

  it("is not told again within the cool-down, and then only while it is down", () => {
    const seen = new WatchedRules({ rules: { ...only("endpoint-down"), "endpoint-down": { forMinutes: 0 } } });
    for (let at = 0; at < 20; at++) {
      seen.look({ endpoints: [DOWN] }).pass(MINUTE_MS / 2);
      seen.look({ endpoints: [ENDPOINT] }).pass(MINUTE_MS / 2);
    }
    expect(seen.taken()).toEqual(["problem endpoint-down:eu", "recovered endpoint-down:eu"]);
    seen.look({ endpoints: [DOWN] }).pass(HOUR_MS);
    expect(seen.taken()).toEqual(["problem endpoint-down:eu"]);
  });
});

describe("the rules store-away and idle", () => {
  it("tell a store that is away for minutes as critical, and not that nothing is settled meanwhile", () => {
    const seen = new WatchedRules({ rules: only("store-away", "idle") });
    seen.event("execution:start");
    seen.look({ state: "waiting", waiting: STORE_AWAY, counters: { ...COUNTERS, inFlight: 5 } }).pass(HOUR_MS);
    expect(seen.notifications[0]?.severity).toBe("critical");
    expect(seen.taken()).toEqual(["problem store-away"]);
    const held = "the store has not confirmed the lease";
    seen.look({ waiting: { reason: held, untilMs: null, items: 0 }, held }).pass(HOUR_MS);
    expect(seen.taken()).toEqual([]);
    seen.settle("classified").look({ state: "running", waiting: null, held: null });
    expect(seen.taken()).toEqual(["recovered store-away"]);
  });

  it("tell work that is there while nothing is settled, and not a quiet night", () => {
    const seen = new WatchedRules({ rules: only("idle") });
    seen.event("execution:start").pass(10 * HOUR_MS);
    expect(seen.taken()).toEqual([]);
    seen.look({ counters: { ...COUNTERS, inFlight: 5 } });
    expect(seen.taken()).toEqual(["problem idle"]);
    seen.pass(HOUR_MS).settle("retryQueued").look();
    expect(seen.taken()).toEqual(["recovered idle"]);
  });
});

describe("a run that begins, rests on purpose, or waits for its time", () => {
  it("cannot begin while store or model are away, and says which", () => {
    const seen = new WatchedRules({ rules: only("store-away") });
    const reason = "The model server at model.intern cannot be reached.";
    seen.look({ state: "starting", store: "", waiting: { reason, untilMs: null, items: 0 } }).pass(3 * MINUTE_MS);
    expect(seen.notifications[0]!.details[0]).toBe(reason);
    expect(seen.taken()).toEqual(["problem store-away:start"]);
    seen.look({ waiting: null }).pass(HOUR_MS);
    expect(seen.taken()).toEqual([]);
    seen.look({ state: "running" });
    expect(seen.taken()).toEqual(["recovered store-away:start"]);
  });

  it("is neither idle nor behind, and its endpoints are those of the run before", () => {
    const seen = new WatchedRules({ rules: only("idle", "lag", "endpoint-down") });
    seen.event("execution:start").look({ counters: { ...COUNTERS, pending: 50 }, lag: { ms: 9 * HOUR_MS } });
    Object.assign(seen.snapshot, { paused: { holder: "window" } });
    expect(seen.pass(9 * HOUR_MS).taken()).toEqual([]);
    const waiting = { reason: "next scheduled time", untilMs: null, items: 0 };
    Object.assign(seen.snapshot, { paused: null, state: "waiting", waiting, endpoints: [DOWN] });
    expect(seen.pass(9 * HOUR_MS).taken()).toEqual([]);
  });
});

describe("the rule stopped", () => {
  it("tells a run that could not begin from one that broke off", () => {
    const seen = new WatchedRules({ rules: only("stopped") });
    seen.rules.failed("COLLECTION_MISSING", "There is no collection x.", seen.nowMs);
    seen.event("execution:start").rules.failed("UNEXPECTED", "See its log.", seen.nowMs);
    const titles = seen.close().notifications.map(({ title }) => title);
    expect(titles).toEqual(["The run could not begin: collection missing", "The run broke off: unexpected"]);
  });

  it("tells why and the command that goes on, once over restarts, and that a later run has gone on", () => {
    const seen = new WatchedRules({ rules: only("stopped") });
    seen
      .event("execution:start")
      .end({ status: "stopped", stopReason: "authentication", message: "The key was refused." });
    seen.close();
    expect(seen.notifications[0]).toMatchObject({
      severity: "critical",
      title: "The run stopped itself: the key was refused",
      actions: ["querymill run --job inbox", "querymill status --job inbox"],
    });
    expect(seen.taken()).toEqual(["problem stopped:authentication"]);
    for (let restarts = 0; restarts < 3; restarts++)
      seen
        .restart()
        .event("execution:start")
        .pass(MINUTE_MS)
        .end({ status: "stopped", stopReason: "authentication" })
        .close();
    expect(seen.taken()).toEqual([]);
    seen
      .restart()
      .event("execution:start")
      .pass(9 * MINUTE_MS);
    expect(seen.taken()).toEqual([]);
    expect(seen.pass(MINUTE_MS).taken()).toEqual(["recovered stopped:authentication"]);
  });

  it("says nothing of a run that was told to stop", () => {
    const seen = new WatchedRules({ rules: only("stopped", "finished") });
    seen
      .end({ status: "stopped", stopReason: "signal" })
      .end({ status: "stopped", stopReason: "stop-requested" })
      .close();
    expect(seen.taken()).toEqual([]);
  });

  it("tells a run that could not start", () => {
    const seen = new WatchedRules({ rules: only("stopped") });
    seen.rules.failed("STORE_UNREACHABLE", "MongoDB at db:27017 did not answer.", seen.nowMs);
    expect(seen.close().taken()).toEqual(["problem stopped:store-unreachable"]);
    seen.event("schedule:failed", { name: "nightly", timeMs: 0, code: "SOURCE_SHAPE", message: "There is no text." });
    expect(seen.close().taken()).toEqual(["problem stopped:source-shape"]);
  });
});

describe("the rule finished", () => {
  it("tells the end of a batch run, and of a limit", () => {
    const seen = new WatchedRules({ mode: "batch", rules: only("finished") });
    seen.end({ status: "completed", stopReason: null, classified: 90, retryQueued: 0, deadLetters: 0 }).close();
    expect(seen.notifications[0]).toMatchObject({ state: "information", title: "Finished: 90 items classified" });
    seen.end({ status: "stopped", stopReason: "limit" }).close();
    expect(seen.taken()).toEqual(["information finished", "information finished"]);
  });

  it("makes one summary a day in continuous mode, at its time, over restarts and the end of summer time", () => {
    const seen = new WatchedRules({
      rules: { ...only("finished"), finished: { dailyAt: "09:00", timezone: "Europe/Berlin" } },
      atMs: Date.UTC(2026, 9, 23, 10),
    });
    const atHours: number[] = [];
    for (let hours = 0; hours < 96; hours++) {
      seen
        .settle("classified", 2)
        .settle("deadLetter")
        .pass(HOUR_MS, 30 * MINUTE_MS);
      if (hours % 7 === 0) seen.restart();
      for (const subject of seen.taken())
        atHours.push(subject.endsWith("finished:day") ? new Date(seen.nowMs).getUTCHours() : -1);
    }
    expect(atHours).toEqual([7, 8, 8, 8]);
  });

  it("counts what the day brought", () => {
    const seen = new WatchedRules({ rules: only("finished") });
    seen
      .look()
      .settle("classified", 3)
      .settle("skipped")
      .settle("deadLetter")
      .pass(2 * HOUR_MS);
    expect(seen.notifications[0]?.figures).toMatchObject({ classified: 3, skipped: 1, deadLetters: 1, costUsd: 2.5 });
  });
});

describe("the rule budget", () => {
  it("tells each share once a period, the last one also when the run stops below it", () => {
    const seen = new WatchedRules({ rules: only("budget") });
    const spent = (spentUsd: number) => seen.look({ budget: { usd: 10, per: "day", spentUsd } });
    for (let usd = 0; usd <= 9.5; usd += 0.5) spent(usd);
    seen.restart();
    spent(9.8);
    seen.end({ status: "stopped", stopReason: "budget" }).end({ status: "stopped", stopReason: "budget" }).look();
    expect(seen.notifications.map(({ severity }) => severity)).toEqual(["info", "warning", "warning"]);
    expect(seen.taken()).toEqual(["information budget:50", "information budget:80", "information budget:100"]);
    seen.pass(24 * HOUR_MS, HOUR_MS);
    expect(seen.taken()).toEqual(["information budget:80"]);
  });

  it("begins again with a budget that was raised", () => {
    const seen = new WatchedRules({ rules: only("budget") });
    seen
      .look({ budget: { usd: 10, per: "job", spentUsd: 10 } })
      .look({ budget: { usd: 100, per: "job", spentUsd: 11 } });
    seen.look({ budget: { usd: 100, per: "job", spentUsd: 55 } });
    expect(seen.taken()).toEqual(["information budget:100", "information budget:50"]);
  });
});

describe("the rule missed-schedule", () => {
  it("tells missed times, and within the cool-down only how many were left out", () => {
    const seen = new WatchedRules({ mode: "scheduled", rules: only("missed-schedule") });
    const missed = {
      name: "nightly",
      times: 2,
      reason: "running",
      firstMs: MONDAY_MS - 2 * HOUR_MS,
      lastMs: MONDAY_MS - HOUR_MS,
    };
    for (let at = 0; at < 4; at++) seen.event("schedule:missed", missed).pass(25 * MINUTE_MS);
    const why = "A run was still under way: 2026-03-02 06:00 UTC to 2026-03-02 07:00 UTC.";
    expect(seen.notifications.map(({ details }) => details)).toEqual([
      [why],
      [why, "2 times more since the last message."],
    ]);
    expect(seen.notifications[0]!.title).toBe("2 times of the schedule nightly passed without a run");
  });
});
