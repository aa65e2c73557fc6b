import type { Counters } from "../counters.ts";
import type { FleetSnapshot } from "../fleet.ts";
import type { FleetStore, PlannedRange } from "./ports.ts";
import { sumOf } from "./range-work.ts";

/** Ranges that are looked at together. */
export const AT_ONCE = 200;
/** Ranges that are shown, of those that are held and of those that are dead. */
export const MOST_SHOWN = 100;

/** How a fleet stands. */
export interface FleetLook {
  readonly fleet: FleetSnapshot;
  /** The first ones in the order they were cut. */
  readonly listed: readonly PlannedRange[];
  /** What was done of ranges that the job has not counted yet, by their names. */
  readonly uncounted: Map<string, Counters>;
}

export async function lookAt({ book, board }: Pick<FleetStore, "book" | "board">): Promise<FleetLook> {
  // Before the ranges: one who leaves has given back what it had, and would be missing with something in its hands.
  const workers = await board.workers();
  // One that ends in between is listed as over, and counted as under way: it is looked at once more.
  const ranges = await book.counts();
  const listed = await book.list(AT_ONCE);
  const atMs = Date.now();
  const costs = workers.map(({ costUsd }) => costUsd);
  return {
    fleet: {
      workers,
      ranges,
      held: listed
        .filter(({ state }) => state === "taken")
        .slice(0, MOST_SHOWN)
        .map(({ name, worker, takenAtMs }) => ({ range: name, worker: worker ?? "", sinceMs: takenAtMs ?? 0 })),
      dead: listed
        .filter(({ state }) => state === "dead")
        .slice(-MOST_SHOWN)
        .map(({ name, items }) => ({ range: name, items, atMs })),
      itemsPerSecond: workers.reduce((sum, { itemsPerSecond }) => sum + itemsPerSecond, 0),
      costUsd: costs.includes(null) ? null : costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0),
    },
    listed,
    uncounted: new Map(
      listed.flatMap(({ name, work }) => {
        const all = sumOf(Object.values(work));
        return all === null ? [] : [[name, all.counters]];
      }),
    ),
  };
}
