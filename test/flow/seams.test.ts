import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { PilotExecution, planPilot } from "../../src/jobs/pilot.ts";
import { chooseAdapters } from "../../src/jobs/wiring.ts";
import { REDACTION_KINDS } from "../../src/redaction/kinds.ts";
import { makeJob, textWith } from "../support/job.ts";

/** Where one part meets another: limits, retry queues, kept answers, pilots, redaction, examples. */
const STORE = "the embedded store";
const OFTEN_WRONG = { runBreaker: { share: 1, window: 500 } };

it("a limit ends the run also when what is read first waits in a retry queue", async () => {
  const job = await makeJob(STORE, { fail: (id) => (["q0001", "q0002", "q0003"].includes(id) ? "500" : null) });
  await job.seed(12);
  const retry = { ...job.settings.retry, retries: 0, rounds: [600_000] };
  const first = await job.run({ ...OFTEN_WRONG, limit: 3, retry, wait: false });
  expect(first.end).toMatchObject({ read: 3, retryQueued: 3 });
  const second = await job.run({ limit: 5, retry, wait: false });
  expect(second.end).toMatchObject({ read: 5, classified: 5, stopReason: "limit" });
});

it("a pilot asks what was drawn, not the retries that are due", async () => {
  let failing = true;
  const job = await makeJob(STORE, { fail: (id) => (failing && Number(id.slice(1)) <= 10 ? "500" : null) });
  await job.seed(60);
  const retry = { ...job.settings.retry, retries: 0, rounds: [600_000] };
  await job.run({ ...OFTEN_WRONG, limit: 10, retry, wait: false });
  failing = false;
  await job.makeDue();
  const settings = { ...job.settings, retry };
  const adapters = await chooseAdapters(settings);
  const plan = await planPilot(settings, adapters, 10, Math.random);
  const drawn = [...plan.items.keys()].filter((key) => Number(key.slice(2, -1)) > 10);
  await new PilotExecution(settings, adapters, plan).execution.run();
  const records = await job.records();
  for (const key of drawn) expect(records.has(JSON.parse(key))).toBe(true);
  expect(records.size).toBe(drawn.length);
});

it("what is classified again is asked again in a later run too, not answered from what was kept", async () => {
  let failing = false;
  const job = await makeJob(STORE, { fail: (id) => (failing && id === "q0002" ? "500" : null) });
  await job.seed(3);
  await job.run();
  const retry = { ...job.settings.retry, retries: 0, rounds: [600_000] };
  failing = true;
  const again = await job.run({ ...OFTEN_WRONG, reclassify: "all", wait: false, retry });
  expect(again.end).toMatchObject({ classified: 2, retryQueued: 1 });
  failing = false;
  await job.makeDue();
  const later = await job.run({ retry });
  expect(later.end).toMatchObject({ classified: 1, modelCalls: 1, cacheHits: 0 });
  expect((await job.records()).get("q0002")).toMatchObject({ decidedBy: "model" });
});

it("a dead letter whose text has changed is in one place again once it is classified", async () => {
  let failing = true;
  const job = await makeJob(STORE, { fail: (id) => (failing && id === "q0002" ? "500" : null) });
  const ids = await job.seed(3);
  const first = await job.run({ retry: { ...job.settings.retry, retries: 0, rounds: [] } });
  expect(first.end.jobTotals).toMatchObject({ classified: 2, deadLetters: 1 });
  failing = false;
  await job.put(["q0002"], (id) => `${textWith(id)} changed`);
  const { end } = await job.run();
  expect(end).toMatchObject({ classified: 1, jobTotals: { classified: 3, deadLetters: 0 } });
  expect(await job.counted(ids)).toEqual({ target: 3 });
});

it("an item that is asked itself after all says no more that its answer came from another", async () => {
  const job = await makeJob(STORE);
  await job.seed(2, () => "[doc:t1] where is it");
  await job.run();
  const [id] = [...(await job.records())].find(([, { decidedBy }]) => decidedBy === "cache")!;
  const document = (await job.documents([id as string])).get(id as string)!;
  await job.store.insert("conversation_set", [{ ...document, _id: id, text: "[doc:t2] something else altogether" }]);
  await job.run({ reclassify: "changed" });
  expect((await job.records()).get(id)).toMatchObject({ decidedBy: "model" });
  expect((await job.records()).get(id)).not.toHaveProperty("cachedFrom");
});

it("examples are masked as texts are, before a model is shown them", async () => {
  const job = await makeJob(STORE);
  await job.seed(1, () => "[doc:t1] mail me at ann@example.org please");
  const file = join(job.settings.batchDir, "examples.csv");
  writeFileSync(
    file,
    "text,category\nmy parcel is lost call bob@secret.example or +49 170 1234567,shipping\nbill is wrong,billing\nsend back,returns\n",
  );
  await job.run({
    redaction: { kinds: REDACTION_KINDS, restore: false, hooked: false },
    examples: { file, textColumn: null, labelColumn: null, columns: {}, map: {}, inPrompt: 1 },
  });
  const sent = JSON.stringify(job.server.requests());
  for (const secret of ["bob@secret.example", "ann@example.org", "170 1234567"]) expect(sent).not.toContain(secret);
  expect(sent).toContain("my parcel is lost call [EMAIL_1]");
});

it("of many equal texts few are asked when the first one fails", async () => {
  let first = true;
  const job = await makeJob(STORE, {
    fail: () => {
      const fails = first;
      first = false;
      return fails ? "500" : null;
    },
  });
  await job.seed(200, () => "[doc:same] where is my order");
  const retry = { ...job.settings.retry, retries: 0, rounds: [600_000] };
  const { end } = await job.run({ ...OFTEN_WRONG, retry, wait: false });
  expect(end).toMatchObject({ retryQueued: 1, classified: 199 });
  expect(end.modelCalls).toBeLessThanOrEqual(3);
});
