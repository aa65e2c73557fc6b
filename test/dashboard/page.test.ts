import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openChromium } from "../support/chromium.ts";
import { runFlags } from "../support/cli.ts";
import { freePort, openPage, startServing } from "../support/dashboard-page.ts";
import { makeJob } from "../support/job.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await openChromium();
});
afterAll(async () => {
  await browser.close();
});

/** Flags that lead to a job, as a person would see the run: lines and no JSON. */
const flagsOf = (settings: Parameters<typeof runFlags>[0]): string[] =>
  runFlags(settings).filter((flag) => flag !== "--json");

it("a run on MongoDB moves on the page, is paused and resumed from it as its terminal tells, and tries again what failed", async () => {
  const holds = [Promise.withResolvers<null>(), Promise.withResolvers<null>()];
  let isFailing = true;
  const job = await makeJob("MongoDB", {
    fail: (id) =>
      id > "q0030"
        ? holds[1]!.promise
        : id > "q0020"
          ? holds[0]!.promise
          : isFailing && id < "q0004"
            ? "refusal"
            : null,
  });
  const ids = await job.seed(40);
  const prices = join(job.settings.batchDir, "querymill.yaml");
  await writeFile(prices, "prices:\n  drawn-1: { input: 1000, output: 1000 }\n");
  const run = await startServing([...flagsOf(job.settings), "--config", prices, "--dashboard", "0"]);
  const { page, complaints } = await openPage(browser, run.link);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  expect(page.url()).not.toContain("token");
  expect(await page.evaluate("document.cookie")).toBe("");
  await expect.poll(() => page.getByTestId("done").innerText()).toContain("20");

  // A dead letter is tried again, after its price was shown: it is known with the next look at what the run has spent.
  const need = page.getByTestId("need-dead-letters:content");
  await need.getByRole("button", { name: /^Retry 3 · about \$/ }).click();
  await expect.poll(() => page.getByTestId("question").innerText()).toMatch(/Try 3 items again\? That costs about \$/);
  isFailing = false;
  await page.getByTestId("confirm").click();
  await expect.poll(() => page.getByTestId("toasts").innerText()).toContain("Due now: 3 dead letters");

  // Paused from the page, seen in the terminal; and the other way round.
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByLabel("Reason, for the others").fill("lunch");
  await page.getByTestId("confirm").click();
  await expect.poll(() => run.stdout()).toMatch(/ pause by="dashboard, 127\.0\.0\.1" reason=lunch/);
  await page.getByText("Paused", { exact: true }).first().waitFor();
  holds[0]!.resolve(null);
  await page.getByRole("button", { name: "Resume", exact: true }).first().click();
  await page.getByTestId("confirm").click();
  await expect.poll(() => run.stdout()).toMatch(/ unpause by="dashboard, 127\.0\.0\.1"/);

  await expect.poll(() => page.getByTestId("done").innerText()).toContain("30");
  await expect
    .poll(() => page.getByTestId("equation").innerText())
    .toMatch(/classified\s+27.*retry queued\s+3.*dead letters\s+0.*in flight\s+5/s);
  // The slots were all taken: what is tried again had to wait for one.
  holds[1]!.resolve(null);
  expect((await run.ended).code).toBe(0);
  expect(await job.counted(ids)).toEqual({ target: 40 });
  expect(run.stdout()).not.toContain("token=");
  expect(complaints).toEqual([]);
});

it("goes on by itself when its server was restarted, and asks for the link when that has another token", async () => {
  const { settings } = await makeJob("the embedded store");
  const port = String(await freePort());
  const store = settings.storeUri.slice("sqlite:".length);
  const args = ["dashboard", "--port", port, "--job", "flow", "--store", store, "--batch-dir", settings.batchDir];
  const env = { MILL_TOKEN: "m".repeat(40) };
  const config = `${settings.batchDir}/querymill.yaml`;
  await writeFile(config, "dashboard:\n  tokenVariable: MILL_TOKEN\n");
  const withToken = [...args, "--config", config];
  const first = await startServing(withToken, env);
  expect(first.link).toBe(`http://127.0.0.1:${port}`);
  const { page, complaints } = await openPage(browser, `${first.link}/#token=${env.MILL_TOKEN}`);
  const live = page.getByTestId("link").and(page.locator("[data-state=live]"));
  await live.waitFor();
  first.child.kill("SIGTERM");
  expect((await first.ended).code).toBe(0);
  await page.getByTestId("disconnected").waitFor();
  const second = await startServing(withToken, env);
  await live.waitFor();
  await page.getByTestId("disconnected").waitFor({ state: "detached" });
  second.child.kill("SIGTERM");
  await second.ended;
  const other = await startServing(args);
  await page
    .getByLabel(/token|link/i)
    .first()
    .waitFor();
  await page
    .getByLabel(/token|link/i)
    .first()
    .fill(other.link);
  await page.keyboard.press("Enter");
  await live.waitFor();
  expect(complaints).toEqual([]);
});

it("of a reader shows everything and offers nothing that changes", async () => {
  const { settings } = await makeJob("the embedded store");
  const store = settings.storeUri.slice("sqlite:".length);
  const args = ["--job", "flow", "--store", store, "--batch-dir", settings.batchDir];
  const { link } = await startServing(["dashboard", "--port", "0", "--read-only", ...args]);
  const { page, complaints } = await openPage(browser, link);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  await expect.poll(() => page.locator("dl.about").first().innerText()).toContain("reader");
  const enabled = await page
    .getByRole("button", { name: /Pause|Resume|Drain|Stop|Retry|Tune/ })
    .evaluateAll(
      (buttons) =>
        buttons.filter((one) => one.getAttribute("aria-disabled") !== "true" && !one.hasAttribute("disabled")).length,
    );
  expect(enabled).toBe(0);
  expect(complaints).toEqual([]);
});
