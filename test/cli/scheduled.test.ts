import { expect, onTestFinished, test } from "vitest";
import { runFlags, startCli } from "../support/cli.ts";
import { makeJob } from "../support/job.ts";
import { makeWorkspace, queries } from "../support/workspace.ts";

test("each scheduled run tells how it ended, and a signal between two of them ends the process with 0", async () => {
  const job = await makeJob("MongoDB");
  const ids = await job.seed(5);
  const flags = [...runFlags(job.settings), "--mode", "scheduled", "--schedule", "*/4 * * * * *"];
  const cli = startCli(flags, { cwd: job.settings.batchDir });
  onTestFinished(() => cli.kill("SIGKILL"));
  const first = await cli.seen("execution:end", 1);
  const second = await cli.seen("execution:end", 2);
  expect([first.classified, second.read]).toEqual([5, 0]);
  expect(first.executionId).not.toBe(second.executionId);
  expect(await cli.seen("schedule:run", 2)).toMatchObject({ name: "main", delayMs: 0, caughtUp: false });
  cli.kill("SIGTERM");
  const { code, events, stderr } = await cli.ended;
  expect({ code, stderr, last: events.at(-1)?.event }).toEqual({ code: 0, stderr: "", last: "execution:end" });
  expect(await job.counted(ids)).toEqual({ target: 5 });
  expect(job.server.ledger()).toMatchObject({ received: 5, docsPaidTwice: 0 });
});

test("in lines, what is stopped between two runs does not tell the end of the last one again", async () => {
  const space = makeWorkspace();
  await space.seed(queries(2));
  const flags = ["--store", "store.db", "--model", "offline", "--mode", "scheduled", "--schedule", "*/2 * * * * *"];
  const { child, ended } = space.start(["run", ...flags]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  await new Promise<void>((resolve) => {
    child.stdout?.on("data", (text: string) => {
      said += text;
      if (/ end completed .*\n.* wait /s.test(said)) resolve();
    });
  });
  child.kill("SIGTERM");
  const { code, stdout } = await ended;
  const times = (word: RegExp): number => stdout.match(word)?.length ?? 0;
  expect(code).toBe(0);
  // The next run may have begun by then, and ends without having been one.
  expect(times(/ end \w+ classified=/g)).toBeLessThanOrEqual(times(/ schedule main /g));
});
