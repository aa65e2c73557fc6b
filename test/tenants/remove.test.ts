import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EJSON } from "bson";
import { describe, expect, it } from "vitest";
import { prepareTenants } from "../../src/tenants/prepare-tenants.ts";
import { until } from "../support/patience.ts";
import { eventsIn, makeTenantSpace, section, type TenantSpace } from "../support/tenants.ts";
import { lastEvent, serveModel } from "../support/workspace.ts";

/** Everything that is on the disk and in the database, the sources of the tenants left out. */
async function everything(space: TenantSpace): Promise<string> {
  const files = readdirSync(space.path("batch_files"), { recursive: true, withFileTypes: true });
  const read = files.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return `${path.slice(space.folder.length)}\n${entry.isFile() ? readFileSync(path, "latin1") : ""}`;
  });
  const db = space.database.client.db(space.database.name);
  const collections = await db.listCollections().toArray();
  const documents = await Promise.all(
    collections
      .filter(({ name }) => !name.endsWith("_mails"))
      .map(async ({ name }) => `${name}\n${EJSON.stringify(await db.collection(name).find().toArray())}`),
  );
  return [...read, ...documents].join("\n");
}

async function ran(): Promise<TenantSpace> {
  const space = await makeTenantSpace();
  const server = await serveModel({ fail: (id) => (id.endsWith("-3") ? "refusal" : null) });
  space.settings(server, section("sales", "weight: 2") + section("legal"));
  await space.fill("sales", 12);
  await space.fill("legal", 12);
  await prepareTenants({ env: space.env, cwd: space.folder }).run();
  return space;
}

describe("querymill tenants remove", () => {
  it("shows what goes, asks, and with --data leaves nothing: no file, no record, no mark, no lease, no section", async () => {
    const space = await ran();
    const db = space.database.client.db(space.database.name);
    const before = await everything(space);
    expect(before).toMatch(/sales/);
    const unasked = await space.run("tenants", "remove", "sales", "--data");
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining("--yes")]);
    const dry = await space.run("tenants", "remove", "sales", "--data", "--dry-run");
    expect(dry.stdout).toMatch(/section +tenants\.sales/);
    expect(dry.stdout).toMatch(/collection +sales_results/);
    expect(dry.stdout).toMatch(/marks +of this tenant in sales_mails/);
    expect(await everything(space)).toBe(before);
    const removed = await space.run("tenants", "remove", "sales", "--data", "--yes", "--json");
    expect([removed.code, lastEvent(removed.stdout)]).toMatchObject([0, { event: "tenants:removed", data: true }]);
    const after = await everything(space);
    expect(after).not.toMatch(/sales/);
    expect(after).toMatch(/legal/);
    expect(await db.collection("sales_mails").countDocuments({ processed: { $exists: true } })).toBe(0);
    expect(await db.collection("sales_mails").countDocuments()).toBe(12);
    expect(await db.collection("legal_mails").countDocuments({ processed: true })).toBeGreaterThan(0);
    expect(readFileSync(space.path("querymill.yaml"), "utf8")).not.toContain("sales");
    const gone = await space.run("tenants", "remove", "sales", "--yes");
    expect([gone.code, gone.stderr]).toEqual([2, expect.stringContaining("There is no tenant sales")]);
    expect((await space.run("run", "--json")).code).toBe(0);
  });

  it("without --data keeps the records and the marks", async () => {
    const space = await ran();
    const db = space.database.client.db(space.database.name);
    const records = await db.collection("sales_results").countDocuments();
    expect((await space.run("tenants", "remove", "sales", "--yes")).code).toBe(0);
    expect(await db.collection("sales_results").countDocuments()).toBe(records);
    expect(await db.collection("sales_mails").countDocuments({ processed: true })).toBeGreaterThan(0);
    expect(existsSync(space.path("batch_files", "sales"))).toBe(false);
  });

  it("takes what a fleet keeps of it too, with its data or without", async () => {
    const space = await ran();
    const db = space.database.client.db(space.database.name);
    expect((await space.run("run", "--tenant", "sales", "--workers-at", "mongodb")).code).toBeLessThanOrEqual(3);
    const names = async () => (await db.listCollections().toArray()).map(({ name }) => name);
    expect(await names()).toContain("sales_results_fleet");
    const dry = await space.run("tenants", "remove", "sales", "--dry-run");
    expect(dry.stdout).toMatch(/of the fleet +sales_results_fleet/);
    expect((await space.run("tenants", "remove", "sales", "--yes")).code).toBe(0);
    expect((await names()).filter((name) => name.startsWith("sales")).sort()).toEqual(["sales_mails", "sales_results"]);
  });

  it("is refused while a process runs it, and says how to stop that", async () => {
    const space = await makeTenantSpace();
    const server = await serveModel();
    const sales = section("sales", "mode: continuous", "interval: 1");
    const ops = section("ops", "mode: scheduled", 'schedule: "0 0 1 1 *"');
    space.settings(server, sales + section("legal", "mode: continuous") + ops);
    await space.fill("sales", 3);
    await space.fill("legal", 3);
    const { child, ended } = space.begin("run", "--json");
    const db = space.database.client.db(space.database.name);
    await until(async () => (await db.collection("sales_results").countDocuments()) === 3);
    const refused = await space.run("tenants", "remove", "sales", "--data", "--yes");
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("control drain --wait --tenant sales")]);
    const looked = await space.run("tenants", "remove", "sales", "--data", "--dry-run");
    expect(looked).toMatchObject({ code: 0, stdout: expect.stringContaining(`run by process ${child.pid}`) });
    expect(looked.stdout).toMatch(/collection +sales_results +3 documents/);
    expect(await db.collection("sales_results").countDocuments()).toBe(3);
    expect((await space.run("control", "drain", "--wait", "--tenant", "sales")).code).toBe(0);
    expect((await space.run("tenants", "remove", "sales", "--data", "--yes")).code).toBe(0);
    // One that had not begun yet has ended too, and does not begin again.
    expect((await space.run("control", "drain", "--wait", "--tenant", "ops")).code).toBe(0);
    expect((await space.run("tenants", "remove", "ops", "--yes")).code).toBe(0);
    // The others go on.
    expect(lastEvent((await space.run("tenants", "list", "--json")).stdout).tenants).toMatchObject([
      { name: "legal", pid: child.pid },
    ]);
    child.kill("SIGTERM");
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    expect(eventsIn(stdout).filter(({ event }) => event === "tenant:failed")).toEqual([]);
  });

  it("goes on where it was cut off, and nobody runs the tenant meanwhile", async () => {
    const space = await ran();
    // As a crash leaves it behind: written down, and half done.
    mkdirSync(space.path("batch_files", ".removals"), { recursive: true });
    const begun = { format: 1, name: "sales", data: true, begunAt: "2026-11-26T10:00:00.000Z" };
    writeFileSync(space.path("batch_files", ".removals", "sales.json"), JSON.stringify(begun));
    const db = space.database.client.db(space.database.name);
    await db
      .collection("sales_results_history")
      .drop()
      .catch(() => {});
    const run = await space.run("run", "--json");
    expect(lastEvent(run.stdout)).toMatchObject({
      exitCode: 2,
      tenants: [
        { name: "sales", exitCode: 2, problem: expect.stringContaining("is being removed since") },
        { name: "legal" },
      ],
    });
    const plan = await space.run("tenants", "remove", "sales", "--dry-run");
    expect(plan.stdout).toContain("its removal was cut off, and goes on");
    expect((await space.run("tenants", "remove", "sales", "--yes")).code).toBe(0);
    expect(await everything(space)).not.toMatch(/sales/);
    // The last step alone was left.
    mkdirSync(space.path("batch_files", ".removals"), { recursive: true });
    const last = JSON.stringify({ ...begun, dataGone: true });
    writeFileSync(space.path("batch_files", ".removals", "sales.json"), last);
    expect((await space.run("tenants", "remove", "sales", "--yes")).code).toBe(0);
    expect(existsSync(space.path("batch_files", ".removals"))).toBe(false);
  });
});
