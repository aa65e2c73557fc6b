import { type LimitRun, runLimit } from "../limit.ts";
import { runQuerymill } from "../querymill.ts";
import type { WholeRun } from "../runs/whole-run.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { type Figure, figure, ratio } from "../statistics.ts";

const ITEMS = 30_000;

/** Items a second against the leanest loop that does the same work without any durability of its own. */
export const throughput: Scenario = {
  name: "throughput",
  what: "MongoDB to MongoDB, 50 slots, zero latency, against the lean loop on the same prompt, schema and texts",
  quick: true,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const items = bench.options.items ?? ITEMS;
    const { tools } = bench.options;
    const server = await bench.modelServer();
    const ours = async () => await runQuerymill(bench, { items, server });
    if (tools === null) {
      bench.notes.push("no ratio to the lean loop, which is one of the measuring tools: give --tools FOLDER");
      return ownFigures((await bench.interleave({ querymill: ours })).querymill!);
    }
    const limit = async () => {
      await server.reset();
      return await runLimit(bench, tools, { items, server });
    };
    const results = await bench.interleave<WholeRun | LimitRun>({ querymill: ours, limit });
    const own = results.querymill as WholeRun[];
    const lean = results.limit as LimitRun[];
    return [
      ratio(
        "items/s, querymill / lean loop",
        own.map((run) => run.itemsPerSecond),
        lean.map((run) => run.docs_s),
        { atLeast: 0.7, stretch: 0.8 },
      ),
      ratio(
        "client CPU, querymill / lean loop",
        own.map((run) => run.cpuUs),
        lean.map((run) => run.cpu_us_doc),
      ),
      ...ownFigures(own),
      figure(
        "mongod CPU of the lean loop",
        "µs an item",
        lean.map((run) => run.mongod_us ?? Number.NaN),
      ),
    ];
  },
};

function ownFigures(runs: readonly WholeRun[]): Figure[] {
  const of = (field: keyof WholeRun): number[] => runs.map((run) => run[field] ?? Number.NaN);
  return [
    figure("client CPU", "µs an item", of("cpuUs")),
    figure("mongod CPU", "µs an item", of("mongodUs"), { atMost: 75 }),
    figure("commands to mongod", "for 500 items", of("commandsPer500"), { atMost: 5 }),
    figure("items a sync of the journal", "items", of("itemsPerSync"), { atLeast: 15 }),
    figure("longest block of the event loop", "ms", of("longestBlockMs"), { atMost: 20 }),
    figure("peak RSS", "MB", of("peakRssMb")),
  ];
}
