import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { makeJob, type Started, textWith } from "../support/job.ts";
import { startModelServer } from "../support/model-server.ts";
import { until } from "../support/patience.ts";

const MOMENT_MS = 100;

it("a model server that is away at the start, and again later, is waited for with few calls, and everything is classified when it is back", async () => {
  const job = await makeJob("the embedded store");
  const ids = await job.seed(20);
  const port = await freePort();
  const model = { ...job.settings.model, baseUrl: `http://127.0.0.1:${port}/v1` };
  const endpoints = [{ ...job.settings.endpoints[0]!, model }];
  const deadlines = { ...job.settings.deadlines, itemMs: MOMENT_MS, connectMs: 500 };
  const retry = { ...job.settings.retry, rounds: [200, 200, 200, 200, 200, 200] };
  const started = await job.start({ mode: "continuous", intervalSeconds: 1, model, endpoints, deadlines, retry });
  const { execution, seen } = started;
  await until(() => seen["execution:wait"].length > 0);
  expect(seen["execution:wait"][0]).toMatchObject({ reason: expect.stringContaining("cannot be reached") });
  const first = await startModelServer({ port });
  await until(() => stored(started) >= 20);
  await first.close();

  const later = await job.seed(30, textWith, 100);
  await until(() => execution.snapshot().endpoints[0]!.state === "resting");
  await delay(12_000);
  // Each item at most its attempts of one round or two: nobody hammers at a closed door.
  expect(seen["call:failed"].length).toBeLessThan(150);
  const failedBefore = seen["call:failed"].length;
  await delay(5_000);
  expect(seen["call:failed"].length).toBe(failedBefore);
  const second = await startModelServer({ port });
  await until(async () => (await job.records()).size === 50);
  execution.stop("stop-requested");
  expect((await started.ended).end).toMatchObject({ exitCode: 0, deadLetters: 0 });
  await second.close();
  expect(await job.counted([...ids, ...later])).toEqual({ target: 50 });
});
it("a scheduled run waits for it as well, at its start and for longer than an item may take", async () => {
  const job = await makeJob("the embedded store");
  const ids = await job.seed(30);
  const port = await freePort();
  const model = { ...job.settings.model, baseUrl: `http://127.0.0.1:${port}/v1` };
  const endpoints = [{ ...job.settings.endpoints[0]!, model }];
  const deadlines = { ...job.settings.deadlines, itemMs: MOMENT_MS, connectMs: 500 };
  const { execution, seen, ended } = await job.start({
    ...{ mode: "scheduled", schedules: [everySecond], model, endpoints, deadlines },
    retry: { ...job.settings.retry, rounds: Array(10).fill(200) },
  });
  await until(() => seen["execution:wait"].some(({ reason }) => reason.includes("cannot be reached")));
  expect(seen["execution:start"]).toEqual([]);
  // It is there for a free look, and fails each call.
  const first = await startModelServer({ port, fail: () => "500" });
  await until(() => execution.snapshot().endpoints[0]?.state === "resting");
  await delay(2_000);
  expect(seen["execution:end"]).toEqual([]);
  await first.close();
  const second = await startModelServer({ port });
  await until(async () => (await job.records()).size === 30);
  execution.stop("signal");
  expect((await ended).end).toMatchObject({ exitCode: 0, deadLetters: 0 });
  await second.close();
  expect(await job.counted(ids)).toEqual({ target: 30 });
});

const everySecond = {
  name: "main",
  cron: "* * * * * *",
  timezone: "UTC",
  jitterSeconds: 0,
  catchUp: "none",
  changes: {},
} as const;

/** Items whose record and mark are confirmed. */
function stored({ seen }: Started): number {
  return seen["sink:stored"].reduce((sum, { marked }) => sum + marked, 0);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
