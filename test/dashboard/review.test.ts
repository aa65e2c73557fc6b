import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import { evaluateReviewed } from "../../src/evaluation/evaluate-reviewed.ts";
import { keyOf } from "../../src/item.ts";
import { openChromium } from "../support/chromium.ts";
import { dashboardFlags, goTo, openPage, startServing } from "../support/dashboard-page.ts";
import { makeJob } from "../support/job.ts";

/** How sure the model is of the items that have to be reviewed. */
const UNSURE: Readonly<Record<string, number>> = { q0002: 0.2, q0004: 0.3 };
let browser: Browser;

beforeAll(async () => {
  browser = await openChromium();
});
afterAll(async () => {
  await browser.close();
});

it("an item is corrected by one key, undone by another, and is a person's from then on: no run overwrites it, and evaluate counts it", async () => {
  const job = await makeJob("MongoDB", {
    content: (id, _attempt, value) =>
      JSON.stringify({ ...value, category: "billing_payment", confidence_category: UNSURE[id] ?? 0.95 }),
  });
  const settings = { ...job.settings, taxonomy: DEFAULT_TAXONOMY };
  await job.seed(6);
  await job.run(settings);
  const asAnswered = (await job.records()).get("q0002");
  expect(asAnswered).toMatchObject({ category: "billing_payment", needsReview: true, decidedBy: "model" });

  const { link } = await startServing(dashboardFlags(settings));
  const { page, complaints } = await openPage(browser, link);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  await page
    .getByRole("navigation", { name: "Views" })
    .getByRole("link", { name: /^Review/ })
    .click();
  const item = page.getByTestId("review-item");
  const shown = async (id: string): Promise<void> => {
    await item.and(page.locator(`[data-key='${keyOf(id)}']`)).waitFor();
    await page.getByTestId("conversation").getByText(`My parcel number ${id}`).waitFor();
  };
  const decide = page.getByTestId("label-shipping_delivery");
  const corrected = {
    category: "shipping_delivery",
    decidedBy: "person",
    needsReview: false,
    review: { sheet: "dashboard" },
    modelSuggestion: { category: "billing_payment" },
  };
  const record = async () => (await job.records()).get("q0002");

  await shown("q0002");
  const key = await decide.locator("kbd").innerText();
  expect(key).toHaveLength(1);
  await page.keyboard.press(key);
  await shown("q0004");
  expect(await record()).toMatchObject(corrected);
  await page.keyboard.press("z");
  await shown("q0002");
  expect(await record()).toEqual(asAnswered);

  await page.keyboard.press(key);
  await shown("q0004");
  await page.getByTestId("keep").click();
  await page.getByText("That was the last one").waitFor();
  await page.getByTestId("review-progress").getByText("agreed with the model on 1 of 2").waitFor();

  const again = await job.run({ ...settings, reclassify: "all", cache: null });
  expect(again.end.classified).toBe(4);
  expect(await record()).toMatchObject(corrected);
  const { evaluation } = await evaluateReviewed(settings);
  expect(evaluation.rows).toMatchObject({ read: 2, scored: 2 });
  expect(evaluation.scores.find(({ dimension }) => dimension === "category")).toMatchObject({
    rows: 2,
    accuracy: { value: 0.5 },
  });
  expect(complaints).toEqual([]);
});

it("takes a key that is pressed at the very moment the conversation is there", async () => {
  const job = await makeJob("the embedded store", {
    content: (_id, _attempt, value) => JSON.stringify({ ...value, category: "other", confidence_category: 0.2 }),
  });
  const settings = { ...job.settings, taxonomy: DEFAULT_TAXONOMY };
  await job.seed(2);
  await job.run(settings);
  const { link } = await startServing(dashboardFlags(settings));
  const { page, complaints } = await openPage(browser, link);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  await page.evaluate(`new MutationObserver((_, watch) => {
    if (document.querySelector("[data-testid=conversation]") === null) return;
    watch.disconnect();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "k", bubbles: true, cancelable: true }));
  }).observe(document.body, { childList: true, subtree: true })`);
  await goTo(page, "#/review");
  await page.getByTestId("review-progress").getByText("agreed with the model on 1 of 1").waitFor();
  expect((await job.records()).get("q0001")).toMatchObject({ decidedBy: "person" });
  expect(complaints).toEqual([]);
});
