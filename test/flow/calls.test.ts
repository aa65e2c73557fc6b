import { expect, it } from "vitest";
import type { CallEnded } from "../../src/call-ended.ts";
import { Events } from "../../src/events.ts";
import { makeJob } from "../support/job.ts";

it("tells what became of each call, and what it cost, to those who ask for it by name", async () => {
  const job = await makeJob("the embedded store", {
    fail: (id, attempt) => (id === "q0001" && attempt === 1 ? "500" : null),
  });
  await job.seed(4);
  const { execution, seen, ended } = await job.start();
  const calls: CallEnded[] = [];
  execution.events.on("call:ended", (call) => calls.push(call));
  const { end } = await ended;
  expect(end).toMatchObject({ classified: 4, modelCalls: 5 });
  expect(seen["call:ended"]).toEqual([]);
  expect(calls.map(({ result }) => result).sort()).toEqual([
    "answered",
    "answered",
    "answered",
    "answered",
    "transient",
  ]);
  const sum = (of: (call: CallEnded) => number) => calls.reduce((total, call) => total + of(call), 0);
  expect(sum(({ usage }) => usage?.inputTokens ?? 0)).toBe(end.inputTokens);
  expect(sum(({ usage }) => usage?.outputTokens ?? 0)).toBe(end.outputTokens);
  expect(sum(({ costUsd }) => costUsd ?? 0)).toBeCloseTo(end.costUsd!, 9);
  const failed = calls.find(({ result }) => result === "transient")!;
  expect(failed).toMatchObject({ key: '"q0001"', attempt: 1, responseModel: null, usage: null, uncertainUsd: 0 });
  expect(failed.durationMs).toBeGreaterThanOrEqual(0);
  expect(calls.find(({ key, attempt }) => key === '"q0001"' && attempt === 2)?.responseModel).toBe("drawn-1");
  for (const { decidedBy, durationMs, latencyMs } of seen["item:settled"]) {
    expect(decidedBy).toBe("model");
    expect(durationMs).toBeGreaterThanOrEqual(Math.floor(latencyMs!) - 1);
  }
});

it("wants an event as long as it is wanted where events are piped to", () => {
  const [from, to] = [new Events(), new Events()];
  from.pipeTo(to);
  expect(from.wants("call:failed")).toBe(false);
  const heard: string[] = [];
  to.on("endpoint:resume", ({ endpoint }) => heard.push(endpoint));
  expect(from.wants("endpoint:resume")).toBe(true);
  from.emit("endpoint:resume", { executionId: "x", endpoint: "eu" });
  expect(heard).toEqual(["eu"]);
  to.onAny(() => {});
  expect([from.wants("call:failed"), from.wants("call:ended")]).toEqual([true, false]);
});
