import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Browser, Page } from "playwright-core";
import { openChromium } from "../test/support/chromium.ts";
import { makePictureJob } from "./screenshots/job.ts";
import { makeTenantsPictureJob } from "./screenshots/tenants-job.ts";

const USAGE = `npm run screenshots -- [--out FOLDER] [--items 4000] [--seconds 100] [--tenants]

Pictures of every view of the dashboard, in both themes, 390 and 1440 px wide, of a run over the embedded store: three endpoints,
failures, a pause, four weeks of records. The best go to docs/screenshots/, all of them to --out (a temporary folder by default).

Then of three tenants of one process over a replica set, one of them with four workers.

--seconds   how long the run goes on before the first picture
--tenants   only the pictures of tenants and workers
`;
const root = fileURLToPath(new URL("..", import.meta.url));
const SOON = { timeout: 20_000 };
const PROGRAM = "querymill.ts";
const WIDTHS = [1440, 390] as const;
/** Every view, what is there when its data has come, and how much of a long page is shown, in px. */
const VIEWS: readonly (readonly [name: string, hash: string, ready: string, height: number])[] = [
  ["overview", "#/overview", "[data-testid=figures]", 2_400],
  ["items", "#/items", "[data-testid=item-row]", 1_000],
  ["item", "#/items", "[data-testid=item-row]", 1_150],
  ["review", "#/review", "[data-testid=review-item] [data-testid=conversation]", 1_000],
  ["insights", "#/insights", ".minis", 1_500],
  ["queues", "#/queues", "[data-testid=queue-dead] li", 1_200],
  ["runs", "#/runs", "main table", 1_000],
  ["activity", "#/activity", "main li", 1_000],
];
/** What the README shows, by name. */
const BEST = new Set([
  "overview-light-1440",
  "item-dark-1440",
  "review-light-1440",
  "overview-dark-390",
  "tenants-light-1440",
  "fleet-light-1440",
]);
/** How long tenants and workers go on before their first picture. */
const WARM_MS = 45_000;

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      ...{ out: text, items: { ...text, default: "4000" }, seconds: { ...text, default: "100" } },
      tenants: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const out = resolve(values.out ?? (await mkdtemp(join(tmpdir(), "querymill-screenshots-"))));
  await mkdir(out, { recursive: true });
  await mkdir(join(root, "docs", "screenshots"), { recursive: true });
  const browser = await openChromium();
  try {
    if (!values.tenants) await takeJob(browser, out, Number(values.items), Number(values.seconds) * 1_000);
    await takeTenants(browser, out);
  } finally {
    await browser.close();
  }
  process.stdout.write(`Pictures in ${out}\n`);
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-pictures-"));
  // Under this name it tells commands as an installed one does.
  await symlink(join(root, "src", "bin.ts"), join(folder, PROGRAM));
  return folder;
}

/** Pictures of one job with three endpoints. */
async function takeJob(browser: Browser, out: string, items: number, ms: number): Promise<void> {
  const folder = await makeFolder();
  const job = await makePictureJob(folder, items);
  try {
    await querymill(folder, ["run", "--limit", "300", "--no-wait", "--quiet"]).ended;
    await job.schedule(soon());
    const run = querymill(folder, ["run", "--dashboard", "0"]);
    try {
      const link = await run.link;
      await live(browser, link, ms, job.overload);
      for (const theme of ["light", "dark"] as const)
        for (const width of WIDTHS) await takeAll(browser, link, { theme, width, out });
    } finally {
      run.end();
    }
  } finally {
    await job.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Pictures of three tenants, and of the one that four workers work on. */
async function takeTenants(browser: Browser, out: string): Promise<void> {
  const folder = await makeFolder();
  const job = await makeTenantsPictureJob(folder);
  const started: Command[] = [];
  try {
    const run = querymill(folder, ["run", "--dashboard", "0"], job.env);
    started.push(run);
    const link = await run.link;
    for (const machine of ["mill-1", "mill-2", "mill-3", "mill-4"]) {
      const batchDir = join(folder, machine);
      started.push(querymill(folder, ["worker", "--tenant", "support", "--batch-dir", batchDir], job.env));
    }
    await delay(WARM_MS);
    for (const theme of ["light", "dark"] as const)
      for (const width of WIDTHS) {
        const { page, close } = await openWhole(browser, link, theme, width);
        await picture(page, "tenants", { theme, width, out }, 1_200);
        await page.getByRole("link", { name: "support" }).click();
        await page.getByTestId("worker").nth(3).waitFor(SOON);
        await page.getByTestId("ranges").locator("summary").click();
        await delay(700);
        await picture(page, "fleet", { theme, width, out }, 2_400);
        await close();
      }
  } finally {
    for (const one of started) one.end();
    await job.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A schedule that comes in a few seconds. */
function soon(): string {
  const at = new Date(Date.now() + 8_000);
  const inBerlin = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Berlin", timeStyle: "medium" }).format(at);
  const [hour, minute, second] = inBerlin.split(":").map(Number);
  return `${second} ${minute} ${hour} * * *`;
}

interface Command {
  readonly link: Promise<string>;
  readonly ended: Promise<void>;
  end(): void;
}

function querymill(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Command {
  const child = spawn(process.execPath, [join(cwd, PROGRAM), ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LANG: "C.UTF-8", QUERYMILL_LOG_LEVEL: "silent", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  const link = Promise.withResolvers<string>();
  link.promise.catch(() => {});
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    said += part;
    const found = /http:\S+#token=\S+/.exec(said)?.[0];
    if (found !== undefined) link.resolve(found);
  });
  const ended = new Promise<void>((done) => {
    child.once("close", (code) => {
      link.reject(new Error(`querymill ended with ${code}: ${said}`));
      done();
    });
  });
  return { link: link.promise, ended, end: () => void child.kill("SIGKILL") };
}

/** In the page: a person agrees with some answers of this run. */
const CONFIRM_SOME = `(async () => {
  const { items } = await (await fetch("/api/v1/items?limit=200")).json();
  const headers = { "content-type": "application/json", "x-querymill": "1" };
  for (const { key } of items.filter((_, at) => at % 4 === 0))
    await fetch("/api/v1/corrections", { method: "POST", headers, body: JSON.stringify({ key, fields: {} }) });
})()`;

/** Lets the run go on, pauses it once, lets a person review some of it, and overloads an endpoint near the end. */
async function live(browser: Browser, link: string, ms: number, overload: () => void): Promise<void> {
  const { page, close } = await open(browser, link, "light", 1440);
  await delay(ms * 0.5);
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByLabel("Reason, for the others").fill("new price list");
  await page.getByTestId("confirm").click();
  await delay(4_000);
  await page.getByRole("button", { name: "Resume", exact: true }).first().click();
  await page.getByTestId("confirm").click();
  await delay(ms * 0.35);
  await page.evaluate(CONFIRM_SOME);
  overload();
  await delay(ms * 0.15);
  await close();
}

async function open(browser: Browser, link: string, theme: "light" | "dark", width: number) {
  const { page, close } = await openWindow(browser, link, theme, width);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor(SOON);
  return { page, close };
}

async function openWhole(browser: Browser, link: string, theme: "light" | "dark", width: number) {
  const { page, close } = await openWindow(browser, link, theme, width);
  await page.getByTestId("tenants").waitFor(SOON);
  return { page, close };
}

async function openWindow(browser: Browser, link: string, theme: "light" | "dark", width: number) {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: theme,
    reducedMotion: "reduce",
    // A narrow page has scrollbars that lie over it.
    isMobile: width < 600,
    timezoneId: "Europe/Berlin",
  });
  const page = await context.newPage();
  await page.goto(link);
  return { page, close: () => context.close() };
}

async function takeAll(browser: Browser, link: string, { theme, width, out }: Look): Promise<void> {
  const { page, close } = await open(browser, link, theme, width);
  for (const [view, hash, ready, height] of VIEWS) {
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
    await page.locator(ready).first().waitFor(SOON);
    if (view === "item") await openItem(page);
    await picture(page, view, { theme, width, out }, height);
  }
  await close();
}

interface Look {
  readonly theme: "light" | "dark";
  readonly width: number;
  readonly out: string;
}

/** Takes the page as it is. @param height how much of a long page is shown, in px */
async function picture(page: Page, view: string, { theme, width, out }: Look, height: number): Promise<void> {
  // Charts follow the data by a frame or two.
  await delay(700);
  const name = `${view}-${theme}-${width}`;
  const tall = Math.min(height, width < 600 ? 1_800 : height);
  const path = join(out, `${name}.png`);
  await show(page, width, tall);
  await page.mouse.move(0, 0);
  await page.screenshot({ path });
  process.stdout.write(`${name}  ${Math.round((await stat(path)).size / 1_000)} kB\n`);
  if (BEST.has(name)) await writeFile(join(root, "docs", "screenshots", `${name}.webp`), await webpOf(page));
  await page.setViewportSize({ width, height: 900 });
}

/** One of several messages, when there is one on the page. */
async function openItem(page: Page): Promise<void> {
  const rows = page.getByTestId("item-row");
  const wanted = rows.filter({ hasText: /Charged twice for one yearly plan|Refund overdue/ });
  await ((await wanted.count()) > 0 ? wanted : rows).first().getByRole("link").click();
  await page.getByTestId("item").getByTestId("conversation").waitFor(SOON);
}

/** Makes the window as high as its page, at most so many px. */
async function show(page: Page, width: number, most: number): Promise<void> {
  const whole = Number(await page.evaluate("document.documentElement.scrollHeight"));
  await page.setViewportSize({ width, height: Math.max(900, Math.min(whole, most)) });
  await page.evaluate("scrollTo(0, 0)");
  await delay(500);
}

/** The page as it stands, in a third of the bytes of a PNG. */
async function webpOf(page: Page): Promise<Buffer> {
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 76 });
  await session.detach();
  return Buffer.from(data, "base64");
}

await main();
