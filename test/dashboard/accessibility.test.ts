import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import { keyOf } from "../../src/item.ts";
import { openChromium } from "../support/chromium.ts";
import { runFlags } from "../support/cli.ts";
import { dashboardFlags, goTo, openPage, startServing } from "../support/dashboard-page.ts";
import { type Job, makeJob } from "../support/job.ts";

const KEY = keyOf("q0002");
/** Every view, with what is there when its data has come. */
const VIEWS: readonly (readonly [hash: string, ready: string])[] = [
  ["#/overview", "[data-testid=figures]"],
  ["#/queues", "[data-testid=queue-dead] table, [data-testid=queue-dead] li"],
  ["#/items", "[data-testid=item-row]"],
  [`#/items/${encodeURIComponent(KEY)}`, "[data-testid=conversation]"],
  ["#/review", "[data-testid=review-item] [data-testid=conversation]"],
  ["#/insights", ".minis"],
  ["#/runs", "main table"],
  ["#/activity", "main li, main table"],
];
let browser: Browser;

beforeAll(async () => {
  browser = await openChromium();
});
afterAll(async () => {
  await browser.close();
});

/** What axe finds on the page as it is now, with where. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")) as {
    violations: { id: string; help: string; nodes: { target: string[]; html: string; failureSummary?: string }[] }[];
  };
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(
      ({ target, html, failureSummary }) => `${id}: ${target.join(" ")} ${html.slice(0, 200)} ${failureSummary}`,
    ),
  );
}

/** A job with records, dead letters, items to review and a run before, and one run that goes on. */
async function makeBusyJob(): Promise<{ readonly job: Job; readonly go: () => void }> {
  const hold = Promise.withResolvers<null>();
  const job = await makeJob("the embedded store", {
    fail: (id, attempt) =>
      id > "q0060" ? hold.promise : id < "q0002" ? "refusal" : id === "q0010" && attempt === 1 ? "503" : null,
    content: (id, _attempt, value) =>
      JSON.stringify({ ...value, confidence_category: id === "q0002" || id === "q0004" ? 0.3 : 0.9 }),
  });
  await job.seed(50);
  await job.run({ taxonomy: DEFAULT_TAXONOMY });
  await job.seed(20, undefined, 51);
  return { job, go: () => hold.resolve(null) };
}

it.each([
  { dark: false, width: 1440 },
  { dark: true, width: 1440 },
  { dark: false, width: 390 },
  { dark: true, width: 390 },
])("axe finds nothing in any view: %j", async (look) => {
  const { job, go } = await makeBusyJob();
  const flags = runFlags(job.settings).filter((flag) => flag !== "--json");
  const run = await startServing([...flags, "--dashboard", "0"]);
  const { page, complaints } = await openPage(browser, run.link, look);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  const found: string[] = [];
  for (const [hash, ready] of VIEWS) {
    await goTo(page, hash);
    await page.locator(ready).first().waitFor();
    found.push(...(await findings(page)).map((one) => `${hash} ${one}`));
    const wide = Number(await page.evaluate("document.documentElement.scrollWidth - innerWidth"));
    if (wide > 0) found.push(`${hash} is ${wide} px wider than the window`);
  }
  await goTo(page, "#/overview");
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByRole("dialog").waitFor();
  found.push(...(await findings(page)).map((one) => `the question before a pause: ${one}`));
  go();
  expect(found).toEqual([]);
  expect(complaints).toEqual([]);
});

it.each([
  { dark: false, width: 1440 },
  { dark: true, width: 390 },
])("axe finds nothing where nothing is there yet: %j", async (look) => {
  const { settings } = await makeJob("the embedded store");
  const { link } = await startServing(dashboardFlags(settings));
  const { page, complaints } = await openPage(browser, link, look);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  const found: string[] = [];
  for (const view of ["overview", "queues", "items", "items/42", "review", "insights", "runs", "activity"]) {
    await goTo(page, `#/${view}`);
    await page
      .locator(view === "items/42" ? "[data-testid=no-item]" : "main .command-line")
      .first()
      .waitFor();
    found.push(...(await findings(page)).map((one) => `${view} ${one}`));
    const wide = Number(await page.evaluate("document.documentElement.scrollWidth - innerWidth"));
    if (wide > 0) found.push(`${view} is ${wide} px wider than the window`);
  }
  expect(found).toEqual([]);
  expect(complaints).toEqual([]);
});
