import type { Counters } from "../counters.ts";
import type { ExecutionEnd } from "../events.ts";
import type { RangeCounts, RangeState, WorkerReport } from "../fleet.ts";
import type { ItemKey } from "../item.ts";
import type { RangeSettings } from "../job.ts";

/** What was done of a range in one state folder, over all executions there. */
export interface RangeWork {
  readonly executionIds: readonly string[];
  /** False while it goes on, and for good when whoever did it did not come back. */
  readonly ended: boolean;
  /** `inFlight` and `pending` are 0 once the execution has ended. */
  readonly counters: Counters;
  readonly labels: ExecutionEnd["labels"];
  readonly skippedReasons: ExecutionEnd["skippedReasons"];
  readonly deadLetterReasons: ExecutionEnd["deadLetterReasons"];
  readonly redacted: ExecutionEnd["redacted"];
}

/** A range as it stands in the plan. */
export interface PlannedRange extends RangeSettings {
  /** From 1, over all that was ever cut of the target, in the order of cutting. */
  readonly number: number;
  /** About how many unprocessed documents it had when it was cut. */
  readonly items: number;
  readonly state: RangeState;
  /** Of the lease that it was taken with last; 0: never. Grows with each taking of any range of the target. */
  readonly fence: number;
  /** Name of the worker that has it, or had it last; null: nobody yet. */
  readonly worker: string | null;
  /** Identity of the state folder that it was worked on in last. */
  readonly ownerId: string | null;
  /** Epoch ms; null: never. */
  readonly takenAtMs: number | null;
  /** How often it was taken. */
  readonly attempts: number;
  /** How often whoever had it did not come back. */
  readonly crashes: number;
  /** How often of these nothing was known of what was in flight, since the next one had another state folder. */
  readonly strikes: number;
  /** Whether it is the only range of its worker. */
  readonly alone: boolean;
  /** What was done of it, by the identity of the state folder. */
  readonly work: Readonly<Record<string, RangeWork>>;
  /** Why it is dead. */
  readonly reason: string | null;
}

/** A range that nobody has, and how often it was taken. */
export type FreeRange = Pick<PlannedRange, "name" | "attempts">;

/** Who takes a range. */
export interface RangeTaker {
  readonly worker: string;
  readonly ownerId: string;
  readonly executionId: string;
  /** Of the lease, which is held already. */
  readonly fence: number;
  readonly alone: boolean;
}

/** What all that work on a job have to agree on. Hashes and names: safe to store. */
export interface FleetPlan {
  readonly job: string;
  /** Of the coordinator. */
  readonly executionId: string;
  /** What makes results comparable: the fingerprint, and which documents are read. */
  readonly question: Readonly<Record<string, string>>;
  /** True when nothing is left to cut for now. */
  readonly cut: boolean;
  /** Number of the next range. */
  readonly next: number;
}

/**
 * The plan of a fleet's job and the one truth about it: a collection beside the target's records. Who holds a range is
 * decided by its lease and the store's clock, whatever a dispatcher handed out.
 */
export interface RangeBook {
  plan(): Promise<FleetPlan | null>;
  /** @param fence of the coordinator's lease. @throws QuerymillError FENCED */
  change(plan: Omit<FleetPlan, "next">, fence: number): Promise<void>;
  /** Adds ranges that wait. Adding one again changes nothing. @param fence of the coordinator's lease. @throws QuerymillError FENCED */
  add(
    ranges: readonly (RangeSettings & { readonly number: number; readonly items: number })[],
    fence: number,
  ): Promise<void>;
  /** The range that was cut last, of those that are not removed yet. */
  last(): Promise<PlannedRange | null>;
  /** Ranges that wait, or whose lease has run out, in the order they were cut. */
  free(limit: number): Promise<readonly FreeRange[]>;
  find(name: string): Promise<PlannedRange | null>;
  /** Whether its lease lives. */
  isHeld(name: string): Promise<boolean>;
  /** Ranges in the order they were cut. */
  list(limit: number): Promise<readonly PlannedRange[]>;
  /** Notes that a range is taken, if it is still as it was seen. @returns false when it is not */
  take(seen: PlannedRange, taker: RangeTaker): Promise<boolean>;
  /** How far it has come. @returns false when it is no longer ours */
  progress(name: string, fence: number, ownerId: string, work: RangeWork): Promise<boolean>;
  /** It is done or dead, or waits again with what is done kept. @returns false when it is no longer ours */
  finish(
    name: string,
    taker: Pick<RangeTaker, "fence" | "ownerId">,
    state: Exclude<RangeState, "taken">,
    work: RangeWork | null,
    reason?: string | null,
  ): Promise<boolean>;
  /** Whoever lost it is alive: it was not the range. */
  excuse(name: string): Promise<void>;
  remove(names: readonly string[]): Promise<void>;
  counts(): Promise<RangeCounts>;
}

/** An entry of a retry queue or of the dead letters on its way to the job's own. */
export interface HandedEntry {
  readonly kind: "retry" | "dead";
  readonly key: ItemKey;
  /** What the queue holds of it, as JSON. */
  readonly entry: string;
}

/** Failures of ranges, kept beside the target until the job's own queues have them. */
export interface HandedOver {
  /** Durable when it returns. Doing it twice changes nothing. */
  add(range: string, entries: readonly HandedEntry[]): Promise<void>;
  of(range: string): AsyncIterable<readonly HandedEntry[]>;
  remove(range: string): Promise<void>;
  /** The items that wait in the job's own retry queue: no range asks for them. */
  waiting(keys: readonly ItemKey[]): Promise<void>;
  /** Items in this part of the source that wait somewhere. */
  known(range: RangeSettings): Promise<ReadonlySet<ItemKey>>;
}

/** What a store that several machines reach keeps of a fleet. */
export interface FleetStore {
  readonly book: RangeBook;
  readonly handed: HandedOver;
  readonly board: FleetBoard;
  /** The collections that it is in, with its documents there; empty when no fleet has worked on the target. */
  left(): Promise<readonly { readonly name: string; readonly documents: number }[]>;
  /** Takes all of it away, when nobody works: what others put into a collection of such a name stays. */
  remove(): Promise<void>;
}

/** What a worker got from a dispatcher: a range to try, which the book may refuse. */
export interface Handout {
  readonly range: string;
  /** It is finished, or somebody else has it: nobody needs to be handed it again. */
  settle(): Promise<void>;
  /** It was left unfinished: somebody else may have it now. */
  giveBack(): Promise<void>;
}

/**
 * Brings free ranges to workers that have room. It may lose any of them, and hand one out twice: the coordinator offers
 * again what is still free in the book, and only the book says who has a range. So everything in its store may be flushed.
 */
export interface Dispatcher {
  /** Makes ranges available. What is available already stays so, once. */
  offer(ranges: readonly FreeRange[]): Promise<void>;
  /** The next range to try; null after `waitMs`, or with the signal. */
  next(waitMs: number, signal: AbortSignal): Promise<Handout | null>;
  /** Operations on its own store so far, by this process; 0 without one. */
  readonly operations: number;
  close(): Promise<void>;
}

/** Where a fleet meets, and for which job. */
export interface FleetPlace {
  /** `mongodb`, or the URL of a queue store. May hold credentials: never print it. */
  readonly workersAt: string;
  readonly tenant: string;
  readonly job: string;
  readonly targetCollection: string;
}

/** What all workers are told to do, also those that come later. Each order replaces the one before. */
export interface FleetOrders {
  /** Grows with each change. */
  readonly version: number;
  readonly paused: { readonly reason: string | null; readonly by: string | null } | null;
  /** `drain`: finish no new range, give back what is begun; `stop` ends the workers too. */
  readonly ending: "drain" | "stop" | null;
  /** Calls at once of each worker; null: as its own settings say. */
  readonly concurrent: number | "auto" | null;
  /** USD that the job may spend, or without end; null: as the settings say. */
  readonly budget: { readonly usd: number | null } | null;
  /** Names of endpoints that take no new calls. */
  readonly drained: readonly string[];
}

export const NO_ORDERS: FleetOrders = {
  version: 0,
  paused: null,
  ending: null,
  concurrent: null,
  budget: null,
  drained: [],
};

/** Who works, what they do, and what they are told. */
export interface FleetBoard {
  /** Says who one is and what one does; gone when it is not said again for `FLEET_SILENT_MS`. */
  report(worker: WorkerReport): Promise<void>;
  /** Says that one is gone. */
  leave(name: string): Promise<void>;
  /** Those who said something lately. */
  workers(): Promise<readonly WorkerReport[]>;
  orders(): Promise<FleetOrders>;
  /** @param fence of the coordinator's lease. @throws QuerymillError FENCED */
  order(change: Partial<Omit<FleetOrders, "version">>, fence: number): Promise<FleetOrders>;
}

/** A worker that said nothing for so long is shown no more, in ms. */
export const FLEET_SILENT_MS = 15_000;
