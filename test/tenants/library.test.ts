import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { prepareTenants, type TenantsInput, tenantUsage } from "../../src/index.ts";
import { openSqliteStore } from "../../src/stores/sqlite.ts";
import { until } from "../support/patience.ts";
import { textOf } from "../support/tenants.ts";
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

describe("what is told while tenants run", () => {
  const endless = { mode: "continuous", interval: 1 };

  it("holds a person's pause over a reload; the settings undo it when they change", async () => {
    const sections = { sales: section("sales", endless) };
    const tenants = prepareTenants(input(sections, { retry: { firstMs: 20, longestMs: 20 } }));
    const running = tenants.run();
    const sales = (): ReturnType<typeof tenants.snapshot>[number] => tenants.snapshot()[0]!;
    await until(() => tenants.lanes.length === 1 && sales().run?.counters.classified === 8);
    const { execution } = tenants.lanes[0]!;
    execution!.pause("by hand", { by: "ann" });
    expect((await tenants.reload()).taken).toEqual({});
    expect(sales()).toMatchObject({ state: "paused", run: { paused: { reason: "by hand", by: "ann" } } });
    tenants.resume("sales");
    expect(sales().run?.paused).toBeNull();
    tenants.pause("sales");
    execution!.resume();
    tenants.pause("sales");
    expect(sales().state).toBe("paused");
    Object.assign(sections.sales, { paused: true });
    expect((await tenants.reload()).taken).toEqual({});
    Object.assign(sections.sales, { paused: false });
    expect((await tenants.reload()).taken).toEqual({ "tenants.sales.paused": { from: "yes", to: "no" } });
    await until(() => sales().state !== "paused");
    tenants.stop("stop-requested");
    expect((await running).exitCode).toBe(0);
  });

  it("begins a run paused after one that broke off while a person paused it", async () => {
    const retry = { firstMs: 20, longestMs: 20 };
    const tenants = prepareTenants(input({ sales: section("sales", endless) }, { retry }));
    const failed: string[] = [];
    tenants.events.on("tenant:failed", (_, { code }) => failed.push(code));
    const running = tenants.run();
    await until(() => tenants.snapshot()[0]?.run?.counters.classified === 8);
    const first = tenants.lanes[0]!.execution!;
    first.pause("by hand", { by: "ann" });
    first.stop("store");
    await until(() => ![null, first].includes(tenants.lanes[0]!.execution));
    await until(() => tenants.snapshot()[0]!.state === "paused");
    expect(tenants.snapshot()[0]).toMatchObject({ run: { paused: { reason: "by hand", by: "ann" } } });
    tenants.resume("sales");
    await until(() => tenants.snapshot()[0]!.state !== "paused");
    tenants.stop("stop-requested");
    expect([(await running).exitCode, failed]).toEqual([0, ["store"]]);
  });

  it("lets one go on that is paused in the settings, as long as they say the same", async () => {
    const tenants = prepareTenants(
      input({ sales: section("sales", endless), legal: section("legal", { ...endless, paused: true }) }),
    );
    const running = tenants.run();
    await until(() => tenants.snapshot()[0]?.run?.counters.classified === 8);
    expect(tenants.snapshot()[1]).toMatchObject({ state: "paused", run: null });
    tenants.resume("legal");
    await until(() => tenants.snapshot()[1]!.run?.counters.classified === 8);
    expect((await tenants.reload()).taken).toEqual({});
    expect(tenants.snapshot()[1]!.run?.paused).toBeNull();
    tenants.stop("stop-requested");
    expect(await running).toMatchObject({ exitCode: 0, tenants: [{ name: "sales" }, { end: { classified: 8 } }] });
  });

  it("is begun once when settings are read again before it begins", async () => {
    const tenants = prepareTenants(input({ sales: section("sales"), legal: section("legal") }));
    const reload = tenants.reload();
    const end = await tenants.run();
    expect(await reload).toEqual({ taken: {}, refused: [] });
    expect(end.tenants).toMatchObject([
      { exitCode: 0, end: { classified: 8 } },
      { exitCode: 0, end: { classified: 8 } },
    ]);
  });

  it("begins nothing when it was told to stop before or while it opens", async () => {
    for (const tell of ["stop", "abort"] as const) {
      const tenants = prepareTenants(input({ sales: section("sales", endless), legal: section("legal", endless) }));
      const running = tenants.run();
      tenants[tell]("signal");
      expect((await running).tenants).toMatchObject([{ end: null }, { end: null }]);
    }
    expect(server.ledger().received).toBe(0);
  });

  it("begins one again that was taken out and is there anew, and says why another one does not", async () => {
    const sections: Record<string, object> = { sales: section("sales", endless), legal: section("legal", endless) };
    const tenants = prepareTenants(input(sections));
    const running = tenants.run();
    const stateOf = (name: string) => tenants.snapshot().find((one) => one.name === name)?.state;
    await until(() => stateOf("legal") !== undefined);
    await until(() => tenants.snapshot().every(({ run }) => run?.counters.classified === 8));
    const legal = sections.legal!;
    delete sections.legal;
    expect((await tenants.reload()).taken).toEqual({ "tenants.legal": { from: "there", to: "removed" } });
    await until(() => stateOf("legal") === "removed");
    sections.legal = legal;
    const both = await Promise.all([tenants.reload(), tenants.reload()]);
    expect(both.map(({ taken }) => taken)).toEqual([{ "tenants.legal": { from: "none", to: "begins" } }, {}]);
    await until(() => (tenants.snapshot()[1]!.run?.counters.read ?? -1) >= 0 && stateOf("legal") !== "starting");
    tenants.lanes[1]!.execution!.stop("stop-requested");
    await until(() => tenants.lanes[1]!.isOver);
    expect((await tenants.reload()).refused).toEqual([
      { setting: "tenants.legal", reason: expect.stringContaining("querymill run --tenant legal") },
    ]);
    tenants.stop("stop-requested");
    expect((await running).tenants.map(({ name }) => name)).toEqual(["sales", "legal"]);
  });
});
