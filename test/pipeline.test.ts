import { appendFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { QuerymillError } from "../src/errors.ts";
import { prepareExecution } from "../src/jobs/wiring.ts";
import { BatchFileManager } from "../src/state/batch-file-manager.ts";
import { encodeFrame } from "../src/state/frame.ts";
import type { Source, Store } from "../src/store.ts";
import { makeJob } from "./support/job.ts";

/** The store, with a source whose marks fail as if it were away. */
function withoutMarks(store: Store): Store {
  const mark = async (): Promise<void> => {
    throw new QuerymillError("STORE_FAILED", "connection reset");
  };
  const replaced = <T extends object>(whole: T, own: Partial<T>): T =>
    new Proxy(whole, {
      get(_, name) {
        const value: unknown = Reflect.get(name in own ? own : whole, name);
        return typeof value === "function" ? value.bind(whole) : value;
      },
    });
  return replaced(store, { source: (options) => replaced<Source>(store.source(options), { mark }) });
}

describe("stopping while the store is away", () => {
  it("ends soon after the calls were cut off, and the next run stores what was answered without asking again", async () => {
    const job = await makeJob("the embedded store");
    await job.seed(20);
    const execution = await prepareExecution(job.settings, { store: withoutMarks(job.store) });
    const answered = Promise.withResolvers<void>();
    execution.events.on("item:settled", () => {
      if (execution.snapshot().counters.classified === 20) answered.resolve();
    });
    const ended = execution.run();
    await answered.promise;
    execution.stop("signal");
    execution.abort();
    const end = await ended;
    expect(end).toMatchObject({ status: "stopped", stopReason: "signal", classified: 20, inFlight: 0 });
    const next = await job.run();
    expect(next.end).toMatchObject({ exitCode: 0, recovered: 20, modelCalls: 0 });
    expect(job.server.ledger().received).toBe(20);
    expect(await job.records()).toHaveProperty("size", 20);
  });
});

describe("starting over when the state cannot be read", () => {
  const ways: [why: string, code: string, spoil: (folder: string) => Promise<void>][] = [
    [
      "was written by a newer version",
      "STATE_NEWER",
      (folder) =>
        appendFile(
          join(folder, "journal", "0000000001.journal"),
          encodeFrame(9_999, JSON.stringify({ kind: "header", format: 2 })),
        ),
    ],
    [
      "is of two different times",
      "STATE_DAMAGED",
      async (folder) => {
        for (const name of await readdir(join(folder, "journal"))) await writeFile(join(folder, "journal", name), "");
      },
    ],
  ];
  it.each(ways)("works with --fresh as the message says: %s", async (_, code, spoil) => {
    const job = await makeJob("the embedded store");
    await job.seed(6);
    await job.run({ limit: 4 });
    const { folder } = new BatchFileManager(job.settings.batchDir, job.settings);
    await spoil(folder);
    await expect(job.run()).rejects.toMatchObject({ code, message: expect.stringContaining("--fresh") });
    const { end } = await job.run({ fresh: true });
    expect(end).toMatchObject({ exitCode: 0, classified: 2 });
    expect(job.server.ledger().received).toBe(6);
    expect(await readdir(join(folder, "archive"))).toHaveLength(1);
  });
});
