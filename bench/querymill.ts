import { runChild } from "./child.ts";
import type { WholeRun } from "./runs/whole-run.ts";
import type { Bench } from "./scenario.ts";
import type { ModelServer } from "./servers.ts";

export interface QuerymillOptions {
  readonly items: number;
  readonly server: ModelServer;
  /** @default 50 */
  readonly slots?: number;
  /** Protections that are taken out. */
  readonly without?: readonly string[];
  /** A prompt as short as the compared programs have. */
  readonly shortPrompt?: boolean;
  /** Measures the live heap too. */
  readonly heap?: boolean;
}

/**
 * One run of the whole pipeline over a freshly filled MongoDB, in a process of its own; the server's ledger is of it alone.
 * @throws Error when not every item was stored
 */
export async function runQuerymill(bench: Bench, options: QuerymillOptions): Promise<WholeRun> {
  const { items, server, slots, without = [], shortPrompt = false, heap = false } = options;
  const mongo = await bench.mongo();
  return await bench.seeded(items, async (db) => {
    await server.reset();
    const flags = { mongo: mongo.uri, db, "mongod-pid": mongo.pid, server: server.origin, items, slots };
    const nodeFlags = heap ? ["--expose-gc"] : [];
    const more = { without: without.join(","), ...(shortPrompt ? { "short-prompt": true as const } : {}) };
    const run = await runChild<WholeRun>("whole-run", { ...flags, ...more }, nodeFlags);
    if (run.stored !== items) throw new Error(`${run.stored} of ${items} items were stored`);
    return run;
  });
}
