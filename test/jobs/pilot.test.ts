import { expect, test } from "vitest";
import { keyOf } from "../../src/item.ts";
import { type JobSettings, MARK_FIELDS } from "../../src/job.ts";
import { withChosenItems } from "../../src/jobs/chosen-items.ts";
import { dryRun } from "../../src/jobs/dry-run.ts";
import { PilotExecution, planPilot } from "../../src/jobs/pilot.ts";
import { spendingAhead } from "../../src/jobs/spending.ts";
import { chooseAdapters } from "../../src/jobs/wiring.ts";
import { BILLED_PRICE, billedDocuments, billedUsage, SHAPES, type Shape } from "../support/billed-data.ts";
import { type Job, makeJob, STORES } from "../support/job.ts";
import { uniform } from "../support/model-draw.ts";

const ITEMS = 600;
const SEED = 7;

function seededRandom(): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    return uniform(`${SEED}/${drawn}`, 51);
  };
}

async function pilotOf(job: Job, size: number, settings: JobSettings = job.settings) {
  const adapters = await chooseAdapters(settings);
  const plan = await planPilot(settings, adapters, size, seededRandom());
  const pilot = new PilotExecution(settings, adapters, plan);
  const end = await pilot.execution.run();
  await pilot.remember();
  return { adapters, plan, end };
}

test.each(Object.keys(SHAPES) as Shape[])(
  "the bill of a run is within 10 percent of its pilot's estimate: %s data",
  async (shape) => {
    const job = await makeJob("the embedded store", {
      seed: SEED,
      usage: billedUsage(SEED),
      faults: { "500": 0.01, malformed: 0.02 },
    });
    await job.store.insert("conversation_set", billedDocuments(shape, ITEMS, SEED));
    const settings: JobSettings = { ...job.settings, concurrent: 20, prices: { "drawn-1": BILLED_PRICE } };
    const { adapters, end: paid } = await pilotOf(job, 100, settings);
    expect(paid).toMatchObject({ read: 100, classified: 100 });
    const { costUsd: range, basedOnRecords, items, pilotAt } = await dryRun(settings, adapters);
    expect({ basedOnRecords, items }).toEqual({ basedOnRecords: 100, items: ITEMS - 100 });
    expect(pilotAt).not.toBeNull();
    const { end } = await job.run(settings);
    expect(end).toMatchObject({ read: ITEMS - 100, classified: ITEMS - 100 });
    expect(Math.abs(range!.expected / end.costUsd! - 1)).toBeLessThan(0.1);
    expect(range!.from).toBeLessThan(end.costUsd!);
    expect(range!.to).toBeGreaterThan(end.costUsd!);
    expect(job.server.ledger().docsPaidTwice).toBe(0);
  },
);

test("the first calls, which could not find the prompt in the cache, do not make the estimate dearer", async () => {
  const warm = new Set<string>();
  let answered = 0;
  const job = await makeJob("the embedded store", {
    usage: ({ id }) => {
      answered += 1;
      if (answered > 20) warm.add(id);
      return {
        prompt_tokens: 2_000,
        completion_tokens: 50,
        prompt_tokens_details: { cached_tokens: warm.has(id) ? 1_900 : 0 },
      };
    },
    // All of the first calls are there before one is answered.
    latency: "fixed:300",
  });
  await job.seed(200);
  const prices = { "drawn-1": { input: 1, cachedInput: 0.1, output: 1 } };
  const settings: JobSettings = { ...job.settings, concurrent: 20, prices };
  const { adapters, end } = await pilotOf(job, 60, settings);
  const { costUsd, withoutCacheUsd, cachedShare } = await dryRun(settings, adapters);
  const warmUsd = (140 * (100 + 1_900 * 0.1 + 50)) / 1e6;
  expect(end.costUsd! / 60).toBeGreaterThan((1.4 * warmUsd) / 140);
  expect(costUsd!.from).toBeLessThanOrEqual(warmUsd);
  expect(costUsd!.from).toBeGreaterThan(warmUsd * 0.95);
  // A cold start again: 20 calls at the full price.
  expect(costUsd!.to).toBeGreaterThan(warmUsd + (20 * 1_900 * 0.9) / 1e6 - 1e-6);
  expect(withoutCacheUsd!.expected).toBeCloseTo((140 * 2_050) / 1e6, 6);
  expect(cachedShare).toBeCloseTo(0.95, 3);
});

test("a pilot asks what is free: not what is done, nor what waits in the retry queue", async () => {
  const job = await makeJob("the embedded store", { fail: (id) => (id === "q0005" || id === "q0015" ? "500" : null) });
  await job.seed(40);
  const settings = { ...job.settings, wait: false, retry: { ...job.settings.retry, retries: 0, rounds: [600_000] } };
  const { end: before } = await job.run({ ...settings, limit: 20 });
  expect(before).toMatchObject({ classified: 18, retryQueued: 2 });
  const { plan, end } = await pilotOf(job, 100, settings);
  expect(plan).toMatchObject({ unprocessed: 22 });
  expect(plan.items.size).toBe(20);
  expect(end).toMatchObject({ read: 20, classified: 20, retryQueued: 0 });
  expect(job.server.ledger().docsPaidTwice).toBe(0);
});

test("what a pilot paid for without an answer counts in the estimate", async () => {
  const job = await makeJob("the embedded store", {
    usage: { prompt_tokens: 100, completion_tokens: 100 },
    fail: (id) => (Number(id.slice(1)) % 4 === 0 ? "content-filter" : null),
  });
  await job.seed(400);
  const { adapters, end } = await pilotOf(job, 100);
  expect(end.deadLetters).toBeGreaterThan(10);
  const { costUsd } = await dryRun(job.settings, adapters);
  const bill = (await job.run()).end.costUsd!;
  expect(costUsd!.from).toBeLessThan(bill);
  expect(costUsd!.to).toBeGreaterThan(bill);
});

test("a second pilot adds to the first one, and both are not yet the job's first run", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(90);
  await pilotOf(job, 20);
  const { adapters } = await pilotOf(job, 30);
  expect(await dryRun(job.settings, adapters)).toMatchObject({ basedOnRecords: 50, items: 40 });
  const always = { yes: false, aboveUsd: 0.01, aboveCalls: 1 };
  expect(await spendingAhead(job.settings, adapters, always, null)).toMatchObject({ items: 40, basedOnRecords: 50 });
  await job.run({ limit: 1 });
  expect(await spendingAhead(job.settings, adapters, always, null)).toBeNull();
  expect(await spendingAhead({ ...job.settings, fresh: true }, adapters, always, null)).toMatchObject({ items: 39 });
});

test("with another prompt an old pilot tells nothing", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(60);
  await pilotOf(job, 20);
  const changed = { ...job.settings, acceptChanges: true, taxonomy: { ...job.settings.taxonomy, summary: false } };
  const found = await dryRun(changed, await chooseAdapters(changed));
  expect(found).toMatchObject({ basedOnRecords: 0, pilotAt: null, cachedShare: null });
  expect((await dryRun(job.settings, await chooseAdapters(job.settings))).basedOnRecords).toBe(20);
});

test.each(STORES)(
  "chosen items are all that is read, and what follows their cursor is everything: %s",
  async (name) => {
    const job = await makeJob(name);
    const ids = await job.seed(130);
    const options = { collection: "conversation_set", mark: MARK_FIELDS, filter: null, fields: ["text"] };
    const whole = job.store.source(options);
    const at = new Date();
    const by = { job: "x", executionId: "e", outcome: "classified" } as const;
    await whole.mark([{ keys: [keyOf(ids[5]!), keyOf(ids[7]!)], at, by }]);
    const wanted = [...ids.slice(0, 100), "gone"].map(keyOf);
    const chosen = withChosenItems(job.store, wanted, null).source(options);
    expect(await chosen.countUnprocessed(1_000)).toBe(101);
    const read = async () => {
      const seen: unknown[] = [];
      for (let page = await chosen.readUnprocessed(null, 30); ; page = await chosen.readUnprocessed(page.cursor, 30)) {
        seen.push(...page.documents.map(({ _id }) => _id));
        if (page.last) return { seen: seen.sort(), cursor: page.cursor };
      }
    };
    const { seen, cursor } = await read();
    expect(seen).toEqual(ids.slice(0, 100).filter((_, at) => at !== 5 && at !== 7));
    // From the start again.
    expect((await read()).seen).toEqual(seen);
    expect((await whole.readUnprocessed(cursor, 1_000)).documents).toHaveLength(128);
  },
);
