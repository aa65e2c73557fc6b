import { describe, expect, test } from "vitest";
import { canMakeTerminals, startOnTerminal, type TerminalRun } from "../support/terminal-run.ts";
import { makeWorkspace, queries, runFlags, serveModel, type Workspace } from "../support/workspace.ts";

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
  const said = await runUntilTold(space, []);
  const notes = said.split("\n").filter((line) => line.includes("is going to ask"));
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(
    /note "inbox is going to ask .* about 60 items for \$[\d.]+ [–-] [\d.]+, estimated from texts and prompt/,
  );
});

test("what a program reads stays NDJSON, and --quiet stays quiet", async () => {
  const { space, server } = await dearSpace();
  const events = (await runUntilTold(space, ["--json", "--limit", "30"]))
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

/** The output of a run whose model answers nothing before the run has told what it is going to spend. */
async function runUntilTold(space: Workspace, flags: readonly string[]): Promise<string> {
  const told = Promise.withResolvers<null>();
  const server = await serveModel({ fail: () => told.promise });
  const { child, ended } = space.start(["run", ...runFlags(server), ...flags]);
  child.stdout!.on("data", (part: string) => {
    if (part.includes("is going to ask")) told.resolve(null);
  });
  const { code, stdout } = await ended;
  expect(code).toBe(0);
  return stdout;
}
