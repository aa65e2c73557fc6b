import { MeterProvider } from "@opentelemetry/sdk-metrics";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import type { FleetDetail, Me } from "../../src/dashboard/api.ts";
import type { WorkerReport } from "../../src/fleet.ts";
import type { JobSettings } from "../../src/job.ts";
import { observeMetrics } from "../../src/observe/metrics.ts";
import { openScraped } from "../../src/observe/prometheus.ts";
import { openChromium } from "../support/chromium.ts";
import { openTestDashboard } from "../support/dashboard.ts";
import { dashboardFlags, openPage, startServing } from "../support/dashboard-page.ts";
import { machineFolder, startFleetProcess } from "../support/fleet.ts";
import { makeJob } from "../support/job.ts";
import { readMetrics } from "../support/prometheus-text.ts";
import { makeTenantSpace, section } from "../support/tenants.ts";
import { serveModel } from "../support/workspace.ts";

const HOSTILE = '<img src=x onerror="alert(1)">';
let browser: Browser;

beforeAll(async () => {
  browser = await openChromium();
});
afterAll(async () => {
  await browser.close();
});

/** What axe finds, and whether the page is wider than its window. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")) as {
    violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[];
  };
  const wide = Number(await page.evaluate("document.documentElement.scrollWidth - innerWidth"));
  return [
    ...violations.flatMap(({ id, nodes }) =>
      nodes.map((one) => `${id}: ${one.html.slice(0, 160)} ${one.failureSummary}`),
    ),
    ...(wide > 0 ? [`${wide} px wider than the window`] : []),
  ];
}

it("shows who works and what they have, tells all of them what to do, and counts them as metrics", async () => {
  const hold = Promise.withResolvers<null>();
  const job = await makeJob("MongoDB", { latency: "fixed:20", fail: (id) => (id > "q0100" ? hold.promise : null) });
  await job.seed(300);
  const machine = async (): Promise<JobSettings> => ({
    ...job.settings,
    batchDir: await machineFolder(),
    workersAt: "mongodb",
    rangeSize: 40,
    concurrent: 4,
  });
  const settings = await machine();
  const started = await job.start(settings);
  const dashboard = await openTestDashboard(settings, started.execution);
  const scraped = await openScraped();
  const provider = new MeterProvider({ readers: [scraped.reader] });
  onTestFinished(() => provider.shutdown());
  onTestFinished(observeMetrics(started.execution, provider.getMeter("querymill")));
  for (const own of [await machine(), await machine()]) startFleetProcess("worker", own);
  const cookie = await dashboard.login();
  expect((await dashboard.get("/me", cookie)).json<Me>().fleet).toBe(true);
  const fleet = async (): Promise<FleetDetail> => (await dashboard.get("/fleet", cookie)).json<FleetDetail>();
  await expect.poll(async () => (await fleet()).workers?.filter(({ inFlight }) => inFlight > 0).length).toBe(2);
  const { workers, ranges, counts } = await fleet();
  expect(counts!.taken).toBeGreaterThanOrEqual(2);
  for (const range of ranges.filter(({ state }) => state === "taken"))
    expect(workers!.map(({ name }) => name)).toContain(range.worker);
  expect(workers!.every(({ silentMs }) => silentMs! < 15_000)).toBe(true);

  await expect
    .poll(async () => {
      const { sum } = readMetrics(await scraped.text());
      return [sum("querymill_fleet_workers"), (sum("querymill_fleet_ranges", { state: "taken" }) ?? 0) > 0];
    })
    .toEqual([2, true]);

  // A worker whose machine has a name that is no name.
  const store = job.store.fleet!(settings.targetCollection);
  const hostile: WorkerReport = {
    ...workers![0]!,
    ...{ name: HOSTILE, host: "\u202egpj.exe", trouble: "</td><script>alert(2)</script>", costUsd: null },
  };
  await store.board.report(hostile);
  const other = await startServing(dashboardFlagsOf(settings));
  const { page, complaints } = await openPage(browser, other.link, { width: 1440 });
  await expect.poll(() => page.getByTestId("fleet").innerText()).toContain(HOSTILE);
  expect(await page.getByTestId("fleet").innerText()).toContain("</td><script>alert(2)</script>");
  await page.getByTestId("ranges").locator("summary").press("Enter");
  await expect.poll(() => page.getByTestId("ranges").innerText()).toMatch(/held/);
  expect(await findings(page)).toEqual([]);
  expect(complaints).toEqual([]);

  // What the run is told reaches all of them.
  expect((await dashboard.post("/control/pause", {}, cookie)).status).toBe(200);
  await expect
    .poll(async () => (await fleet()).workers!.filter(({ name }) => name !== HOSTILE).map(({ state }) => state))
    .toEqual(["paused", "paused"]);
  expect((await dashboard.post("/control/stop", {}, cookie)).status).toBe(200);
  hold.resolve(null);
  await started.ended;

  // A range that ended its workers is told with its reason, first of all.
  const { book } = store;
  await book.add([{ name: "r999999999", number: 999_999_999, items: 7, from: null, to: null }], 1);
  const taker = { worker: HOSTILE, ownerId: "o", executionId: "e", fence: 999_999_999, alone: true };
  expect(await book.take((await book.find("r999999999"))!, taker)).toBe(true);
  expect(await book.finish("r999999999", taker, "dead", null, "it ended two workers")).toBe(true);
  expect((await fleet()).ranges[0]).toMatchObject({
    name: "r999999999",
    state: "dead",
    reason: "it ended two workers",
  });
  await expect.poll(() => page.getByTestId("ranges").innerText()).toContain("it ended two workers");
  await page.getByRole("link", { name: "Its dead letters" }).click();
  await expect.poll(() => page.locator("main").innerText()).toContain("outcome:dead");
});

const dashboardFlagsOf = (settings: JobSettings): string[] => [
  ...dashboardFlags(settings),
  ...["--workers-at", "mongodb", "--source-collection", settings.sourceCollection],
  ...["--target-collection", settings.targetCollection],
];

it.each([
  { dark: false, width: 1440 },
  { dark: true, width: 390 },
])("the page of all tenants is for everybody, leads to each, and is not there for one: %j", async (look) => {
  const space = await makeTenantSpace();
  const server = await serveModel({ fail: (id) => (id.endsWith("-3") ? "refusal" : null) });
  space.settings(server, section("a") + section("b"));
  await space.fill("a", 5);
  await space.fill("b", 5);
  expect((await space.run("run", "--quiet")).code).toBe(3);
  const made = await space.run("dashboard", "token", "add", "--tenant", "b", "--read-only", "--json");
  const { token } = JSON.parse(made.stdout) as { token: string };
  const flags = ["dashboard", "--port", "0", "--config", `${space.folder}/querymill.yaml`];
  const batchDir = ["--batch-dir", `${space.folder}/batch_files`];
  const { link } = await startServing([...flags, ...batchDir], space.env);
  const { page, complaints } = await openPage(browser, link, look);
  await expect.poll(() => page.getByTestId("tenant-a").innerText()).toMatch(/1 item/);
  expect(await findings(page)).toEqual([]);
  await page.getByRole("link", { name: "b", exact: true }).press("Enter");
  await page.getByTestId("figures").waitFor();
  expect(new URL(page.url()).pathname).toBe("/t/b/");
  await page.getByTestId("switcher").press("Enter");
  await page.getByRole("dialog").getByRole("link", { name: "All tenants" }).waitFor();
  expect(await findings(page)).toEqual([]);

  const scoped = await openPage(browser, `${link.slice(0, link.indexOf("/#"))}/#token=${token}`, look);
  await scoped.page.getByTestId("figures").waitFor();
  expect(new URL(scoped.page.url()).pathname).toBe("/t/b/");
  expect(await scoped.page.getByTestId("switcher").count()).toBe(0);
  await scoped.page.goto(`${link.slice(0, link.indexOf("/#"))}/t/a/`);
  await expect.poll(() => new URL(scoped.page.url()).pathname).toBe("/t/b/");
  expect([...complaints, ...scoped.complaints]).toEqual([]);
});
