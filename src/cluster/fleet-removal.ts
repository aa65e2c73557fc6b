import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { messageOf, QuerymillError } from "../errors.ts";
import { type JobSettings, jobFlagOf } from "../job.ts";
import { openExistingTarget } from "../jobs/existing-store.ts";
import type { Store } from "../store.ts";
import type { FleetStore } from "./ports.ts";
import { kindOf, placeOf } from "./store-url.ts";

/** What a fleet keeps of a job, beside its target and in a queue store. */
export interface FleetLeft {
  readonly collections: readonly { readonly name: string; readonly documents: number }[];
  /** The queue store that `workersAt` names, printable: the job's queue there is not looked at. null: none. */
  readonly queue: string | null;
  /** Ranges that were begun and not ended: what was paid for them may be in the folders of workers only. */
  readonly unfinished: number;
  /** Why the store could not be asked, where the settings say nothing of a fleet; null: it was. */
  readonly trouble: string | null;
}

const NOTHING: FleetLeft = { collections: [], queue: null, unfinished: 0, trouble: null };
/** Longer than a removal takes, in ms. */
const LEASE_MS = 60_000;

/**
 * Looks what a fleet left of the job; changes nothing.
 * @throws QuerymillError JOB_HELD while it works; with `workersAt` also STORE_UNREACHABLE, STORE_REFUSED
 */
export async function planFleetRemoval(settings: JobSettings): Promise<FleetLeft> {
  const { storeUri, workersAt = null } = settings;
  if (storeUri.startsWith("sqlite:")) return NOTHING;
  const queue = workersAt === null || workersAt === "mongodb" ? null : `${kindOf(workersAt)} at ${placeOf(workersAt)}`;
  let store: Store;
  try {
    store = await openExistingTarget(settings);
  } catch (error) {
    if (workersAt !== null || !(error instanceof QuerymillError)) throw error;
    return { ...NOTHING, trouble: messageOf(error) };
  }
  try {
    const fleet = await fleetOf(store, settings);
    const collections = fleet === null ? [] : await fleet.left();
    if (fleet === null || collections.length === 0) return { ...NOTHING, queue };
    await refuseWorking(fleet, settings);
    return { collections, queue, unfinished: (await fleet.book.counts()).taken, trouble: null };
  } finally {
    await store.close();
  }
}

/**
 * A run elsewhere, with workers or without, and a worker that was silent only now, are in no list: they have leases.
 * @throws QuerymillError JOB_HELD while somebody has the target or a range of it
 */
export async function refuseLeased(settings: JobSettings): Promise<void> {
  const store = await openExistingTarget(settings);
  try {
    const known = await store.lease.look(settings.targetCollection);
    if (known?.job !== settings.job || known.holder === null) return;
    throw held(settings, `process ${known.holder.pid} on ${known.holder.host} works on it`);
  } finally {
    await store.close();
  }
}

/**
 * Removes what was planned, and what the job leased of its budgets. Doing it again changes nothing.
 * @throws QuerymillError JOB_HELD when somebody began to work meanwhile
 */
export async function removeFleet(settings: JobSettings, { collections, queue }: FleetLeft): Promise<void> {
  if (collections.length > 0) await removeCollections(settings);
  if (queue !== null) await removeQueue(settings);
}

async function removeCollections(settings: JobSettings): Promise<void> {
  const { storeUri, db, tenant, job, targetCollection } = settings;
  const store = await openExistingTarget(settings);
  try {
    const fleet = await fleetOf(store, settings);
    if (fleet === null) return;
    const own = { job, ownerId: randomUUID(), host: hostname(), pid: process.pid, executionId: "clean" };
    // While the target is held as a whole, nobody takes a range of it.
    const taken = await store.lease.acquire(targetCollection, own, LEASE_MS);
    if (taken.status !== "held") throw held(settings, "somebody began to work on it");
    try {
      await refuseWorking(fleet, settings);
      await fleet.remove();
      const { forgetBudgets } = await import("./mongodb-lease-store.ts");
      await forgetBudgets(storeUri, db, `${tenant}.${job}`);
    } finally {
      await store.lease.release(targetCollection, own.ownerId, taken.fence);
    }
  } finally {
    await store.close();
  }
}

/** null when another job has written the target, or none. */
async function fleetOf(store: Store, { job, targetCollection }: JobSettings): Promise<FleetStore | null> {
  const known = await store.lease.look(targetCollection);
  return known?.job === job ? (store.fleet?.(targetCollection) ?? null) : null;
}

/** @throws QuerymillError STATE_UNCLEAN when what was paid would be lost */
export function refuseUnfinished({ unfinished }: FleetLeft, settings: JobSettings): void {
  if (unfinished === 0) return;
  const ranges = unfinished === 1 ? "A range was" : `${unfinished} ranges were`;
  throw new QuerymillError(
    "STATE_UNCLEAN",
    `${ranges} begun by workers of job ${settings.job} and not ended: removing the plan would lose what was paid and is only in their folders. Let the run end with workers on these folders first:  querymill run ${jobFlagOf(settings)} --workers-at …`,
  );
}

async function refuseWorking({ board }: FleetStore, settings: JobSettings): Promise<void> {
  const [first, ...others] = await board.workers();
  if (first === undefined) return;
  throw held(settings, others.length === 0 ? `${first.name} works` : `${others.length + 1} workers are there`);
}

function held(settings: JobSettings, why: string): QuerymillError {
  return new QuerymillError(
    "JOB_HELD",
    `Nothing of job ${settings.job} is removed while ${why}. Stop the run and its workers first:  querymill control stop ${jobFlagOf(settings)}`,
  );
}

async function removeQueue({ workersAt, tenant, job, targetCollection }: JobSettings): Promise<void> {
  const { BullDispatcher } = await import("./bullmq-dispatcher.ts");
  const queue = await BullDispatcher.open({ workersAt: workersAt!, tenant, job, targetCollection });
  try {
    await queue.remove();
  } finally {
    await queue.close();
  }
}
