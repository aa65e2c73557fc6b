import { join } from "node:path";
import { type LoadedSettings, loadSettings } from "../config/load.ts";
import { codeOf } from "../state/files.ts";

/** The demo's own job: nothing in it meets a real one. */
const DEMO = {
  job: "demo",
  sourceCollection: "querymill_demo_queries",
  targetCollection: "querymill_demo_results",
} as const;

/** What the environment may still say: how it talks, where state lies, and keys. */
const KEPT = new Set([
  "QUERYMILL_API_KEY",
  "QUERYMILL_API_KEY_FILE",
  "QUERYMILL_BATCH_DIR",
  "QUERYMILL_JSON",
  "QUERYMILL_QUIET",
  "QUERYMILL_LOG_LEVEL",
  "QUERYMILL_LOG_FILE",
]);

/**
 * Settings of the demo's job: only typed flags take it to another store or model. `querymill.yaml`, `MONGODB_URI` and
 * other settings of the environment are not for it.
 */
export async function loadDemo(flags: Record<string, unknown>, needsModel = true): Promise<LoadedSettings> {
  try {
    process.loadEnvFile();
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => name !== "MONGODB_URI" && (!name.startsWith("QUERYMILL_") || KEPT.has(name)),
    ),
  );
  const batchDir = join(String(flags.batchDir ?? env.QUERYMILL_BATCH_DIR ?? "batch_files"), "demo");
  const model = flags.model ?? (flags.baseUrl === undefined ? "offline" : undefined);
  return await loadSettings({
    flags: { ...flags, ...DEMO, batchDir, model },
    env,
    cwd: process.cwd(),
    files: false,
    needsModel,
  });
}
