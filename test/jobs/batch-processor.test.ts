import { expect, test } from "vitest";
import { BatchProcessor } from "../../src/index.ts";
import { makeJob } from "../support/job.ts";

test("an option that does not exist is refused with the nearest one", () => {
  expect(() => new BatchProcessor({ maxConcurent: 5 } as object)).toThrow(
    "BatchProcessor has no option maxConcurent. Did you mean maxConcurrent?",
  );
});

test("a value that cannot be is refused in the words of the options, not of the command line", async () => {
  const run = new BatchProcessor({ model: "offline", maxConcurrent: 0, continuousInterval: 0 }).run();
  await expect(run).rejects.toMatchObject({ code: "USAGE" });
  await expect(run).rejects.toThrow(/maxConcurrent: expected an integer[\s\S]*continuousInterval: expected/);
  await expect(run).rejects.not.toThrow(/--/);
});

test("schedules and a window are options, refused in their own words", async () => {
  const run = new BatchProcessor({
    model: "offline",
    mode: "scheduled",
    schedules: [{ name: "nightly", cron: "61 * * * *" }],
    window: { from: "22:00", to: "22:00" },
    jitterSeconds: 86_401,
  }).run();
  await expect(run).rejects.toThrow(/jitterSeconds: expected an integer[\s\S]*window: it opens and closes at 22:00/);
  await expect(run).rejects.not.toThrow(/--/);
  const options = {
    model: "offline",
    mode: "scheduled",
    schedules: [{ name: "nightly", cron: "61 * * * *" }],
  } as const;
  await expect(new BatchProcessor(options).run()).rejects.toThrow("schedules[0].cron: expected a cron expression");
});

test("a run whose only endpoint is drained asks nothing and waits; resumed, it does the rest", async () => {
  const job = await makeJob("the embedded store");
  const ids = await job.seed(40);
  const { batchDir, taxonomy } = job.settings;
  const model = { model: "drawn-1", baseUrl: job.server.baseUrl };
  const processor = new BatchProcessor({ store: job.store, job: "flow", batchDir, taxonomy, ...model });
  expect(() => processor.drainEndpoint("main")).toThrow(expect.objectContaining({ code: "USAGE" }));
  const drained = Promise.withResolvers<void>();
  let settled = 0;
  processor.on("item:settled", () => {
    settled += 1;
    if (settled !== 10) return;
    processor.drainEndpoint("main");
    drained.resolve();
  });
  const ended = processor.run();
  await drained.promise;
  await expect.poll(() => processor.snapshot()?.endpoints[0]?.inFlight).toBe(0);
  const { received } = job.server.ledger();
  // Ten are settled, five answers at most are being journaled, five calls were on their way.
  expect(received).toBeLessThanOrEqual(20);
  // A run looks twice a second whether to go on makes sense.
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  const endpoints = [{ name: "main", state: "draining" }];
  expect(processor.snapshot()).toMatchObject({ state: "waiting", slots: { limit: 0 }, endpoints });
  expect(job.server.ledger().received).toBe(received);
  processor.resumeEndpoint("main");
  expect(await ended).toMatchObject({ exitCode: 0, classified: 40, modelCalls: 40 });
  expect(await job.counted(ids)).toEqual({ target: 40 });
});

test("a program is told by the rules what they find, and nothing that it does with it holds the run up", async () => {
  const job = await makeJob("the embedded store", { fail: (id) => (Number(id.slice(1)) <= 3 ? "refusal" : null) });
  await job.seed(10);
  const { batchDir, taxonomy } = job.settings;
  const told: string[] = [];
  const processor = new BatchProcessor({
    ...{ store: job.store, job: "flow", batchDir, taxonomy, model: "drawn-1", baseUrl: job.server.baseUrl },
    notify: { rules: { "dead-letters": { count: 3 } } },
    onNotification: ({ state, rule }) => {
      told.push(`${state} ${rule}`);
      return told.length === 1 ? new Promise(() => {}) : Promise.reject(new Error("the channel is away"));
    },
  });
  expect(await processor.run()).toMatchObject({ classified: 7, deadLetters: 3 });
  expect(told.sort()).toEqual(["information finished", "problem dead-letters"]);
});

test("rules that cannot be, and rules that nobody listens to, are refused", async () => {
  const notify = { rules: { lagg: true } };
  const run = new BatchProcessor({ model: "offline", notify, onNotification: () => {} }).run();
  await expect(run).rejects.toThrow("notify.rules.lagg: no such rule. Did you mean lag?");
  await expect(new BatchProcessor({ model: "offline", notify: {} }).run()).rejects.toThrow(/onNotification/);
});
