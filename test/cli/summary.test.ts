import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { widthOf } from "../../src/cli/format.ts";
import { shares } from "../../src/cli/shares.ts";
import { nextCommands, renderSummary, type SummaryOptions, suggestedBudget, sumLine } from "../../src/cli/summary.ts";
import type { EndpointSnapshot, ExecutionEnd } from "../../src/events.ts";
import type { Dimension, Taxonomy } from "../../src/taxonomy.ts";
import { makeEnd, makeSnapshot } from "./made-up-run.ts";

const look = { columns: 100, ascii: false, style: (_format: string, text: string) => text };
const categories = Array.from({ length: 13 }, (_, index) => `category_${index}`);
const taxonomy: Taxonomy = {
  name: "test",
  version: "t-00000000",
  summary: true,
  alternatives: true,
  dimensions: [
    dimension("category", categories),
    dimension("sentiment", ["bad", "good"]),
    dimension("urgency", ["high", "low"]),
  ],
};

function dimension(id: string, labels: readonly string[]): Dimension {
  const made = labels.map((label) => ({ id: label, description: "", aliases: [], examples: [] }));
  return { id, description: "", choose: "one", required: true, labels: made };
}

function summary(end: ExecutionEnd, changes: Partial<SummaryOptions> = {}): string[] {
  return renderSummary(end, {
    ...look,
    taxonomy,
    store: "mongodb://db.internal/support",
    target: "sentimental_analysis",
    state: "batch_files/support-inbox",
    budget: { usd: 250, per: "job" },
    toneByWordLists: false,
    needsReview: null,
    total: 1_000,
    endpoints: [],
    next: nextCommands(end, { jobFlags: "", modelFlags: "" }, "T-1042"),
    ...changes,
  });
}

test("the sum is computed, and said to be wrong when it is", () => {
  expect(sumLine(makeEnd(), look).join("\n")).toContain("✔ adds up");
  const wrong = sumLine(makeEnd({ classified: 899 }), look).join("\n");
  expect(wrong).toContain("✖ does not add up: the parts make 999");
});

test("seven categories and one row that closes the sum to the classified items", () => {
  const counts = Object.fromEntries(categories.map((id, index) => [id, 10 + index]));
  const classified = Object.values(counts).reduce((sum, value) => sum + value, 0);
  const lines = summary(makeEnd({ classified, labels: { category: counts } }));
  const rows = lines.filter((line) => /^ {4}(category_|\d+ others)/.test(line));
  expect(rows).toHaveLength(8);
  expect(rows.at(-1)).toMatch(/^ {4}6 others +75 +36\.1 % {2}─+$/);
  const shown = rows.map((row) => Number(/ (\d+) +[\d.]+ %/.exec(row)?.[1]));
  expect(shown.reduce((sum, value) => sum + value, 0)).toBe(classified);
});

test("shares have one decimal and add up to a hundred", () => {
  expect(shares([1, 1, 1])).toEqual([334, 333, 333]);
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 1e9 }), { minLength: 1, maxLength: 30 }), (counts) => {
      const whole = counts.reduce((sum, value) => sum + value, 0);
      expect(shares(counts).reduce((sum, value) => sum + value, 0)).toBe(whole === 0 ? 0 : 1_000);
    }),
    { seed: 7, numRuns: 300 },
  );
});

test("items without an answer in a dimension have a row of their own", () => {
  const labels = { sentiment: { bad: 500, good: 399 } };
  expect(summary(makeEnd({ labels })).join("\n")).toMatch(/none +1 +0\.1 %/);
});

test.each([100, 72, 60, 44])("no figure of the summary is wider than %i columns", (columns) => {
  const lines = summary(makeEnd(), { columns, next: [] });
  for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns);
});

test("an unknown cost is said to be unknown, with how many calls it is about", () => {
  const lines = summary(makeEnd({ costUsd: null, unpricedCalls: 950 }));
  expect(lines.join("\n")).toContain("unknown: 950 calls without a known price");
});

test("ends with the exit code and why", () => {
  expect(summary(makeEnd()).at(-1)).toBe("exit 3: 40 items of this execution are dead letters");
  const done = makeEnd({ status: "completed", exitCode: 0, deadLetters: 0, classified: 940 });
  expect(summary(done).at(-1)).toBe("exit 0: all that was asked for is settled");
});

test("says what was not read and what to type next", () => {
  const text = summary(makeEnd(), { total: 1_500 }).join("\n");
  expect(text).toContain("500 not read yet.");
  expect(text).toContain("querymill retry --error label-unknown --dry-run");
  expect(text).toContain("querymill get T-1042");
});

test("a reason that came from outside is not put into a command", () => {
  const end = makeEnd({ deadLetterReasons: { "$(rm -rf /)": 40 } });
  expect(summary(end).join("\n")).not.toContain("rm -rf");
});

test("the cost of the job stands beside a job's budget, the cost of the run beside a run's", () => {
  const end = makeEnd({ costUsd: 0.5, uncertainUsd: 0, jobTotals: { ...makeEnd().jobTotals, costUsd: 240 } });
  expect(summary(end).join("\n")).toMatch(/Cost +\$0\.50 .*\n +Budget +\$240\.00 of \$250\.00 per job/);
  const run = summary(end, { budget: { usd: 2, per: "run" } }).join("\n");
  expect(run).toMatch(/Cost +\$0\.50 .*\n +Budget +\$0\.50 of \$2\.00 per run/);
});

test("a spent budget is said with what was spent and from where on it goes on", () => {
  const end = makeEnd({ stopReason: "budget", status: "stopped", exitCode: 4, message: "The budget is spent." });
  const jobTotals = { ...end.jobTotals, costUsd: 250.2, uncertainUsd: 0.1 };
  const lines = summary({ ...end, jobTotals });
  expect(lines.join("\n")).toContain(
    "The budget is spent. Spent so far: $250.30 of $250.00 per job. To go on, raise --budget above $250.30.",
  );
  expect(lines.at(-1)).toBe("exit 4: the budget is spent; it goes on with a larger one");
  expect(suggestedBudget({ usd: 250, per: "job" }, { ...end, jobTotals })).toBe("376");
  expect(suggestedBudget({ usd: 0.002, per: "job" }, makeEnd({ jobTotals: { ...jobTotals, costUsd: 0 } }))).toBe(
    "0.16",
  );
});

test("skipped items are told with their reasons, and what to do when many had no text", () => {
  const text = summary(makeEnd({ skippedReasons: { "no text": 55, "text is not a string": 5 } })).join("\n");
  expect(text).toMatch(/Skipped +55 no text +5 text is not a string/);
  expect(text).toContain("set source.text in querymill.yaml");
  expect(text).toContain("querymill doctor --sample 3");
  expect(text).toContain("querymill retry --skipped");
  const few = summary(makeEnd({ skipped: 2, skippedReasons: { "no text": 2 } })).join("\n");
  expect(few).toMatch(/Skipped +2 no text/);
  expect(few).not.toContain("source.text");
});

test("calls that were made twice are told with about what they cost, and only then", () => {
  const end = makeEnd({ modelCalls: 1_000, costUsd: 2.4, uncertainUsd: 0.1 });
  expect(summary({ ...end, hedgedCalls: 12 }).join("\n")).toContain(
    "12 slow calls were made twice, for about $0.03 more (in the uncertain cost)",
  );
  expect(summary({ ...end, hedgedCalls: 1 }).join("\n")).toContain("1 slow call was made twice, for about $0.0025");
  const unpriced = summary({ ...end, hedgedCalls: 12, costUsd: null, uncertainUsd: null });
  expect(unpriced.join("\n")).toMatch(/12 slow calls were made twice$/m);
  expect(summary(end).join("\n")).not.toContain("made twice");
});

describe("several endpoints", () => {
  const [main, overflow] = makeSnapshot().endpoints as [EndpointSnapshot, EndpointSnapshot];
  const out = { ...overflow, state: "out" as const, pausedUntilMs: null, stateReason: "answered 401" };

  test("have a row each: what they answered, their share of it, how fast, and why one is gone", () => {
    const end = makeEnd({ durationMs: 100_000 });
    const rows = summary(end, {
      endpoints: [
        { ...main, answered: 667 },
        { ...out, answered: 333 },
      ],
    });
    const at = rows.findIndex((line) => line.startsWith("  Endpoint"));
    expect(rows.slice(at, at + 3)).toEqual([
      "  Endpoint      answered     share   calls/s      p50",
      "    main             667    66.7 %       6.7    1.3 s",
      "    overflow         333    33.3 %       3.3        –   out: answered 401",
    ]);
    for (const columns of [100, 60, 44])
      for (const line of summary(end, { columns, endpoints: [main, out], next: [] }))
        expect(widthOf(line)).toBeLessThanOrEqual(columns);
  });

  test("are told apart by their models where these differ; a single one has no table", () => {
    const endpoints = [main, { ...overflow, state: "open" as const, pausedUntilMs: null, model: "openai/nano" }];
    expect(summary(makeEnd(), { endpoints }).join("\n")).toMatch(/overflow .* openai\/nano$/m);
    expect(summary(makeEnd(), { endpoints: [main] }).join("\n")).not.toContain("Endpoint");
  });
});
