import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planFleetRemoval, removeFleet } from "../../src/cluster/fleet-removal.ts";
import { sweepFolders } from "../../src/cluster/left-folders.ts";
import { jobFolder, WHOLE_RANGE } from "../../src/state/batch-file-manager.ts";
import { type FleetProcess, machine, startFleetProcess } from "../support/fleet.ts";
import { type Job, makeJob } from "../support/job.ts";
import { someRedis } from "../support/valkey.ts";
import { lastEvent, makeWorkspace } from "../support/workspace.ts";

let valkey: Awaited<ReturnType<typeof someRedis>>;

beforeAll(async () => {
  valkey = await someRedis();
});
afterAll(async () => await valkey.stop());

/** What the job has in the database: its own collections, and what was counted of its money. */
async function inDatabase({ settings: { storeUri, db, tenant, job } }: Job) {
  const client = await new MongoClient(storeUri).connect();
  try {
    const names = (await client.db(db).listCollections().toArray()).map(({ name }) => name).sort();
    const money = { key: { $regex: `usd:${tenant}\\.${job}:` } };
    return { names, money: await client.db(db).collection("querymill_allowances").countDocuments(money) };
  } finally {
    await client.close();
  }
}

async function ended(worker: FleetProcess): Promise<void> {
  worker.kill("SIGTERM");
  expect(await worker.ended).toMatchObject({ code: 0, stderr: "" });
}

describe("what a fleet keeps of a job", () => {
  it("goes with `clean --all` when nobody works: the plan, the board, the queues, the leased money; no result", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:10", fail: (id) => (id.endsWith("7") ? "refusal" : null) });
    const ids = await job.seed(300);
    const { storeUri, db, model, targetCollection } = job.settings;
    const prices = { [model.name]: { input: 10, output: 10 } };
    const budget = { usd: 100, per: "job" as const };
    const settings = await machine(job, { workersAt: valkey.url, prices, budget });
    const worker = startFleetProcess("worker", await machine(job, { workersAt: valkey.url, prices, budget }));
    const { end } = await startFleetProcess("run", settings).ended;
    expect(end).toMatchObject({ read: ids.length, retryQueued: 0 });
    const { querymill } = makeWorkspace();
    const flags = [
      ...["clean", "--all", "--job", "flow", "--store", storeUri, "--db", db, "--target-collection", targetCollection],
      ...["--batch-dir", settings.batchDir, "--workers-at", valkey.url],
    ];
    const busy = await querymill([...flags, "--yes"]);
    expect([busy.code, busy.stderr]).toEqual([2, expect.stringMatching(/removed while \S+ works/)]);
    await ended(worker);
    const before = await inDatabase(job);
    const own = ["ranges", "fleet", "queue"].map((name) => `${targetCollection}_${name}`);
    expect(before.names).toEqual(expect.arrayContaining(own));
    expect(before.money).toBeGreaterThan(0);
    // Of somebody who has a collection of such a name.
    const store = job.store;
    await store.insert(`${targetCollection}_ranges`, [{ _id: "mountains" }]);
    expect(await valkey.say("KEYS querymill:default.flow:*")).not.toEqual([]);
    const shown = await querymill([...flags, "--dry-run"]);
    expect(shown.stdout).toMatch(new RegExp(`of the fleet +${targetCollection}_fleet`));
    expect(shown.stdout).toMatch(/queue of ranges +Redis at redis:/);
    expect(await inDatabase(job)).toEqual({ ...before });
    const removed = await querymill([...flags, "--yes", "--json"]);
    expect([removed.code, removed.stderr]).toEqual([0, ""]);
    expect(lastEvent(removed.stdout)).toMatchObject({ removed: true, fleet: { unfinished: 0, trouble: null } });
    const gone = new Set(own.slice(1));
    expect(await inDatabase(job)).toEqual({ names: before.names.filter((name) => !gone.has(name)), money: 0 });
    expect((await store.target(`${targetCollection}_ranges`).readAll(null, 10)).documents).toEqual([
      { _id: "mountains" },
    ]);
    expect((await valkey.say("KEYS querymill:default.flow:*")) as string[]).toEqual([]);
    expect((await job.records()).size).toBe(ids.filter((id) => !id.endsWith("7")).length);
    // Nothing is left to remove, and a fleet begins as a first one does.
    const again = await querymill([...flags, "--yes"]);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("No job flow has state")]);
    await store.drop(`${targetCollection}_ranges`);
    await job.seed(150, undefined, 1_000);
    const next = startFleetProcess("worker", await machine(job, { workersAt: valkey.url }));
    const more = await startFleetProcess("run", settings).ended;
    expect(more.end).toMatchObject({ read: 150 });
    await ended(next);
  });

  it("stays while ranges are begun and not ended, and while somebody holds the target", async () => {
    const job = await makeJob("MongoDB", { latency: "fixed:100" });
    await job.seed(300);
    const settings = await machine(job);
    const worker = startFleetProcess("worker", await machine(job));
    const run = startFleetProcess("run", settings);
    await worker.seen("range:taken");
    worker.kill("SIGKILL");
    await worker.ended;
    run.kill("SIGTERM");
    await run.ended;
    const { board } = job.store.fleet!(settings.targetCollection);
    for (const { name } of await board.workers()) await board.leave(name);
    const left = await planFleetRemoval(settings);
    expect(left).toMatchObject({ unfinished: 1, queue: null, trouble: null });
    await expect(removeFleet(settings, left)).rejects.toMatchObject({ code: "JOB_HELD" });
    const { querymill } = makeWorkspace();
    const { storeUri, db, batchDir } = settings;
    const flags = [
      "clean",
      "--all",
      "--job",
      "flow",
      "--store",
      storeUri,
      "--db",
      db,
      "--batch-dir",
      batchDir,
      "--yes",
    ];
    const kept = await querymill(flags);
    expect([kept.code, kept.stderr]).toEqual([2, expect.stringContaining("A range was begun by workers of job flow")]);
    // Another job's, by the name of the target.
    expect(await planFleetRemoval({ ...settings, job: "other" })).toMatchObject({ collections: [] });
    expect((await inDatabase(job)).names).toContain(`${settings.targetCollection}_ranges`);
  });

  it("leaves folders of workers behind that no later range of such a name is done in", async () => {
    const settings = await machine(await makeJob("MongoDB"));
    const folderOf = (name: string): string =>
      join(dirname(jobFolder(settings.batchDir, { ...settings, range: WHOLE_RANGE })), name);
    const owners: Record<string, string> = { r000000001: "before", r000000002: "taken", r000000003: "worked" };
    for (const [name, owner] of Object.entries(owners)) {
      await mkdir(folderOf(name), { recursive: true });
      await writeFile(join(folderOf(name), "owner-id"), owner);
    }
    const range = { state: "waiting", ownerId: "taken", work: { worked: {} } };
    const left = await sweepFolders(settings, { find: async () => range as never });
    expect(left.sort()).toEqual(["r000000002", "r000000003"]);
    expect(existsSync(folderOf("r000000001"))).toBe(false);
  });
});
