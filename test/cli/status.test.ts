import { expect, test } from "vitest";
import { lastEvent, makeWorkspace, queries, runFlags, serveModel } from "../support/workspace.ts";

test("before any run it says how to begin and makes nothing", async () => {
  const space = makeWorkspace();
  const { code, stdout } = await space.querymill(["status"]);
  expect(code).toBe(0);
  expect(stdout).toContain("No job has run with batch_files yet.");
  expect(() => space.digest("batch_files")).toThrow("ENOENT");
});

test("after a run it tells totals, queues, dead letters by cause and the last end, and changes nothing", async () => {
  const space = makeWorkspace();
  await space.seed(queries(12));
  const server = await serveModel({ fail: (id) => (id === "q3" ? "malformed" : id === "q5" ? "500" : null) });
  expect((await space.querymill(["run", ...runFlags(server), "--retries", "0", "--no-wait"])).code).toBe(3);
  const before = space.digest("batch_files");
  const { code, stdout } = await space.querymill(["status"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/in all +10 classified {3}0 skipped {3}1 retry queued {3}1 dead letters/);
  expect(stdout).toMatch(/retry queue +model: 1, first due /);
  expect(stdout).toMatch(/dead letters +malformed: 1, last /);
  expect(stdout).toMatch(/held by +nobody/);
  expect(stdout).toContain("retry --error malformed --dry-run --job inbox");
  const { jobs } = lastEvent((await space.querymill(["status", "--job", "inbox", "--json"])).stdout);
  expect(jobs).toMatchObject([
    {
      job: "inbox",
      state: "idle",
      jobTotals: { classified: 10, retryQueued: 1, deadLetters: 1 },
      retryQueues: [{ queue: "model", count: 1 }],
      deadLetters: [{ failure: "malformed", count: 1 }],
      lastEnd: { read: 12, classified: 10, exitCode: 3 },
    },
  ]);
  expect(space.digest("batch_files")).toBe(before);
});

test("an unknown job is refused with the nearest one", async () => {
  const space = makeWorkspace();
  await space.seed(queries(1));
  await space.querymill(["run", "--store", "store.db", "--model", "offline", "--job", "inbox"]);
  const { code, stderr } = await space.querymill(["status", "--job", "inbx"]);
  expect(code).toBe(2);
  expect(stderr).toContain("No job inbx has run with batch_files. Did you mean inbox? There are: inbox.");
});

test("while a run holds the job it tells who; after its death how to go on, both ways", async () => {
  const space = makeWorkspace();
  await space.seed(queries(30));
  // The first ten answer at once, the others never.
  const server = await serveModel({ fail: (id) => (Number(id.slice(1)) > 10 ? "hang" : null) });
  const { child, ended } = space.start(["run", ...runFlags(server), "--json"]);
  let settled = 0;
  await new Promise<void>((resolve) => {
    child.stdout?.on("data", (text: string) => {
      settled += text.split('"item:settled"').length - 1;
      if (settled >= 10 && server.ledger().inFlight === 5) resolve();
    });
    const look = setInterval(() => {
      if (settled < 10 || server.ledger().inFlight < 5) return;
      clearInterval(look);
      resolve();
    }, 20);
  });
  const during = lastEvent((await space.querymill(["status", "--json"])).stdout);
  expect(during.jobs).toMatchObject([
    { state: "running", owner: { pid: child.pid }, jobTotals: { classified: 10 }, callsUnderWay: 5 },
  ]);
  child.kill("SIGKILL");
  await ended;
  const before = space.digest("batch_files");
  const { code, stdout } = await space.querymill(["status"]);
  expect(code).toBe(0);
  expect(stdout).toContain("inbox did not end cleanly");
  expect(stdout).toContain("5 calls were under way and may be paid twice");
  expect(stdout).toMatch(/Go on where it was: +.*run --job inbox --base-url URL --model drawn-1 --recover/);
  expect(stdout).toMatch(/Start over: +.*run --job inbox --base-url URL --model drawn-1 --fresh/);
  expect(space.digest("batch_files")).toBe(before);
});

test("of a run of continuous mode it tells how far it is behind, as long as it is under way", async () => {
  const space = makeWorkspace();
  await space.seed(queries(3));
  const flags = ["--store", "store.db", "--model", "offline", "--job", "inbox", "--mode", "continuous"];
  const { child, ended } = space.start(["run", ...flags, "--json"]);
  const lagNow = async (): Promise<unknown> => {
    const { stdout } = await space.querymill(["status", "--json", "--job", "inbox"]);
    return (lastEvent(stdout) as { jobs?: { lag: unknown }[] }).jobs?.[0]?.lag ?? null;
  };
  let lag = await lagNow();
  for (let looks = 0; (lag as { ms: number } | null)?.ms !== 0 && looks < 40; looks += 1) lag = await lagNow();
  expect(lag).toEqual({ ms: 0, sinceMs: null, basis: null });
  expect((await space.querymill(["status"])).stdout).toMatch(/lag +none {3}everything is done/);
  child.kill("SIGTERM");
  await ended;
  expect(await lagNow()).toBeNull();
});

test("with a schedule in the settings it tells the next five times", async () => {
  const space = makeWorkspace();
  await space.seed(queries(1));
  await space.querymill(["run", "--store", "store.db", "--model", "offline", "--job", "nightly"]);
  space.write("querymill.yaml", 'mode: scheduled\nschedule: "30 2 * * *"\ntimezone: UTC\njob: nightly\n');
  const { jobs } = lastEvent((await space.querymill(["status", "--json"])).stdout) as {
    jobs: { nextTimes: string[] }[];
  };
  expect(jobs[0]?.nextTimes).toHaveLength(5);
  for (const time of jobs[0]!.nextTimes) expect(time).toMatch(/T02:30:00\.000Z$/);
});

test("a job that was started with --schedule tells its next times while it waits and when it has ended, before any run too", async () => {
  const space = makeWorkspace();
  await space.seed(queries(1));
  const flags = ["--store", "store.db", "--model", "offline", "--job", "nightly", "--batch-dir", "batch_files"];
  const { child, ended } = space.start([
    "run",
    "--mode",
    "scheduled",
    "--schedule",
    "30 2 * * *",
    "--timezone",
    "Europe/Berlin",
    "--json",
    ...flags,
  ]);
  await new Promise<void>((resolve) => {
    child.stdout?.on("data", (text: string) => {
      if (text.includes("next scheduled time")) resolve();
    });
  });
  const waiting = lastEvent((await space.querymill(["status", "--json"])).stdout);
  const shown = (await space.querymill(["status", "--batch-dir", "batch_files"])).stdout;
  expect(shown).toMatch(/control +process \d+ answers: .* control status --job nightly --batch-dir batch_files$/m);
  expect(shown).toMatch(/^nightly +waiting .* next /);
  expect(shown).toMatch(new RegExp(`held by +process ${child.pid} on host .*, which waits to begin a run, since `));
  child.kill("SIGTERM");
  expect(await ended).toMatchObject({ code: 0 });
  const stopped = lastEvent((await space.querymill(["status", "--json"])).stdout);
  const schedules = [{ name: "main", cron: "30 2 * * *", timezone: "Europe/Berlin" }];
  expect(waiting.jobs).toMatchObject([{ job: "nightly", state: "waiting", control: { pid: child.pid }, schedules }]);
  expect(stopped.jobs).toMatchObject([{ job: "nightly", state: "idle", control: null, schedules }]);
  expect((stopped.jobs as { nextTimes: string[] }[])[0]!.nextTimes).toHaveLength(5);
  const { stdout } = await space.querymill(["status"]);
  expect(stdout).toMatch(/next times +\S.* {3}.*\(main: 30 2 \* \* \*, (by the clock of )?Europe\/Berlin[;)]/);
});

test("--input shows the job of that file only, and refuses one that is not there or was not run", async () => {
  const space = makeWorkspace();
  for (const name of ["a", "b", "c"]) space.write(`${name}.csv`, "id,text\n1,Where is my parcel?\n");
  for (const name of ["a.csv", "b.csv"])
    expect((await space.querymill(["run", "--input", name, "--model", "offline"])).code).toBe(0);
  const { stdout } = await space.querymill(["status", "--input", "b.csv"]);
  expect(stdout).toMatch(/^b-[0-9a-f]+ /);
  expect(stdout).not.toMatch(/^a-/m);
  const { jobs } = lastEvent((await space.querymill(["status", "--input", "a.csv", "--json"])).stdout);
  expect(jobs).toMatchObject([{ job: expect.stringMatching(/^a-/), jobTotals: { classified: 1 } }]);
  const missing = await space.querymill(["status", "--input", "d.csv"]);
  expect([missing.code, missing.stdout]).toEqual([2, ""]);
  expect(missing.stderr).toContain("d.csv: there is no such file. Check the path");
  const unrun = await space.querymill(["status", "--input", "c.csv"]);
  expect([unrun.code, unrun.stdout]).toEqual([2, ""]);
  expect(unrun.stderr).toContain("c.csv was not run with batch_files yet.");
  const piped = await space.querymill(["status", "--input", "-"]);
  expect(piped.stderr).toContain("Name the job with --job");
});
