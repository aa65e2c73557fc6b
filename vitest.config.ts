import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { PATIENCE_MS } from "./test/support/patience.ts";

// Test files and the processes that they start run the same code hundreds of times: compiled once.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules", ".cache", "compiled");

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/support/totals-reporter.ts"],
    globalSetup: ["test/support/services.ts"],
    // Only what hangs is to end by them: how fast a machine is decides no test.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: PATIENCE_MS } },
    maxWorkers: 4,
  },
});
