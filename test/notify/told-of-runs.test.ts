import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runFlags, startCli } from "../support/cli.ts";
import { makeJob } from "../support/job.ts";
import { startModelServer } from "../support/model-server.ts";
import { startWitness } from "./witness.ts";

const REFUSED = 12;

it("tells what happened in five runs: dead letters, a server that dies and returns, a budget, and nothing twice", async () => {
  const witness = await startWitness();
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
      ...witness.notify,
      rules: { "endpoint-down": { forMinutes: 0 }, "error-share": { share: 0.02 }, idle: false },
    },
    prices: { "drawn-1": { input: 1_000, output: 1_000 } },
    retry: { baseDelayMs: 100, maxDelayMs: 500, rounds: [1_000, 1_000, 1_000, 1_000, 1_000] },
    breaker: { share: 1, window: 1_000 },
  };
  await writeFile(join(batchDir, "querymill.yaml"), JSON.stringify(config));
  const start = (...more: string[]) =>
    startCli([...runFlags(job.settings), ...more], { cwd: batchDir, env: witness.env });
  const run = async (...more: string[]) => {
    const ended = await start(...more).ended;
    witness.agreesWith(ended.events);
    expect(ended.events.at(-1)!.event).toBe("execution:end");
    return ended;
  };

  const first = (await run("--limit", "40")).end!;
  expect(first).toMatchObject({ deadLetters: REFUSED, classified: 40 - REFUSED });
  witness.sees("a run to its --limit, 12 of 40 items refused", [
    "information finished",
    "problem dead-letters",
    "problem error-share",
  ]);

  // The first run was 55 % of what may be spent.
  const budget = first.costUsd! / 0.55;
  const each = first.costUsd! / 40;
  const limited = ["--budget", String(budget)];
  expect((await run("--limit", "2", ...limited)).code).toBe(0);
  witness.sees("a run with 55 % of the budget spent", ["information budget:50", "information finished"]);

  const gone = new Promise<void>((resolve) => {
    died = resolve;
  });
  dies = calls + 12;
  const third = start("--limit", String(Math.round((0.86 * budget) / each) - 42), ...limited);
  await gone;
  await job.server.close();
  await witness.more(1);
  witness.sees("the model server dies under way", ["problem endpoint-down:main"]);
  dies = Number.POSITIVE_INFINITY;
  const back = await startModelServer({ port: job.server.port, fail });
  const { end, events } = await third.ended;
  expect(end!.deadLetters).toBe(0);
  witness.agreesWith(events);
  witness.sees("it is back, and the run goes on to 86 % of the budget", [
    "information budget:80",
    "information finished",
    "recovered endpoint-down:main",
  ]);

  expect((await run(...limited)).end).toMatchObject({ stopReason: "budget", exitCode: 4 });
  witness.sees("the next call would pass the budget", ["information budget:100", "problem stopped:budget"]);
  const stopped = witness.all().find(({ rule }) => rule === "stopped")!;
  expect(stopped.severity).toBe("critical");
  expect(stopped.actions[0]).toContain("querymill run");

  expect((await run("--limit", "5", "--budget", String(budget * 10))).code).toBe(0);
  witness.sees("started again with a larger budget", ["information finished", "recovered stopped:budget"]);
  witness.isDone(/parcel|doc:q/);
  await back.close();
});
