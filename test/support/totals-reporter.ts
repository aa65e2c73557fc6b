import { writeSync } from "node:fs";
import { relative } from "node:path";
import type { Reporter, SerializedError, TestModule } from "vitest/node";

/** Longest time one test file should take, in ms. Over it is printed, not failed: speed differs by machine. */
const BUDGET_MS = 60_000;
const BUDGETS_MS: Readonly<Record<string, number>> = {
  "test/package.test.ts": 120_000,
};

/** Prints the seconds of each test file against its budget and, as the last line of all, the totals. */
export default class TotalsReporter implements Reporter {
  #lines: readonly string[] = [];

  onInit(): void {
    // The last line must stay the last: other reporters and the teardown of services print after the run's end.
    process.once("exit", () => {
      if (this.#lines.length > 0) writeSync(1, `${this.#lines.join("\n")}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    this.#lines = [
      "",
      "Seconds per test file (budget)",
      ...modules.map(timeLine).sort(),
      totalsLine(modules, unhandledErrors),
    ];
  }
}

function timeLine(module: TestModule): string {
  const file = relative(process.cwd(), module.moduleId);
  const { collectDuration, setupDuration, duration } = module.diagnostic();
  const tookMs = collectDuration + setupDuration + duration;
  const budgetMs = BUDGETS_MS[file] ?? BUDGET_MS;
  const verdict = tookMs > budgetMs ? "  over its budget" : "";
  return `  ${file.padEnd(44)} ${seconds(tookMs).padStart(7)}  (${budgetMs / 1000})${verdict}`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

/** Whatever makes the run fail counts as failed: a test, a file or a suite that could not be set up, a stray error. */
function totalsLine(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): string {
  let passed = 0;
  let skipped = 0;
  let failed = unhandledErrors.length;
  for (const module of modules) {
    if (module.errors().length > 0) failed += 1;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) failed += 1;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed += 1;
      else if (state === "failed") failed += 1;
      else skipped += 1;
    }
  }
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
