import { runQuerymill } from "../querymill.ts";
import type { WholeRun } from "../runs/whole-run.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { type Figure, figure, ratio } from "../statistics.ts";

const ITEMS = 300_000;
const LONG_ITEMS = 1_000_000;

/** Whether memory stays flat over the length of a run. */
export const memory: Scenario = {
  name: "memory",
  what: "live heap and peak RSS of a run against one a tenth as long, 50 slots, zero latency, MongoDB",
  quick: false,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const items = bench.options.items ?? ITEMS;
    const server = await bench.modelServer();
    const measured = (count: number) => () => runQuerymill(bench, { items: count, server, heap: true });
    const results = await bench.interleave({ long: measured(items), short: measured(Math.ceil(items / 10)) });
    const of = (runs: readonly WholeRun[] = [], field: "liveHeapMb" | "peakRssMb"): number[] =>
      runs.map((run) => run[field] ?? Number.NaN);
    const { long, short } = results;
    const count = items.toLocaleString("en-US");
    const figures = [
      ratio("live heap of the long run / of the short one", of(long, "liveHeapMb"), of(short, "liveHeapMb"), {
        atMost: 1.1,
      }),
      figure(`peak RSS, ${count} items`, "MB", of(long, "peakRssMb"), { atMost: 450 }),
      figure("peak RSS, a tenth", "MB", of(short, "peakRssMb")),
    ];
    if (!bench.options.long) return figures;
    const longest = await runQuerymill(bench, { items: LONG_ITEMS, server, heap: true });
    return [
      ...figures,
      figure("live heap, 1,000,000 items", "MB", of([longest], "liveHeapMb")),
      figure("peak RSS, 1,000,000 items", "MB", of([longest], "peakRssMb"), { atMost: 450 }),
    ];
  },
};
