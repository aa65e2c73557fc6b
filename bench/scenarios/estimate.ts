import { SHAPES, type Shape } from "../../test/support/billed-data.ts";
import { runChild } from "../child.ts";
import type { EstimateRun } from "../runs/estimate.ts";
import type { Bench, Scenario } from "../scenario.ts";
import { type Figure, figure } from "../statistics.ts";

const SEEDS = 20;
const ITEMS = 1_500;
const PILOT = 100;

/** How far the bill of a run is from what a pilot foretold. */
export const estimate: Scenario = {
  name: "estimate",
  what: `a pilot of ${PILOT} items, the estimate from it, and the bill of the rest, with ${SEEDS} seeds for each shape of data`,
  quick: false,
  async measure(bench: Bench): Promise<readonly Figure[]> {
    const items = bench.options.items ?? ITEMS;
    const figures: Figure[] = [];
    for (const shape of Object.keys(SHAPES) as Shape[]) {
      bench.noise.calibrate();
      const runs: EstimateRun[] = [];
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const run = await runChild<EstimateRun>("estimate", { shape, items, pilot: PILOT, seed });
        runs.push(run);
        bench.say(`${shape}, seed ${seed}: ${JSON.stringify(run)}`);
      }
      const off = runs.map((run) => Math.abs(run.estimate.expected / run.billUsd - 1) * 100);
      figures.push(
        figure(`${shape}: bill against the expected cost`, "% off", off, { atMost: 10 }),
        share(
          `${shape}: bills within 10 % of the expected cost`,
          off.map((one) => one <= 10),
          0.95,
        ),
        share(
          `${shape}: bills within the stated range`,
          runs.map((run) => within(run.billUsd, run.estimate)),
          0.9,
        ),
        share(
          `${shape}: bills within the free range`,
          runs.map((run) => within(run.billUsd + run.pilotUsd, run.guess)),
          0.9,
        ),
        figure(
          `${shape}: width of the stated range`,
          "± %",
          runs.map(({ estimate: { from, to, expected } }) => ((to - from) / 2 / expected) * 100),
        ),
        share(
          `${shape}: durations within the stated range`,
          runs.map((run) => within(run.durationMs, run.timeMs)),
          0.9,
        ),
      );
    }
    return figures;
  },
};

function within(value: number, { from, to }: { readonly from: number; readonly to: number }): boolean {
  return value >= from && value <= to;
}

/** @returns how many of them, 0..1, as one figure */
function share(what: string, hits: readonly boolean[], atLeast: number): Figure {
  const value = hits.filter(Boolean).length / hits.length;
  return { ...figure(what, `of 1, ${hits.length} seeds`, [value], { atLeast }), rounds: 1 };
}
