import { writeFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { MOST_VIEWERS } from "../../src/dashboard/live.ts";
import { DEFAULT_TAXONOMY } from "../../src/default-taxonomy.ts";
import { openChromium } from "../support/chromium.ts";
import { askerOf, openStream } from "../support/dashboard.ts";
import { dashboardFlags, freePort, goTo, openPage, startServing } from "../support/dashboard-page.ts";
import { makeJob } from "../support/job.ts";

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
  await live.waitFor();
  await goTo(page, "#/activity");
  const events = page.getByTestId("events").locator("li");
  await wrongToken(first.link);
  await expect.poll(() => events.count()).toBe(1);

  await page.route("**/api/v1/me", (route) => route.abort());
  first.child.kill("SIGTERM");
  await first.ended;
  await page.getByTestId("disconnected").waitFor();
  const second = await start();
  await wrongToken(second.link);
  await wrongToken(second.link);
  const told = (
    await askerOf(second.link, second.link).get("/events", await askerOf(second.link, "").login(env.MILL_TOKEN))
  ).json<{ events: { text: string }[] }>();
  await page.unroute("**/api/v1/me");
  await live.waitFor();
  await expect.poll(() => events.count()).toBe(told.events.length);
  expect(told.events.length).toBeGreaterThan(0);
  expect(complaints).toEqual([]);
});

it("what is typed at once behind / is looked for, and Undo takes back what it stands beside", async () => {
  const job = await makeJob("the embedded store", {
    content: (_id, _attempt, value) =>
      JSON.stringify({ ...value, category: "billing_payment", confidence_category: 0.2 }),
  });
  const settings = { ...job.settings, taxonomy: DEFAULT_TAXONOMY };
  await job.seed(6);
  await job.run(settings);
  const { link } = await startServing(dashboardFlags(settings));
  const { page, complaints } = await openPage(browser, link, { width: 390, height: 700 });
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  // With the keys of the page these letters would lead elsewhere: "go" is the overview.
  await page.keyboard.press("/");
  await page.keyboard.type("category:billing_payment");
  await expect.poll(() => page.url()).toContain("#/items?q=category%3Abilling_payment");
  await expect.poll(() => page.locator("#search").inputValue()).toBe("category:billing_payment");

  await goTo(page, "#/review");
  const item = page.getByTestId("review-item");
  const toasts = page.getByTestId("toasts");
  const undos = toasts.getByRole("button", { name: "Undo" });
  const decideNext = async (): Promise<string> => {
    await item.waitFor();
    const key = (await item.getAttribute("data-key"))!;
    await page.getByTestId("label-shipping_delivery").click();
    await expect.poll(() => item.getAttribute("data-key")).not.toBe(key);
    return key;
  };
  const first = await decideNext();
  const second = await decideNext();
  expect(await undos.count()).toBe(1);

  // Nothing that can be pressed is left behind the messages.
  await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)");
  const edge = (await toasts.boundingBox())!;
  const keep = (await page.getByTestId("keep").boundingBox())!;
  expect(keep.y + keep.height).toBeLessThanOrEqual(edge.y);
  expect(edge.y + edge.height).toBeLessThanOrEqual(700 - 56);

  await undos.click();
  await expect.poll(() => item.getAttribute("data-key")).toBe(second);
  const decidedBy = async () => new Map([...(await job.records())].map(([id, record]) => [id, record.decidedBy]));
  const people = [...(await decidedBy())].filter(([, by]) => by === "person").map(([id]) => id);
  expect(people).toHaveLength(1);
  expect(first).toContain(people[0]);
  expect(await undos.count()).toBe(0);
  expect(complaints).toEqual([]);
});

it("tells times by the clock of the zone that the settings name", async () => {
  const { settings } = await makeJob("the embedded store");
  // No machine is there: half past another hour than anywhere else.
  const timezone = "Australia/Eucla";
  const { link } = await startServing([...dashboardFlags(settings), "--timezone", timezone]);
  const { page } = await openPage(browser, link);
  const live = page.getByTestId("link").and(page.locator("[data-state=live]"));
  await live.waitFor();
  await expect.poll(() => page.locator("dl.about").first().innerText()).toContain(timezone);
  const minutes = (text: string): number => {
    const [, hour, minute] = /(\d\d):(\d\d)/.exec(text)!;
    return Number(hour) * 60 + Number(minute);
  };
  const there = new Date().toLocaleTimeString("en-GB", { timeZone: timezone });
  const apart = Math.abs(minutes(await live.innerText()) - minutes(there));
  expect(Math.min(apart, 1_440 - apart)).toBeLessThanOrEqual(2);
});

it("looks now and then while nobody sees it, for its title and its session, and says why it may not watch", async () => {
  const { settings } = await makeJob("the embedded store");
  const { link } = await startServing(dashboardFlags(settings));
  const url = new URL(link).origin;
  const { page } = await openPage(browser, "about:blank");
  await page.clock.install();
  await page.goto(link);
  const state = (name: string) => page.getByTestId("link").and(page.locator(`[data-state=${name}]`));
  await state("live").waitFor();
  const beSeen = (state: string) =>
    page.evaluate(
      `Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
       document.dispatchEvent(new Event("visibilitychange"))`,
    );
  await beSeen("hidden");
  for (const _ of [1, 2]) {
    const looked = page.waitForResponse((answer) => answer.url() === `${url}/api/v1/overview`);
    await page.clock.fastForward(61_000);
    expect((await looked).status()).toBe(200);
  }
  await state("connecting").waitFor();

  const { login } = askerOf(url, link);
  const cookie = await login();
  for (let open = 0; open < MOST_VIEWERS; open++) await openStream(url, cookie);
  await beSeen("visible");
  await expect.poll(() => page.getByTestId("disconnected").innerText()).toContain("64 pages watch this run already");
});

it("leaves a message where it is while somebody points at it", async () => {
  const { settings } = await makeJob("the embedded store");
  const { link } = await startServing(dashboardFlags(settings));
  const { page } = await openPage(browser, "about:blank");
  await page.clock.install();
  await page.goto(link);
  await page.getByTestId("link").and(page.locator("[data-state=live]")).waitFor();
  await goTo(page, "#/review");
  await page.getByText("Nothing has to be reviewed").waitFor();
  await page.keyboard.press("z");
  const toast = page.getByTestId("toasts").getByText("Nothing was decided here");
  await toast.hover();
  await page.clock.runFor(20_000);
  expect(await toast.count()).toBe(1);
  await page.mouse.move(5, 5);
  await page.clock.runFor(20_000);
  await toast.waitFor({ state: "detached" });
});
