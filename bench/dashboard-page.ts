import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { loadSettings } from "../src/config/load.ts";
import { loadPage } from "../src/dashboard/page.ts";
import { openDashboard } from "../src/dashboard/server.ts";
import { OtherWorker } from "../src/dashboard/worker.ts";
import { openLog } from "../src/observe/log.ts";
import { BatchFileManager } from "../src/state/batch-file-manager.ts";
import { openChromium } from "../test/support/chromium.ts";

/** When something was there, in ms since the link was opened. */
export interface Seen {
  readonly overview: number;
  /** The first row of the list, where the link leads to the items. */
  readonly row: number;
}

/** Opens the link of a dashboard over a target in browser windows without a cache, `times` times for the overview and for the items. */
export async function openPages(uri: string, db: string, target: string, times: number): Promise<readonly Seen[]> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-bench-page-"));
  const flags = { job: "bench", store: uri, db, targetCollection: target, batchDir: folder };
  const { settings } = await loadSettings({ flags, env: {}, cwd: folder, files: false, needsModel: false });
  const { logger } = await openLog({ level: "error", file: null, write: () => {}, secrets: [] });
  const listen = { host: "127.0.0.1", port: 0, hosts: [], shown: "0" };
  // In the package the page is built; here that would be counted.
  const page = await loadPage();
  const browser = await openChromium();
  const seen: Seen[] = [];
  try {
    for (let time = 0; time < times; time++) {
      // A server of its own each time: nothing is remembered.
      const dashboard = await openDashboard({
        settings,
        dashboard: { listen, hosts: [], readOnly: false, token: null, readerToken: null },
        listen,
        worker: new OtherWorker(new BatchFileManager(folder, settings)),
        events: null,
        logger,
        page: async () => page,
      });
      const overview = await msUntil(browser, dashboard.link, "[data-testid=figures] .value", null);
      const row = await msUntil(browser, dashboard.link, "[data-testid=item-row]", "#/items");
      seen.push({ overview, row });
      await dashboard.close();
    }
  } finally {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  }
  return seen;
}

/** @param hash the view that is gone to as soon as somebody is signed in; null: the first one */
async function msUntil(browser: Browser, link: string, selector: string, hash: string | null): Promise<number> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const began = performance.now();
  await page.goto(link, { waitUntil: "commit" });
  if (hash !== null) {
    await page.locator("nav a[href='#/items']").first().waitFor();
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  }
  await page.locator(selector).first().waitFor({ timeout: 60_000 });
  const ms = performance.now() - began;
  await context.close();
  return ms;
}
