/** `waiting`: nobody has it; `taken`: as long as its lease lives; `done`: worked off; `dead`: it ended its workers, and is left. */
export type RangeState = "waiting" | "taken" | "done" | "dead";

/** How many ranges there are in each state. */
export type RangeCounts = Readonly<Record<RangeState, number>>;

/** A process that takes ranges. */
export interface WorkerIdentity {
  /** Unique in the fleet, for people: `host-1234-ab12`. */
  readonly name: string;
  readonly host: string;
  readonly pid: number;
}

/** A worker as the others see it. */
export interface WorkerReport extends WorkerIdentity {
  readonly state: "starting" | "idle" | "running" | "paused" | "draining";
  /** Names of the ranges that it has. */
  readonly ranges: readonly string[];
  /** Calls in flight, and at most. */
  readonly inFlight: number;
  readonly limit: number;
  readonly itemsPerSecond: number;
  /** Items settled, calls and USD since it started; USD null when a price is not known. */
  readonly settled: number;
  readonly modelCalls: number;
  readonly costUsd: number | null;
  readonly startedAtMs: number;
  /** Why it does nothing, or what went wrong last; null when nothing did. */
  readonly trouble: string | null;
  /** How long nothing was heard of it, in ms; only where it is looked at by others. */
  readonly silentMs?: number;
}

/** A range that ended its workers: what was not done of it became dead letters. */
export interface DeadRange {
  readonly range: string;
  /** About how many it had when it was cut. */
  readonly items: number;
  /** When it was first seen dead, epoch ms. */
  readonly atMs: number;
}

/** The fleet at one moment. */
export interface FleetSnapshot {
  readonly workers: readonly WorkerReport[];
  readonly ranges: RangeCounts;
  /** Ranges that are taken, at most 100: who has which, since when (epoch ms). */
  readonly held: readonly { readonly range: string; readonly worker: string; readonly sinceMs: number }[];
  /** Ranges that are dead, the last 100. In the snapshot of a run also those that it has counted since it began. */
  readonly dead: readonly DeadRange[];
  readonly itemsPerSecond: number;
  /** Of what the ranges have cost so far; null when a price is not known. */
  readonly costUsd: number | null;
}
