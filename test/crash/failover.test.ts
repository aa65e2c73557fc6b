import { expect, it } from "vitest";
import { failoverLines, isFailoverSound, runFailover } from "../../scripts/crash/failover.ts";

const FAULTS = Number(process.env.QUERYMILL_CRASH_FAILOVERS ?? 2);
const SEED = Number(process.env.QUERYMILL_CRASH_SEED ?? 7);

it("loses, doubles and pays twice nothing when the primary is killed or paused under load, goes on by itself, and gives up in good order when the majority stays away", {
  timeout: 300_000 + 30_000 * FAULTS,
}, async () => {
  const report = await runFailover({
    faults: FAULTS,
    seed: SEED,
    kinds: FAULTS > 2 ? ["kill", "pause", "isolate"] : ["kill", "pause"],
    items: 600,
    slots: 50,
    onProgress: () => {},
  });
  console.log(failoverLines(report).join("\n"));
  expect(report).toMatchObject({ lost: 0, unmarked: 0, wrong: 0, doubled: 0, paidTwice: 0, falseSuccesses: 0 });
  expect(report).toMatchObject({ countersWrong: [], problems: [], modelCalls: report.items });
  // A zombie takes longer than some seconds: its connections stay open and say nothing.
  expect(report.faults.find(({ kind }) => kind === "pause")?.told).toBe(true);
  expect(report.givenUp).toMatchObject({ exitCode: 4, nextExitCode: 0 });
  expect(report.givenUp.message).toMatch(/^MongoDB at .* failed: .*(selection timed out|primary|closed|confirmed)/i);
  expect(report.givenUp.stored).toBeGreaterThan(0);
  expect(isFailoverSound(report)).toBe(true);
});
