import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Notification } from "../../src/notify/notification.ts";
import { runFlags, startCli } from "../support/cli.ts";
import { makeJob } from "../support/job.ts";
import { startModelServer } from "../support/model-server.ts";
import { startReceiver } from "../support/receiver.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const REFUSED = 12;

it("tells what happened in five runs: dead letters, a server that dies and returns, a budget, and nothing twice", async () => {
  const receiver = await startReceiver();
  let calls = 0;
  let dies = Number.POSITIVE_INFINITY;
  let died: () => void = () => {};
  const fail = (id: string) => {
    calls += 1;
    if (calls >= dies) {
      died();
      return "reset-before" as const;
    }
    return Number(id.slice(1)) <= REFUSED ? ("refusal" as const) : null;
  };
  const job = await makeJob("the embedded store", { fail });
  await job.seed(400);
  const { batchDir } = job.settings;
  const config = {
    notify: {
      channels: { here: { type: "webhook", url: receiver.url, secretVariable: "HOOK" } },
      allowPrivate: ["127.0.0.1"],
      rules: { "endpoint-down": { forMinutes: 0 }, "error-share": { share: 0.02 }, idle: false },
    },
    prices: { "drawn-1": { input: 1_000, output: 1_000 } },
    retry: { baseDelayMs: 100, maxDelayMs: 500, rounds: [1_000, 1_000, 1_000, 1_000, 1_000] },
    breaker: { share: 1, window: 1_000 },
  };
  await writeFile(join(batchDir, "querymill.yaml"), JSON.stringify(config));
  const start = (...more: string[]) =>
    startCli([...runFlags(job.settings), ...more], { cwd: batchDir, env: { HOOK: SECRET } });
  let taken = 0;
  const all = (): Notification[] =>
    receiver.received.map(({ body }) => (JSON.parse(body) as { data: Notification }).data);
  /** What arrived since, in order, as `problem lag`. */
  const told = (): string[] => {
    const fresh = all().slice(taken);
    taken += fresh.length;
    return fresh.map(({ state, subject }) => `${state} ${subject}`).sort();
  };

  const first = (await start("--limit", "40").ended).end!;
  expect(first).toMatchObject({ deadLetters: REFUSED, classified: 40 - REFUSED });
  expect(told()).toEqual(["information finished", "problem dead-letters", "problem error-share"]);
  expect(all().map(({ job: name }) => name)).toEqual(["flow", "flow", "flow"]);

  // The first run was 55 % of what may be spent.
  const budget = first.costUsd! / 0.55;
  const each = first.costUsd! / 40;
  const limited = ["--budget", String(budget)];
  expect((await start("--limit", "2", ...limited).ended).code).toBe(0);
  expect(told()).toEqual(["information budget:50", "information finished"]);

  const gone = new Promise<void>((resolve) => {
    died = resolve;
  });
  dies = calls + 12;
  const third = start("--limit", String(Math.round((0.86 * budget) / each) - 42), ...limited);
  await gone;
  await job.server.close();
  await receiver.seen(taken + 1);
  expect(told()).toEqual(["problem endpoint-down:main"]);
  dies = Number.POSITIVE_INFINITY;
  const back = await startModelServer({ port: job.server.port, fail });
  expect((await third.ended).end!.deadLetters).toBe(0);
  expect(told()).toEqual(["information budget:80", "information finished", "recovered endpoint-down:main"]);

  expect((await start(...limited).ended).end).toMatchObject({ stopReason: "budget", exitCode: 4 });
  expect(told()).toEqual(["information budget:100", "problem stopped:budget"]);
  const stopped = all().find(({ rule }) => rule === "stopped")!;
  expect(stopped.severity).toBe("critical");
  expect(stopped.actions[0]).toContain("querymill run");

  expect((await start("--limit", "5", "--budget", String(budget * 10)).ended).code).toBe(0);
  expect(told()).toEqual(["information finished", "recovered stopped:budget"]);

  expect(new Set(all().map(({ id }) => id)).size).toBe(all().length);
  for (const { body } of receiver.received) expect(body).not.toMatch(/parcel|doc:q/);
  await back.close();
}, 120_000);
