import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NO_COUNTERS } from "../../src/jobs/no-counters.ts";
import { EMPTY_JOB_STATE } from "../../src/outcome.ts";
import {
  EXECUTION_LOG,
  type LoggedExecution,
  logExecution,
  MOST_EXECUTIONS,
  readExecutions,
} from "../../src/state/execution-log.ts";
import { nodeFileSystem as files } from "../../src/state/files.ts";
import { encodeFrame } from "../../src/state/frame.ts";
import { IDENTITY, temporaryFolder } from "./made-up-state.ts";

const execution = (at: number): LoggedExecution => ({
  executionId: `x-${at}`,
  job: IDENTITY.job,
  status: "completed",
  stopReason: null,
  message: null,
  ...NO_COUNTERS,
  waitingUntilQuiet: 0,
  durationMs: 5,
  itemsPerSecond: 0,
  slotUtilization: 0,
  jobTotals: EMPTY_JOB_STATE.totals,
  labels: {},
  skippedReasons: {},
  deadLetterReasons: {},
  redacted: {},
  damaged: 0,
  exitCode: 0,
  startedAtMs: at,
  endedAtMs: at + 5,
  mode: "batch",
});

test("keeps executions in order, the last thousand of them, and passes over what is damaged", async () => {
  const folder = await temporaryFolder();
  expect(await readExecutions(files, folder, IDENTITY)).toEqual([]);
  for (const at of [1, 2, 3]) await logExecution(files, folder, IDENTITY, execution(at));
  expect(await readExecutions(files, folder, IDENTITY)).toEqual([1, 2, 3].map(execution));
  const path = join(folder, EXECUTION_LOG);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const data = readFileSync(path);
  data[data.indexOf('"x-2"') + 1] = 0x58;
  writeFileSync(path, data.subarray(0, data.length - 9));
  expect((await readExecutions(files, folder, IDENTITY)).map(({ executionId }) => executionId)).toEqual(["x-1"]);
  const many = Array.from({ length: MOST_EXECUTIONS }, (_, at) => execution(at + 10));
  const header = { format: 1, ...IDENTITY };
  writeFileSync(path, [header, ...many].map((one, at) => encodeFrame(at, JSON.stringify(one))).join(""));
  await logExecution(files, folder, IDENTITY, execution(5_000));
  const kept = await readExecutions(files, folder, IDENTITY);
  expect([kept.length, kept[0]?.startedAtMs, kept.at(-1)?.startedAtMs]).toEqual([MOST_EXECUTIONS, 11, 5_000]);
});

test("refuses another job's file and one of a newer version", async () => {
  const folder = await temporaryFolder();
  await logExecution(files, folder, IDENTITY, execution(1));
  await expect(readExecutions(files, folder, { ...IDENTITY, job: "other" })).rejects.toMatchObject({
    code: "STATE_DAMAGED",
  });
  writeFileSync(join(folder, EXECUTION_LOG), encodeFrame(0, JSON.stringify({ ...IDENTITY, format: 9 })));
  await expect(readExecutions(files, folder, IDENTITY)).rejects.toMatchObject({ code: "STATE_NEWER" });
});
