import { describe, expect, it, onTestFinished } from "vitest";
import { type JobSettings, mainEndpoint } from "../../src/job.ts";
import { type FleetProcess, machine, startFleetProcess } from "../support/fleet.ts";
import { type Job, makeJob } from "../support/job.ts";
import { makeNetwork, missingNetwork, type Network } from "../support/network.ts";

const missing = await missingNetwork();
if (missing !== null) console.log(missing);

const CALLS = 4;

/** The job, with a model whose address is the same for machines in that network and in this one. */
async function jobIn(network: Network): Promise<Job> {
  const job = await makeJob("MongoDB", { latency: "fixed:60" });
  const model = { ...job.settings.model, baseUrl: await network.reachable(job.settings.model.baseUrl!) };
  Object.assign(job.settings, { model, endpoints: [mainEndpoint(model)] });
  return job;
}

/** Settings of a machine in that network. */
async function inside(job: Job, network: Network, changes: Partial<JobSettings>): Promise<JobSettings> {
  const store = new URL(await network.reachable(job.settings.storeUri));
  store.searchParams.delete("replicaSet");
  // The members of the set tell addresses that are not reached from there.
  store.searchParams.set("directConnection", "true");
  return await machine(job, { storeUri: store.href, ...changes });
}

const said = (worker: FleetProcess, line: Readonly<Record<string, unknown>>): boolean =>
  worker.lines.some((one) => Object.entries(line).every(([name, value]) => one[name] === value));

describe.skipIf(missing !== null)("a worker whose network is cut", () => {
  it("loses its range to one that is reached, doubles nothing, and goes on when the network is back", async () => {
    const network = await makeNetwork();
    onTestFinished(() => network.close());
    const job = await jobIn(network);
    const ids = await job.seed(400);
    const place = { leaseMs: 3_000, concurrent: CALLS };
    const cut = startFleetProcess("worker", await inside(job, network, place), network.inside);
    const settings = await machine(job, place);
    const run = startFleetProcess("run", settings);
    const { range } = (await cut.seen("range:taken"))!;
    await expect.poll(() => job.server.ledger().ok).toBeGreaterThan(10);
    await network.cut();
    const other = startFleetProcess("worker", await machine(job, { ...place, concurrent: 16 }));
    await expect.poll(() => said(other, { event: "range:taken", range })).toBe(true);
    await network.heal();
    const { end, stderr } = await run.ended;
    expect(stderr).toBe("");
    expect(end).toMatchObject({ exitCode: 0 });
    expect(end!.jobTotals).toMatchObject({ classified: ids.length, deadLetters: 0, retryQueued: 0 });
    expect((await job.records()).size).toBe(ids.length);
    const { ok, docsPaid } = job.server.ledger();
    expect(docsPaid).toBe(ids.length);
    // In flight at the cut, and what was answered since the last group for the store.
    expect(ok - ids.length).toBeLessThanOrEqual(40);
    // It finds out by itself, and has work again.
    await expect.poll(() => said(cut, { event: "range:end", range, result: "lost" })).toBe(true);
    other.kill("SIGTERM");
    expect(await other.ended).toMatchObject({ code: 0 });
    const more = await job.seed(200, undefined, 1_000);
    const next = await startFleetProcess("run", settings).ended;
    expect(next.end).toMatchObject({ classified: more.length, exitCode: 0 });
    cut.kill("SIGTERM");
    expect(await cut.ended).toMatchObject({ code: 0, stderr: "" });
  });
});
