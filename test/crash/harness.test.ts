import { describe, expect, inject, it } from "vitest";
import { type KillReport, runKills } from "../../scripts/crash/kills.ts";
import { runPower } from "../../scripts/crash/power.ts";
import { areStatesSound, isSound, killLines, stateLines } from "../../scripts/crash/report.ts";
import { runStates } from "../../scripts/crash/states.ts";

// Short parts of what `npm run crash` does at length; docs/reliability.md has the figures of long ones.
const SEED = Number(process.env.QUERYMILL_CRASH_SEED ?? 7);
const sizes = { seed: SEED, items: 150, slots: 8, onProgress: () => {} };

describe("the crash harness", () => {
  it("loses, doubles and mixes up nothing, and pays again only what was not acknowledged, over both stores", async () => {
    const mongoUri = inject("mongoReplicaUri");
    const reports = await runKills({ ...sizes, kills: 4, stores: ["mongodb", "sqlite"], mongoUri });
    for (const report of reports) expectSound(report);
    expect(reports.map(({ kills, store }) => [store, kills])).toEqual([
      ["mongodb", 4],
      ["sqlite", 4],
    ]);
  });

  it("finds every acknowledged outcome in every crash state of the local files, and nothing that never was", async () => {
    const report = await runStates({ seed: SEED, sample: 500, onProgress: () => {} });
    const { lost, corrupt, refused, examples } = report;
    expect({ lost, corrupt, refused, examples }).toEqual({ lost: 0, corrupt: 0, refused: 0, examples: [] });
    expect(areStatesSound(report)).toBe(true);
    expect(report.states).toBeGreaterThan(5_000);
    expect(report.checked).toBeGreaterThan(300);
    expect(stateLines(report).join("\n")).toContain("lost 0, corrupt 0, refused 0");
  });

  it("survives real power cuts of an ext4 file system, or says what is missing to make them", async () => {
    const report = await runPower({ ...sizes, kills: 1 });
    if (typeof report === "string") expect(report).toMatch(/^Power cuts need /);
    else expectSound(report);
  });
});

function expectSound(report: KillReport): void {
  const { lost, doubled, wrong, killsOverBound, paidAfterAcknowledgement, paidTwiceInOneLife } = report;
  expect(
    { lost, doubled, wrong, killsOverBound, paidAfterAcknowledgement, paidTwiceInOneLife },
    killLines(report, "kill").join("\n"),
  ).toEqual({ lost: 0, doubled: 0, wrong: 0, killsOverBound: 0, paidAfterAcknowledgement: 0, paidTwiceInOneLife: 0 });
  expect(report.countersWrong).toEqual([]);
  expect(report.badEnds).toEqual([]);
  expect(isSound(report), killLines(report, "kill").join("\n")).toBe(true);
  expect(report.classified + report.skipped + report.deadLetters).toBe(report.items);
}
