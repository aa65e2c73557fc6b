import { runQuerymill } from "../querymill.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { type Figure, figure, ratio } from "../statistics.ts";
import { PROTECTIONS } from "../take-out.ts";

const ITEMS = 20_000;

/** What journal, batch files, guarded writes and the look at the source before the mark cost, alone and together. */
export const protections: Scenario = {
  name: "protections",
  what: "CPU an item with every protection against runs without them, 50 slots, zero latency, MongoDB",
  quick: false,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const items = bench.options.items ?? ITEMS;
    const server = await bench.modelServer();
    const run = (without: readonly string[]) => () => runQuerymill(bench, { items, server, without });
    const each = bench.options.without.filter((name) => name !== "all");
    const variants = {
      all: run([]),
      "without any": run(PROTECTIONS),
      ...Object.fromEntries(each.map((name) => [`without ${name}`, run([name])])),
    };
    const results = await bench.interleave(variants);
    const sum = (name: string): number[] => results[name]!.map(({ cpuUs, mongodUs }) => cpuUs + mongodUs);
    const client = (name: string): number[] => results[name]!.map(({ cpuUs }) => cpuUs);
    const mongod = (name: string): number[] => results[name]!.map(({ mongodUs }) => mongodUs ?? Number.NaN);
    return [
      ratio("client + mongod CPU, with all / without any", sum("all"), sum("without any"), { atMost: 1.3 }),
      ratio("client CPU, with all / without any", client("all"), client("without any"), { atMost: 1.3 }),
      ratio("mongod CPU, with all / without any", mongod("all"), mongod("without any")),
      ...each.map((name) =>
        ratio(`client + mongod CPU, with all / without ${name}`, sum("all"), sum(`without ${name}`)),
      ),
      ...Object.keys(variants).flatMap((name) => {
        const title = name === "all" ? "with all" : name;
        return [
          figure(`client CPU, ${title}`, "µs an item", client(name)),
          figure(`mongod CPU, ${title}`, "µs an item", mongod(name)),
        ];
      }),
    ];
  },
};
