import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Cli, runFlags, startCli } from "../support/cli.ts";
import { type Job, makeJob } from "../support/job.ts";
import { canMakeTerminals, startOnTerminal, type TerminalRun } from "../support/terminal-run.ts";

const SLOTS = 5;
const ITEMS = 30;
const ANSWERED = 10;
const STACK = /\n\s+at .*[:(]\d+/;
const bin = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));

describe.skipIf(!canMakeTerminals)("on a terminal", () => {
  it("Ctrl-C drains: the panel counts down what is in flight, and a plain run goes on without paying twice", async () => {
    const { job, ids, inFlight, answer } = await held();
    const run = onTerminal(job);
    await inFlight;
    run.type("\x03");
    await run.shows(/Draining: 5 calls in flight come home first/);
    answer(2);
    await run.shows(/\b3 in flight|in flight +3\b/);
    answer(SLOTS);
    const { code, screen } = await run.ended;
    expect(code).toBe(130);
    expect(screen).not.toMatch(STACK);
    await goesOn(job, ids, ANSWERED + SLOTS, 0);
  });

  it("a second Ctrl-C within half a second is the same one; a later one cuts the calls and says what that means", async () => {
    const { job, ids, inFlight } = await held();
    const run = onTerminal(job);
    await inFlight;
    run.type("\x03");
    await run.shows(/Draining: 5 calls/);
    // Apart, or the terminal makes one of the two.
    run.type("\x03");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(run.screen()).not.toContain("Stopped at once");
    await new Promise((resolve) => setTimeout(resolve, 700));
    run.type("\x03");
    const { code, screen } = await run.ended;
    expect(code).toBe(130);
    expect(screen).toMatch(/Stopped at once\. 5 calls were under way; their answers may be paid again\./);
    expect(screen).not.toMatch(STACK);
    await goesOn(job, ids, ANSWERED, SLOTS);
  });

  it("that is closed: it drains for nobody, and loses nothing", async () => {
    const { job, ids, inFlight, answer } = await held();
    const run = onTerminal(job);
    await inFlight;
    run.close();
    await run.ended;
    answer(SLOTS);
    await released(job);
    await goesOn(job, ids, ANSWERED + SLOTS, 0);
  });
});

describe("without a terminal", () => {
  it("SIGHUP ends nothing: it reads the settings again", async () => {
    const { job, ids, inFlight, answer } = await held();
    const cli = start(job);
    await inFlight;
    cli.kill("SIGHUP");
    expect(await cli.seen("control:command")).toMatchObject({ verb: "reload", by: "SIGHUP" });
    answer(ITEMS);
    expect(await cli.ended).toMatchObject({ code: 0, stderr: "", end: { uncertainCalls: 0 } });
    expect(await job.counted(ids)).toEqual({ target: ITEMS });
  });

  it("a drain that takes longer than its deadline cuts the calls and counts them as perhaps paid", async () => {
    const { job, ids, inFlight } = await held();
    writeFileSync(join(job.settings.batchDir, "querymill.yaml"), "deadlines: { drainMs: 300 }\n");
    const cli = start(job);
    await inFlight;
    cli.kill("SIGTERM");
    const { code, end, stderr } = await cli.ended;
    expect({ code, stderr }).toEqual({ code: 143, stderr: "" });
    expect(end).toMatchObject({ classified: ANSWERED, inFlight: 0, uncertainCalls: SLOTS });
    await goesOn(job, ids, ANSWERED, SLOTS);
  });

  it("signals at any moment of a start end it at once or in good order, and nothing has to be recovered", async () => {
    const { job, ids, answer } = await held();
    answer(ITEMS);
    for (const [at, signal] of (["SIGTERM", "SIGINT", "SIGHUP", "SIGTERM"] as const).entries()) {
      const cli = start(job);
      await new Promise((resolve) => setTimeout(resolve, 150 + at * 180));
      cli.kill(signal);
      const { code, signal: died, stderr } = await cli.ended;
      expect(stderr).not.toMatch(STACK);
      // By the signal itself before anything is open, in good order afterwards, or too late.
      if (died === null) expect([0, 129, 130, 143]).toContain(code);
    }
    expect((await start(job).ended).code).toBe(0);
    expect(await job.counted(ids)).toEqual({ target: ITEMS });
    expect(job.server.ledger().docsPaidTwice).toBe(0);
  });

  it("into `| head -1`, which reads one event and goes: no noise, no loss", async () => {
    const { job, ids, answer } = await held();
    // Held until the reader has gone: it has to be noticed while there is work.
    setTimeout(() => answer(ITEMS), 1_500).unref();
    const words = [process.execPath, bin, ...runFlags(job.settings)].map((word) => `'${word}'`).join(" ");
    const { stderr } = await shell(`{ ${words}; echo "ended with $?" >&2; } | head -1`, job.settings.batchDir);
    expect(stderr).toMatch(/^ended with (0|141)\n$/);
    expect((await start(job).ended).code).toBe(0);
    expect(await job.counted(ids)).toEqual({ target: ITEMS });
    expect(job.server.ledger()).toMatchObject({ ok: ITEMS, docsPaidTwice: 0 });
  });

  it("with stdin, stdout and stderr closed from the start it does its work", async () => {
    const { job, ids, inFlight, answer } = await held();
    const words = [process.execPath, bin, ...runFlags(job.settings)].map((word) => `'${word}'`).join(" ");
    const ended = shell(`${words} <&- >&- 2>&-`, job.settings.batchDir);
    await inFlight;
    answer(ITEMS);
    expect((await ended).code).toBe(0);
    expect(await job.counted(ids)).toEqual({ target: ITEMS });
  });
});

/** A job whose server answers some calls and holds the others until it is told how many more to answer. */
async function held() {
  let free = 0;
  const waiting: (() => void)[] = [];
  const reached = Promise.withResolvers<void>();
  let received = 0;
  const job = await makeJob("the embedded store", {
    fail: async () => {
      received += 1;
      if (received === ANSWERED + SLOTS) reached.resolve();
      if (received <= ANSWERED) return null;
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return null;
    },
  });
  const answer = (count: number): void => {
    const now = waiting.splice(0, count);
    free += count - now.length;
    for (const resolve of now) resolve();
  };
  return { job, ids: await job.seed(ITEMS), inFlight: reached.promise, answer };
}

/** The rest is done by a plain run, and what was stored before is paid for once. */
async function goesOn(job: Job, ids: readonly string[], before: number, cut: number): Promise<void> {
  expect(await job.counted(ids)).toEqual({ target: before, pending: ITEMS - before });
  const { ok } = job.server.ledger();
  expect(ok).toBe(before);
  job.server.reset({ fail: () => null });
  const { code, end } = await start(job).ended;
  expect({ code, end }).toMatchObject({ code: 0, end: { classified: ITEMS - before, recovered: 0 } });
  expect(await job.counted(ids)).toEqual({ target: ITEMS });
  expect(job.server.ledger()).toMatchObject({ received: ITEMS - before, docsPaidTwice: 0 });
  expect(end!.jobTotals.modelCalls).toBe(ITEMS + cut);
}

/** Waits until no process holds the job. */
async function released({ settings }: Job): Promise<void> {
  for (;;) {
    const cli = startCli(["status", "--json", "--job", settings.job, "--batch-dir", settings.batchDir], {
      cwd: settings.batchDir,
    });
    const { events } = await cli.ended;
    if (!JSON.stringify(events).includes('"state":"running"')) return;
  }
}

function start(job: Job): Cli {
  return startCli(runFlags(job.settings), { cwd: job.settings.batchDir });
}

function onTerminal(job: Job): TerminalRun {
  const run = startOnTerminal(
    runFlags(job.settings).filter((flag) => flag !== "--json"),
    { cwd: job.settings.batchDir },
  );
  onTestFinished(() => run.close());
  return run;
}

function shell(line: string, cwd: string): Promise<{ code: number | null; stderr: string }> {
  const child = spawn("sh", ["-c", line], {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (part) => {
    stderr += part;
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stderr })));
}
