import fc from "fast-check";
import { expect, test } from "vitest";
import { widthOf } from "../../src/cli/format.ts";
import { nextCommands, renderSummary, type SummaryOptions, shares, sumLine } from "../../src/cli/summary.ts";
import type { ExecutionEnd } from "../../src/events.ts";
import type { Dimension, Taxonomy } from "../../src/taxonomy.ts";
import { makeEnd } from "./made-up-run.ts";

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
    budgetUsd: 250,
    total: 1_000,
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
  expect(lines.join("\n")).toContain("unknown: 950 calls without a known price of $250.00");
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
