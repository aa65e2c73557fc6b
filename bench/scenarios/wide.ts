import { runQuerymill } from "../querymill.ts";
import type { WholeRun } from "../runs/whole-run.ts";
import type { Bench, Scenario } from "../scenario.ts";
import type { Ledger } from "../servers.ts";
import { type Figure, figure } from "../statistics.ts";

const ITEMS = 30_000;
/** Both ask for 2,000 items a second. */
const WIDE = { slots: 1_000, latencyMs: 500 };
const NARROW = { slots: 50, latencyMs: 25 };
const RATE = 2_000;

/** Whether one process keeps a thousand calls in flight, and what each costs in memory. */
export const wide: Scenario = {
  name: "wide",
  what: "1,000 slots of 500 ms each against 50 slots of 25 ms each, MongoDB",
  quick: false,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const items = bench.options.items ?? ITEMS;
    const measured = async ({ slots, latencyMs }: typeof WIDE) => {
      const server = await bench.modelServer({ latency: `fixed:${latencyMs}` });
      return async (): Promise<{ run: WholeRun; ledger: Ledger }> => {
        const run = await runQuerymill(bench, { items, slots, server });
        return { run, ledger: await server.ledger() };
      };
    };
    const results = await bench.interleave({ wide: await measured(WIDE), narrow: await measured(NARROW) });
    const { wide: many = [], narrow: few = [] } = results;
    const share = ({ ledger }: { ledger: Ledger }): number => items / (ledger.wallMs / 1_000) / RATE;
    const grown = many.map(({ run }, round) => run.peakRssMb - (few[round]?.run.peakRssMb ?? Number.NaN));
    return [
      figure("items/s of 2,000, first request to last answer, 1,000 slots", "of 1", many.map(share), { atLeast: 0.95 }),
      figure("items/s of 2,000, first request to last answer, 50 slots", "of 1", few.map(share)),
      figure(
        "most calls in flight",
        "calls",
        many.map(({ ledger }) => ledger.maxInFlight),
      ),
      figure(
        "peak RSS for 1,000 more in flight",
        "MB",
        grown.map((mb) => mb / ((WIDE.slots - NARROW.slots) / 1_000)),
        {
          atMost: 25,
        },
      ),
      figure(
        "client CPU, 1,000 slots",
        "µs an item",
        many.map(({ run }) => run.cpuUs),
      ),
      figure(
        "client CPU, 50 slots",
        "µs an item",
        few.map(({ run }) => run.cpuUs),
      ),
    ];
  },
};
