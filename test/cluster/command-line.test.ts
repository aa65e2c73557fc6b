import { describe, expect, it, onTestFinished } from "vitest";
import { startCli } from "../support/cli.ts";
import { machineFolder } from "../support/fleet.ts";
import { makeJob } from "../support/job.ts";
import { someRedis } from "../support/valkey.ts";
import { makeWorkspace } from "../support/workspace.ts";

describe("run, worker, status and control over one job", () => {
  it("end when the start fails, whatever was open by then", async () => {
    const valkey = await someRedis();
    onTestFinished(() => valkey.stop());
    const job = await makeJob("MongoDB");
    await job.seed(3);
    const { storeUri, db, model } = job.settings;
    const folder = await machineFolder();
    const asking = ["--model", model.name, "--base-url", "http://127.0.0.1:9/v1", "--rpm", "600"];
    const place = ["--job", "flow", "--store", storeUri, "--db", db, "--workers-at", valkey.url];
    const args = ["run", "--json", "--log-level", "silent", ...place, "--batch-dir", folder, ...asking];
    const cli = startCli(args, { cwd: folder });
    onTestFinished(() => void cli.kill("SIGKILL"));
    const { code, stderr } = await cli.ended;
    expect([code, stderr]).toEqual([2, expect.stringContaining("127.0.0.1:9")]);
  });

  it("show who works, and what the run is told reaches the workers", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:50" });
    await job.seed(900);
    const { storeUri, db, model } = job.settings;
    const folder = await machineFolder();
    const flags = (batchDir: string): string[] => [
      ...["--job", "flow", "--store", storeUri, "--db", db, "--batch-dir", batchDir, "--workers-at", "mongodb"],
    ];
    const asking = ["--model", model.name, "--base-url", model.baseUrl!, "--concurrent", "4", "--range-size", "100"];
    const start = (command: string, batchDir: string) =>
      startCli([command, "--json", "--log-level", "silent", ...flags(batchDir), ...asking], { cwd: folder });
    const run = start("run", folder);
    const worker = start("worker", await machineFolder());
    await worker.seen("range:taken");
    await worker.seen("range:end");

    const { querymill } = makeWorkspace();
    const status = JSON.parse((await querymill(["status", ...flags(folder), "--json"])).stdout);
    expect(status.jobs).toHaveLength(1);
    const [{ fleet }] = status.jobs;
    expect(fleet.workers).toHaveLength(1);
    expect(fleet.workers[0]).toMatchObject({ pid: worker.pid, state: "running" });
    expect(fleet.held.map(({ worker: name }: { worker: string }) => name)).toContain(fleet.workers[0].name);
    const words = (await querymill(["status", ...flags(folder)])).stdout;
    expect(words).toContain("1 worker: 1 running");

    const control = (...words: string[]) =>
      querymill(["control", ...words, "--job", "flow", "--batch-dir", folder, "--store", storeUri, "--db", db]);
    expect((await control("pause")).code).toBe(0);
    await expect.poll(async () => await stateOf(querymill, flags(folder))).toBe("paused");
    await expect.poll(() => job.server.ledger().inFlight).toBe(0);
    const paid = job.server.ledger().received;
    // Somebody who comes later is told too.
    const late = start("worker", await machineFolder());
    await late.seen("worker:start");
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(job.server.ledger().received).toBe(paid);
    expect((await control("resume")).code).toBe(0);
    await late.seen("range:taken");
    expect((await control("stop")).code).toBe(0);
    expect((await run.ended).end).toMatchObject({ stopReason: "stop-requested" });
    for (const one of [worker, late]) expect(await one.ended).toMatchObject({ code: 0, stderr: "" });
    expect(job.server.ledger().docsPaidTwice).toBe(0);

    const again = start("run", folder);
    const last = start("worker", await machineFolder());
    expect((await again.ended).end).toMatchObject({ exitCode: 0, jobTotals: { classified: 900 } });
    expect(job.server.ledger()).toMatchObject({ ok: 900 });
    last.kill("SIGTERM");
    await last.ended;
  });
});

async function stateOf(
  querymill: ReturnType<typeof makeWorkspace>["querymill"],
  flags: readonly string[],
): Promise<string | undefined> {
  const { stdout } = await querymill(["status", ...flags, "--json"]);
  return JSON.parse(stdout).jobs[0].fleet.workers[0]?.state;
}
