import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Cli, runFlags, startCli } from "../support/cli.ts";
import { faultyRun } from "../support/faulty-run.ts";
import { type Job, makeJob, STORES, textWith } from "../support/job.ts";

const SLOTS = 5;
const ITEMS = 200;
const root = process.getuid?.() === 0;

/** Some fail once, so that the retry queue is written; some for good, so that the dead letters are. */
const fails = (id: string, attempt: number) =>
  id.endsWith("4") && attempt === 1 ? "503" : id.endsWith("7") ? "refusal" : null;

describe("a disk that fills up", () => {
  it.each([
    ["the journal", /\.journal\b/],
    ["a checkpoint", /checkpoint-\d\.json/],
    ["a batch file", /batches\//],
    ["the retry queue", /retry\.queue/],
    ["the dead letters", /dead-letters\.queue/],
  ] as const)("while %s is written: ends with 4, keeps all, pays nothing again, goes on plainly", async (_, path) => {
    const job = await makeJob("the embedded store", { latency: "fixed:10", fail: fails });
    const ids = await job.seed(ITEMS);
    const retry = { ...job.settings.retry, retries: 0 };
    const { execution, disk } = await faultyRun({ ...job.settings, retry, checkpointInterval: 10 });
    let settled = 0;
    execution.events.on("item:settled", () => {
      settled += 1;
      if (settled === 10) disk.full = path;
    });
    const end = await execution.run();
    expect(end).toMatchObject({ status: "stopped", exitCode: 4, stopReason: "disk", inFlight: 0, uncertainCalls: 0 });
    expect(end.message).toMatch(/ENOSPC: no space left on device\. .*Free space/);
    expect(end.message).toMatch(path);

    const rest = await job.run({ retry: { ...job.settings.retry, retries: 0 } });
    expect(rest.end.stopReason).toBe(null);
    const dead = ids.filter((id) => id.endsWith("7")).length;
    expect(await job.counted(ids)).toEqual({ target: ITEMS - dead, "dead letters": dead });
    expect(job.server.ledger()).toMatchObject({ docsPaid: ITEMS, docsPaidTwice: 0 });
  });

  it("with no room for what is kept for that case is refused before anything is asked", async () => {
    const job = await makeJob("the embedded store");
    await job.seed(3);
    const { execution, disk } = await faultyRun(job.settings);
    disk.full = /reserve$/;
    await expect(execution.run()).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
    expect(job.server.ledger().received).toBe(0);
  });

  it("and stays full whatever is given back: keeps what it acknowledged, and cuts what it could not record", async () => {
    const job = await makeJob("the embedded store", { latency: "fixed:2" });
    const ids = await job.seed(ITEMS);
    const { execution, disk } = await faultyRun(job.settings);
    let settled = 0;
    execution.events.on("item:settled", () => {
      settled += 1;
      if (settled === 40) disk.fullForGood = true;
    });
    const end = await execution.run();
    expect(end).toMatchObject({ exitCode: 4, stopReason: "disk", inFlight: 0 });
    const again = await job.run({ recover: true });
    expect(again.end.exitCode).toBe(0);
    expect(await job.counted(ids)).toEqual({ target: ITEMS });
    // In flight, and answered while the disk refused them.
    expect(job.server.ledger().ok).toBeLessThanOrEqual(ITEMS + 2 * SLOTS);
  });
});

describe.each(STORES)("the batch directory, over %s", (store) => {
  it.skipIf(!root)("on a disk that is really full ends with 4, and goes on when there is room", async () => {
    const { job, ids, disk } = await jobOnDisk(store);
    const cli = start(job, disk);
    await cli.seen("item:settled", 40);
    // The run must not free its reserve while the filler still takes all there is.
    process.kill(cli.pid, "SIGSTOP");
    fillUp(disk);
    process.kill(cli.pid, "SIGCONT");
    const { code, end, stderr } = await cli.ended;
    expect({ code, end, stderr }).toMatchObject({
      code: 4,
      end: { stopReason: "disk", uncertainCalls: 0 },
      stderr: "",
    });
    expect(end!.message).toMatch(/ENOSPC: no space left on device\. .*Free space/);
    fillUp(disk);
    const full = await start(job, disk).ended;
    expect(full.code).toBe(2);
    expect(full.stderr).toMatch(/cannot be written: ENOSPC/);
    expect(full.stderr).not.toMatch(/\n\s+at /);
    rmSync(join(disk, "filler"));
    await goesOn(job, disk, ids, 0);
  });
});

describe("a batch directory", () => {
  it("whose files may not grow any further ends with 4, and goes on with a higher limit", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:2" });
    const ids = await job.seed(ITEMS);
    const disk = join(job.settings.batchDir, "state");
    const cli = start(job, disk);
    await cli.seen("item:settled", 20);
    execFileSync("prlimit", [`--pid=${cli.pid}`, "--fsize=100000:100000"]);
    const { code, end, stderr } = await cli.ended;
    expect({ code, end, stderr }).toMatchObject({ code: 4, end: { stopReason: "disk" }, stderr: "" });
    expect(end!.message).toMatch(/EFBIG: file too large/);
    // In flight, and answered while the file could not grow.
    await goesOn(job, disk, ids, 2 * SLOTS);
  });

  it("whose store lies in it and may not grow: what the journal has is stored by the next run", async () => {
    const job = await makeJob("the embedded store", { latency: "fixed:2" });
    // The store is the largest file by far.
    const ids = await job.seed(ITEMS, (id) => `${textWith(id)} ${"and it is urgent ".repeat(400)}`);
    const cli = start(job, join(job.settings.batchDir, "state"));
    await cli.seen("item:settled", 20);
    execFileSync("prlimit", [`--pid=${cli.pid}`, "--fsize=400000:400000"]);
    const { code, end, stderr } = await cli.ended;
    expect({ code, end, stderr }).toMatchObject({ code: 4, end: { stopReason: "disk" }, stderr: "" });
    expect(end!.message).toMatch(/store\.sqlite/);
    await goesOn(job, join(job.settings.batchDir, "state"), ids, 0);
  });

  it("removed during a run: the run stops, stores what it paid for, says so, and the next one pays for nothing again", async () => {
    const job = await makeJob("the embedded store", { latency: "fixed:40" });
    const ids = await job.seed(400);
    const disk = join(job.settings.batchDir, "state");
    // Nothing that would be written anew in the meantime: it has to be noticed.
    const cli = start(job, disk, "--checkpoint-interval", "100000", "--batch-size", "1000");
    await cli.seen("item:settled", 40);
    rmSync(disk, { recursive: true });
    const { code, end, stderr } = await cli.ended;
    expect({ code, end, stderr }).toMatchObject({ code: 4, end: { stopReason: "disk", inFlight: 0 }, stderr: "" });
    expect(end!.message).toMatch(/removed or moved|ENOENT/);
    expect(end!.read).toBeLessThan(400);
    await goesOn(job, disk, ids, 0);
  });

  it.skipIf(!root)("that another user owns is refused before anything is asked", async () => {
    const job = await makeJob("the embedded store");
    await job.seed(3);
    const disk = join(job.settings.batchDir, "state");
    mkdirSync(disk, { mode: 0o700 });
    await chown(disk, 12_345, 12_345);
    await chown(job.settings.batchDir, 65_534, 65_534);
    for (const name of readdirSync(job.settings.batchDir))
      if (name.startsWith("store")) await chown(join(job.settings.batchDir, name), 65_534, 65_534);
    const { code, stderr } = await start(job, disk, { uid: 65_534 }).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/cannot be written: EACCES/);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(job.server.ledger().received).toBe(0);
  });

  it.skipIf(!root)("that may no longer be written ends the run with 4 and a message", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:5" });
    const ids = await job.seed(ITEMS);
    const disk = join(job.settings.batchDir, "state");
    mkdirSync(disk, { mode: 0o700 });
    for (const path of [job.settings.batchDir, disk]) await chown(path, 65_534, 65_534);
    const cli = start(job, disk, { uid: 65_534 }, "--checkpoint-interval", "100000");
    await cli.seen("item:settled", 20);
    const folders = ["", ...readdirSync(disk, { recursive: true, encoding: "utf8" })]
      .map((name) => join(disk, name))
      .filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
    for (const folder of folders) await chmod(folder, 0o500);
    const { code, end, stderr } = await cli.ended;
    expect({ code, end, stderr }).toMatchObject({
      code: 4,
      end: { stopReason: "disk", uncertainCalls: 0 },
      stderr: "",
    });
    expect(end!.message).toMatch(/cannot be written: EACCES: permission denied\./);
    for (const folder of folders) await chmod(folder, 0o700).catch(() => {});
    await goesOn(job, disk, ids, 0, ["--recover"]);
  });
});

it("a disk that takes 300 ms for each sync holds up slots, groups what waits, and lets no memory grow", async () => {
  const job = await makeJob("the embedded store");
  const ids = await job.seed(300, (id) => `${textWith(id)} ${"and it is urgent ".repeat(60)}`);
  const { execution, disk } = await faultyRun({ ...job.settings, concurrent: 50 });
  disk.syncMs = 300;
  const end = await execution.run();
  expect(end).toMatchObject({ exitCode: 0, classified: 300 });
  // One sync carries all slots: one by one it would have been 300 and 90 seconds.
  expect(disk.journalSyncs).toBeLessThan(300 / 8);
  expect(job.server.ledger().maxInFlight).toBeLessThanOrEqual(50);
  expect(disk.mostUnsynced).toBeLessThan(50 * 10_000);
  expect(await job.counted(ids)).toEqual({ target: 300 });
});

/** A job whose state is on a small disk of its own. */
async function jobOnDisk(store: (typeof STORES)[number]) {
  const disk = await mkdtemp(join(tmpdir(), "querymill-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", disk]);
  onTestFinished(async () => {
    execFileSync("umount", ["-l", disk]);
    await rm(disk, { recursive: true, force: true });
  });
  const job = await makeJob(store, { latency: "fixed:2" });
  return { job, ids: await job.seed(ITEMS), disk };
}

function fillUp(disk: string): void {
  const filler = join(disk, "filler");
  writeFileSync(filler, "");
  for (const bytes of [65_536, 4_096]) {
    try {
      for (;;) writeFileSync(filler, Buffer.alloc(bytes, 1), { flag: "a" });
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe("ENOSPC");
    }
  }
}

async function goesOn(job: Job, disk: string, ids: readonly string[], paidAgain: number, flags: string[] = []) {
  const { code, end, stderr } = await start(job, disk, ...flags).ended;
  expect({ code, end, stderr }).toMatchObject({ code: 0, stderr: "" });
  const records = await job.records();
  expect(records.size).toBe(ids.length);
  for (const document of (await job.documents(ids)).values()) expect(document.processed).toBe(true);
  const { ok, docsPaid } = job.server.ledger();
  expect(docsPaid).toBe(ids.length);
  expect(ok).toBeLessThanOrEqual(ids.length + paidAgain);
}

function start(job: Job, batchDir: string, ...rest: (string | { uid: number })[]): Cli {
  const flags = rest.filter((each) => typeof each === "string");
  const user = rest.find((each) => typeof each !== "string");
  return startCli([...runFlags({ ...job.settings, batchDir }), ...flags], {
    cwd: job.settings.batchDir,
    ...(user ? { user } : {}),
  });
}
