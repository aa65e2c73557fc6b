import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareEvaluations } from "../../src/evaluation/compare.ts";
import { type Evaluation, type RowAnswers, rowsOf } from "../../src/evaluation/evaluation.ts";
import { exampleIds, reportPage } from "../../src/evaluation/report.ts";
import { scoreDimension } from "../../src/evaluation/score.ts";
import { openChromium } from "../support/chromium.ts";

const HOSTILE = [
  "</script><script>window.pwned = 1</script>",
  '"><img src=x onerror="window.pwned = 1">',
  "' onmouseover='window.pwned = 1",
  "`$" + "{window.pwned = 1}` {{7*7}} &lt;b&gt; <b>bold</b>",
  "</title></style><style>*{display:none}</style>",
  "right \u202eto left\u202c \u2067 still",
  "سلام، طلبم کجاست؟ <i>",
  "null \0 and escape \u001b[31m and half a pair \ud800",
  `${"long".repeat(200)} <end`,
];

function evaluationOf(model: string, labels: readonly string[], rows: number, wrongEvery: number): Evaluation {
  const answers: RowAnswers[] = Array.from({ length: rows }, (_, at) => {
    const gold = labels[at % labels.length]!;
    const wrong = at % wrongEvery === 0;
    return {
      id: at < HOSTILE.length ? `${HOSTILE[at]!}-${at}` : `row ${at}`,
      gold: { category: gold, topics: [gold] },
      answer:
        at === 5
          ? null
          : { category: wrong ? labels[(at + 1) % labels.length]! : gold, topics: wrong ? [] : [gold, labels[0]!] },
      confidence: { category: wrong ? 0.4 : 0.6 + (at % 40) / 100 },
    };
  });
  const usage = { inputTokens: 9, cachedInputTokens: 1, cacheWriteTokens: 0, outputTokens: 3, reasoningTokens: 0 };
  return {
    kind: "querymill-evaluation",
    formatVersion: 1,
    createdAt: "2026-02-03T04:05:06.000Z",
    origin: "file",
    data: HOSTILE[4]!,
    dataVersion: "d1",
    model,
    taxonomy: HOSTILE[1]!,
    taxonomyVersion: "t-1",
    promptVersion: "p-1",
    confidenceKind: "self-rated",
    rows: {
      read: rows,
      withoutText: 0,
      withoutLabel: 0,
      unknownLabel: 0,
      notDrawn: 0,
      scored: rows - 1,
      failed: 1,
      pending: 2,
    },
    cost: { answered: rows, usd: 0.1, usdPerThousand: 1, usage, latencyP50Ms: 20, latencyP95Ms: 1_300 },
    scores: [
      scoreDimension("category", "one", rowsOf(answers, "category"))!,
      scoreDimension("topics", "many", rowsOf(answers, "topics"))!,
    ],
    estimates: [],
    answers,
  };
}

function pageOf(labels: readonly string[]): string {
  const evaluation = evaluationOf(HOSTILE[0]!, labels, 300, 4);
  const comparison = compareEvaluations(evaluation, evaluationOf(HOSTILE[2]!, labels, 300, 7));
  const texts = new Map(exampleIds(evaluation, comparison).map((id, at) => [id, HOSTILE[at % HOSTILE.length]!]));
  return reportPage({ evaluation, comparison, texts });
}

describe("the report as text", () => {
  const page = pageOf(HOSTILE);

  it("holds no element and no attribute but its own, whatever labels, ids, names and texts hold", () => {
    const tags = new Set([...page.matchAll(/<\/?([a-zA-Z!][\w-]*)/g)].map(([, name]) => name));
    const ours =
      "!doctype html head meta title style body main header section h1 h2 h3 p b strong span ul li dl dt dd div figure figcaption table caption thead tbody tr th td blockquote cite bdi wbr svg desc g rect circle line polyline text script";
    expect([...tags].filter((name) => !ours.split(" ").includes(name!))).toEqual([]);
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page.match(/<style/g)).toHaveLength(1);
    expect(/<[^>]*\s(?:on\w+|src|href)=/.exec(page)).toBeNull();
    expect(/https?:|url\(/.exec(page)).toBeNull();
  });

  it("holds no control, direction or broken characters", () => {
    expect(page.isWellFormed()).toBe(true);
    expect(/[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/u.exec(page)).toBeNull();
  });

  it("gives every chart a title and a description, and every table a caption", () => {
    const charts = [...page.matchAll(/<svg [^>]*role="img" aria-labelledby="([^"]+)"/g)];
    expect(charts.length).toBeGreaterThan(4);
    for (const [, ids] of charts) for (const id of ids!.split(" ")) expect(page).toContain(`id="${id}"`);
    expect(page.match(/<table[ >]/g)!.length).toBe(page.match(/<caption>/g)!.length);
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

let browser: Browser | null = null;
let missing = "";
const folder = mkdtempSync(join(tmpdir(), "querymill-report-"));
const names = Array.from({ length: 40 }, (_, at) => `some_longer_label_name_${at}`);
const hostile = pathToFileURL(join(folder, "hostile.html")).href;
const usual = pathToFileURL(join(folder, "usual.html")).href;

beforeAll(async () => {
  writeFileSync(join(folder, "hostile.html"), pageOf(HOSTILE));
  writeFileSync(join(folder, "usual.html"), pageOf(names));
  try {
    browser = await openChromium();
  } catch (error) {
    missing = String(error);
    console.warn(`The report was not looked at in a browser. ${missing}`);
  }
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens a page that must not ask for anything, nor complain. */
async function look(url: string, options: BrowserContextOptions, seen: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser!.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const trouble: string[] = [];
  try {
    const page = await context.newPage();
    page.on("console", (message) => trouble.push(message.text()));
    page.on("pageerror", (error) => trouble.push(String(error)));
    page.on("dialog", (dialog) => trouble.push(dialog.message()));
    page.on("request", (request) => {
      if (request.url() !== url) trouble.push(`asked for ${request.url()}`);
    });
    await page.goto(url);
    await seen(page);
    expect(trouble).toEqual([]);
  } finally {
    await context.close();
  }
}

describe("the report in a browser", () => {
  it("runs nothing of what labels and texts hold, and asks for nothing", async ({ skip }) => {
    if (browser === null) skip(missing);
    await look(hostile, {}, async (page) => {
      expect(await page.evaluate("window.pwned")).toBeUndefined();
      expect(await page.locator("script").count()).toBe(1);
      expect(await page.locator("img, iframe, object, link").count()).toBe(0);
      const said = await page.locator("body").innerText();
      expect(said).toContain("</script><script>window.pwned = 1</script>");
      expect(said).toContain("سلام، طلبم کجاست؟ <i>");
    });
  });

  it("is whole without script", async ({ skip }) => {
    if (browser === null) skip(missing);
    await look(usual, { javaScriptEnabled: false }, async (page) => {
      expect(await page.locator("table").first().isVisible()).toBe(true);
      expect(await page.locator("thead button").count()).toBe(0);
      expect(
        await page
          .getByText("Labels, the worst first")
          .or(page.getByText("40 labels, the worst first"))
          .first()
          .isVisible(),
      ).toBe(true);
    });
  });

  it("sorts tables by a heading, also from the keyboard, and says how", async ({ skip }) => {
    if (browser === null) skip(missing);
    await look(usual, {}, async (page) => {
      const table = page.locator("table[data-sortable]").filter({ hasText: "40 labels" }).first();
      const head = table.locator("thead th").filter({ hasText: "Precision" });
      await head.getByRole("button").press("Enter");
      expect(await head.getAttribute("aria-sort")).toBe("descending");
      const values = await table
        .locator("tbody td:nth-child(4)")
        .evaluateAll((cells) =>
          cells.map((cell) => Number((cell as unknown as { dataset: { value: string } }).dataset.value)),
        );
      expect(values).toEqual(values.toSorted((a, b) => b - a));
      await table.locator("thead th").first().getByRole("button").click();
      expect(await head.getAttribute("aria-sort")).toBeNull();
    });
  });

  it.each([360, 390, 768, 1_280])("needs no scrolling sideways at %i px, in hostile data too", async (width) => {
    if (browser === null) return;
    for (const url of [usual, hostile])
      await look(url, { viewport: { width, height: 800 } }, async (page) => {
        expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
      });
  });

  it.each(["light", "dark"] as const)("has text of enough contrast in the %s theme", async (colorScheme) => {
    if (browser === null) return;
    await look(usual, { colorScheme }, async (page) => {
      expect(await page.evaluate(LOW_CONTRAST)).toEqual([]);
    });
  });

  it("prints light on pages of A4, also from a dark screen", async ({ skip }) => {
    if (browser === null) skip(missing);
    await look(usual, { colorScheme: "dark" }, async (page) => {
      await page.emulateMedia({ media: "print", colorScheme: "dark" });
      expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(255, 255, 255)");
      const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: true });
      expect(pdf.subarray(0, 5).toString()).toBe("%PDF-");
      // A4 in points.
      expect(pdf.toString("latin1")).toMatch(/\/MediaBox \[0 0 59[45]\.\d+ 84[12]\.?\d*\]/);
    });
  });
});

/** Elements with text of their own whose colour stands out less than 4.5 : 1 from the ground behind it. */
const LOW_CONTRAST = `(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const low = new Set();
  for (const element of document.querySelectorAll("body *:not(script, style, title, desc)")) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "")) continue;
    const style = getComputedStyle(element);
    const ink = parse(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(element.closest("svg") ?? element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.add(element.tagName + "." + element.className + " " + ratio.toFixed(2));
  }
  return [...low];
})()`;
