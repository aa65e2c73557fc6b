import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { Events, type RunSnapshot } from "../../src/events.ts";
import { defaultRules } from "../../src/notify/rule-settings.ts";
import { type RulesWatch, watchRules } from "../../src/notify/rules-watch.ts";
import { WHOLE_RANGE } from "../../src/state/batch-file-manager.ts";
import { makeEnd, makeSnapshot } from "../cli/made-up-run.ts";
import { only, PAGER } from "./watched-rules.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

it("looks soon after something happened, however much that is, and seldom while nothing does", async () => {
  const { events, looks } = await watched();
  await passed(60_000);
  expect(looks()).toBe(0);

  events.emit("execution:wait", { executionId: "e1", reason: "x", untilMs: null, items: 0 });
  await passed(2_000);
  expect(looks()).toBe(1);
  const before = looks();
  await passed(600_000);
  expect(looks() - before).toBeGreaterThan(30);
  expect(looks() - before).toBeLessThanOrEqual(40);

  const busy = looks();
  for (let ms = 0; ms < 60_000; ms += 10) {
    events.emit("execution:resume", { executionId: "e1", waitedMs: 1 });
    await passed(10);
  }
  expect(looks() - busy).toBeGreaterThan(25);
  expect(looks() - busy).toBeLessThanOrEqual(30);
});

it("looks at a fleet more often than a worker that died can be missing: what happens there is no event here", async () => {
  const none = { waiting: 0, taken: 0, done: 0, dead: 0 };
  const fleet = { workers: [], ranges: none, held: [], dead: [], itemsPerSecond: 0, costUsd: 0 };
  const { events, looks } = await watched([], { fleet });
  events.emit("execution:wait", { executionId: "e1", reason: "x", untilMs: null, items: 0 });
  await passed(2_000);
  const before = looks();
  for (let at = 1; at <= 12; at++) {
    await passed(5_000);
    expect(looks() - before).toBeGreaterThanOrEqual(at);
  }
});

it("says of each notification that it was made, once it was handed on, and nothing of its words", async () => {
  const told: string[] = [];
  const { events, watch } = await watched(told);
  const made: unknown[] = [];
  events.on("notification:made", (one) => {
    made.push(one);
    expect(told).toEqual([one.id]);
  });
  events.emit("execution:end", makeEnd({ executionId: "e1", status: "completed" }));
  await watch.close();
  await watch.close();
  const [id] = told;
  expect(made).toEqual([
    { executionId: "e1", id, rule: "finished", subject: "finished", state: "information", channels: ["pager"] },
  ]);
});

/** Rules in front of an execution in which nothing happens but what a test emits. */
async function watched(
  told: string[] = [],
  changes: Partial<RunSnapshot> = {},
): Promise<{ events: Events; looks: () => number; watch: RulesWatch }> {
  const folder = await mkdtemp(join(tmpdir(), "querymill-rules-"));
  const events = new Events();
  let looks = 0;
  const snapshot = () => {
    looks += 1;
    return makeSnapshot({ endpoints: [], budget: null, ...changes });
  };
  const watch = await watchRules({
    execution: { events, snapshot },
    settings: {
      rules: { ...defaultRules("UTC"), ...only("finished") },
      pacing: { quietHours: [], groupSeconds: 0, maxPerHour: 20 },
    } as never,
    context: { job: "inbox", mode: "batch", jobFlags: "", again: "querymill run", channels: [PAGER] },
    folder,
    identity: { tenant: "default", job: "inbox", range: WHOLE_RANGE },
    deliver: ({ notification }) => told.push(notification.id),
    onTrouble: (error) => {
      throw error;
    },
  });
  onTestFinished(async () => {
    await watch.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { events, looks: () => looks, watch };
}

/** Time by the faked clock, with what waits for the disk in between. */
async function passed(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) {
    await vi.advanceTimersByTimeAsync(Math.min(left, 1_000));
    await new Promise((resolve) => setImmediate(resolve));
  }
}
