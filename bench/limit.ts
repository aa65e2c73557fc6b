import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DEFAULT_TAXONOMY } from "../src/default-taxonomy.ts";
import { buildPrompt } from "../src/llm/prompt.ts";
import { lastJson } from "./child.ts";
import { dropDatabase } from "./items.ts";
import type { Bench } from "./scenario.ts";
import type { ModelServer } from "./servers.ts";

/** What the lean loop of the measuring tools prints, in its words. */
export interface LimitRun {
  readonly docs_s: number;
  readonly cpu_us_doc: number;
  readonly mongod_us: number | null;
  readonly rss_mb: number;
}

/** Where `undici` and `mongodb` come from: the loop takes the very versions that the project has. */
const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * Runs the leanest loop that does the same work with no durability of its own: MongoDB → undici → MongoDB, with the same
 * prompt, schema and texts on the wire. It fills its source itself.
 */
export async function runLimit(
  bench: Bench,
  tools: string,
  { items, server, slots = 50 }: { items: number; server: ModelServer; slots?: number },
): Promise<LimitRun> {
  const mongo = await bench.mongo();
  const db = `querymill_bench_${process.pid}_limit`;
  const folder = await mkdtemp(join(tmpdir(), "querymill-bench-"));
  try {
    const { system, schema } = buildPrompt(DEFAULT_TAXONOMY);
    await writeFile(join(folder, "prompt"), system);
    await writeFile(join(folder, "schema"), JSON.stringify(schema));
    const flags = {
      ...{ n: items, c: slots, db, mongo: mongo.direct, stub: server.origin, pid: mongo.pid || 0 },
      ...{ prompt: join(folder, "prompt"), schema: join(folder, "schema") },
    };
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    return await lastJson<LimitRun>(process.execPath, [join(tools, "limit.mjs"), ...args], {
      env: { BENCH_MODULES: root },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
    await dropDatabase(mongo.uri, db);
  }
}
