import type { RunSnapshot } from "../events.ts";
import type { FleetSnapshot } from "../fleet.ts";
import { isBetweenRuns, type Sight, waitsForStore } from "./conditions.ts";
import type { FleetMemory } from "./fleet-memory.ts";
import type { Finding } from "./problems.ts";
import { counted, recently } from "./words.ts";

const MINUTE_MS = 60_000;
const SHOWN_RANGES = 3;

/** Everything that can be told from a fleet at one moment. A rule that is off finds nothing. */
export function fleetConditions(sight: Sight, memory: FleetMemory): Finding[] {
  const { snapshot, nowMs } = sight;
  const isAway = snapshot.state !== "starting" && waitsForStore(snapshot);
  memory.look(isBetweenRuns(snapshot) ? [] : (snapshot.fleet?.dead ?? []), isAway, nowMs);
  return [...workersGone(sight, memory), ...rangesDead(sight, memory)];
}

/** The ranges of each worker that is not heard of; null when that cannot be told just now. */
export function goneWorkers(snapshot: RunSnapshot, memory: FleetMemory, nowMs: number): Map<string, string[]> | null {
  const { fleet } = snapshot;
  if (fleet === undefined || isBetweenRuns(snapshot) || !memory.hears(nowMs)) return null;
  const here = new Set(fleet.workers.map(({ name }) => name));
  const gone = new Map<string, string[]>();
  for (const { range, worker } of fleet.held)
    if (worker !== "" && !here.has(worker)) gone.set(worker, [...(gone.get(worker) ?? []), range]);
  return gone;
}

/** One line for when a worker that was gone is not any more. */
export function whyBack(worker: string, fleet: FleetSnapshot | undefined): string {
  return fleet?.workers.some(({ name }) => name === worker) === true
    ? `Worker ${worker} is heard of again`
    : `Worker ${worker} has nothing in its hands any more`;
}

function workersGone({ rules, snapshot, nowMs, jobFlags }: Sight, memory: FleetMemory): Finding[] {
  if (rules["worker-gone"] === null) return [];
  const left = snapshot.fleet?.workers.length ?? 0;
  return [...(goneWorkers(snapshot, memory, nowMs) ?? [])].map(
    ([worker, ranges]): Finding => ({
      rule: "worker-gone",
      subject: `worker-gone:${worker}`,
      holds: true,
      title: `Worker ${worker} is gone, with ${counted(ranges.length, "range")} in its hands`,
      details: [
        "It died, is frozen or cannot reach the store.",
        left === 0
          ? `Nobody else is there to take over ${named(ranges)}: start a worker.`
          : `${counted(left, "other worker")} can take over ${named(ranges)} when the lease runs out.`,
      ],
      actions: [`querymill status${jobFlags}`],
      figures: { worker, ranges: ranges.length, workers: left },
      recovered: "",
    }),
  );
}

function rangesDead({ rules, jobFlags }: Sight, { dead }: FleetMemory): Finding[] {
  const rule = rules["range-dead"];
  if (rule === null) return [];
  const window = recently(rule.windowMinutes * MINUTE_MS);
  const items = dead.reduce((sum, one) => sum + one.items, 0);
  const whose = dead.length === 1 ? "its" : "their";
  return [
    {
      rule: "range-dead",
      subject: "range-dead",
      holds: dead.length > 0,
      title: `${counted(dead.length, "range")} ended ${whose} workers in the last ${window}`,
      details: [
        `What was not done of ${named(dead.map(({ range }) => range))} is dead letters (poison); about ${counted(items, "item")} in all.`,
        "A text in there ends the process that asks it, or the memory of a worker is too small.",
      ],
      actions: [`querymill retry --error poison --dry-run${jobFlags}`],
      figures: { ranges: dead.length, items },
      recovered: `No range ended its workers in the last ${window}`,
    },
  ];
}

/** @returns `r000000001, r000000002, r000000003 and 2 more` */
function named(ranges: readonly string[]): string {
  const more = ranges.length - SHOWN_RANGES;
  return ranges.slice(0, SHOWN_RANGES).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
