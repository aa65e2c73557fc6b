import { describe, expect, it } from "vitest";
import { makeJob } from "../support/job.ts";
import { error } from "../support/model-faults.ts";

/** How long everything is answered with 429, in ms. The first rest without Retry-After is 5 s, and rests double. */
const STORM_MS = Number(process.env.QUERYMILL_STORM_SECONDS ?? 12) * 1_000;
const STORE = "the embedded store";
const SLOTS = 5;
const SPEND_LIMIT = error(429, "You have reached your specified spend limit.", "spend_limit_exceeded", null);

describe("a storm of 429 on everything, without Retry-After", () => {
  it(`of ${STORM_MS / 1_000} s ends by itself, with at most 1.1 calls an item, and no item pays for it`, {
    timeout: 300_000 + 5 * STORM_MS,
  }, async () => {
    let received = 0;
    let stormUntilMs = Number.POSITIVE_INFINITY;
    const job = await makeJob(STORE, {
      fail: () => {
        received += 1;
        if (received < 100) return null;
        if (received === 100) stormUntilMs = Date.now() + STORM_MS;
        return Date.now() < stormUntilMs ? "429" : null;
      },
    });
    const ids = await job.seed(400);
    const { end, seen } = await job.run({
      concurrent: 20,
      retry: { ...job.settings.retry, retries: 0 },
      // The default: a run gives an endpoint up that has answered nothing for so long.
      deadlines: { ...job.settings.deadlines, itemMs: 600_000 },
    });
    expect(Date.now()).toBeGreaterThan(stormUntilMs);
    expect(end).toMatchObject({ exitCode: 0, classified: 400, retryQueued: 0, deadLetters: 0 });
    expect(seen["item:settled"].filter(({ outcome }) => outcome !== "classified")).toEqual([]);
    const { received: calls, ok, docsPaidTwice } = job.server.ledger();
    console.log(`storm of ${STORM_MS / 1_000} s: ${calls} calls for 400 items, ${end.durationMs} ms`);
    expect(calls).toBeLessThanOrEqual(1.1 * 400);
    expect({ ok, docsPaidTwice }).toEqual({ ok: 400, docsPaidTwice: 0 });
    expect(end.modelCalls).toBe(calls);
    // Every rest is told with its end, so that nobody has to guess.
    expect(seen["endpoint:pause"].length).toBeGreaterThanOrEqual(2);
    expect(seen["endpoint:resume"]).toHaveLength(1);
    expect(await job.counted(ids)).toEqual({ target: 400 });
  });
});

describe("what no waiting mends", () => {
  it.each([
    ["a wrong key", "401", "authentication"],
    ["no credit", "insufficient-quota", "billing"],
    ["a spend limit", SPEND_LIMIT, "billing"],
    ["an unknown model", "404", "config"],
  ] as const)(
    "%s stops the run at once, at the start and in the middle; a next run loses nothing",
    async (_name, fault, stopReason) => {
      let answers = 0;
      let received = 0;
      const job = await makeJob(STORE, { fail: () => (++received > answers ? fault : null) });
      const ids = await job.seed(60);

      const start = await job.run();
      expect(start.end).toMatchObject({ exitCode: 4, status: "stopped", stopReason, read: 0, classified: 0 });
      expect(received).toBeLessThanOrEqual(SLOTS);
      expect(start.end.message).toMatch(/\S+ \S+/);
      expect(await job.counted(ids)).toEqual({ pending: 60 });

      [received, answers] = [0, 20];
      const middle = await job.run();
      expect(middle.end).toMatchObject({ exitCode: 4, stopReason, read: 20, classified: 20, retryQueued: 0 });
      // Those that were in flight when the first one was refused.
      expect(received).toBeLessThanOrEqual(20 + SLOTS);
      expect(await job.counted(ids)).toEqual({ target: 20, pending: 40 });

      [received, answers] = [0, Number.POSITIVE_INFINITY];
      expect((await job.run()).end).toMatchObject({ exitCode: 0, classified: 40 });
      expect(received).toBe(40);
      expect(await job.counted(ids)).toEqual({ target: 60 });
      expect(job.server.ledger()).toMatchObject({ ok: 60, docsPaidTwice: 0 });
    },
  );

  it("a used-up day stops batch mode, leaves all items pending and says when it can go on", async () => {
    const job = await makeJob(STORE, { fail: () => "daily-quota" });
    const ids = await job.seed(20);
    const { end } = await job.run();
    expect(end).toMatchObject({ exitCode: 4, stopReason: "daily-quota", read: 0 });
    const when = new Date(Date.now() + (6 * 60 + 2) * 60_000).toISOString();
    // "Please try again in 6h2m0s"; at the turn of an hour the test may come late.
    expect(end.message).toMatch(/can go on at \d{4}-\d\d-\d\d \d\d:\d\d UTC \(in 6 h 2 min\)/);
    expect(end.message).toContain(when.slice(0, 10));
    expect(job.server.ledger().received).toBeLessThanOrEqual(SLOTS);
    expect(await job.counted(ids)).toEqual({ pending: 20 });
  });
});

describe("Retry-After", () => {
  const inMs = (ms: number) => new Date(Date.now() + ms);
  it.each([
    ["seconds", () => ({ "retry-after": "2" }), 2_000],
    ["milliseconds", () => ({ "retry-after-ms": "300" }), 300],
    ["a date", () => ({ "retry-after": inMs(30_000).toUTCString() }), 30_000],
    ["a duration", () => ({ "retry-after": "1m30s" }), 90_000],
    ["more than is waited for", () => ({ "retry-after": "599" }), 120_000],
    ["a negative number", () => ({ "retry-after": "-5" }), 5_000],
    ["text", () => ({ "retry-after": "soon" }), 5_000],
  ] as const)("as %s is understood, and everyone rests together", async (_name, headers, ms) => {
    const job = await makeJob(STORE, { fail: () => "429", throttleHeaders: headers() });
    const ids = await job.seed(20);
    const started = await job.start();
    const pause = await new Promise<{ untilMs: number; fromMs: number }>((resolve) => {
      started.execution.events.on("endpoint:pause", ({ untilMs }) => resolve({ untilMs, fromMs: Date.now() }));
    });
    // A tenth is jitter; a date was said when the test was read, and has no parts of seconds.
    expect(pause.untilMs - pause.fromMs).toBeGreaterThanOrEqual(ms === 30_000 ? ms - 25_000 : ms - 100);
    expect(pause.untilMs - pause.fromMs).toBeLessThanOrEqual(1.1 * ms + 100);
    const { received } = job.server.ledger();
    expect(received).toBeLessThanOrEqual(SLOTS);
    started.execution.stop("signal");
    const { end } = await started.ended;
    expect(end).toMatchObject({ read: 0, retryQueued: 0, deadLetters: 0 });
    expect(await job.counted(ids)).toEqual({ pending: 20 });
  });

  it("of 10^11 seconds does not hold a batch run for a day: it stops, and can go on any time", async () => {
    let received = 0;
    const job = await makeJob(STORE, {
      throttleHeaders: { "retry-after": "99999999999" },
      fail: () => (++received > 10 ? "429" : null),
    });
    const ids = await job.seed(30);
    expect((await job.run()).end).toMatchObject({ exitCode: 4, stopReason: "daily-quota", classified: 10 });
    received = -100;
    expect((await job.run()).end).toMatchObject({ exitCode: 0, classified: 20 });
    expect(await job.counted(ids)).toEqual({ target: 30 });
    expect(job.server.ledger()).toMatchObject({ ok: 30, docsPaidTwice: 0 });
  });
});

describe("money", () => {
  it("with 30 % of all calls failing, everything is done for at most 1.5 calls an item, and paid once", async () => {
    const job = await makeJob(STORE, { faults: { "500": 0.1, "503": 0.1, "529": 0.1 } });
    const ids = await job.seed(200);
    const { end } = await job.run();
    expect(end).toMatchObject({ exitCode: 0, classified: 200, deadLetters: 0, uncertainCalls: 0 });
    const { received, ok, docsPaidTwice } = job.server.ledger();
    expect(received).toBeGreaterThan(250);
    expect(received).toBeLessThanOrEqual(300);
    expect({ ok, docsPaidTwice }).toEqual({ ok: 200, docsPaidTwice: 0 });
    expect(end.costUsd).toBeCloseTo(await costOf(job), 6);
    expect(await job.counted(ids)).toEqual({ target: 200 });
  });

  it("a call that may have been billed is counted as such, and the budget counts it", async () => {
    const job = await makeJob(STORE, { fail: () => "reset-after" });
    const ids = await job.seed(50);
    const { end: probe } = await job.run({ limit: 1, concurrent: 1, wait: false });
    expect(probe).toMatchObject({ classified: 0, costUsd: 0, modelCalls: 3, uncertainCalls: 3 });
    const perCall = probe.uncertainUsd! / 3;
    expect(perCall).toBeGreaterThan(0);

    const budget = { usd: perCall * 12, per: "job" } as const;
    const { end } = await job.run({ budget, concurrent: 2, wait: false });
    expect(end).toMatchObject({ exitCode: 4, stopReason: "budget", costUsd: 0 });
    expect(end.uncertainCalls).toBe(end.modelCalls);
    expect(end.jobTotals.uncertainUsd!).toBeGreaterThan(perCall * 9);
    // Over it by the calls in flight at most.
    expect(end.jobTotals.uncertainUsd!).toBeLessThanOrEqual(perCall * (12 + 2) * 1.01);
    const places = await job.counted(ids);
    expect((places.pending ?? 0) + (places["retry queue"] ?? 0)).toBe(50);
    // What is left may pay for one call, never for two.
    const { end: again } = await job.run({ budget, concurrent: 2, wait: false });
    expect(again).toMatchObject({ exitCode: 4, stopReason: "budget" });
    expect(again.modelCalls).toBeLessThanOrEqual(1);
    expect(again.jobTotals.uncertainUsd!).toBeLessThanOrEqual(perCall * (12 + 2) * 1.01);
  });

  it.each(["usage-missing", "usage-absurd"] as const)(
    "an answer with %s costs a guess that is not below the truth",
    async (fault) => {
      const job = await makeJob(STORE, { fail: () => fault });
      await job.seed(10);
      const { end } = await job.run();
      expect(end).toMatchObject({ exitCode: 0, classified: 10, unpricedCalls: 0 });
      const truth = await costOf(job);
      expect(end.costUsd!).toBeGreaterThanOrEqual(truth);
      expect(end.costUsd!).toBeLessThan(truth * 3);
      for (const { costUsd } of (await job.records()).values()) expect(costUsd).toBeCloseTo(end.costUsd! / 10, 1);
    },
  );
});

/** What the answers cost by what the server counts for them: a token for four characters, 70 for an answer. */
async function costOf({ server }: { server: Awaited<ReturnType<typeof makeJob>>["server"] }): Promise<number> {
  const bodies = server.requests();
  const perAnswer = bodies.map((body) => Math.ceil(JSON.stringify(body).length / 4) + 70);
  return (perAnswer.reduce((sum, tokens) => sum + tokens, 0) / bodies.length / 1_000) * server.ledger().ok;
}
