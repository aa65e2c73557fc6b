import { runLimit } from "../limit.ts";
import { runQuerymill } from "../querymill.ts";
import type { Bench, Scenario } from "../scenario.ts";
import type { Ledger } from "../servers.ts";
import { type Figure, figure, ratio } from "../statistics.ts";

const LATENCY = "lognormal:400:4000";
const WIDE = { slots: 50, items: 2_000 };
/** The defaults of the command line. */
const NARROW = { slots: 5, items: 200 };

/** How full slots are kept when some answers take ten times as long as most, as the model server saw it. */
export const tail: Scenario = {
  name: "tail",
  what: `answers of ${LATENCY} ms (median and 99th percentile), MongoDB`,
  quick: true,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const { tools, rounds } = bench.options;
    const wide = { ...WIDE, items: bench.options.items ?? WIDE.items };
    const narrow = { ...NARROW, items: Math.ceil(wide.items / (WIDE.items / NARROW.items)) };
    const [own, lean, defaults]: [Ledger[], Ledger[], Ledger[]] = [[], [], []];
    for (let round = 0; round < rounds; round += 1) {
      bench.noise.calibrate();
      const server = () => bench.modelServer({ latency: LATENCY, seed: round + 1 });
      const measured = async ({ slots, items }: typeof WIDE): Promise<Ledger> => {
        const one = await server();
        await runQuerymill(bench, { items, slots, server: one });
        return await one.ledger();
      };
      const limit = async (): Promise<Ledger | null> => {
        if (tools === null) return null;
        const one = await server();
        await runLimit(bench, tools, { ...wide, server: one });
        return await one.ledger();
      };
      // Side by side: at this rate each of them leaves the machine idle for nearly all of the time.
      const [ours, theirs, few] = await Promise.all([measured(wide), limit(), measured(narrow)]);
      own.push(ours);
      defaults.push(few);
      if (theirs !== null) lean.push(theirs);
      bench.say(`round ${round + 1}: ${JSON.stringify({ ours, lean: theirs, defaults: few })}`);
    }
    const steady = (ledgers: readonly Ledger[], slots: number): number[] =>
      ledgers.map(({ steadyInFlight }) => steadyInFlight / slots);
    const wall = (ledgers: readonly Ledger[]): number[] => ledgers.map(({ wallMs }) => wallMs);
    const figures = [
      figure("slots in use, 50 slots", "of 1", steady(own, wide.slots), { atLeast: 0.99 }),
      figure("slots in use at the defaults, 5 slots", "of 1", steady(defaults, narrow.slots), { atLeast: 0.97 }),
      figure(
        "paid twice",
        "items",
        [...own, ...defaults].map(({ paidTwice }) => paidTwice),
        { atMost: 0 },
      ),
    ];
    if (lean.length === 0) {
      bench.notes.push("no comparison with the lean loop, which is one of the measuring tools: give --tools FOLDER");
      return figures;
    }
    return [
      ...figures,
      figure("slots in use by the lean loop, 50 slots", "of 1", steady(lean, wide.slots)),
      ratio("first request to last answer, querymill / lean loop", wall(own), wall(lean), { atMost: 1.01 }),
    ];
  },
};
