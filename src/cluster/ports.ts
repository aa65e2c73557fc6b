import type { Counters } from "../events.ts";
import type { RangeCounts, RangeState, WorkerIdentity, WorkerReport } from "../fleet.ts";
import type { RangeSettings } from "../job.ts";

/** A range as it stands in the plan. */
export interface PlannedRange extends RangeSettings {
  /** About how many unprocessed documents it had when it was cut. */
  readonly items: number;
  readonly state: RangeState;
  /** Name of the worker that has it, or had it last; null: nobody yet. */
  readonly worker: string | null;
  /** How often it was taken, and how often of these its worker did not come back. */
  readonly attempts: number;
  readonly crashes: number;
  /** What was done of it so far, over all that had it. */
  readonly counters: Counters;
  /** Why it is dead. */
  readonly reason: string | null;
}

/** A range in the hands of a worker. */
export interface TakenRange {
  readonly range: PlannedRange;
  /** Of the lease that it was taken with: grows with each taking of any range of the target. */
  readonly fence: number;
}

/**
 * The plan of a fleet's job and the one truth about it: a collection beside the target's records. Who holds a range is
 * decided here, by the store's clock, whatever a dispatcher handed out.
 */
export interface RangeBook {
  /** Adds ranges that wait. Adding one again changes nothing. */
  add(ranges: readonly (RangeSettings & { readonly items: number })[]): Promise<void>;
  /** Names of ranges that wait, or whose lease has run out, in the order they were cut. */
  free(limit: number): Promise<readonly string[]>;
  /** Takes this range, or the first free one. @returns null when somebody has it, it is finished, or there is none */
  take(name: string | null, worker: WorkerIdentity): Promise<TakenRange | null>;
  counts(): Promise<RangeCounts>;
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
  offer(ranges: readonly string[]): Promise<void>;
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
  /** Names of endpoints that take no new calls. */
  readonly drained: readonly string[];
}

/** Who works, what they do, and what they are told. */
export interface FleetBoard {
  /** Says who one is and what one does; gone when it is not said again for `FLEET_SILENT_MS`. */
  report(worker: WorkerReport): Promise<void>;
  /** Says that one is gone. */
  leave(name: string): Promise<void>;
  /** Those who said something lately. */
  workers(): Promise<readonly WorkerReport[]>;
  orders(): Promise<FleetOrders>;
  order(change: Partial<Omit<FleetOrders, "version">>): Promise<FleetOrders>;
}

/** A worker that said nothing for so long is shown no more, in ms. */
export const FLEET_SILENT_MS = 15_000;

/** Of what an allowance is: an endpoint's requests, or tokens, of a minute or a day; or the USD of the budget. */
export type AllowanceKind = "requests" | "tokens" | "dailyRequests" | "dailyTokens" | "usd";

export interface AllowanceLease {
  /** How much of what was asked for may be used now: possibly 0. */
  readonly granted: number;
  /** When there may be more, in ms; null with everything that was asked for. */
  readonly againInMs: number | null;
}

/** Limits of the whole fleet, given out in small leases so that few questions are asked. */
export interface SharedAllowance {
  /** @param endpoint its name; the empty text for the budget */
  lease(endpoint: string, kind: AllowanceKind, amount: number): Promise<AllowanceLease>;
  /** Gives back what was not used of leases of the present window. */
  giveBack(endpoint: string, kind: AllowanceKind, amount: number): Promise<void>;
  /** A provider told this process to rest: all rest. @returns until when all are to rest, epoch ms; null: nobody */
  rest(endpoint: string, untilMs: number | null): Promise<number | null>;
  readonly operations: number;
  close(): Promise<void>;
}
