import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { loadSettings } from "../../src/config/load.ts";
import { QuerymillError } from "../../src/errors.ts";
import type { JobSettings } from "../../src/job.ts";
import { findItem } from "../../src/jobs/find-item.ts";
import { listItems, listSides } from "../../src/results/list-items.ts";
import { jobFolder, WHOLE_RANGE } from "../../src/state/batch-file-manager.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { prepareTenants } from "../../src/tenants/prepare-tenants.ts";
import { until } from "../support/patience.ts";
import { makeTenantSpace, section, type TenantSpace } from "../support/tenants.ts";
import { lastEvent, serveModel } from "../support/workspace.ts";

const ITEMS = 10;
let space: TenantSpace;
let server: Awaited<ReturnType<typeof serveModel>>;

/** Tenants a and b with state of their own: answers kept, one dead letter each. */
beforeEach(async () => {
  space = await makeTenantSpace();
  server = await serveModel({ fail: (id) => (id.endsWith("-3") ? "refusal" : null) });
  space.settings(server, section("a") + section("b"));
  await space.fill("a", ITEMS);
  await space.fill("b", ITEMS);
  const { exitCode } = await prepareTenants({ env: space.env, cwd: space.folder }).run();
  expect(exitCode).toBe(3);
});

async function settingsOf(tenant: string): Promise<JobSettings> {
  return (await loadSettings({ flags: { tenant }, env: space.env, cwd: space.folder })).settings;
}

async function folderOf(tenant: string): Promise<string> {
  const settings = await settingsOf(tenant);
  return jobFolder(settings.batchDir, { ...settings, range: WHOLE_RANGE });
}

/** Puts files of tenant a in the place of those of tenant b. */
async function copyOver(...names: string[]): Promise<void> {
  const [from, to] = [await folderOf("a"), await folderOf("b")];
  for (const name of names) {
    expect(existsSync(join(from, name)), name).toBe(true);
    rmSync(join(to, name), { recursive: true, force: true });
    mkdirSync(dirname(join(to, name)), { recursive: true });
    cpSync(join(from, name), join(to, name), { recursive: true });
  }
}

const canary = (text: string): string[] => text.match(/canary-a-\d+/g) ?? [];

describe("what belongs to one tenant is not there for another", () => {
  it("no journal, checkpoint, queue or whole state of another tenant is gone on with, by any command", async () => {
    for (const names of [["journal"], ["checkpoint-0.json"], ["dead-letters.queue"], ["executions.log"]]) {
      await copyOver(...names);
      const before = server.ledger().received;
      const run = await space.run("run", "--tenant", "b", "--json");
      const kept = names[0] === "executions.log";
      expect([names, run.code]).toEqual([names, kept ? 0 : 2]);
      if (!kept) expect(run.stderr).toMatch(/belongs to job a of tenant a, not to b of b/);
      expect(server.ledger().received).toBe(before);
      for (const command of ["items outcome:dead", "get a-3", "tail --lines 50"]) {
        const { stdout, stderr } = await space.run(...command.split(" "), "--tenant", "b", "--json");
        expect([names, command, canary(stdout + stderr)]).toEqual([names, command, []]);
      }
      rmSync(await folderOf("b"), { recursive: true, force: true });
    }
    // All of it at once.
    const [from, to] = [await folderOf("a"), await folderOf("b")];
    cpSync(from, to, { recursive: true });
    const whole = await space.run("run", "--tenant", "b", "--json");
    expect([whole.code, whole.stderr]).toEqual([2, expect.stringContaining("belongs to job a of tenant a")]);
    const library = await space.run("tenants", "usage", "--tenant", "b", "--json");
    expect(lastEvent(library.stdout).usage ?? []).toEqual([]);
  });

  it("no kept answer of another tenant answers: its file is set aside, and the model is asked", async () => {
    const db = space.database.client.db(space.database.name);
    const same = await db
      .collection("a_mails")
      .find({ _id: { $ne: "a-3" } as never })
      .toArray();
    await db.collection("b_mails").insertMany(same.map(({ text }, at) => ({ _id: `same-${at}`, text })) as never[]);
    await copyOver("cache");
    const before = server.ledger().received;
    const run = await space.run("run", "--tenant", "b", "--json");
    expect(run.code).toBe(0);
    expect(lastEvent(run.stdout)).toMatchObject({ classified: ITEMS - 1, cacheHits: 0 });
    expect(server.ledger().received - before).toBe(ITEMS - 1);
    expect(readdirSync(join(await folderOf("b"), "quarantine")).some((name) => name.endsWith(".answers"))).toBe(true);
    // Its own answers are used.
    await db.collection("a_mails").insertOne({ _id: "a-again", text: same[0]!.text } as never);
    const own = await space.run("run", "--tenant", "a", "--json");
    expect(lastEvent(own.stdout)).toMatchObject({ classified: 1, cacheHits: 1, modelCalls: 0 });
  });

  it("no place in a list of another tenant leads anywhere, in no list", async () => {
    const store = await openMongoStore(space.database.uri, space.database.name, { connectTimeoutMs: 5_000 });
    try {
      const selection = { conditions: [], keys: null, fromMs: null, toMs: null };
      const page = async (tenant: string, outcome: "classified" | "dead", after: string | null) =>
        await listItems(listSides(await settingsOf(tenant), store), {
          query: { outcome, selection } as never,
          ...{ order: "newest" as never, after, limit: outcome === "dead" ? 1 : 3, maxMs: 5_000 },
        });
      const { next } = await page("a", "classified", null);
      expect(next).not.toBeNull();
      expect((await page("a", "classified", next)).items).toHaveLength(3);
      await expect(page("b", "classified", next)).rejects.toThrow("belongs to another list");
      await expect(page("b", "dead", '["dead",0,"\\"a-3\\""]')).rejects.toThrow("belongs to another list");
      // Without its tenant it is no place at all.
      await expect(page("b", "classified", next!.replace(/^a /, ""))).rejects.toThrow(QuerymillError);
      expect((await page("b", "dead", null)).items).toMatchObject([{ key: '"b-3"' }]);
    } finally {
      await store.close();
    }
  });

  it("no id of a dead letter or an item of another tenant is found, also where both read one source", async () => {
    const missing = await space.run("get", "a-3", "--tenant", "b", "--json");
    expect([missing.code, canary(missing.stdout + missing.stderr)]).toEqual([2, []]);
    expect(missing.stdout).toContain("ITEM_NOT_FOUND");
    const db = space.database.client.db(space.database.name);
    await db.collection("shared").insertMany([
      { _id: "x", team: "c", text: "canary-a-1" },
      { _id: "y", team: "d", text: "hello" },
    ] as never[]);
    const shared = (team: string): string =>
      section(team, `filter: { team: ${team} }`).replace(`${team}_mails`, "shared");
    space.settings(server, shared("c") + shared("d"));
    const store = await openMongoStore(space.database.uri, space.database.name, { connectTimeoutMs: 5_000 });
    try {
      expect(await findItem(await settingsOf("d"), store, "x")).toEqual([]);
      expect(await findItem(await settingsOf("c"), store, "x")).toMatchObject([{ key: '"x"' }]);
    } finally {
      await store.close();
    }
    const found = await space.run("items", "outcome:pending", "id:x", "--tenant", "d", "--json");
    expect(found.stdout).not.toContain('\\"x\\"');
  });

  it("no control record of another tenant reaches its process", async () => {
    const endless = ["mode: continuous", "interval: 1"];
    space.settings(server, section("a", ...endless) + section("b", ...endless));
    const { child, ended } = space.begin("run", "--tenant", "a", "--json");
    await until(async () => existsSync(join(await folderOf("a"), "control", "control.json")));
    mkdirSync(join(await folderOf("b"), "control"), { recursive: true });
    cpSync(join(await folderOf("a"), "control", "control.json"), join(await folderOf("b"), "control", "control.json"));
    for (const verb of ["status", "pause", "stop --now"]) {
      const { code, stdout, stderr } = await space.run("control", ...verb.split(" "), "--tenant", "b", "--json");
      expect([verb, code, stdout + stderr]).toEqual([verb, 2, expect.stringContaining("No process runs job b")]);
    }
    expect(lastEvent((await space.run("control", "status", "--tenant", "a", "--json")).stdout)).toMatchObject({
      job: "a",
    });
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
  });

  it("no budget is shared: what one has spent is not spent for the other", async () => {
    const spent = lastEvent((await space.run("tenants", "usage", "--json")).stdout).usage as {
      tenant: string;
      costUsd: number;
    }[];
    const usd = spent.find(({ tenant }) => tenant === "a")!.costUsd;
    const db = space.database.client.db(space.database.name);
    for (const tenant of ["a", "b"])
      await db.collection(`${tenant}_mails`).insertMany(
        Array.from({ length: 5 }, (_, at) => ({
          _id: `n${at}`,
          text: `[doc:${tenant}-n${at}] new ${at}`,
        })) as never[],
      );
    space.settings(server, section("a", `budget: { usd: ${usd} }`) + section("b", `budget: { usd: ${usd * 3} }`));
    const run = await space.run("run", "--json");
    expect((lastEvent(run.stdout).tenants as { end: object }[]).map(({ end }) => end)).toMatchObject([
      { stopReason: "budget", classified: 0 },
      { stopReason: null, classified: 5 },
    ]);
  });

  it("no tenant's folder holds a word of another one", async () => {
    const texts = (folder: string): string =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
        .join("\n");
    expect(texts(space.path("batch_files", "b"))).not.toMatch(/canary-a|"a-\d/);
    expect(texts(space.path("batch_files", "a"))).not.toMatch(/canary-b|"b-\d/);
  });
});
