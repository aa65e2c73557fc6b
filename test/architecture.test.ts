import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, it } from "vitest";

const SRC = join(import.meta.dirname, "..", "src");

/** Longest source file, in lines. Data is exempt: it is read as a list, not as code. */
const MAX_LINES = 350;
const DATA = ["dashboard/api.ts", "default-taxonomy.ts", "cli/demo-queries.ts", "cli/demo-conversations.ts"];

const NOUNS = [
  "item.ts",
  "errors.ts",
  "counters.ts",
  "events.ts",
  "lag.ts",
  "grown.ts",
  "fleet.ts",
  "call-ended.ts",
  "taxonomy.ts",
  "job.ts",
  "record.ts",
  "selection.ts",
  "correction.ts",
  "outcome.ts",
  "model-usage.ts",
  "rate-limits.ts",
  "filter.ts",
  "dashboard/api.ts",
  "default-taxonomy.ts",
  "redaction/kinds.ts",
  "scheduling/schedule.ts",
  "notify/notification.ts",
];
const PORTS = ["store.ts", "llm/provider.ts", "cluster/ports.ts"];
/** Calculations on values: they get clock, randomness and bytes as arguments. */
const PURE = [
  ...NOUNS,
  ...PORTS,
  "stores/mapping.ts",
  "stores/mongodb-watch-pipeline.ts",
  "document-size.ts",
  "stores/conversation.ts",
  "stores/document-path.ts",
  "stores/html-text.ts",
  "stores/mail-quotes.ts",
  "stores/message-mapping.ts",
  "stores/plain-text.ts",
  "stores/presets.ts",
  "stores/mongodb-selection.ts",
  "stores/search-place.ts",
  "stores/timeline-bucket.ts",
  "stores/target-marks.ts",
  "stores/transcript.ts",
  "stores/updated-at.ts",
  "llm/prompt.ts",
  "llm/answer.ts",
  "llm/field-value.ts",
  "llm/offline-fields.ts",
  "llm/json-object.ts",
  "llm/label-lookup.ts",
  "llm/http-failure.ts",
  "llm/rate-headers.ts",
  "llm/linear-classifier.ts",
  "llm/providers.ts",
  "llm/refused-feature.ts",
  "llm/sane-usage.ts",
  "llm/sdk-request.ts",
  "llm/sdk-reply.ts",
  "llm/calibrated-classifier.ts",
  "llm/examples.ts",
  "llm/offline-notes.ts",
  "files/columns.ts",
  "files/delimiter.ts",
  "files/documents.ts",
  "files/file-fault.ts",
  "files/kind.ts",
  "files/row.ts",
  "files/text-column.ts",
  ...[
    "intervals",
    "confusion",
    "calibration",
    "score",
    "evaluation",
    "record-answers",
    "label-columns",
    "gold-labels",
    "compare",
    "review-columns",
    "review-draw",
    "markup",
    "report",
    "report-charts",
    "report-figures",
    "report-style",
    "report-tables",
  ].map((name) => `evaluation/${name}.ts`),
  ...[
    "activity-tables",
    "causes",
    "event-words",
    "health-words",
    "history",
    "needs",
    "overview",
    "own-changes",
    "snapshot-changes",
    "tenant-rows",
    "waiting",
    "words",
  ].map((name) => `dashboard/${name}.ts`),
  ...[
    "csv-columns",
    "id-readings",
    "insight-sentences",
    "item-row",
    "item-story",
    "likeness",
    "query",
    "query-fields",
    "query-terms",
    "query-time",
  ].map((name) => `results/${name}.ts`),
  "cli/evaluate-view.ts",
  "cli/compare-view.ts",
  "estimation/estimate.ts",
  "estimation/lengths.ts",
  "estimation/predict-total.ts",
  "estimation/choose-by-length.ts",
  "estimation/forecast.ts",
  "estimation/guess.ts",
  "estimation/measured.ts",
  "cli/forecast-lines.ts",
  ...[
    "channel",
    "plain-notification",
    "wording",
    "webhook",
    "slack",
    "discord",
    "teams",
    "pagerduty",
    "mail",
    "verdict",
    "attempts",
    "address-guard",
  ].map((name) => `notify/${name}.ts`),
  "stop-reason.ts",
  "redaction/contacts.ts",
  "redaction/keys.ts",
  "redaction/numbers.ts",
  "redaction/phones.ts",
  "redaction/privacy.ts",
  "redaction/redactor.ts",
  "redaction/wrapped.ts",
  "cli/service-progress.ts",
  "cli/tenants-panel.ts",
  "results/tenant-items.ts",
  "tenants/conflicts.ts",
  "tenants/exit-code.ts",
  "tenants/tenant-events.ts",
  "observe/genai-conventions.ts",
  "observe/health.ts",
  "observe/prometheus-name.ts",
  "cli/panel.ts",
  "cli/fleet-words.ts",
  "cluster/question.ts",
  "cluster/range-work.ts",
  "cluster/worker-event.ts",
  "jobs/no-counters.ts",
  "cli/panel-endpoints.ts",
  "estimation/finish.ts",
  "estimation/run-limit.ts",
  "cli/schedule-words.ts",
  "cli/format.ts",
  "scheduling/cron.ts",
  "scheduling/window.ts",
  "scheduling/zone.ts",
  "cli/lag-words.ts",
  "staleness.ts",
  "history.ts",
  ...[
    "announcements",
    "conditions",
    "fleet-conditions",
    "fleet-memory",
    "label-hours",
    "label-shift",
    "minute-counts",
    "notification",
    "pacer",
    "problems",
    "quiet-hours",
    "rule-settings",
    "rules",
    "settled-elsewhere",
    "words",
  ].map((name) => `notify/${name}.ts`),
  "taxonomies/check.ts",
  "taxonomies/diff.ts",
  "taxonomies/proposal.ts",
  "taxonomies/taxonomy-yaml.ts",
  "taxonomies/similarity.ts",
  "cluster/share-window.ts",
  "traffic/bucket.ts",
  "traffic/concurrency.ts",
  "traffic/fair-share.ts",
  "traffic/leased-share.ts",
  "traffic/limiter.ts",
  "traffic/paces.ts",
  "traffic/send-ledger.ts",
  "traffic/token-estimate.ts",
];
const MODEL_ADAPTERS = [
  "llm/openai-compatible.ts",
  "llm/ai-sdk.ts",
  "llm/sdk-package.ts",
  "llm/model-host.ts",
  "llm/call-errors.ts",
  "llm/http-exchange.ts",
  "llm/offline.ts",
];
const WIRING = "jobs/wiring.ts";

interface Imports {
  /** Files of src that are imported, types and `import()` included. */
  readonly files: readonly string[];
  /** Packages and `node:` modules. */
  readonly packages: readonly string[];
  readonly reExports: boolean;
  readonly lines: number;
  readonly code: string;
}

const tree: ReadonlyMap<string, Imports> = new Map(
  globSync("**/*.ts", { cwd: SRC })
    .map((file) => file.replaceAll("\\", "/"))
    .sort()
    .map((file) => [file, readImports(file, readFileSync(join(SRC, file), "utf8"))]),
);

describe("the source tree", () => {
  it("is read: imports, type imports, side effects, import() and re-exports are found, comments are not", () => {
    const seen = readImports(
      "llm/a.ts",
      [
        'import { b } from "./b.ts";',
        "import type {\n  C,\n} from '../c.ts';",
        'import "../d.ts"; import "../g.ts";',
        'export { e } from "./e.ts";',
        'const f = await import("../f.ts");',
        'import { readFile } from "node:fs/promises";',
        '// import { h } from "./h.ts";',
        '/* export * from "./h.ts"; */',
        'const text = "nothing is imported from here";',
      ].join("\n"),
    );
    expect(seen.files).toEqual(["c.ts", "d.ts", "f.ts", "g.ts", "llm/b.ts", "llm/e.ts"]);
    expect(seen.packages).toEqual(["node:fs/promises"]);
    expect(seen.reExports).toBe(true);
    expect(readImports("a.ts", 'export const a = "x";\nconst b = Array.from("y");').reExports).toBe(false);
    expect(tree.size).toBeGreaterThan(10);
  });

  it("imports only files that exist, named with their ending", () => {
    expect(edges((_from, to) => !tree.has(to))).toEqual([]);
  });

  it("has no import cycle", () => {
    expect(findCycles()).toEqual([]);
  });

  it("re-exports only in src/index.ts", () => {
    expect(files((file, { reExports }) => reExports && file !== "index.ts")).toEqual([]);
  });

  it("gives every file the name of its one concept", () => {
    expect(files((file) => /(^|\/)(utils?|helpers?|common|types|misc|shared)\.ts$/.test(file))).toEqual([]);
    expect(files((file) => !/^([a-z0-9-]+\/)*[a-z0-9-]+\.ts$/.test(file))).toEqual([]);
  });

  it(`keeps every file but data within ${MAX_LINES} lines`, () => {
    expect(files((file, { lines }) => lines > MAX_LINES && !DATA.includes(file))).toEqual([]);
  });
});

describe("who may import whom", () => {
  it("lets nouns import nouns only", () => {
    expect(edges((from, to) => NOUNS.includes(from) && !NOUNS.includes(to))).toEqual([]);
  });

  it("lets ports import nouns and ports only", () => {
    expect(edges((from, to) => PORTS.includes(from) && !NOUNS.includes(to) && !PORTS.includes(to))).toEqual([]);
  });

  it("keeps files, network, timers, clock and randomness out of pure calculations", () => {
    const allowed = ["node:crypto", "node:util"];
    const impure =
      /\b(?:Date\.now|performance\.now|Math\.random|process\.\w)|\b(?:new Date\(\)|setTimeout\(|setInterval\(|fetch\()/;
    expect(
      files((file, { packages, code }) => {
        const opens = packages.some((name) => name.startsWith("node:") && !allowed.includes(name));
        return PURE.includes(file) && (opens || impure.test(code));
      }),
    ).toEqual([]);
  });

  it("keeps adapters of different kinds from knowing each other", () => {
    expect(
      edges((from, to) => {
        const [own, other] = [adapterKind(from), adapterKind(to)];
        return own !== null && other !== null && own !== other;
      }),
    ).toEqual([]);
  });

  it("names the adapters of stores and models in jobs/wiring.ts only", () => {
    const hidden = (file: string) => adapterKind(file) === "stores" || MODEL_ADAPTERS.includes(file);
    expect(edges((from, to) => hidden(to) && !hidden(from) && from !== WIRING && from !== "index.ts")).toEqual([]);
  });

  it("keeps traffic away from stores and local state", () => {
    expect(edges((from, to) => inFolder(from, "traffic") && (inFolder(to, "stores") || inFolder(to, "state")))).toEqual(
      [],
    );
  });

  it("keeps the command line away from stores", () => {
    expect(edges((from, to) => inFolder(from, "cli") && inFolder(to, "stores"))).toEqual([]);
  });

  it("lets nobody import the command line but src/bin.ts", () => {
    expect(edges((from, to) => inFolder(to, "cli") && !inFolder(from, "cli") && from !== "bin.ts")).toEqual([]);
  });

  it("lets nobody import the entry points", () => {
    expect(edges((_from, to) => to === "index.ts" || to === "bin.ts")).toEqual([]);
  });
});

/** @returns the kind of outside thing a file talks to; null for files that are no adapter */
function adapterKind(file: string): string | null {
  if (PURE.includes(file)) return null;
  if (MODEL_ADAPTERS.includes(file)) return "models";
  return ["stores", "observe", "state"].find((folder) => inFolder(file, folder)) ?? null;
}

function inFolder(file: string, folder: string): boolean {
  return file.startsWith(`${folder}/`);
}

function files(breaks: (file: string, imports: Imports) => boolean): string[] {
  return [...tree].filter(([file, imports]) => breaks(file, imports)).map(([file]) => `src/${file}`);
}

function edges(breaks: (from: string, to: string) => boolean): string[] {
  return [...tree].flatMap(([from, imports]) =>
    imports.files.filter((to) => breaks(from, to)).map((to) => `src/${from} imports src/${to}`),
  );
}

function readImports(file: string, source: string): Imports {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
  const named = /(?:^|;)\s*(?:import|export)\b[^;'"`=()]*?\bfrom\s*["']([^"']+)["']/gm;
  const bare = /(?:^|;)\s*import\s*["']([^"']+)["']/gm;
  const lazy = /\bimport\(\s*["']([^"']+)["']\s*\)/g;
  const specifiers = [named, bare, lazy].flatMap((form) => [...code.matchAll(form)].map((match) => match[1] as string));
  const relative = specifiers.filter((specifier) => specifier.startsWith("."));
  return {
    files: [...new Set(relative.map((specifier) => posix.join(posix.dirname(file), specifier)))].sort(),
    packages: [...new Set(specifiers.filter((specifier) => !specifier.startsWith(".")))].sort(),
    reExports: /(?:^|;)\s*export\b[^;'"`=()]*?\bfrom\s*["']/m.test(code),
    lines: source.split("\n").length - 1,
    code,
  };
}

/** @returns each cycle once, as `a -> b -> a` */
function findCycles(): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      cycles.push([...path.slice(at), file].map((name) => `src/${name}`).join(" -> "));
      return;
    }
    if (done.has(file)) return;
    for (const next of tree.get(file)?.files ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of tree.keys()) visit(file, []);
  return cycles;
}
