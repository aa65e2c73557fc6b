import { writeFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openChromium } from "../support/chromium.ts";
import { askerOf } from "../support/dashboard.ts";
import { dashboardFlags, freePort, goTo, openPage, startServing } from "../support/dashboard-page.ts";
import { makeJob } from "../support/job.ts";

const SOON = { timeout: 20_000 };
let browser: Browser;

beforeAll(async () => {
  browser = await openChromium();
});
afterAll(async () => {
  await browser.close();
});

it("what happened while the page had no connection is there when it has one again, and nothing of the server before", async () => {
  const { settings } = await makeJob("the embedded store");
  const config = `${settings.batchDir}/querymill.yaml`;
  await writeFile(config, "dashboard:\n  tokenVariable: MILL_TOKEN\n");
  const env = { MILL_TOKEN: "m".repeat(40) };
  const port = String(await freePort());
  const args = dashboardFlags(settings).map((flag) => (flag === "0" ? port : flag));
  const start = () => startServing([...args, "--config", config], env);
  const wrongToken = (link: string) => askerOf(link, link).post("/session", { token: "none of ours" });
  const first = await start();
  const { page, complaints } = await openPage(browser, `${first.link}/#token=${env.MILL_TOKEN}`);
  const live = page.getByTestId("link").and(page.locator("[data-state=live]"));
  await live.waitFor(SOON);
  await goTo(page, "#/activity");
  const events = page.getByTestId("events").locator("li");
  await wrongToken(first.link);
  await expect.poll(() => events.count(), SOON).toBe(1);

  await page.route("**/api/v1/me", (route) => route.abort());
  first.child.kill("SIGTERM");
  await first.ended;
  await page.getByTestId("disconnected").waitFor(SOON);
  const second = await start();
  await wrongToken(second.link);
  await wrongToken(second.link);
  const told = (
    await askerOf(second.link, second.link).get("/events", await askerOf(second.link, "").login(env.MILL_TOKEN))
  ).json<{ events: { text: string }[] }>();
  await page.unroute("**/api/v1/me");
  await live.waitFor(SOON);
  await expect.poll(() => events.count(), SOON).toBe(told.events.length);
  expect(told.events.length).toBeGreaterThan(0);
  expect(complaints).toEqual([]);
});
