import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { prepareTenants, type TenantsInput, tenantUsage } from "../../src/index.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { textOf, until } from "../support/tenants.ts";
import { serveModel } from "../support/workspace.ts";

let cwd = "";
let server: Awaited<ReturnType<typeof serveModel>>;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "querymill-tenants-"));
  onTestFinished(() => rm(cwd, { recursive: true, force: true }));
  server = await serveModel();
  const store = await openSqliteStore(join(cwd, "store.db"));
  for (const tenant of ["sales", "legal"])
    await store.insert(
      `${tenant}_mails`,
      Array.from({ length: 8 }, (_, at) => ({ _id: `${tenant}-${at}`, text: textOf(tenant, at) })),
    );
  await store.close();
});

const section = (tenant: string, more: object = {}): object => ({
  sourceCollection: `${tenant}_mails`,
  targetCollection: `${tenant}_results`,
  ...more,
});

function input(tenants: Record<string, object>, more: Partial<TenantsInput> = {}): TenantsInput {
  const config = { model: "drawn-1", baseUrl: server.baseUrl, store: join(cwd, "store.db"), tenants };
  return { config, env: {}, cwd, ...more };
}

it("runs the tenants of a program, tells each event with its tenant, and what each used", async () => {
  const tenants = prepareTenants(input({ sales: section("sales"), legal: section("legal", { weight: 2 }) }));
  const settled: Record<string, string[]> = { sales: [], legal: [] };
  tenants.events
    .on("item:settled", (tenant, { key }) => settled[tenant]!.push(key))
    .on("item:settled", () => {
      throw new Error("a listener's own trouble");
    });
  const end = await tenants.run();
  expect(end).toMatchObject({
    exitCode: 0,
    tenants: [
      { name: "sales", exitCode: 0, end: { classified: 8 } },
      { name: "legal", exitCode: 0, end: { classified: 8 } },
    ],
  });
  for (const [tenant, keys] of Object.entries(settled)) {
    expect(keys).toHaveLength(8);
    expect(keys.every((key) => key.startsWith(`"${tenant}-`))).toBe(true);
  }
  expect(tenants.snapshot().map(({ name, state, share }) => [name, state, share.weight])).toEqual([
    ["sales", "ended", 1],
    ["legal", "ended", 2],
  ]);
  expect(await tenantUsage(join(cwd, "batch_files"), "sales")).toMatchObject([{ tenant: "sales", items: 8, calls: 8 }]);
});

it("tries a tenant that goes on for months again until it can begin; a batch has one try; others run meanwhile", async () => {
  const env: Record<string, string> = {};
  const more = { mode: "continuous", interval: 1, keyVariable: "LATE_KEY" };
  const tenants = prepareTenants(
    input(
      { sales: section("sales", more), legal: section("legal", { keyVariable: "NEVER" }) },
      { env, retry: { firstMs: 40, longestMs: 80 } },
    ),
  );
  const failures: [string, number | null][] = [];
  tenants.events.on("tenant:failed", (tenant, { nextTryMs }) => failures.push([tenant, nextTryMs]));
  const running = tenants.run();
  await until(() => failures.filter(([tenant]) => tenant === "sales").length >= 3);
  expect(tenants.snapshot()).toMatchObject([
    { name: "sales", state: "failed", problem: expect.stringContaining("LATE_KEY is not set"), exitCode: null },
    { name: "legal", state: "failed", problem: expect.stringContaining("NEVER is not set"), exitCode: 2 },
  ]);
  expect(failures.filter(([tenant]) => tenant === "legal")).toEqual([["legal", null]]);
  env.LATE_KEY = "here-now";
  await until(() => (tenants.snapshot()[0]!.run?.counters.classified ?? 0) === 8);
  tenants.pause("sales");
  await until(() => tenants.snapshot()[0]!.state === "paused");
  tenants.resume("sales");
  await until(() => tenants.snapshot()[0]!.state !== "paused");
  expect(() => tenants.pause("salez")).toThrow("There is no tenant salez here. There are: sales, legal.");
  tenants.stop("stop-requested");
  expect(await running).toMatchObject({ exitCode: 2, tenants: [{ exitCode: 0 }, { exitCode: 2 }] });
});

it("shares the calls at once of an endpoint that several tenants name", async () => {
  server.reset({ latency: "fixed:40" });
  const endpoints = [{ model: "drawn-1", baseUrl: server.baseUrl, concurrent: 3, name: "common" }];
  const config = {
    ...{ endpoints, concurrent: 3, store: join(cwd, "store.db") },
    tenants: { sales: section("sales"), legal: section("legal") },
  };
  const end = await prepareTenants({ config, env: {}, cwd }).run();
  expect(end.tenants.map(({ end: own }) => own?.classified)).toEqual([8, 8]);
  const { received, maxInFlight } = server.ledger();
  expect(received).toBe(16);
  expect(maxInFlight).toBeLessThanOrEqual(3);
});

it("ends when nothing is left to run but what is paused, and begins nothing when all are", async () => {
  const both = { sales: section("sales"), legal: section("legal", { paused: true }) };
  expect(await prepareTenants(input(both)).run()).toMatchObject({
    exitCode: 0,
    tenants: [
      { name: "sales", end: { classified: 8 } },
      { name: "legal", end: null },
    ],
  });
  await expect(prepareTenants(input(both, { only: "legal" })).run()).rejects.toThrow("Tenant legal is paused");
  await expect(prepareTenants(input({})).run()).rejects.toThrow("tenants");
  const same = { sales: section("sales"), legal: section("legal", { targetCollection: "sales_results" }) };
  await expect(prepareTenants(input(same)).run()).rejects.toThrow("its target is that of tenant sales");
});
