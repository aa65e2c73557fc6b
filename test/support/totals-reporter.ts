import { writeSync } from "node:fs";
import { relative } from "node:path";
import type { Reporter, SerializedError, TestModule } from "vitest/node";

/** Longest time one test file should take, in ms. Over it is printed, not failed: speed differs by machine. */
const BUDGET_MS = 60_000;
const BUDGETS_MS: Readonly<Record<string, number>> = {
  "test/package.test.ts": 120_000,
};

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** Prints the seconds of each test file against its budget, what failed and, as the last line of all, the totals. */
export default class TotalsReporter implements Reporter {
  #times: readonly string[] = [];
  #failures: readonly string[] = [];
  #totals: Totals | null = null;

  onInit(): void {
    // The last line must stay the last: other reporters and the teardown of services print after the run's end.
    process.once("exit", (code) => {
      if (this.#totals === null && code === 0) return;
      const totals = this.#totals ?? { passed: 0, failed: 0, skipped: 0 };
      // A run that failed outside any test (services that did not start or stop) must not read as if all were well.
      const failed = code === 0 ? totals.failed : Math.max(1, totals.failed);
      const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
      const lines = ["", ...this.#times, "", ...this.#failures, `${totals.passed} passed, ${failed} failed${skipped}`];
      writeSync(1, `${lines.join("\n")}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    this.#times = ["Seconds per test file (budget)", ...modules.map(timeLine).sort()];
    this.#failures = modules.flatMap(failuresOf);
    this.#totals = countTests(modules, unhandledErrors);
  }
}

function timeLine(module: TestModule): string {
  const file = relative(process.cwd(), module.moduleId);
  const { collectDuration, setupDuration, duration } = module.diagnostic();
  const tookMs = collectDuration + setupDuration + duration;
  const budgetMs = BUDGETS_MS[file] ?? BUDGET_MS;
  const verdict = tookMs > budgetMs ? "  over its budget" : "";
  return `  ${file.padEnd(44)} ${(tookMs / 1000).toFixed(1).padStart(7)}  (${budgetMs / 1000})${verdict}`;
}

/** Near the end, where who reads only that sees them. */
function failuresOf(module: TestModule): string[] {
  const file = relative(process.cwd(), module.moduleId);
  const failed = [...module.children.allTests("failed")].map((test) => ({
    name: test.fullName,
    errors: test.result().errors ?? [],
  }));
  const suites = [...module.children.allSuites()].map((suite) => ({ name: suite.fullName, errors: suite.errors() }));
  const all = [{ name: "", errors: module.errors() }, ...suites.filter(({ errors }) => errors.length > 0), ...failed];
  return all.flatMap(({ name, errors }) =>
    errors.map(({ message, stacks }) => {
      const at = stacks?.find(({ file: one }) => one === module.moduleId);
      return `FAILED ${file}${at === undefined ? "" : `:${at.line}`} ${name}: ${message.split("\n")[0]!.slice(0, 300)}`;
    }),
  );
}

/** Whatever makes the run fail counts as failed: a test, a file or a suite that could not be set up, a stray error. */
function countTests(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): Totals {
  const totals: Totals = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
  for (const module of modules) {
    if (module.errors().length > 0) totals.failed += 1;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) totals.failed += 1;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      totals[state === "passed" || state === "failed" ? state : "skipped"] += 1;
    }
  }
  return totals;
}
