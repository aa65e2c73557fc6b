import { runChild } from "../child.ts";
import type { IdleRun } from "../runs/idle.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { type Figure, figure } from "../statistics.ts";

const ITEMS = 10_000;
const HOUR_MS = 3_600_000;

/** Continuous mode with and without a change stream: how soon an insert is answered, and what an idle source costs. */
export const idle: Scenario = {
  name: "idle",
  what: "continuous mode: from insert to answer, wake-ups and commands of an idle source, with and without a change stream",
  quick: false,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const server = await bench.modelServer();
    const { uri } = await bench.mongo();
    const items = bench.options.items ?? ITEMS;
    const one = (watch: "auto" | "off", interval: number) => async (): Promise<IdleRun> => {
      await server.configure({});
      return await bench.seeded(items, (db) =>
        runChild<IdleRun>("idle", {
          ...{ mongo: uri, db, server: `${server.origin}/v1`, watch, items, interval },
          idle: bench.options.long ? 300 : 60,
        }),
      );
    };
    // With polls alone an insert waits for half of the interval: a short one shows that as well.
    const { watched = [], polled = [] } = await bench.interleave({ watched: one("auto", 60), polled: one("off", 5) });
    const answered = (runs: readonly IdleRun[]) => runs.flatMap(({ answeredMs }) => answeredMs);
    const perHour = ({ idle: { ms, commands } }: IdleRun): number =>
      (Object.values(commands).reduce((sum, count) => sum + count, 0) * HOUR_MS) / ms;
    for (const [name, runs] of [["watched", watched] as const, ["polled", polled] as const])
      for (const { idle } of runs) bench.notes.push(`${name}, idle for ${idle.ms / 1_000} s: ${JSON.stringify(idle)}`);
    return [
      figure("from insert to answer, watched", "ms", answered(watched)),
      figure("from insert to answer, polled every 5 s", "ms", answered(polled)),
      figure(
        `wake-ups of an idle source after ${items.toLocaleString("en-US")} marks`,
        "",
        watched.map((run) => run.idle.wakes),
        {
          atMost: 0,
        },
      ),
      figure("commands an hour of an idle source, watched and polled every 60 s", "", watched.map(perHour)),
      figure("commands an hour of an idle source, polled every 5 s", "", polled.map(perHour)),
    ];
  },
};
