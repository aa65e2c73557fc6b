import { mkdtemp, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Events } from "../../src/events.ts";
import { logEvents, openLog } from "../../src/observe/log.ts";

const SECRETS = ['canary-pa"ss', "sk-canary"];

test("whatever is logged, no secret gets out: in a message, a field, an error, its cause or its stack", async () => {
  const lines: string[] = [];
  const { logger } = await openLog({ level: "debug", file: null, write: (line) => lines.push(line), secrets: SECRETS });
  const cause = new Error(`auth failed for mongodb://me:${encodeURIComponent(SECRETS[0]!)}@h/db`);
  logger.error(
    { err: new Error(`key ${SECRETS[1]} refused`, { cause }), uri: "mongodb://me:other-pw@h/db" },
    SECRETS[0],
  );
  logger.info({ nested: { headers: { authorization: `Bearer ${SECRETS[1]}` } } }, "call");
  const text = lines.join("");
  for (const secret of ["canary", "other-pw"]) expect(text).not.toContain(secret);
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ time: expect.stringMatching(/Z$/) });
});

test("events are logged by level: pauses warn, failed calls only in debug", async () => {
  const written = async (level: "debug" | "warn"): Promise<string> => {
    const lines: string[] = [];
    const { logger } = await openLog({ level, file: null, write: (line) => lines.push(line), secrets: [] });
    const events = new Events();
    logEvents(events, logger);
    events.emit("endpoint:pause", { executionId: "1", endpoint: "main", reason: "429", untilMs: 0 });
    const call = { executionId: "1", endpoint: "main", failure: "transient", attempt: 1, nextInMs: 5 } as const;
    events.emit("call:failed", { ...call, message: "503 overloaded" });
    return lines.join("");
  };
  expect(await written("warn")).toMatch(/endpoint rests/);
  expect(await written("warn")).not.toContain("503");
  expect(await written("debug")).toContain("503 overloaded");
});

test("what is away is logged at any level but silent, the next poll in debug only, and nothing that is told elsewhere", async () => {
  const written = async (level: "debug" | "error" | "info", isTold = false): Promise<string[]> => {
    const lines: string[] = [];
    const { logger } = await openLog({ level, file: null, write: (line) => lines.push(line), secrets: [] });
    const events = new Events();
    logEvents(events, logger, () => isTold);
    for (const [reason, untilMs] of [
      ["MongoDB at h cannot be reached.", null] as const,
      ["next poll", 60_000] as const,
    ])
      events.emit("execution:wait", { executionId: "1", reason, untilMs, items: 0 });
    return lines.map((line) => JSON.parse(line).reason);
  };
  expect(await written("error")).toEqual(["MongoDB at h cannot be reached."]);
  expect(await written("info")).toEqual(["MongoDB at h cannot be reached."]);
  expect(await written("debug")).toEqual(["MongoDB at h cannot be reached.", "next poll"]);
  expect(await written("debug", true)).toEqual([]);
});

test("a log file is for its owner only, appended to, and complete when closed", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "querymill-log-")), "run.log");
  for (const word of ["first", "second"]) {
    const log = await openLog({ level: "info", file, write: () => {}, secrets: [] });
    log.logger.info(word);
    await log.close();
  }
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readFile(file, "utf8")).toMatch(/first.*\n.*second.*\n$/);
});

test("a log file that cannot be opened is refused before anything starts", async () => {
  const opening = openLog({ level: "info", file: "/nowhere/at/all/run.log", write: () => {}, secrets: [] });
  await expect(opening).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringContaining("/nowhere/at/all/run.log"),
  });
});
