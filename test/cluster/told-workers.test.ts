import { setTimeout as delay } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { PollingDispatcher } from "../../src/cluster/polling-dispatcher.ts";
import { Worker } from "../../src/cluster/worker.ts";
import type { WorkerEvent } from "../../src/cluster/worker-event.ts";
import type { JobSettings } from "../../src/job.ts";
import type { Adapters } from "../../src/jobs/adapters.ts";
import { chooseAdapters, openStore } from "../../src/jobs/wiring.ts";
import { machine, startFleetProcess } from "../support/fleet.ts";
import { makeJob } from "../support/job.ts";

/** Workers in this process, and what they are told. */
async function workersOf(settings: JobSettings) {
  const store = await openStore(settings);
  onTestFinished(() => store.close());
  const { board, book } = store.fleet!(settings.targetCollection);
  const begin = async (idleMs: number | null, changes: Partial<Adapters> = {}) => {
    const told: WorkerEvent[] = [];
    const worker = new Worker({
      settings,
      adapters: { ...(await chooseAdapters(settings, {})), ...changes },
      store,
      dispatcher: new PollingDispatcher(book),
      idleMs,
      tell: (event) => told.push(event),
    });
    onTestFinished(() => worker.stop());
    return { told, worker, ended: worker.run() };
  };
  return { board, book, begin };
}

it("a worker that counts no money with others ends when a budget is told, and says what to install", async () => {
  const job = await makeJob("MongoDB", { latency: "fixed:50" });
  await job.seed(250);
  const settings = await machine(job);
  const { board, book, begin } = await workersOf(settings);
  // As where the package is not installed.
  const one = await begin(null, { allowance: null });
  startFleetProcess("run", await machine(job));
  await expect.poll(() => one.told.some(({ event }) => event === "range:taken")).toBe(true);
  await board.order({ budget: { usd: 50 } }, 1);
  const refused = {
    code: "CONFIG_INVALID",
    message: expect.stringMatching(/a budget.* the package rate-limiter-flexible.*: {2}npm i rate-limiter-flexible$/),
  };
  await expect(one.ended).rejects.toMatchObject(refused);
  expect(await book.counts()).toMatchObject({ taken: 0 });
  await expect((await begin(null, { allowance: null })).ended).rejects.toMatchObject(refused);
  await board.order({ budget: { usd: null } }, 1);
  expect(await (await begin(0, { allowance: null })).ended).toMatchObject({ exitCode: 0 });
});

it("a worker with nothing to do ends where a stop stands from before, and not while it is paused", async () => {
  const job = await makeJob("MongoDB", {});
  const { board, begin } = await workersOf(await machine(job));
  await board.order({ ending: "stop" }, 1);
  const startedMs = performance.now();
  expect(await (await begin(2_000)).ended).toMatchObject({ ranges: 0, exitCode: 0 });
  expect(performance.now() - startedMs).toBeGreaterThan(2_000);
  await board.order({ ending: null, paused: { reason: "lunch", by: "anna" } }, 1);
  const { ended } = await begin(1_000);
  let isOver = false;
  const over = ended.finally(() => {
    isOver = true;
  });
  await delay(3_000);
  expect(isOver).toBe(false);
  await board.order({ paused: null }, 1);
  const goesOnMs = performance.now();
  expect(await over).toMatchObject({ ranges: 0, exitCode: 0 });
  // What it waited while it was paused is not counted.
  expect(performance.now() - goesOnMs).toBeGreaterThan(900);
});
