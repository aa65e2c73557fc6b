import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { tenantsOfFile } from "../../src/cli/tenants-dashboard.ts";
import { VERBS } from "../../src/control/protocol.ts";
import { API, type ItemPage, type Me, type Seat, type TenantsOverview } from "../../src/dashboard/api.ts";
import type { ShownTenant } from "../../src/dashboard/tenant-rows.ts";
import { openTenantsDashboard, type ShownTenants, type TenantsDashboard } from "../../src/dashboard/tenants-server.ts";
import { OtherWorker } from "../../src/dashboard/worker.ts";
import type { JobSettings } from "../../src/job.ts";
import { openLog } from "../../src/observe/log.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { type Answer, askerOf, openStream } from "../support/dashboard.ts";
import { makeJob } from "../support/job.ts";
import { until } from "../support/patience.ts";
import { eventsIn, makeTenantSpace, section, type TenantSpace } from "../support/tenants.ts";
import { lastEvent, serveModel } from "../support/workspace.ts";

interface Served extends ReturnType<typeof askerOf> {
  readonly url: string;
  readonly link: string;
}

/** Tenants a and b of one process that goes on, with its dashboard. */
async function serveTenants(): Promise<{ space: TenantSpace; served: Served }> {
  const space = await makeTenantSpace();
  const server = await serveModel({ fail: (id) => (id.endsWith("-3") ? "refusal" : null) });
  space.settings(server, section("a", "mode: continuous") + section("b", "mode: continuous", "weight: 2"));
  await space.fill("a", 6);
  await space.fill("b", 6);
  const { child } = space.begin("run", "--dashboard", "0");
  onTestFinished(() => void child.kill("SIGKILL"));
  return { space, served: await servedBy(child) };
}

async function servedBy(child: ReturnType<TenantSpace["begin"]>["child"]): Promise<Served> {
  let said = "";
  for (const name of ["stdout", "stderr"] as const)
    child[name]!.on("data", (part) => {
      said += part;
    });
  await expect.poll(() => said).toMatch(/http:\S+#token=\S+\n/);
  const link = /http:\S+#token=\S+/.exec(said)![0];
  const url = link.slice(0, link.indexOf("/#"));
  return { url, link, ...askerOf(url, link) };
}

async function makeToken(space: TenantSpace, ...args: string[]): Promise<{ token: string; id: string }> {
  const { code, stdout } = await space.run("dashboard", "token", "add", ...args, "--json");
  expect(code).toBe(0);
  return lastEvent(stdout) as unknown as { token: string; id: string };
}

/** A dashboard in this process. */
async function openOf(
  batchDir: string,
  tenants: ShownTenants,
  write: (line: string) => void = () => {},
): Promise<TenantsDashboard> {
  const { logger } = await openLog({ level: "error", file: null, write, secrets: [] });
  return await openTenantsDashboard({
    dashboard: { listen: null, hosts: [], readOnly: false, token: null, readerToken: null },
    listen: { host: "127.0.0.1", port: 0, hosts: [], shown: "0" },
    ...{ logger, batchDir, tenants },
  });
}

/** All that a dashboard of these tenants answers, with names and keys put in. */
async function routesOf(space: TenantSpace): Promise<{ method: string; path: string }[]> {
  const tenants = tenantsOfFile({ flags: {}, env: space.env, cwd: space.folder });
  const opened = await openOf(join(space.folder, "unused"), tenants);
  try {
    const all = opened.routes().flatMap(({ method, path }) => {
      if (path.endsWith("*")) return [];
      if (path.includes(":verb"))
        return Object.keys(VERBS).map((verb) => ({ method, path: path.replace(":verb", verb) }));
      return [{ method, path: path.replace(":key", "%22a-1%22").replace(":tenant", "a") }];
    });
    return [...new Map(all.map((one) => [`${one.method} ${one.path}`, one])).values()];
  } finally {
    await opened.close();
  }
}

describe("a token of one tenant", () => {
  it("opens that tenant alone: every route, asked by its own, another's, a reader's, a removed and no session", async () => {
    const { space, served } = await serveTenants();
    const { url } = served;
    const [own, reader, other, removed] = [
      await makeToken(space, "--tenant", "a", "--name", "ann"),
      await makeToken(space, "--tenant", "a", "--read-only"),
      await makeToken(space, "--tenant", "b", "--name", "bob"),
      await makeToken(space, "--tenant", "a", "--name", "gone"),
    ];
    const whole = await served.login();
    const cookies = {
      own: await served.login(own.token),
      reader: await served.login(reader.token),
      other: await served.login(other.token),
      removed: await served.login(removed.token),
      none: "",
    };
    await until(async () => {
      const { tenants } = (await served.get("/tenants", whole)).json<TenantsOverview>();
      return tenants.length === 2 && tenants.every(({ done }) => done === 6);
    });
    const stream = await openStream(`${url}`, cookies.removed, {}, "/t/a/live");
    expect((await space.run("dashboard", "token", "remove", "gone")).code).toBe(0);
    await expect.poll(() => stream.response.complete || stream.response.destroyed).toBe(true);

    const routes = (await routesOf(space)).filter(({ path }) => path.startsWith(API));
    const tenantRoutes = routes.filter(({ path }) => path.startsWith(`${API}/t/a/`));
    expect(tenantRoutes.length).toBeGreaterThan(24);
    const ask = async (cookie: string, method: string, path: string): Promise<Pick<Answer, "status" | "text">> => {
      if (method === "GET" && path.endsWith("/live")) {
        const { response, request } = await openStream(url, cookie, {}, path.slice(API.length));
        request.destroy();
        return { status: response.statusCode!, text: "" };
      }
      return method === "GET"
        ? await served.get(path.slice(API.length), cookie)
        : await served.post(path.slice(API.length), {}, cookie);
    };
    const wrong: string[] = [];
    for (const { method, path } of routes) {
      const isOfTenant = path.startsWith(`${API}/t/`);
      const owner = isOfTenant ? path.split("/")[4]! : null;
      if (path === `${API}/session`) continue;
      // What ends the run is not tried by those who may.
      const ends = /\/control\/(stop|drain|pause)$/.test(path);
      for (const [who, cookie] of Object.entries(cookies)) {
        const mine = owner === (who === "other" ? "b" : "a");
        if (mine && who !== "reader" && ends) continue;
        const { status, text } = await ask(cookie, method, path);
        const expected =
          who === "none" || who === "removed"
            ? [401]
            : !mine
              ? [404]
              : method === "POST" && who === "reader"
                ? [403]
                : [200, 400, 403, 404, 409];
        const isOpen = mine && method === "GET" && who !== "none" && who !== "removed";
        const good = isOpen ? [200, 400, 404] : expected;
        if (!good.includes(status)) wrong.push(`${who} ${method} ${path}: ${status} ${text.slice(0, 80)}`);
        if (!mine && /canary|a_mails|b_mails/.test(text)) wrong.push(`${who} ${method} ${path} tells ${text}`);
      }
    }
    expect(wrong).toEqual([]);

    // What one sees has nothing of the other.
    const me = (await served.get("/t/b/me", cookies.other)).json<Me>();
    expect(me).toMatchObject({ tenant: "b", role: "operator" });
    expect((await served.get("/session", cookies.other)).json<Seat>()).toEqual({
      role: "operator",
      tenants: ["b"],
      tenant: "b",
    });
    expect((await served.get("/session", whole)).json<Seat>()).toMatchObject({ tenants: ["a", "b"], tenant: null });
    const items = (await served.get("/t/b/items", cookies.other)).json<ItemPage>().items;
    expect(items.map(({ id }) => id).every((id) => id.startsWith("b-"))).toBe(true);
    for (const path of ["items/%22a-1%22", "nothing", "../a/me"])
      expect((await served.get(`/t/b/${path}`, cookies.other)).status).toBe(404);
    for (const path of [
      "/t/A/me",
      "/t/%61/me",
      "/t/a%2Fme",
      "//t/a/me",
      "/t//a/me",
      "/t/missing/me",
      "/tenants",
      "/me",
    ])
      expect([path, (await served.get(path, cookies.other)).status]).toEqual([path, 404]);

    // The log and the stream of b tell nothing of what is done to a.
    const live = await openStream(url, cookies.other, {}, "/t/b/live");
    expect((await served.post("/t/a/control/pause", { reason: "canary-reason" }, cookies.own)).status).toBe(200);
    await expect.poll(async () => (await served.get("/t/a/events", cookies.own)).text).toContain("pause");
    await until(() => live.text().split("event: overview").length > 3);
    expect(live.text()).not.toMatch(/canary|a_mails|"a"|shared"/);
    expect((await served.get("/t/b/events", cookies.other)).text).not.toMatch(/canary|pause/);
    expect((await served.post("/t/a/control/reload", {}, cookies.own)).status).toBe(403);
    expect((await served.post("/t/a/control/reload", {}, whole)).status).toBe(200);
    expect((await served.post("/t/a/control/resume", {}, cookies.own)).status).toBe(200);
    const { tenants, shared } = (await served.get("/tenants", whole)).json<TenantsOverview>();
    expect(tenants).toMatchObject([
      { name: "a", open: true, needs: { count: 1 }, monthUsd: expect.any(Number) },
      { name: "b", open: true, share: { weight: 2 } },
    ]);
    expect(shared[0]?.tenants.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("is kept as a hash that only this user can read, and goes with its tenant", async () => {
    const space = await makeTenantSpace();
    const server = await serveModel();
    space.settings(server, section("a") + section("b"));
    const { token, id } = await makeToken(space, "--tenant", "a", "--name", "ann");
    await makeToken(space, "--name", "board screen", "--read-only");
    const path = join(space.folder, "batch_files", "dashboard-tokens.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8")).not.toContain(token);
    const listed = await space.run("dashboard", "token", "list");
    expect(listed.stdout).toMatch(new RegExp(`${id}\\s+ann\\s+a\\s+operator`));
    expect(listed.stdout).not.toContain(token);
    expect((await space.run("dashboard", "token", "add", "--tenant", "c")).code).toBe(2);
    expect((await space.run("dashboard", "token", "add", "--name", "\u001b[2J")).code).toBe(2);
    expect((await space.run("dashboard", "token", "remove", "nobody")).code).toBe(2);
    expect((await space.run("tenants", "remove", "a", "--yes")).code).toBe(0);
    expect((await space.run("dashboard", "token", "list")).stdout).not.toContain("ann");
    expect((await space.run("dashboard", "token", "list")).stdout).toContain("board screen");

    // The page of those that are left, by a process that runs nothing; what cannot be used is told, and only to the whole.
    space.write(
      "querymill.yaml",
      `${readFileSync(join(space.folder, "querymill.yaml"), "utf8")}  c:\n    sourceCollection: c_mails\n    targetCollection: c_results\n    taxonomy: missing.yaml\n`,
    );
    const { child } = space.begin("dashboard", "--port", "0");
    onTestFinished(() => void child.kill("SIGKILL"));
    const served = await servedBy(child);
    const cookie = await served.login();
    const rows = (await served.get("/tenants", cookie)).json<TenantsOverview>().tenants;
    expect(rows).toMatchObject([
      { name: "b", state: "idle", open: true },
      { name: "c", state: "failed", open: false, detail: expect.stringContaining("missing.yaml") },
    ]);
    expect(await served.get("/t/c/me", cookie)).toMatchObject({ status: 503 });
    expect((await served.ask("/t/b/")).status).toBe(200);
    expect((await served.get("/me", cookie)).status).toBe(404);
  });
});

describe("looking which tenants there are", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const shownAs = (name: string, settings: JobSettings): ShownTenant => ({ name, settings, problem: null, lane: null });
  const workerOf = (_: string, settings: JobSettings): OtherWorker =>
    new OtherWorker(new BatchFileManager(settings.batchDir, settings));

  it("is done once at a time, however long it takes, and nobody waits for more than one", async () => {
    const { settings } = await makeJob("the embedded store");
    let looks = 0;
    const { promise: slow, resolve: goOn } = Promise.withResolvers<void>();
    const list = async (): Promise<ShownTenant[]> => {
      looks += 1;
      if (looks > 1) await slow;
      return [shownAs("a", settings)];
    };
    const opened = await openOf(settings.batchDir, { list, workerOf, jobFlagsOf: () => "" });
    await vi.advanceTimersByTimeAsync(20_000);
    goOn();
    await opened.close();
    expect(looks).toBe(2);
  });

  it("goes on with the others when one cannot be opened, which is told once", async () => {
    const { settings } = await makeJob("the embedded store");
    const log: string[] = [];
    let looks = 0;
    const list = async (): Promise<ShownTenant[]> => {
      looks += 1;
      return ["a", "b"].map((name) => shownAs(name, settings));
    };
    const tenants: ShownTenants = {
      list,
      workerOf: (name, own) => {
        if (name === "a") throw new Error("no place for a");
        return workerOf(name, own);
      },
      jobFlagsOf: () => "",
    };
    const opened = await openOf(settings.batchDir, tenants, (line) => log.push(line));
    await until(async () => {
      await vi.advanceTimersByTimeAsync(2_000);
      return looks > 3;
    });
    const paths = opened.routes().map(({ path }) => path);
    await opened.close();
    expect([paths.includes(`${API}/t/a/me`), paths.includes(`${API}/t/b/me`)]).toEqual([false, true]);
    expect(log.filter((line) => line.includes("no place for a"))).toHaveLength(1);
  });
});

describe("dashboard:listening", () => {
  it.each(["run --dashboard 0", "dashboard --port 0"])("is told once for all tenants by %s --json", async (typed) => {
    const space = await makeTenantSpace();
    const answer = Promise.withResolvers<null>();
    const server = await serveModel({ fail: () => answer.promise });
    space.settings(server, section("a") + section("b"));
    await space.fill("a", 1);
    await space.fill("b", 1);
    const { child, ended } = space.begin(...typed.split(" "), "--json");
    onTestFinished(() => void child.kill("SIGKILL"));
    let said = "";
    child.stdout!.on("data", (part) => {
      said += part;
    });
    const listening = () => eventsIn(said).filter(({ event }) => event === "dashboard:listening");
    await until(() => listening().length > 0);
    const [{ url, time, ...told }] = listening() as [Record<string, unknown>];
    expect(told).toEqual({ event: "dashboard:listening", tenants: ["a", "b"] });
    expect(time).toMatch(/Z$/);
    expect((await fetch(`${String(url)}${API}/session`)).status).toBe(401);
    answer.resolve(null);
    if (typed.startsWith("dashboard")) child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
    expect(listening()).toHaveLength(1);
    expect(said).not.toContain("token=");
  });
});
