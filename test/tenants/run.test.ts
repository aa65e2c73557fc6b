import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { until } from "../support/patience.ts";
import { eventsIn, makeTenantSpace, section } from "../support/tenants.ts";
import { lastEvent, serveModel } from "../support/workspace.ts";

describe("one process with several tenants", () => {
  it("runs each with its own collections, state, key and log field; what fails in one touches no other", async () => {
    const space = await makeTenantSpace();
    const server = await serveModel({ apiKey: "good-key" });
    Object.assign(space.env, { BAD_KEY: "bad-key" });
    space.settings(
      server,
      [
        section("sales"),
        section("legal", "keyVariable: BAD_KEY"),
        section("ops", "taxonomy: missing.yaml"),
        section(
          "away",
          "store: mongodb://127.0.0.1:9/desk?serverSelectionTimeoutMS=200",
          "deadlines: { connectMs: 200 }",
        ),
        section("broken", "keyVariable: NOT_SET"),
      ].join(""),
    );
    for (const tenant of ["sales", "legal", "ops"]) await space.fill(tenant, 12);
    const { code, stdout } = await space.run("run", "--json", "--log-file", "run.log", "--log-level", "info");
    const events = eventsIn(stdout);
    const end = lastEvent(stdout);
    expect(end).toMatchObject({ event: "tenants:end", exitCode: 2 });
    expect(code).toBe(2);
    const told = end.tenants as {
      name: string;
      exitCode: number;
      problem: string | null;
      end: { classified: number };
    }[];
    expect(told.map(({ name, exitCode }) => [name, exitCode])).toEqual([
      ["sales", 0],
      ["legal", expect.toSatisfy((own: number) => own === 2 || own === 4)],
      ["ops", 2],
      ["away", 2],
      ["broken", 2],
    ]);
    expect(told[0]!.end.classified).toBe(12);
    expect(told[2]!.problem).toContain("missing.yaml");
    expect(told[4]!.problem).toContain("tenants.broken.keyVariable: the variable NOT_SET is not set");
    expect(
      events.every(({ event, tenant }) => tenant !== undefined || event === "note" || event === "tenants:end"),
    ).toBe(true);
    expect(events.filter(({ event }) => event === "item:settled").every(({ tenant }) => tenant === "sales")).toBe(true);
    const db = space.database.client.db(space.database.name);
    expect(await db.collection("sales_results").countDocuments({ job: "sales" })).toBe(12);
    expect(await db.collection("legal_results").countDocuments()).toBe(0);
    expect(existsSync(space.path("batch_files", "sales"))).toBe(true);
    const log = readFileSync(space.path("run.log"), "utf8");
    const lines = eventsIn(log);
    expect(lines.filter(({ msg }) => msg === "execution started")).toMatchObject([
      expect.objectContaining({ tenant: expect.any(String) }),
      ...Array.from({ length: lines.filter(({ msg }) => msg === "execution started").length - 1 }, () =>
        expect.anything(),
      ),
    ]);
    expect(log).toContain('"tenant":"ops"');
    for (const secret of ["good-key", "bad-key", "canary-sales"]) expect(stdout + log).not.toContain(secret);
  });

  it("drains all at the first signal, and says so; a tenant alone can be run by its name", async () => {
    const space = await makeTenantSpace();
    const server = await serveModel({ latency: "fixed:40" });
    space.settings(server, section("sales", "concurrent: 1") + section("legal", "mode: continuous", "interval: 1"));
    await space.fill("sales", 400);
    await space.fill("legal", 5);
    const { child, ended } = space.begin("run", "--json");
    const db = space.database.client.db(space.database.name);
    await until(async () => (await db.collection("legal_results").countDocuments()) === 5);
    await until(() => server.ledger().received > 8);
    child.kill("SIGTERM");
    const { code, stdout } = await ended;
    expect(code).toBe(143);
    const end = lastEvent(stdout) as { tenants: { name: string; exitCode: number; end: Record<string, unknown> }[] };
    expect(end.tenants).toMatchObject([
      { name: "sales", exitCode: 143, end: { stopReason: "signal", inFlight: 0 } },
      { name: "legal", exitCode: 0, end: { stopReason: "signal", classified: 5 } },
    ]);
    await space.fill("ops", 1);
    const alone = await space.run("run", "--tenant", "legal", "--mode", "batch", "--json");
    expect([alone.code, lastEvent(alone.stdout)]).toMatchObject([
      0,
      { event: "execution:end", tenant: "legal", job: "legal" },
    ]);
    const usage = await space.run("tenants", "usage", "--json");
    const rows = lastEvent(usage.stdout).usage as { tenant: string; items: number; calls: number }[];
    expect(rows.find(({ tenant }) => tenant === "legal")).toMatchObject({ items: 5, calls: 5 });
    const paid = rows.reduce((sum, { calls }) => sum + calls, 0);
    expect(paid).toBe(server.ledger().received);
  });

  it("lets no 500s, poison and refusals of one tenant stop another one at the same server", async () => {
    const space = await makeTenantSpace();
    const server = await serveModel({
      fail: (id) => (id.startsWith("legal") ? "401" : id.startsWith("ops") ? "500" : null),
      latency: "fixed:2",
    });
    const tries = "retry: { retries: 0, rounds: [], baseDelayMs: 1 }";
    space.settings(
      server,
      section("sales") +
        section("legal") +
        section("ops", tries, "breaker: { share: 0.5, window: 5 }") +
        section("tight", "budget: { usd: 0.0001 }"),
    );
    for (const tenant of ["sales", "legal", "ops", "tight"]) await space.fill(tenant, 30);
    const { code, stdout } = await space.run("run", "--json", "--concurrent", "3");
    const end = lastEvent(stdout) as { tenants: { name: string; exitCode: number; end: Record<string, unknown> }[] };
    expect(end.tenants.map(({ name, end: own }) => [name, own?.stopReason, own?.classified])).toEqual([
      ["sales", null, 30],
      ["legal", "authentication", 0],
      ["ops", "run-breaker", 0],
      ["tight", "budget", expect.toSatisfy((items: number) => items < 30)],
    ]);
    expect(code).toBe(4);
  });

  it("counts what each model was used exactly, also over a kill", async () => {
    const space = await makeTenantSpace();
    const server = await serveModel({ latency: "fixed:15" });
    space.settings(server, section("sales", "concurrent: 4") + section("legal", "concurrent: 4"));
    await space.fill("sales", 120);
    await space.fill("legal", 120);
    const killed = space.begin("run", "--json");
    await until(() => server.ledger().ok > 60);
    killed.child.kill("SIGKILL");
    await killed.ended;
    const refused = await space.run("run", "--json");
    expect(refused.code).toBe(2);
    expect(refused.stdout).toContain("run --tenant sales --recover");
    const again = await space.run("run", "--json", "--recover");
    expect(again.code).toBe(0);
    const { stdout } = await space.run("tenants", "usage", "--json");
    type Row = { tenant: string; month: string; model: string; items: number; calls: number; costUsd: number };
    const rows = lastEvent(stdout).usage as Row[];
    const of = (tenant: string): Row[] => rows.filter((row) => row.tenant === tenant);
    for (const tenant of ["sales", "legal"]) {
      expect(of(tenant).reduce((sum, { items }) => sum + items, 0)).toBe(120);
      expect(of(tenant).find(({ model }) => model !== "unknown")?.month).toMatch(/^\d{4}-\d\d$/);
    }
    // What was under way at the kill counts as billed: at most a call for each slot.
    const calls = rows.reduce((sum, row) => sum + row.calls, 0);
    const { received } = server.ledger();
    expect(calls).toBeGreaterThanOrEqual(received);
    expect(calls - received).toBeLessThanOrEqual(8);
    const known = rows.filter(({ model }) => model !== "unknown");
    expect(known.every(({ calls: own, costUsd }) => costUsd > 0 && own > 0)).toBe(true);
  });

  it("pauses and resumes a tenant while it runs, takes up a new one, and keeps what was told in the file", async () => {
    const space = await makeTenantSpace();
    const server = await serveModel({ latency: "fixed:20" });
    const endless = ["mode: continuous", "interval: 1"];
    space.settings(
      server,
      section("sales", ...endless, "concurrent: 2") + section("legal", ...endless, "concurrent: 2"),
    );
    await space.fill("sales", 2_000);
    await space.fill("legal", 2_000);
    const { child, ended } = space.begin("run", "--json");
    let told = "";
    child.stdout!.on("data", (chunk) => {
      told += chunk;
    });
    const asked = (tenant: string): number =>
      [...server.ledger().perDoc].filter(([id]) => id.startsWith(tenant)).length;
    await until(() => asked("sales") > 5 && asked("legal") > 5);
    const paused = await space.run("tenants", "pause", "sales", "--json");
    expect(lastEvent(paused.stdout)).toMatchObject({ paused: true, changed: true, took: true, pid: child.pid });
    expect(readFileSync(space.path("querymill.yaml"), "utf8")).toMatch(/concurrent: 2\n {4}paused: true\n/);
    const listed = await space.run("tenants", "list", "--json");
    expect(lastEvent(listed.stdout).tenants).toMatchObject([
      { name: "sales", state: "paused", pid: child.pid },
      { name: "legal", state: "running", pid: child.pid },
    ]);
    const [stands, goes] = [asked("sales"), asked("legal")];
    await until(() => asked("legal") > goes + 20);
    expect(asked("sales") - stands).toBeLessThanOrEqual(2);
    const resumed = await space.run("tenants", "resume", "sales", "--json");
    expect(lastEvent(resumed.stdout)).toMatchObject({ paused: false, took: true, pid: child.pid });
    await until(() => asked("sales") > stands + 5);
    // What a person tells the run itself, and what the settings say, undo each other.
    const tell = async (...args: string[]) => lastEvent((await space.run(...args, "--json")).stdout);
    await tell("control", "pause", "--tenant", "sales");
    expect(await tell("tenants", "resume", "sales")).toMatchObject({ changed: false, took: true, pid: child.pid });
    await tell("tenants", "pause", "sales");
    await tell("control", "resume", "--tenant", "sales");
    expect((await tell("tenants", "list")).tenants).toMatchObject([{ name: "sales", state: "running" }, {}]);
    expect(await tell("tenants", "pause", "sales")).toMatchObject({ changed: false, took: true, pid: child.pid });
    await space.fill("ops", 3);
    const source = ["--source-collection", "ops_mails", "--target-collection", "ops_results"];
    const added = await space.run("tenants", "add", "ops", ...source);
    expect(added.code).toBe(0);
    child.kill("SIGHUP");
    // A batch that a signal stops before its end would end with 143.
    await until(() => eventsIn(told).some(({ event, tenant }) => event === "execution:end" && tenant === "ops"));
    child.kill("SIGTERM");
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    expect((lastEvent(stdout).tenants as { name: string }[]).map(({ name }) => name)).toEqual([
      "sales",
      "legal",
      "ops",
    ]);
    expect(readdirSync(space.path("batch_files")).sort()).toEqual([".gitignore", "legal", "ops", "sales"]);
  });

  it("is refused where two tenants are in each other's way, all are paused, or one job is typed for all", async () => {
    const space = await makeTenantSpace();
    const server = await serveModel();
    space.settings(server, `${section("sales")}${section("legal").replace("legal_results", "sales_results")}`);
    const conflict = await space.run("run");
    expect([conflict.code, conflict.stderr]).toEqual([
      2,
      expect.stringContaining("its target is that of tenant sales"),
    ]);
    const one = await space.run("run", "--tenant", "legal");
    expect([one.code, one.stderr]).toEqual([2, expect.stringContaining("its target is that of tenant sales")]);
    space.settings(server, section("sales", "paused: true") + section("legal", "paused: true"));
    expect((await space.run("run")).stderr).toContain("All tenants are paused");
    expect((await space.run("run", "--tenant", "sales")).stderr).toContain("Tenant sales is paused");
    expect((await space.run("run", "--job", "x")).stderr).toContain("--job is about one job, and there are 2 tenants");
    for (const command of [
      "get q1",
      "items",
      "retry",
      "export --output x.csv",
      "tail",
      "estimate",
      "clean",
      "control status",
    ]) {
      const { code, stderr } = await space.run(...command.split(" "));
      expect([command, code, stderr]).toEqual([command, 2, expect.stringContaining("say which with --tenant NAME")]);
    }
    expect(server.ledger().received).toBe(0);
  });
});
