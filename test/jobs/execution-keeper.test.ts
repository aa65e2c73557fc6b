import { expect, test } from "vitest";
import { BatchFileManager } from "../../src/state/batch-file-manager.ts";
import { readExecutions } from "../../src/state/execution-log.ts";
import { makeJob } from "../support/job.ts";

const readLog = (settings: { batchDir: string; job: string; tenant: string }) => {
  const { files, folder, identity } = new BatchFileManager(settings.batchDir, settings);
  return readExecutions(files, folder, identity);
};

test("each execution of a job is kept with its times, one that could not begin among them", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(3);
  const first = await job.run();
  await job.seed(2, undefined, 10);
  const second = await job.run();
  const other = { ...job.settings.taxonomy, version: "t-00000000" };
  await expect(job.run({ taxonomy: other })).rejects.toMatchObject({ code: "FINGERPRINT_CHANGED" });
  const log = await readLog(job.settings);
  expect(log.map(({ executionId, status, classified, mode }) => [executionId, status, classified, mode])).toEqual([
    [first.end.executionId, "completed", 3, "batch"],
    [second.end.executionId, "completed", 2, "batch"],
    [expect.any(String), "failed", 0, "batch"],
  ]);
  expect(log[2]?.message).toContain("taxonomy");
  for (const { startedAtMs, endedAtMs } of log) expect(endedAtMs).toBeGreaterThanOrEqual(startedAtMs);
});
