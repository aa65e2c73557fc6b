import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { metricsTable } from "../../scripts/metrics-page.ts";
import { GENAI_METRICS } from "../../src/observe/genai-conventions.ts";
import { COUNTED, type MetricDefinition, OBSERVED, PROCESS } from "../../src/observe/metric-table.ts";
import { prometheusName } from "../../src/observe/prometheus-name.ts";
import { startCli } from "../support/cli.ts";
import { startModelServer } from "../support/model-server.ts";
import { PATIENCE_MS } from "../support/patience.ts";
import { readMetrics } from "../support/prometheus-text.ts";
import { findPromtool, type Promtool } from "../support/promtool.ts";
import { makeWorkspace } from "../support/workspace.ts";

const METRICS = [COUNTED, GENAI_METRICS, OBSERVED, PROCESS].flatMap((table) => Object.values<MetricDefinition>(table));
/** What a run has only with a schedule, or only after what did not happen here: `test/observe/metrics.test.ts` has it. */
const ONLY_SOMETIMES = [
  "querymill_schedule_next_timestamp_seconds",
  "querymill_schedule_missed_total",
  "querymill_grown_items_total",
  "querymill_unpriced_calls_total",
  "querymill_endpoint_share_ratio",
  "querymill_fleet_workers",
  "querymill_fleet_ranges",
  "querymill_fleet_items_per_second",
];

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(readFileSync("examples/grafana/querymill-dashboard.json", "utf8")) as {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
};
const rules: { alert: string; expr: string; annotations: Record<string, string> }[] = parse(
  readFileSync("examples/prometheus/alerts.yaml", "utf8"),
).groups.flatMap((group: { rules: unknown[] }) => group.rules);
const shown = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr),
];
/** Names of metrics in an expression: what is between braces or behind `by`, `on`, `without` are labels. */
const namesIn = (expr: string): string[] =>
  expr.replaceAll(/\{[^}]*\}|\b(?:by|on|without) \([^)]*\)/g, "").match(/\b(querymill|gen_ai|process|nodejs)_\w+/g) ??
  [];
/** Grafana fills these in. */
const filled = (expr: string): string =>
  expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$(job|instance)/g, ".*");

let text = "";
let promtool: Promtool | null = null;

beforeAll(async () => {
  text = await scrapeOfEverything();
  const found = await findPromtool();
  if ("tried" in found)
    console.warn(`promtool cannot be had, so names are checked and expressions are not parsed. Tried ${found.tried}`);
  else promtool = found;
});

it("finds every metric of the dashboard and the rules in a scrape of a real run", () => {
  const { names } = readMetrics(text);
  const wanted = [...shown, ...rules.map(({ expr }) => expr)].flatMap(namesIn);
  expect(new Set(wanted).size).toBeGreaterThan(40);
  expect([...new Set(wanted)].filter((name) => !names.includes(name) && !ONLY_SOMETIMES.includes(name))).toEqual([]);
});

it("scrapes every metric that is documented, under its name, and no other", () => {
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type]));
  const expected = new Map(METRICS.map((metric) => [prometheusName(metric), metric.kind as string]));
  const missing = [...expected.keys()].filter((name) => !types.has(name) && !ONLY_SOMETIMES.includes(name));
  expect(missing).toEqual([]);
  for (const [name, type] of types) expect(`${name} ${type}`).toBe(`${name} ${expected.get(name)}`);
});

it("has only labels that are documented, and none with an id or a text", () => {
  const known = new Set([
    "le",
    "querymill_job",
    ...METRICS.flatMap(({ labels }) => labels.map((label) => label.replaceAll(".", "_"))),
  ]);
  const labels = new Set([...text.matchAll(/[{,](\w+)="/g)].map(([, label]) => label!));
  expect([...labels].filter((label) => !known.has(label))).toEqual([]);
  expect(text).not.toMatch(/q000|parcel|Okonkwo/);
});

it("is documented as it is", () => {
  expect(readFileSync("docs/metrics.md", "utf8")).toContain(metricsTable());
});

it("gives every panel a place of its own and a title, and every alert a summary and what to do", () => {
  const cells = new Set<string>();
  for (const { title, type, gridPos, targets = [], description } of dashboard.panels) {
    expect(title).toBeTruthy();
    if (type !== "row") expect([targets.length > 0, description !== undefined], title).toEqual([true, true]);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(x, title).toBeLessThan(24);
        expect(cells.has(`${x}/${y}`), title).toBe(false);
        cells.add(`${x}/${y}`);
      }
  }
  for (const { annotations } of rules) expect(Object.keys(annotations).sort()).toEqual(["description", "summary"]);
});

it("passes promtool, where that can be had: the scrape, the rules, and every expression of the dashboard", async () => {
  if (promtool === null) return;
  expect(await promtool.check(["metrics"], text)).toEqual({ code: 0, said: "" });
  expect(await promtool.check(["config", "examples/prometheus/prometheus.yaml"])).toMatchObject({ code: 0 });
  const folder = await mkdtemp(join(tmpdir(), "querymill-promtool-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const asRules = shown.map((expr, at) => ({ record: `panel:${at}`, expr: filled(expr) }));
  await writeFile(join(folder, "panels.yaml"), JSON.stringify({ groups: [{ name: "panels", rules: asRules }] }));
  const { code, said } = await promtool.check(["rules", join(folder, "panels.yaml")]);
  expect(code, said).toBe(0);
  expect(said).toContain(`${shown.length} rules found`);
});

/** A run to which nearly everything happens that has a figure. @returns its scrape once that is there */
async function scrapeOfEverything(): Promise<string> {
  const server = await startModelServer({
    throttleHeaders: { "retry-after": "2" },
    fail: (id, attempt) => {
      if (id === "q0001" && attempt === 1) return "500";
      if (id === "q0002") return "malformed";
      if (id === "q0003") return attempt === 1 ? "hang" : null;
      if (id === "q0004" && attempt === 1) return "429";
      return id === "q0005" ? "500" : null;
    },
  });
  const space = makeWorkspace();
  const ids = Array.from({ length: 12 }, (_, at) => `q${String(at + 1).padStart(4, "0")}`);
  await space.seed(ids.map((_id) => ({ _id, text: `[doc:${_id}] my parcel from Liza Okonkwo` })));
  space.write(
    "querymill.yaml",
    `prices: { drawn-1: { input: 1, output: 4 } }
budget: { usd: 100 }
retry: { retries: 1, baseDelayMs: 5, maxDelayMs: 20, rounds: [600000] }
deadlines: { attemptMs: 1500 }
metrics: { listen: 0 }
endpoints:
  - name: eu
    model: openai-compatible/drawn-1
    baseUrl: "${server.baseUrl}"
    limits: { requestsPerMinute: 6000 }
`,
  );
  const args = ["run", "--json", "--store", "store.db", "--mode", "continuous", "--interval", "1"];
  const cli = startCli(args, { cwd: space.folder, env: { QUERYMILL_LOG_LEVEL: "silent" } });
  const { url } = (await cli.seen("metrics:listening")) as unknown as { url: string };
  const expected = METRICS.map(prometheusName).filter((name) => !ONLY_SOMETIMES.includes(name));
  let seen = "";
  let missing = expected;
  for (const giveUpMs = Date.now() + PATIENCE_MS; missing.length > 0 && Date.now() < giveUpMs; await delay(300)) {
    seen = await (await fetch(`${url}/metrics`)).text();
    missing = expected.filter((name) => !seen.includes(`# TYPE ${name} `));
  }
  cli.kill("SIGTERM");
  expect((await cli.ended).code).toBe(0);
  await server.close();
  return seen;
}
