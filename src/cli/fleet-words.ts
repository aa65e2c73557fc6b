import type { FleetSnapshot } from "../fleet.ts";
import { count, duration, printable, rate } from "./format.ts";

/** @returns `4 workers: 3 running, 1 idle` and `12 parts wait, 8 are taken` */
export function fleetWords({ workers, ranges, itemsPerSecond }: FleetSnapshot): string[] {
  const states = new Map<string, number>();
  for (const { state } of workers) states.set(state, (states.get(state) ?? 0) + 1);
  const each = [...states].map(([state, n]) => `${n} ${state}`).join(", ");
  const noun = workers.length === 1 ? "worker" : "workers";
  return [
    workers.length === 0 ? "no workers" : `${workers.length} ${noun}: ${each}`,
    `${count(ranges.waiting)} parts wait, ${count(ranges.taken)} taken`,
    ...(workers.length === 0 ? [] : [`${rate(itemsPerSecond)} items/s`]),
  ];
}

/** @returns a line for each worker: its name, what it has, how fast it is, and what troubles it */
export function workerLines({ workers, held }: FleetSnapshot, nowMs: number): string[] {
  return workers.map(({ name, state, ranges, inFlight, limit, itemsPerSecond, settled, trouble }) => {
    const since = held.filter(({ worker }) => worker === name).map(({ sinceMs }) => nowMs - sinceMs);
    const has = ranges.length === 0 ? "" : `has ${ranges.join(", ")} for ${duration(Math.max(0, ...since))}`;
    const figures = `${inFlight} of ${limit} calls   ${rate(itemsPerSecond)} items/s   ${count(settled)} settled`;
    return [printable(name), state, figures, has, trouble === null ? "" : printable(trouble)]
      .filter((part) => part !== "")
      .join("   ");
  });
}
