import { describe, expect, it } from "vitest";
import { parseFilter } from "../../src/filter.ts";
import { keyOf } from "../../src/item.ts";
import { makeJob, STORES, textWith } from "../support/job.ts";
import type { Fault } from "../support/model-server.ts";

/** What the server does for some items, by attempt. */
function script(plan: Record<string, (attempt: number) => Fault | null>) {
  return (id: string, attempt: number): Fault | null => plan[id]?.(attempt) ?? null;
}

describe.each(STORES)("calls that fail, over %s", (store) => {
  it("tries a flaky server again and classifies everything", async () => {
    const flaky = (id: string) => Number(id.slice(1)) % 5 === 0;
    const job = await makeJob(store, { fail: (id, attempt) => (flaky(id) && attempt <= 2 ? "500" : null) });
    const ids = await job.seed(50);
    const { end } = await job.run();
    expect(end).toMatchObject({ exitCode: 0, read: 50, classified: 50, modelCalls: 70, uncertainCalls: 0 });
    expect(job.server.ledger()).toMatchObject({ received: 70, ok: 50, docsPaidTwice: 0 });
    expect(await job.counted(ids)).toEqual({ target: 50 });
    const records = await job.records();
    expect(records.get("q0005")).toMatchObject({ attempts: 3 });
    expect(records.get("q0006")).toMatchObject({ attempts: 1 });
  });

  it("rests for everyone as long as a 429 asks, and uses none of the item's retries", async () => {
    let received = 0;
    let pausedUntilMs: number | null = null;
    let arrivedInPause = 0;
    const job = await makeJob(store, {
      throttleHeaders: { "retry-after-ms": "400" },
      fail: () => {
        received += 1;
        if (pausedUntilMs !== null && Date.now() < pausedUntilMs) arrivedInPause += 1;
        return received === 20 ? "429" : null;
      },
    });
    const ids = await job.seed(60);
    const started = await job.start({ retry: { ...job.settings.retry, retries: 0 } });
    started.execution.events.on("endpoint:pause", ({ untilMs }) => {
      pausedUntilMs = untilMs;
    });
    const { end, seen } = await started.ended;
    expect(end).toMatchObject({ exitCode: 0, classified: 60, retryQueued: 0, modelCalls: 61 });
    expect(seen["endpoint:pause"]).toHaveLength(1);
    expect(seen["endpoint:resume"]).toHaveLength(1);
    // Only what was on its way already.
    expect(arrivedInPause).toBeLessThan(5);
    expect(await job.counted(ids)).toEqual({ target: 60 });
  });

  it("mends, asks once more or gives up by the kind of the answer, and holds up nothing else", async () => {
    const job = await makeJob(store, {
      fail: script({
        q0002: (attempt) => (attempt === 1 ? "malformed" : null),
        q0003: () => "unknown-label",
        q0004: () => "refusal",
        q0005: (attempt) => (attempt === 1 ? "length" : null),
        q0006: () => "length",
        q0007: (attempt) => (attempt === 1 ? "context-length" : null),
        q0008: () => "context-length",
        q0009: () => "malformed",
      }),
    });
    const long = "It has been three weeks now. ".repeat(100);
    const ids = await job.seed(40, (id) => `${textWith(id)}${id === "q0007" || id === "q0008" ? long : ""}`);
    const { end } = await job.run();
    expect(end).toMatchObject({
      status: "completed_with_failures",
      exitCode: 3,
      read: 40,
      classified: 35,
      deadLetters: 5,
      repairCalls: 3,
      modelCalls: 47,
      deadLetterReasons: { "label-unknown": 1, content: 1, truncated: 1, "too-long": 1, malformed: 1 },
    });
    const { perDoc } = job.server.ledger();
    expect(perDoc.get("q0002")).toEqual({ requests: 2, paid: 2, repairs: 1 });
    expect(perDoc.get("q0003")).toEqual({ requests: 2, paid: 2, repairs: 1 });
    expect(perDoc.get("q0004")).toMatchObject({ requests: 1 });
    for (const id of ["q0005", "q0006", "q0007", "q0008", "q0009"]) expect(perDoc.get(id)?.requests).toBe(2);

    const limits = bodiesOf(job.server.requests(), "q0005").map(({ max_tokens }) => max_tokens);
    expect(limits).toEqual([300, 600]);
    const [whole, cut] = bodiesOf(job.server.requests(), "q0007").map((body) => JSON.stringify(body).length);
    expect(cut).toBeLessThan(whole! - 1_000);
    expect((await job.records()).get("q0007")).toMatchObject({ needsReview: true });

    expect(await job.counted(ids)).toEqual({ target: 35, "dead letters": 5 });
    const { deadLetters } = await job.queues();
    const entry = await deadLetters.read(keyOf("q0003"));
    expect(entry).toMatchObject({ failure: "label-unknown", payload: { attempts: 2 } });
    expect((entry!.payload as { rawAnswer: string }).rawAnswer).toContain("no_such_label_at_all");
    expect(entry?.message).not.toContain("parcel");

    const again = await job.run();
    expect(again.end).toMatchObject({ exitCode: 0, read: 0 });
    expect(job.server.ledger().received).toBe(47);
  });

  it("works off the retry queue at the end of a batch run when it is due soon", async () => {
    const job = await makeJob(store, { fail: script({ q0003: (attempt) => (attempt <= 2 ? "503" : null) }) });
    const ids = await job.seed(3);
    // The last item in the only slot: nothing else keeps the run from ending.
    const { end, seen } = await job.run({ concurrent: 1, retry: { ...job.settings.retry, retries: 1 } });
    expect(seen["item:settled"].map(({ outcome }) => outcome)).toContain("retryQueued");
    expect(end).toMatchObject({ exitCode: 0, status: "completed", read: 3, classified: 3, retryQueued: 0 });
    expect(end.jobTotals).toMatchObject({ classified: 3, retryQueued: 0 });
    expect(await job.counted(ids)).toEqual({ target: 3 });
    expect(job.server.ledger().perDoc.get("q0003")).toMatchObject({ requests: 3, paid: 1 });
  });

  it("leaves the retry queue with --no-wait, and the next run takes what is due once", async () => {
    const stored = Promise.withResolvers<null>();
    const job = await makeJob(store, {
      // The retry is settled before anything else, when the page of the source that holds it is read already.
      fail: (id, attempt) => (id !== "q0150" ? stored.promise : attempt === 1 ? "503" : null),
    });
    const ids = await job.seed(150);
    const retry = { ...job.settings.retry, retries: 0, rounds: [20_000] };
    const { end } = await job.run({ retry, wait: false, filter: parseFilter({ _id: "q0150" }) });
    expect(end).toMatchObject({ exitCode: 3, status: "completed_with_failures", read: 1, retryQueued: 1 });
    expect(await job.counted(["q0150"])).toEqual({ "retry queue": 1 });

    await job.makeDue();
    const started = await job.start({ retry });
    started.execution.events.on("sink:stored", () => stored.resolve(null));
    const next = await started.ended;
    expect(next.end).toMatchObject({ exitCode: 0, read: 150, classified: 150 });
    expect(await job.counted(ids)).toEqual({ target: 150 });
    expect(job.server.ledger().perDoc.get("q0150")).toMatchObject({ requests: 2, paid: 1 });
    expect(job.server.ledger().docsPaidTwice).toBe(0);
  });

  it("ends an item whose rounds fail three times alike as a dead letter", async () => {
    const job = await makeJob(store, { fail: script({ q0002: () => "500" }) });
    const ids = await job.seed(4);
    const { end } = await job.run({ retry: { ...job.settings.retry, retries: 0, rounds: [1, 1, 1, 1, 1] } });
    expect(end).toMatchObject({ exitCode: 3, read: 4, classified: 3, deadLetters: 1, retryQueued: 0 });
    expect(await job.counted(ids)).toEqual({ target: 3, "dead letters": 1 });
    expect(job.server.ledger().perDoc.get("q0002")?.requests).toBe(3);
    const entry = await (await job.queues()).deadLetters.read(keyOf("q0002"));
    expect(entry).toMatchObject({ failure: "transient" });
    expect(entry?.message).toMatch(/three times alike/);
  });

  it("gives a call that hangs up at its deadline and counts it as perhaps paid", async () => {
    const job = await makeJob(store, { fail: script({ q0002: (attempt) => (attempt === 1 ? "hang" : null) }) });
    const ids = await job.seed(10);
    const { end, seen } = await job.run({ deadlines: { ...job.settings.deadlines, attemptMs: 400 } });
    expect(end).toMatchObject({ exitCode: 0, classified: 10, modelCalls: 11, uncertainCalls: 1 });
    expect(end.uncertainUsd).toBeGreaterThan(0);
    expect(seen["call:failed"]).toMatchObject([{ failure: "unknown-outcome", attempt: 1 }]);
    expect(await job.counted(ids)).toEqual({ target: 10 });
  });
});

describe("a server without Retry-After", () => {
  it("is left alone for a while, then probed by one call before everyone goes on", async () => {
    let received = 0;
    let arrivedBeforeResume = 0;
    let resting = false;
    const job = await makeJob("the embedded store", {
      fail: () => {
        received += 1;
        if (resting) arrivedBeforeResume += 1;
        return received === 3 ? "429" : null;
      },
    });
    await job.seed(30);
    const started = await job.start({ concurrent: 1, retry: { ...job.settings.retry, retries: 0 } });
    started.execution.events
      .on("endpoint:pause", ({ untilMs }) => {
        resting = true;
        expect(untilMs).toBeGreaterThan(Date.now());
      })
      .on("endpoint:resume", () => {
        resting = false;
      });
    const { end, seen } = await started.ended;
    expect(end).toMatchObject({ exitCode: 0, classified: 30, retryQueued: 0 });
    expect(seen["endpoint:pause"]).toHaveLength(1);
    expect(arrivedBeforeResume).toBe(1);
  });
});

function bodiesOf(bodies: readonly Record<string, unknown>[], id: string): Record<string, unknown>[] {
  return bodies.filter((body) => JSON.stringify(body).includes(`[doc:${id}]`));
}
