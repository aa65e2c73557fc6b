import { expect, it, test } from "vitest";
import { widthOf } from "../../src/cli/format.ts";
import { renderTenants } from "../../src/cli/tenants-panel.ts";
import { worstExitCode } from "../../src/tenants/exit-code.ts";
import type { TenantSnapshot } from "../../src/tenants/lane.ts";
import { COUNTERS, makeSnapshot, START_MS } from "../cli/made-up-run.ts";

const share = { weight: 1, floor: null, ceiling: null };
const one = (name: string, changes: Partial<TenantSnapshot>): TenantSnapshot => ({
  ...{ name, share, state: "running", run: makeSnapshot(), end: null, problem: null, nextTryMs: null, exitCode: null },
  ...changes,
});
const nowMs = START_MS + 60_000;
const counters = { ...COUNTERS, retryQueued: 0, deadLetters: 0 };
const waiting = makeSnapshot({
  counters,
  waiting: { reason: "next scheduled time", untilMs: nowMs + 90_000, items: 0 },
});
const tenants = [
  one("sales", {}),
  one("a-department-with-a-very-long-name-of-64-characters", { state: "waiting", run: waiting }),
  one("legal", { state: "failed", run: null, problem: "STORE away at mongodb://u:pw@h/db\nmore", nextTryMs: nowMs }),
  one("ops", { state: "paused", run: null }),
];
const draw = (columns: number, rows = 40, ascii = false, list = tenants): string[] =>
  renderTenants(list, {
    ...{ columns, rows, ascii, nowMs, startedAtMs: START_MS, draining: false },
    style: (_format, text) => text,
  });

it("has a line for each tenant with its state, how far it is, rate and cost, and what it waits for, at 80 columns", () => {
  const lines = draw(80);
  for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(80);
  const text = lines.join("\n");
  expect(text).toMatch(/querymill · 4 tenants +1 running, 1 waiting, 1 failed, 1 paused +1 min/);
  expect(text).toMatch(/sales +running +161,354 65\.0 % +45\.2\/s +\$144\.63 +561 failed/);
  expect(text).toMatch(/a-department-wi… +waiting .* next run \d\d:\d\d$/m);
  expect(text).toMatch(/legal +✖ failed/);
  expect(text).toMatch(/ops +⏸ paused/);
  expect(draw(120).join("\n")).toMatch(/ of 248,310 .* next scheduled time, in 1 min 30 s/);
  expect(draw(120).join("\n")).not.toContain("pw@");
});

it.each([60, 40])("is no wider than %i columns, and plain where the terminal is", (columns) => {
  for (const line of draw(columns, 40, true)) {
    expect(widthOf(line)).toBeLessThanOrEqual(columns);
    expect(line).toMatch(/^[\x20-\x7e]*$/);
  }
});

it("shows those of which there is something to tell first where the window is too low", () => {
  const many = [
    ...Array.from({ length: 40 }, (_, at) => one(`t${at}`, { state: "waiting", run: waiting })),
    ...tenants,
  ];
  const lines = draw(100, 20, false, many);
  expect(lines.length).toBeLessThan(20);
  const text = lines.join("\n");
  for (const name of ["sales", "legal", "ops", "and 32 more"]) expect(text).toContain(name);
});

test("the exit code of all is the worst: a bug, refused, stopped, ended by a signal, with failures, well", () => {
  expect(worstExitCode([])).toBe(0);
  expect(worstExitCode([0, 3, 0])).toBe(3);
  expect(worstExitCode([3, 130])).toBe(130);
  expect(worstExitCode([130, 4])).toBe(4);
  expect(worstExitCode([4, 2, 3])).toBe(2);
  expect(worstExitCode([2, 1, 4])).toBe(1);
});
