import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { readRecord } from "../../src/control/place.ts";
import { jobFolder, WHOLE_RANGE } from "../../src/state/batch-file-manager.ts";
import { type Cli, type CliEnd, runFlags, startCli } from "../support/cli.ts";
import { type Job, makeHoldingJob, makeJob } from "../support/job.ts";
import { until } from "../support/patience.ts";

const SLOTS = 5;
/** Long enough for a call that should not be made to be seen. */
const QUIET_MS = 400;
const STORE = "the embedded store";

describe("a process that runs a job", () => {
  it("is asked how it stands, paused and resumed from another process", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(STORE, 10, SLOTS);
    const ids = await job.seed(40);
    const cli = start(job);
    await inFlight;
    const ready = await cli.seen("control:ready");
    expect(ready).toMatchObject({ job: "flow", pid: cli.pid, version: 1, address: expect.any(String) });
    const paused = await control(job, "pause", "--reason", "credit is checked");
    expect(paused).toMatchObject({ verb: "pause", pid: cli.pid, state: { from: "running", to: "paused" } });
    answer();
    await until(() => job.server.ledger().inFlight === 0);
    await delay(QUIET_MS);
    expect(job.server.ledger().received).toBe(10 + SLOTS);
    expect(await control(job, "status")).toMatchObject({
      event: "control:status",
      job: "flow",
      pid: cli.pid,
      snapshot: {
        state: "paused",
        paused: { reason: "credit is checked", by: expect.stringMatching(/, process \d+$/) },
      },
    });
    expect(await control(job, "resume")).toMatchObject({ state: { from: "paused", to: "running" } });
    expect(await cli.ended).toMatchObject({ code: 0, stderr: "", end: { classified: 40 } });
    expect(cli.events.filter(({ event }) => event === "control:command")).toMatchObject([
      { verb: "pause", by: expect.stringMatching(/, process \d+$/) },
      { verb: "resume" },
    ]);
    expect(await job.counted(ids)).toEqual({ target: 40 });
    expect(existsSync(String(ready.address))).toBe(false);
  });

  it("takes another number of calls at once, which the server sees, and a budget", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(STORE, 0, 2);
    await job.seed(30);
    priced(job);
    const cli = start({ ...job, settings: { ...job.settings, concurrent: 2 } } as Job);
    await inFlight;
    await cli.seen("control:ready");
    expect(await control(job, "set", "concurrency=9", "budget=1000000")).toMatchObject({
      changes: { concurrency: { from: 2, to: 9 }, budget: { from: null, to: 1_000_000 } },
    });
    await until(() => job.server.ledger().inFlight === 9);
    const refused = await failed(job, "set", "concurrency=12", "budget=0");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("budget: expected a number above 0") });
    await delay(QUIET_MS);
    expect(job.server.ledger().inFlight).toBe(9);
    answer();
    expect(await cli.ended).toMatchObject({ code: 0, end: { classified: 30 } });
  });

  it("drains: what is in flight comes home, exit code 0, nothing is lost and nothing paid twice", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(STORE, 10, SLOTS);
    const ids = await job.seed(40);
    const cli = start(job);
    await inFlight;
    await cli.seen("control:ready");
    const drained = startAs(job, controlFlags(job, "drain", "--wait"));
    await cli.seen("execution:drain");
    answer();
    expect(await cli.ended).toMatchObject({ code: 0, end: { status: "stopped", classified: 15, uncertainCalls: 0 } });
    expect(await drained.ended).toMatchObject({ code: 0, stderr: "" });
    expect(drained.events.at(-1)).toMatchObject({ event: "control:ended", end: { classified: 15, exitCode: 0 } });
    expect(await job.counted(ids)).toEqual({ target: 15, pending: 25 });
    expect(await start(job).ended).toMatchObject({ code: 0, end: { classified: 25 } });
    expect(job.server.ledger()).toMatchObject({ received: 40, docsPaidTwice: 0 });
  });

  it("stops at once when it is told so", async () => {
    const { job, inFlight } = await makeHoldingJob(STORE, 10, SLOTS);
    const ids = await job.seed(40);
    const cli = start(job);
    await inFlight;
    await cli.seen("control:ready");
    await control(job, "stop", "--now");
    expect(await cli.ended).toMatchObject({ code: 0, end: { classified: 10, uncertainCalls: SLOTS } });
    expect(await job.counted(ids)).toEqual({ target: 10, pending: 30 });
  });

  it("tries dead letters again, and drains an endpoint", async () => {
    const hold = Promise.withResolvers<null>();
    let failing = true;
    const job = await makeJob(STORE, {
      fail: (id) => (id === "q0020" ? hold.promise : failing && id < "q0004" ? "refusal" : null),
    });
    const ids = await job.seed(20);
    const cli = start(job);
    await cli.seen("item:settled", 19);
    await until(async () => (await job.queues()).deadLetters.size === 3);
    failing = false;
    expect(await failed(job, "requeue", "--failure", "contnet")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is no failure contnet. Did you mean content?"),
    });
    let requeued = 0;
    await until(async () => {
      const done = (await control(job, "requeue", "--failure", "content")) as unknown as {
        requeued: { deadLetters: number };
      };
      requeued += done.requeued.deadLetters;
      return requeued === 3;
    });
    await cli.seen("item:settled", 22);
    expect(await control(job, "endpoint", "drain", "main")).toMatchObject({
      changes: { "endpoint main": { from: "open", to: "draining" } },
    });
    expect(await failed(job, "endpoint", "drain", "mian")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/There is no endpoint mian\..*Did you mean main\?/s),
    });
    await control(job, "endpoint", "resume", "main");
    hold.resolve(null);
    expect(await cli.ended).toMatchObject({ code: 0, end: { read: 20, classified: 20, deadLetters: 0 } });
    expect(await job.counted(ids)).toEqual({ target: 20 });
  });

  it("answers while scheduled mode waits for its time, and ends with 0 when it is drained there", async () => {
    const job = await makeJob(STORE);
    await job.seed(1);
    expect(await start(job).ended).toMatchObject({ code: 0, end: { classified: 1 } });
    const cli = start(job, "--mode", "scheduled", "--schedule", "0 0 1 1 *");
    await cli.seen("control:ready");
    expect(await control(job, "status")).toMatchObject({ snapshot: { state: "waiting", mode: "scheduled" } });
    expect(await control(job, "pause")).toMatchObject({ state: { from: "waiting", to: "paused" } });
    expect(await control(job, "set", "concurrency=20")).toMatchObject({
      changes: { concurrency: { from: 5, to: 20 } },
    });
    expect(await control(job, "status")).toMatchObject({ snapshot: { slots: { busy: 0, limit: 20, ceiling: 20 } } });
    const cwd = job.settings.batchDir;
    const shown = await startCli(["status", "--batch-dir", cwd, "--json"], { cwd }).ended;
    expect(shown.events[0]).toMatchObject({
      jobs: [{ job: "flow", state: "waiting", owner: null, control: { pid: cli.pid } }],
    });
    // The run before was another process's.
    expect(await control(job, "drain", "--wait")).toMatchObject({ event: "control:ended", end: null });
    expect(await cli.ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("is found by the batch directory alone while its first start waits for a store that is away", async () => {
    const job = await makeJob(STORE);
    const cwd = job.settings.batchDir;
    const away = ["--store", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", "--db", "support"];
    const args = ["run", "--json", "--job", "flow", ...away, "--batch-dir", cwd, "--model", "offline"];
    const cli = startCli([...args, "--mode", "continuous"], { cwd });
    await cli.seen("control:ready");
    const found = await startCli(["control", "status", "--json", "--batch-dir", cwd], { cwd }).ended;
    expect(found).toMatchObject({ code: 0, events: [{ pid: cli.pid, snapshot: { state: "starting" } }] });
    const told = await startCli(["status", "--batch-dir", cwd, "--json"], { cwd }).ended;
    expect(told.events[0]).toMatchObject({ jobs: [{ job: "flow", state: "running", control: { pid: cli.pid } }] });
    cli.kill("SIGTERM");
    expect(await cli.ended).toMatchObject({ code: 0 });
    const after = await startCli(["status", "--batch-dir", cwd, "--json"], { cwd }).ended;
    expect(after.events[0]).toMatchObject({ jobs: [] });
  });

  it("opens no socket with --no-control, and says so to who looks for one", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(STORE, 0, SLOTS);
    await job.seed(SLOTS);
    const cli = start(job, "--no-control");
    await inFlight;
    const refused = await failed(job, "pause");
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(new RegExp(`Process ${cli.pid} on .* no control socket.*--no-control`));
    expect(refused.events).toMatchObject([{ event: "error", code: "CONTROL_UNREACHABLE" }]);
    answer();
    expect((await cli.ended).events.some(({ event }) => event === "control:ready")).toBe(false);
  });
});

describe("the socket", () => {
  it("is for its user only, one for a job, and replaces that of a process that was killed", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(STORE, 0, SLOTS);
    await job.seed(SLOTS * 2);
    const killed = start(job);
    await inFlight;
    const { address } = (await killed.seen("control:ready")) as unknown as { address: string };
    expect(statSync(address).mode & 0o777).toBe(0o600);
    expect(statSync(join(address, "..")).mode & 0o777).toBe(0o700);
    const second = await start(job).ended;
    expect(second).toMatchObject({ code: 2 });
    expect(await control(job, "status")).toMatchObject({ pid: killed.pid });
    killed.kill("SIGKILL");
    await killed.ended;
    expect(existsSync(address)).toBe(true);
    expect(await failed(job, "status")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/No process runs job flow.*Start it: .* run .*--job flow/s),
    });
    answer();
    const hold = Promise.withResolvers<null>();
    job.server.reset({ fail: () => hold.promise });
    const next = start(job, "--recover");
    expect(await next.seen("control:ready")).toMatchObject({ address });
    expect(await control(job, "status")).toMatchObject({ pid: next.pid });
    hold.resolve(null);
    expect(await next.ended).toMatchObject({ code: 0 });
  });

  it.runIf(process.getuid?.() === 0)("lets no other user in", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(STORE, 0, SLOTS);
    await job.seed(SLOTS);
    const cli = start(job);
    await inFlight;
    const { address } = (await cli.seen("control:ready")) as unknown as { address: string };
    const probe = `
      process.setuid(65534);
      const { request } = require("node:http");
      request({ socketPath: ${JSON.stringify(address)}, path: "/v1/status" }).on("error", (error) => {
        console.log(JSON.stringify({ event: error.code }));
        process.exit(0);
      }).on("response", () => process.exit(3)).end();`;
    const { spawnSync } = await import("node:child_process");
    const other = spawnSync(process.execPath, ["-e", probe], { encoding: "utf8" });
    expect(other).toMatchObject({ status: 0, stdout: expect.stringContaining("EACCES") });
    answer();
    await cli.ended;
  });

  it("lies elsewhere when the path of the job is too long for a socket, and is found all the same", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(STORE, 0, SLOTS);
    await job.seed(SLOTS);
    const batchDir = join(job.settings.batchDir, "a-rather-long-name-of-a-folder".repeat(4));
    const long = { ...job, settings: { ...job.settings, batchDir } } as Job;
    mkdirSync(batchDir);
    const cli = start(long);
    await inFlight;
    const { address } = (await cli.seen("control:ready")) as unknown as { address: string };
    expect(address.startsWith(batchDir)).toBe(false);
    expect(address.length).toBeLessThan(100);
    expect(await control(long, "status")).toMatchObject({ pid: cli.pid });
    answer();
    expect(await cli.ended).toMatchObject({ code: 0 });
  });

  it("takes no large, slow or strange request, and none of them holds the others up", async () => {
    const { job, inFlight, answer } = await makeHoldingJob(STORE, 0, SLOTS);
    await job.seed(SLOTS);
    const cli = start(job);
    await inFlight;
    const { address } = (await cli.seen("control:ready")) as unknown as { address: string };
    const slow = connect(address);
    onTestFinished(() => void slow.destroy());
    slow.write("POST /v1/pause HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{");
    expect(await send(address, "POST", "/v1/pause", "x".repeat(20_000))).toMatchObject({ status: 413 });
    expect(await send(address, "POST", "/v1/pause", "{")).toMatchObject({ status: 400 });
    expect(await send(address, "POST", "/v1/pause", '{"raeson":"x"}')).toMatchObject({ status: 400 });
    expect(await send(address, "GET", "/v1/pause", "")).toMatchObject({ status: 405 });
    expect(await send(address, "POST", "/v1/explode", "{}")).toMatchObject({ status: 404 });
    expect(await send(address, "GET", "/v2/status", "")).toMatchObject({ status: 404 });
    expect(await control(job, "status")).toMatchObject({ snapshot: { state: "running" } });
    answer();
    expect(await cli.ended).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("settings that are read again", () => {
  it.each(["SIGHUP", "control reload"] as const)(
    "by %s are taken where that is safe, and refused with the reason elsewhere",
    async (how) => {
      const { job, inFlight, answer } = await makeHoldingJob(STORE, 0, 2);
      await job.seed(30);
      const write = (text: string): void => writeFileSync(join(job.settings.batchDir, "querymill.yaml"), text);
      write("concurrent: 2\n");
      const { "--concurrent": _, ...rest } = pairsOf(runFlags(job.settings));
      const cli = startAs(
        job,
        Object.entries(rest)
          .flat()
          .filter((word) => word !== ""),
      );
      await inFlight;
      await cli.seen("control:ready");
      write("concurrent: 7\nlimits: { requestsPerMinute: 6000 }\nbatchSize: 20\nmaxOutputTokens: 500\n");
      if (how === "SIGHUP") cli.kill("SIGHUP");
      else
        expect(await control(job, "reload")).toMatchObject({
          changes: { concurrent: { from: 2, to: 7 }, "main requestsPerMinute": { from: null, to: 6_000 } },
          refused: [
            { setting: "batchSize", reason: expect.stringContaining("Restart it") },
            { setting: "maxOutputTokens", reason: expect.stringContaining("cannot be compared") },
          ],
        });
      expect(await cli.seen("control:command")).toMatchObject({
        verb: "reload",
        changes: { concurrent: { from: 2, to: 7 }, "main requestsPerMinute": { from: null, to: 6_000 } },
      });
      if (how === "SIGHUP") {
        await cli.seen("note", 2);
        const notes = cli.events.filter(({ event }) => event === "note").map(({ message }) => message);
        expect(notes).toContainEqual(expect.stringMatching(/^SIGHUP: batchSize stays as it was/));
      }
      await until(() => job.server.ledger().inFlight === 7);
      write("concurrent: 9\nlimits: { requestsPerMinute: many }\n");
      expect(await failed(job, "reload")).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/querymill\.yaml:2:\d+ limits\.requestsPerMinute: expected/),
      });
      expect(job.server.ledger().inFlight).toBe(7);
      answer();
      expect(await cli.ended).toMatchObject({ code: 0, end: { classified: 30 } });
    },
  );

  it("have a rotated key, that of .env, without a restart", async () => {
    const job = await makeJob(STORE, { apiKey: "sk-old-000000000000" });
    const ids = await job.seed(40);
    const cwd = job.settings.batchDir;
    const env = (key: string): void => writeFileSync(join(cwd, ".env"), `QUERYMILL_API_KEY=${key}\n`);
    env("sk-old-000000000000");
    const cli = start(job, "--mode", "continuous", "--interval", "1");
    await cli.seen("item:settled", 40);
    await cli.seen("control:ready");
    await control(job, "pause");
    job.server.reset({ apiKey: "sk-new-111111111111" });
    env("sk-new-111111111111");
    expect(await control(job, "reload")).toMatchObject({ changes: { "main key": { to: "another one" } }, refused: [] });
    const more = await job.seed(5, undefined, 100);
    await control(job, "resume");
    await cli.seen("item:settled", 45);
    await control(job, "drain");
    const ended = await cli.ended;
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.stringify(ended.events)).not.toMatch(/sk-(old|new)/);
    expect(await job.counted([...ids, ...more])).toEqual({ target: 45 });
  });
});

function start(job: Job, ...flags: string[]): Cli {
  return startAs(job, [...runFlags(job.settings), ...flags]);
}

/** Ends with the test, whatever became of it. */
function startAs({ settings: { batchDir } }: Job, args: readonly string[]): Cli {
  const cli = startCli(args, { cwd: batchDir });
  onTestFinished(() => cli.kill("SIGKILL"));
  return cli;
}

function controlFlags({ settings: { storeUri, batchDir, job } }: Job, ...words: string[]): string[] {
  return [
    "control",
    ...words,
    "--json",
    "--job",
    job,
    "--store",
    storeUri.slice("sqlite:".length),
    "--batch-dir",
    batchDir,
  ];
}

async function control(job: Job, ...words: string[]) {
  const { code, events, stderr } = await startCli(controlFlags(job, ...words), { cwd: job.settings.batchDir }).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return events.at(-1);
}

function failed(job: Job, ...words: string[]): Promise<CliEnd> {
  return startCli(controlFlags(job, ...words), { cwd: job.settings.batchDir }).ended;
}

function priced({ settings: { batchDir } }: Job): void {
  writeFileSync(join(batchDir, "querymill.yaml"), "prices: { drawn-1: { input: 1000, output: 1000 } }\n");
}

/** Flags with their values; switches and words have none. */
function pairsOf(flags: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (let at = 0; at < flags.length; at += 1) {
    const value = flags[at + 1];
    const isPair = flags[at]!.startsWith("--") && value !== undefined && !value.startsWith("--");
    pairs[flags[at]!] = isPair ? value : "";
    if (isPair) at += 1;
  }
  return pairs;
}

function send(socketPath: string, method: string, path: string, body: string): Promise<{ status: number }> {
  return new Promise((resolve, reject) => {
    const out = request({ socketPath, method, path }, (response) => {
      response.resume();
      response.on("end", () => resolve({ status: response.statusCode! }));
    });
    out.on("error", reject);
    out.end(body);
  });
}

it("is written down in the job's folder, and nowhere when nothing runs", async () => {
  const job = await makeJob(STORE);
  expect(readRecord(jobFolder(job.settings.batchDir, { ...job.settings, range: WHOLE_RANGE }))).toBeNull();
});
