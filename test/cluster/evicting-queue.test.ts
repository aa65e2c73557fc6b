import { expect, it, onTestFinished } from "vitest";
import { machine, startFleetProcess } from "../support/fleet.ts";
import { makeJob } from "../support/job.ts";
import { startValkey } from "../support/valkey.ts";

it("a Valkey that evicts keys at random while it hands out ranges: nothing is lost, nothing doubled", async () => {
  const valkey = await startValkey();
  onTestFinished(() => valkey.stop());
  const figure = async (section: string, name: string): Promise<number> =>
    Number(new RegExp(`${name}:(\\d+)`).exec((await valkey.say(`INFO ${section}`)) as string)![1]);
  const job = await makeJob("MongoDB", { latency: "fixed:20" });
  const ids = await job.seed(1_500);
  const settings = async () => await machine(job, { workersAt: valkey.url });
  const workers = [startFleetProcess("worker", await settings()), startFleetProcess("worker", await settings())];
  const run = startFleetProcess("run", await settings());
  await workers[0]!.seen("range:taken");
  await valkey.say("CONFIG SET maxmemory-policy allkeys-random");
  await valkey.say(`CONFIG SET maxmemory ${await figure("memory", "used_memory")}`);
  await expect.poll(() => figure("stats", "evicted_keys")).toBeGreaterThan(3);
  await valkey.say("CONFIG SET maxmemory 0");
  const { end, stderr } = await run.ended;
  expect(stderr).toBe("");
  expect(end).toMatchObject({ classified: ids.length, exitCode: 0 });
  for (const worker of workers) worker.kill("SIGTERM");
  for (const worker of workers) expect(await worker.ended).toMatchObject({ code: 0 });
  expect((await job.records()).size).toBe(ids.length);
  expect(job.server.ledger()).toMatchObject({ ok: ids.length, docsPaidTwice: 0 });
});
