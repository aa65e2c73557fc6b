import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import { keyOf } from "../../src/item.ts";
import { openChromium } from "../support/chromium.ts";
import { dashboardFlags, goTo, openPage, startServing } from "../support/dashboard-page.ts";
import { makeJob } from "../support/job.ts";

/** What customers wrote, and how it has to be seen. */
const TEXTS = [
  ["q0001", "<script>alert(1)</script> where is it", "<script>alert(1)</script> where is it"],
  [
    "q0002",
    '<img src="https://elsewhere.example/x.png" onerror="alert(2)"><svg onload=alert(3)>',
    '<img src="https://elsewhere.example/x.png" onerror="alert(2)"><svg onload=alert(3)>',
  ],
  ["q0003", "open \u202egpj.eciovni\u202c please", "open U+202Egpj.eciovniU+202C please"],
  ["q0004", "pay\u200bpal\ufeff \u2066refund\u2069", "payU+200BpalU+FEFF U+2066refundU+2069"],
  ["q0005", "\u0007bell javascript:alert(4) \u001b[31mred", "U+0007bell javascript:alert(4) U+001B[31mred"],
  ["q0006", '"><a href="javascript:alert(5)">click</a>{{7*7}}', '"><a href="javascript:alert(5)">click</a>{{7*7}}'],
] as const;
let browser: Browser;

beforeAll(async () => {
  browser = await openChromium();
});
afterAll(async () => {
  await browser.close();
});

it("what a customer or a model writes is text and nothing else, and what cannot be seen in it is shown", async () => {
  const texts = new Map<string, string>(TEXTS.map(([id, text]) => [id, text]));
  const job = await makeJob("the embedded store", {
    // A model repeats what it was told.
    content: (id, _attempt, value) =>
      JSON.stringify({ ...value, category: "other", confidence_category: 0.1, summary: texts.get(id) }),
    fail: (id) => (id === "q0007" ? "refusal" : null),
  });
  // Tags of a mail are left out; those that a person typed, and a helpdesk wrote as entities, are text.
  await job.seed(7, (id) => `[doc:${id}] ${(texts.get(id) ?? "<script>alert(6)</script>").replaceAll("<", "&lt;")}`);
  await job.run({ taxonomy: DEFAULT_TAXONOMY });
  const summaries = [...(await job.records()).values()].map(({ summary }) => String(summary));
  expect(summaries.filter((summary) => summary.includes("alert("))).toHaveLength(4);

  const { link } = await startServing(dashboardFlags(job.settings));
  const { page, complaints } = await openPage(browser, link);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  await goTo(page, "#/items");
  await expect.poll(() => page.getByTestId("item-row").count()).toBe(6);
  for (const [id, , seen] of TEXTS) {
    const key = keyOf(id);
    const row = page.locator(`[data-testid=item-row][data-key='${key}']`);
    await row.getByRole("link").click();
    const said = page.getByTestId("item").getByTestId("conversation");
    await said.getByText(`[doc:${id}]`).waitFor();
    expect(await said.locator(".said").innerText()).toBe(`[doc:${id}] ${seen}`);
    expect(await said.locator("script, img, svg, a").count()).toBe(0);
    // Nothing in it turns the direction of what stands beside it.
    expect(await page.getByTestId("item").innerText()).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b\ufeff]/);
    expect(await row.innerText()).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b\ufeff]/);
  }
  await page.goBack();
  await goTo(page, "#/review");
  for (let at = 0; at < TEXTS.length; at++) {
    await page.getByTestId("review-item").getByTestId("conversation").waitFor();
    await page.keyboard.press("s");
  }
  await page.getByText("That was the last one").waitFor();
  await goTo(page, "#/queues");
  await page.getByTestId("queue-dead").waitFor();
  await goTo(page, `#/items?q=${encodeURIComponent('"<script>alert(7)</script>"')}`);
  await page.getByText("No item matches").waitFor();
  await goTo(page, "#/items/%3Cscript%3Ealert(8)%3C%2Fscript%3E");
  await page
    .getByTestId("item")
    .getByRole("alert")
    .or(page.getByTestId("item").getByText(/could not|no item|not found/i))
    .first()
    .waitFor();
  expect(await page.locator("body script").count()).toBe(await page.locator("body script[src]").count());
  expect(complaints).toEqual([]);
});
