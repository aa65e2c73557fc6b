import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadSettings } from "../../src/config/load.ts";
import { runFlags, startCli } from "../support/cli.ts";
import { type FleetProcess, machine, startFleetProcess } from "../support/fleet.ts";
import { makeJob, textWith } from "../support/job.ts";
import { startWitness } from "./witness.ts";

const RANGE = 20;
const HELD_FROM = "q0041";

it("tells a range that ended its workers, workers that froze and died with ranges, and that both are over", async () => {
  const witness = await startWitness();
  const hold = Promise.withResolvers<null>();
  const job = await makeJob("MongoDB", { fail: (id) => (id >= HELD_FROM ? hold.promise : null) });
  await job.seed(40, (id) => (id === "q0010" ? `${textWith(id)} poison` : textWith(id)));
  const { batchDir } = job.settings;
  const rules = { finished: false, idle: false, "error-share": false, "dead-letters": { count: 1 }, lag: false };
  await writeFile(join(batchDir, "querymill.yaml"), JSON.stringify({ notify: { ...witness.notify, rules } }));
  const run = startCli(
    [
      ...runFlags(job.settings),
      "--workers-at",
      "mongodb",
      "--range-size",
      String(RANGE),
      "--mode",
      "continuous",
      "--interval",
      "1",
    ],
    {
      cwd: batchDir,
      env: witness.env,
    },
  );
  const { taxonomy } = (await loadSettings({ flags: { model: "offline" }, env: {}, cwd: batchDir })).settings;
  const start = async (): Promise<FleetProcess> =>
    startFleetProcess("mortal", await machine(job, { taxonomy, rangeSize: RANGE, leaseMs: 1_500 }));
  const nameOf = async (one: FleetProcess) => String((await one.seen("worker:start"))!.worker);

  // Each is on a machine of its own, so nobody knows what was in flight.
  for (let died = 0; died < 2; died += 1) expect((await (await start()).ended).signal).toBe("SIGKILL");
  const frozen = await start();
  await witness.more(2);
  const left = ["problem dead-letters", "problem range-dead"];
  witness.sees("a text kills two workers, and their range is left", left);

  const taken = frozen.lines.filter(({ event }) => event === "range:taken").length;
  const dying = await start();
  // More ranges than one worker takes.
  await job.seed(200, textWith, 41);
  await Promise.all([frozen.seen("range:taken", taken + 1), dying.seen("range:taken")]);
  const names = [await nameOf(frozen), await nameOf(dying)];
  frozen.kill("SIGSTOP");
  dying.kill("SIGKILL");
  await witness.more(2);
  const gone = (state: string): string[] => names.map((name) => `${state} worker-gone:${name}`);
  witness.sees("one worker freezes, and one is killed", gone("problem"));
  frozen.kill("SIGCONT");
  hold.resolve(null);
  await witness.more(2);
  witness.sees("one is awake, and takes over what the other had", gone("recovered"));

  run.kill("SIGTERM");
  const { events, end } = await run.ended;
  witness.agreesWith(events);
  expect(Object.keys(end!.deadLetterReasons)).toEqual(["poison"]);
  witness.isDone(/parcel|doc:q/);
});
