import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { loadSettings } from "../../src/config/load.ts";
import { TokenFile } from "../../src/dashboard/token-file.ts";
import { tenantJobs } from "../../src/jobs/status.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { OwnerLock } from "../../src/state/owner.ts";
import { openMongoStore } from "../../src/stores/mongodb.ts";
import { removeTenant } from "../../src/tenants/removal.ts";
import { makeTenantSpace, section, type TenantSpace } from "../support/tenants.ts";
import { lastEvent, serveModel } from "../support/workspace.ts";

const RECORD = ["batch_files", ".removals", "sales.json"];

/** A tenant with three records that has not run here. @param more settings of its section */
async function stored(...more: string[]): Promise<TenantSpace & { left(): Promise<number> }> {
  const space = await makeTenantSpace();
  space.settings({ baseUrl: "http://127.0.0.1:9/v1" }, section("sales", ...more) + section("legal"));
  await space.fill("sales", 3);
  const db = space.database.client.db(space.database.name);
  await db.collection("sales_results").insertMany([{}, {}, {}]);
  return { ...space, left: () => db.collection("sales_results").countDocuments() };
}

/** As a removal that was cut off leaves it behind. */
function begun(space: TenantSpace, more: object = {}): void {
  mkdirSync(space.path("batch_files", ".removals"), { recursive: true });
  const record = {
    format: 1,
    name: "sales",
    data: true,
    dataGone: false,
    begunAt: "2026-11-26T10:00:00.000Z",
    ...more,
  };
  writeFileSync(space.path(...RECORD), JSON.stringify(record));
}

describe("a removal with --data that was cut off", () => {
  it("is not ended while nobody can say where the data is", async () => {
    const space = await stored("keyVariable: SALES_KEY");
    begun(space);
    const unusable = await space.run("tenants", "remove", "sales", "--yes");
    expect([unusable.code, unusable.stderr]).toEqual([2, expect.stringContaining("SALES_KEY is not set")]);
    space.settings({ baseUrl: "http://127.0.0.1:9/v1" }, section("legal"));
    const without = await space.run("tenants", "remove", "sales", "--yes");
    expect([without.code, without.stderr]).toEqual([
      2,
      expect.stringMatching(/put the section back, or remove .*sales\.json/),
    ]);
    expect([await space.left(), existsSync(space.path(...RECORD))]).toEqual([3, true]);
  });

  it("knows before its section goes that its data is gone, and asks no more where that was", async () => {
    const space = await stored();
    const { settings } = await loadSettings({ flags: { tenant: "sales" }, env: space.env, cwd: space.folder });
    const options = { batchDir: settings.batchDir, name: "sales", section: settings, data: true };
    const cut = removeTenant(options, async () => {
      expect(JSON.parse(readFileSync(space.path(...RECORD), "utf8"))).toMatchObject({ data: true, dataGone: true });
      throw new Error("cut off");
    });
    await expect(cut).rejects.toThrow("cut off");
    expect(await space.left()).toBe(0);
    const refused = await space.run("run", "--tenant", "sales");
    expect(refused.stderr).toContain("tenants remove sales --data");
    space.settings({ baseUrl: "http://127.0.0.1:9/v1" }, section("sales", "keyVariable: SALES_KEY") + section("legal"));
    expect((await space.run("tenants", "remove", "sales", "--yes")).code).toBe(0);
    expect(existsSync(space.path(...RECORD))).toBe(false);
    expect(readFileSync(space.path("querymill.yaml"), "utf8")).not.toContain("sales");
  });
});

it("nothing is gone when the section could not go: it is repeated by an alias, or the settings cannot be read or written", async () => {
  const space = await stored("filter: &own { team: a }");
  mkdirSync(space.path("batch_files"), 0o755);
  const refused = async (reason: RegExp, ...user: { uid: number; gid: number }[]): Promise<void> => {
    const { code, stderr } = await space.start(["tenants", "remove", "sales", "--data", "--yes"], space.env, ...user)
      .ended;
    expect([code, stderr]).toEqual([2, expect.stringMatching(reason)]);
    expect([await space.left(), readdirSync(space.path("batch_files"))]).toEqual([3, []]);
  };
  const whole = readFileSync(space.path("querymill.yaml"), "utf8");
  space.write("querymill.yaml", `${whole}    filter: *own\n`);
  await refused(/tenants\.legal\.filter is an alias/);
  space.write("querymill.yaml", `${whole}    filter: {\n`);
  await refused(/querymill\.yaml:\d+/);
  space.write("querymill.yaml", whole);
  // Root may write anywhere: then somebody else tries.
  const others = process.getuid?.() === 0 ? [{ uid: 65_534, gid: 65_534 }] : [];
  chmodSync(space.folder, 0o777);
  chmodSync(space.path("batch_files"), 0o555);
  await refused(/The state folder .*\.removals cannot be written: EACCES/, ...others);
  chmodSync(space.path("batch_files"), 0o755);
  for (const { uid, gid } of others) chownSync(space.path("batch_files"), uid, gid);
  chmodSync(space.folder, 0o555);
  await refused(/querymill\.yaml cannot be written: EACCES/, ...others).finally(() => chmodSync(space.folder, 0o755));
});

it("a removal that is refused has removed nothing and is not begun", async () => {
  const space = await stored();
  const server = await serveModel();
  space.settings(server, section("sales") + section("legal"));
  await space.run("run", "--tenant", "sales");
  const { settings } = await loadSettings({ flags: { tenant: "sales" }, env: space.env, cwd: space.folder });
  const { batchDir } = settings;
  const tokens = new TokenFile(batchDir);
  await tokens.add({ name: null, tenant: "sales", role: "reader" });
  const made = readFileSync(tokens.path);
  const records = await space.left();
  const options = { batchDir, name: "sales", section: settings, data: true };
  const refused = async (code: string): Promise<void> => {
    await expect(removeTenant(options, async () => {})).rejects.toMatchObject({ code });
    expect([existsSync(space.path("batch_files", ".removals")), await space.left()]).toEqual([false, records]);
  };
  const [job] = await tenantJobs(batchDir, "sales");
  const owner = { pid: process.pid, host: "here", executionId: "x-0", since: "noon" };
  const lock = OwnerLock.take(new BatchFileManager(batchDir, job!).folder, owner, "sales");
  await refused("JOB_HELD");
  expect(readFileSync(tokens.path)).toEqual(made);
  lock.release();
  // A process of another machine.
  const store = await openMongoStore(space.database.uri, space.database.name, { connectTimeoutMs: 5_000 });
  onTestFinished(() => store.close());
  const other = { job: "sales", ownerId: "o", host: "elsewhere", pid: 1, executionId: "e" };
  const lease = await store.lease.acquire("sales_results", other, 60_000);
  await refused("JOB_HELD");
  expect(readFileSync(tokens.path)).toEqual(made);
  await store.lease.release("sales_results", "o", lease.status === "held" ? lease.fence : 0);
  writeFileSync(tokens.path, "{");
  await refused("STATE_DAMAGED");
  writeFileSync(tokens.path, made);
  await removeTenant(options, async () => {});
  expect([tokens.list(), await space.left(), existsSync(space.path("batch_files", ".removals"))]).toEqual([
    [],
    0,
    false,
  ]);
});

it("a record of a removal that cannot be read keeps its tenant alone from running, and says what to do", async () => {
  const space = await stored();
  const server = await serveModel();
  space.settings(server, section("sales") + section("legal"));
  await space.fill("legal", 2);
  mkdirSync(space.path("batch_files", ".removals"), { recursive: true });
  for (const damage of [() => space.write(RECORD.join("/"), "{"), () => mkdirSync(space.path(...RECORD))]) {
    rmSync(space.path(...RECORD), { force: true });
    damage();
    const problem = expect.stringMatching(/its record .*sales\.json cannot be read: .*tenants remove sales/);
    expect(lastEvent((await space.run("run", "--json")).stdout)).toMatchObject({
      exitCode: 2,
      tenants: [
        { name: "sales", exitCode: 2, problem },
        { name: "legal", exitCode: 0 },
      ],
    });
    expect(await space.run("tenants", "remove", "sales", "--yes")).toMatchObject({ code: 2, stderr: problem });
  }
  expect(await space.left()).toBe(3);
});
