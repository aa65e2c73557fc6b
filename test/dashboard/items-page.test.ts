import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openChromium } from "../support/chromium.ts";
import { dashboardFlags, goTo, openPage, startServing } from "../support/dashboard-page.ts";
import { makeJob } from "../support/job.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await openChromium();
});
afterAll(async () => {
  await browser.close();
});

it("keeps a filter under a name, finds a pasted id, counts what is skipped, and offers no file of what is no filter", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(6);
  await job.store.insert(job.settings.sourceCollection, [{ _id: "empty-1" }, { _id: "empty-2" }]);
  await job.run();
  const { link } = await startServing(dashboardFlags(job.settings));
  const { page, complaints } = await openPage(browser, link);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();

  await goTo(page, "#/items?q=sentiment:negative%20by:model");
  await page.getByRole("button", { name: "Save filter" }).click();
  await page.getByLabel("Name", { exact: true }).fill("angry <b>ones</b>");
  await page.getByTestId("save-filter").click();
  const saved = page.getByTestId("saved-filters");
  const angry = saved.getByRole("button", { name: "angry <b>ones</b>", exact: true });
  await angry.waitFor();
  await goTo(page, "#/items");
  await page.reload();
  await angry.click();
  await expect.poll(() => page.url()).toContain("q=sentiment%3Anegative+by%3Amodel");
  expect(await angry.getAttribute("aria-pressed")).toBe("true");
  await saved.getByRole("button", { name: /^Forget/ }).click();
  await saved.waitFor({ state: "detached" });

  await goTo(page, "#/items?q=q0003");
  await page.getByRole("link", { name: "Look for item q0003" }).click();
  await expect.poll(() => page.getByTestId("item-row").count()).toBe(1);

  // As it has to be typed where this runs from its sources.
  const command = await page.getByTestId("command").innerText();
  expect(command).toMatch(/^node \S*src\/bin\.ts items 'id:q0003' --store /);

  const file = page.getByRole("button", { name: "Export" });
  await goTo(page, "#/items?q=outcome:skipped");
  await expect.poll(() => page.getByTestId("item-count").innerText()).toBe("2 match");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: /CSV/ }).click(),
  ]);
  expect((await readFile(await download.path(), "utf8")).split("\n")[1]).toMatch(/^empty-1,skipped,/);
  await goTo(page, "#/activity");
  const [events] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Export events as JSONL" }).click(),
  ]);
  expect(events.suggestedFilename()).toBe("flow-events.jsonl");
  await goTo(page, "#/items?q=categry:x");
  await file.waitFor();
  expect(await file.getAttribute("aria-disabled")).toBe("true");
  await goTo(page, "#/items");

  await job.seed(7);
  await job.run();
  await page.getByTestId("refresh").click();
  await expect.poll(() => page.getByTestId("item-count").innerText()).toBe("7 in all");
  expect(complaints).toEqual([]);
});
