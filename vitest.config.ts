import { join } from "node:path";
import { defineConfig } from "vitest/config";

// Test files and the processes that they start run the same code hundreds of times: compiled once.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules", ".cache", "compiled");

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/support/totals-reporter.ts"],
    globalSetup: ["test/support/services.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 4,
  },
});
