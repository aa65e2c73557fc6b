import { mkdtemp, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { keepRetention } from "../../src/jobs/retention.ts";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { type LoggedExecution, logExecution, readExecutions } from "../../src/state/execution-log.ts";

const DAY_MS = 86_400_000;
const NOW = Date.parse("2026-11-26T12:00:00Z");

const entry = (key: string, dueMs: number) =>
  ({
    key,
    queue: "model",
    dueMs,
    round: 1,
    failure: "content",
    message: "m",
    alike: 1,
    contentHash: null,
    payload: `text of ${key}`,
  }) as const;
const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

it("removes what is older than its days, texts from the disk too, and keeps what is younger", async () => {
  const batchDir = await mkdtemp(join(tmpdir(), "querymill-retention-"));
  onTestFinished(() => rm(batchDir, { recursive: true }));
  const manager = new BatchFileManager(batchDir, { job: "sales", tenant: "sales" });
  await manager.open();
  onTestFinished(() => manager.close());
  await manager.deadLetters.add([entry("old", NOW - 31 * DAY_MS), entry("young", NOW - 29 * DAY_MS)]);
  await manager.retryQueue.add([entry("waiting", NOW - 31 * DAY_MS)]);
  for (const [name, days] of [
    ["archive/old", 31],
    ["archive/young", 29],
    ["quarantine/old.bin", 31],
  ] as const) {
    const path = join(manager.folder, name);
    await manager.files.makeFolder(join(path, ".."));
    await writeFile(path, "x");
    await utimes(path, new Date(NOW - days * DAY_MS), new Date(NOW - days * DAY_MS));
  }
  for (const days of [31, 29]) {
    const ended = { executionId: `e${days}`, endedAtMs: NOW - days * DAY_MS } as LoggedExecution;
    await logExecution(manager.files, manager.folder, manager.identity, ended);
  }
  (await keepRetention(manager, null, () => NOW))();
  expect(manager.deadLetters.size).toBe(2);
  (await keepRetention(manager, { days: 30 }, () => NOW))();
  expect([...manager.deadLetters.keys()]).toEqual(["young"]);
  expect((await manager.deadLetters.read("young"))?.payload).toBe("text of young");
  expect(await readFile(join(manager.folder, "dead-letters.queue"), "latin1")).not.toContain("text of old");
  // What waits is work, not a trace.
  expect([...manager.retryQueue.keys()]).toEqual(["waiting"]);
  expect(await isThere(join(manager.folder, "archive/old"))).toBe(false);
  expect(await isThere(join(manager.folder, "archive/young"))).toBe(true);
  expect(await isThere(join(manager.folder, "quarantine/old.bin"))).toBe(false);
  const kept = await readExecutions(manager.files, manager.folder, manager.identity);
  expect(kept.map(({ executionId }) => executionId)).toEqual(["e29"]);
  // The file takes more after it was written anew.
  await manager.deadLetters.add([entry("next", NOW)]);
  expect(manager.deadLetters.size).toBe(2);
});
