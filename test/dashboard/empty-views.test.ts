import { ObjectId } from "bson";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { keyOf } from "../../src/item.ts";
import { openChromium } from "../support/chromium.ts";
import { dashboardFlags, goTo, openPage, startServing } from "../support/dashboard-page.ts";
import { makeJob } from "../support/job.ts";

const VIEWS = ["overview", "items", "review", "insights", "queues", "activity", "runs"];
let browser: Browser;

beforeAll(async () => {
  browser = await openChromium();
});
afterAll(async () => {
  await browser.close();
});

it("says on every empty view whose job it is and which command would fill it", async () => {
  const { settings } = await makeJob("the embedded store");
  const { link } = await startServing(dashboardFlags(settings));
  const { page, complaints } = await openPage(browser, link);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  for (const view of VIEWS) {
    await goTo(page, `#/${view}`);
    const empty = page.locator("main .empty").first();
    await expect
      .poll(() => empty.locator("code").first().innerText())
      .toMatch(/^node \S*src\/bin\.ts run .*--job flow/);
    expect(await empty.innerText()).toContain("Job flow is not running");
  }
  expect(complaints).toEqual([]);
});

it("opens an item by its id as it is typed, and says plainly of what is no item", async () => {
  const job = await makeJob("the embedded store");
  const hex = "507f1f77bcf86cd799439011";
  const documents = [42, "q 7", new ObjectId(hex), 7, "7"].map((_id) => ({ _id, text: `My parcel number ${_id}` }));
  await job.store.insert(job.settings.sourceCollection, documents);
  await job.run();
  const { link } = await startServing(dashboardFlags(job.settings));
  const { page, complaints } = await openPage(browser, link);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  for (const [typed, id] of [
    ["42", 42],
    ["q 7", "q 7"],
    [hex, new ObjectId(hex)],
  ] as const) {
    await goTo(page, `#/items/${typed}?q=sentiment:negative`);
    await page.getByTestId("conversation").getByText(`My parcel number ${id}`).waitFor();
    const key = encodeURIComponent(keyOf(id));
    await expect.poll(() => page.url()).toContain(`#/items/${key}?q=sentiment%3Anegative`);
  }
  const none = page.getByTestId("no-item");
  await goTo(page, "#/items/nobody?q=sentiment:negative");
  await expect.poll(() => none.innerText()).toMatch(/Job flow has no such item.*There is no item nobody/s);
  await none.getByRole("link", { name: "Back to the list" }).click();
  await expect.poll(() => page.url()).toMatch(/#\/items\?q=sentiment%3Anegative$/);
  // A number and a text that look alike are two items: none is guessed.
  await goTo(page, "#/items/7");
  await expect.poll(() => none.innerText()).toContain("7 fits 2 items, and none is guessed");
  await none.getByRole("link", { name: "Show them" }).click();
  await expect.poll(() => page.getByTestId("item-row").count()).toBe(2);
  expect(complaints).toEqual([]);
});
