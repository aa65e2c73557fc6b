import { describe, expect, test } from "vitest";
import { canMakeTerminals, startOnTerminal, type TerminalRun } from "../support/terminal-run.ts";
import { lastEvent, makeWorkspace, queries, runFlags, serveModel, type Workspace } from "../support/workspace.ts";

const DEAR = "prices:\n  drawn-1: { input: 1000, output: 1000 }\n";

/** A workspace with 60 queries and a model that costs some USD a call. */
async function dearSpace(more = "") {
  const space = makeWorkspace();
  await space.seed(queries(60));
  space.write("querymill.yaml", DEAR + more);
  return { space, server: await serveModel() };
}

const onTerminal = (space: Workspace, args: readonly string[]): TerminalRun =>
  startOnTerminal(args, { cwd: space.folder, env: { QUERYMILL_LOG_LEVEL: "silent" } });

test("without --pilot it is free: it says what all would take and leaves no trace", async () => {
  const { space, server } = await dearSpace();
  const before = space.digest();
  const { code, stdout } = await space.querymill(["estimate", ...runFlags(server)]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/items +60 +60 unprocessed/);
  expect(stdout).toMatch(
    /fixed +[\d,]+ – [\d,]+ in every call +rules and taxonomy: \d\d % of the input, \d\d % of the bill/,
  );
  expect(stdout).toContain("Nothing was asked, spent or written.");
  expect(space.digest()).toBe(before);
  expect(server.ledger().received).toBe(0);
});

test("a pilot spends only with --yes where there is no terminal, and says why", async () => {
  const { space, server } = await dearSpace();
  const refused = await space.querymill(["estimate", "--pilot", "20", ...runFlags(server)]);
  expect(refused.code).toBe(2);
  expect(refused.stdout).toMatch(/a pilot asks openai-compatible\/drawn-1 about 20 of 60 items/);
  expect(refused.stderr).toContain("A pilot needs --yes where there is no terminal to ask at.");
  const json = await space.querymill(["estimate", "--pilot", "20", ...runFlags(server), "--json"]);
  expect(json.code).toBe(2);
  expect(lastEvent(json.stdout)).toMatchObject({ event: "error", code: "USAGE" });
  const many = await space.querymill(["estimate", "--pilot", "9", ...runFlags(server)]);
  expect(many.code).toBe(2);
  expect(many.stderr).toContain('--pilot: expected an integer from 10 to 5,000; got "9"');
  const offline = await space.querymill(["estimate", "--pilot", "20", "--store", "store.db", "--model", "offline"]);
  expect(offline.stderr).toContain("The offline model costs nothing");
  expect(server.ledger().received).toBe(0);
  expect(() => space.digest("batch_files")).toThrow("ENOENT");
});

test("the answers of a pilot are kept: the run after it asks for the rest only", async () => {
  const { space, server } = await dearSpace();
  const { code, stdout } = await space.querymill(["estimate", "--pilot", "20", ...runFlags(server), "--yes", "--json"]);
  expect(code).toBe(0);
  expect(lastEvent(stdout)).toMatchObject({
    event: "estimate",
    pilot: { asked: 20, classified: 20, failed: 0, modelCalls: 20 },
    unprocessed: 40,
    items: 40,
    basedOnRecords: 20,
    calls: { expected: 40 },
  });
  const { costUsd } = lastEvent(stdout) as { costUsd: { from: number; to: number } };
  const later = await space.querymill(["run", ...runFlags(server), "--dry-run"]);
  expect(later.stdout).toMatch(/20 random answers of the pilot of \d{4}-\d\d-\d\d/);
  const run = lastEvent((await space.querymill(["run", ...runFlags(server), "--json"])).stdout);
  expect(run).toMatchObject({ read: 40, classified: 40 });
  expect(run.costUsd).toBeGreaterThan(costUsd.from);
  expect(run.costUsd).toBeLessThan(costUsd.to);
  expect(server.ledger()).toMatchObject({ received: 60, docsPaidTwice: 0 });
  const none = await space.querymill(["estimate", "--pilot", "20", ...runFlags(server), "--yes"]);
  expect(none.stdout).toContain("inbox has no unprocessed item with a text: there is nothing to ask.");
});

describe.skipIf(!canMakeTerminals)("on a terminal", () => {
  test("a job's first run asks before it spends much; no spends nothing, yes runs, later runs do not ask", async () => {
    const { space, server } = await dearSpace();
    const no = onTerminal(space, ["run", ...runFlags(server)]);
    await no.shows(/inbox is going to ask openai-compatible\/drawn-1 about 60 items for \$[\d.]+ – [\d.]+/);
    await no.shows(/Go on\? \[y\/N\]/);
    no.type("\r");
    const { code, screen } = await no.ended;
    expect(code).toBe(0);
    expect(screen).toContain("Nothing was asked or spent.");
    expect(server.ledger().received).toBe(0);
    const yes = onTerminal(space, ["run", ...runFlags(server), "--no-wait"]);
    await yes.shows(/Go on\? \[y\/N\]/);
    yes.type("y\r");
    expect((await yes.ended).code).toBe(0);
    expect(server.ledger().received).toBe(60);
    await space.seed(queries(80));
    const again = await onTerminal(space, ["run", ...runFlags(server)]).ended;
    expect(again.code).toBe(0);
    expect(again.screen).not.toContain("Go on?");
  });

  test.each([
    ["--yes", []],
    ["--recover", []],
    ["--limit", ["1"]],
    ["--budget", ["5"]],
  ])("nobody is asked with %s", async (flag, values) => {
    const { space, server } = await dearSpace("maxOutputTokens: 16\nsource: { maxChars: 200 }\n");
    const { screen } = await onTerminal(space, ["run", ...runFlags(server), flag, ...values]).ended;
    expect(screen).not.toContain("Go on?");
    expect(server.ledger().received).toBeGreaterThan(0);
  });

  test("below the threshold of the settings nobody is asked; a pilot asks at any price", async () => {
    const { space, server } = await dearSpace("confirmAboveUsd: 5000\n");
    const pilot = onTerminal(space, ["estimate", "--pilot", "10", ...runFlags(server)]);
    await pilot.shows(/Ask about 10 items for \$[\d.]+ - [\d.]+\? \[y\/N\]/);
    pilot.type("n\r");
    expect((await pilot.ended).screen).toContain("Nothing was asked or spent.");
    expect(server.ledger().received).toBe(0);
    const { code, screen } = await onTerminal(space, ["run", ...runFlags(server)]).ended;
    expect(code).toBe(0);
    expect(screen).not.toContain("Go on?");
  });
});

test("a script is never asked: it gets one line, once the run is under way", async () => {
  const { space } = await dearSpace();
  // Slow enough that the line comes before the end.
  const server = await serveModel({ latency: "fixed:250" });
  const { code, stdout } = await space.querymill(["run", ...runFlags(server)]);
  expect(code).toBe(0);
  const notes = stdout.split("\n").filter((line) => line.includes("is going to ask"));
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(
    /note "inbox is going to ask .* about 60 items for \$[\d.]+ [–-] [\d.]+, estimated from texts and prompt/,
  );
});

test("what a program reads stays NDJSON, and --quiet stays quiet", async () => {
  const { space } = await dearSpace();
  const server = await serveModel({ latency: "fixed:250" });
  const { stdout } = await space.querymill(["run", ...runFlags(server), "--json", "--limit", "30"]);
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { event: string; message?: string });
  expect(events.filter(({ event, message }) => event === "note" && message?.includes("is going to ask"))).toHaveLength(
    1,
  );
  expect(events.at(-1)!.event).toBe("execution:end");
  const quiet = await space.querymill(["run", ...runFlags(server), "--quiet"]);
  expect(quiet.stdout.trimEnd().split("\n")).toHaveLength(1);
});
