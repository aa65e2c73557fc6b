import { hostname } from "node:os";
import { join } from "node:path";
import { inputStore } from "../config/input.ts";
import { QuerymillError } from "../errors.ts";
import { differingFields, type Fingerprint, type JobSettings, modelLabel } from "../job.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { openStateFolder } from "../state/files.ts";
import { whyFleeting } from "../state/lasting-folder.ts";
import { OwnerLock } from "../state/owner.ts";
import type { Source, Store, Target } from "../store.ts";
import type { Adapters } from "./adapters.ts";
import type { Closers } from "./closers.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { checkProviders, type OpenEndpoint, openProviders } from "./open-gateway.ts";
import { fingerprintChanged, type Leftover, UNDONE_BY, uncleanMessage } from "./recovery.ts";
import { keepRetention } from "./retention.ts";
import { hintOfPreset, refuseWrongShape } from "./source-shape.ts";

/** Everything that exists only while a job is open. */
export interface OpenJob {
  readonly store: Store;
  readonly source: Source;
  readonly target: Target;
  /** In the order of the settings. */
  readonly endpoints: readonly OpenEndpoint[];
  readonly lease: LeaseKeeper;
  /** For the user: what works worse than it could. */
  readonly notes: readonly string[];
}

/** @throws QuerymillError MODEL_UNPRICED: a budget needs the price of every model that may be asked */
export function refuseUnpricedBudget({ budget, endpoints }: JobSettings, pricingOf: Adapters["pricingOf"]): void {
  const unpriced = endpoints.filter((endpoint) => !pricingOf(endpoint).priced);
  if (budget === null || unpriced.length === 0) return;
  const names = [...new Set(unpriced.map(({ model }) => modelLabel(model)))].join(", ");
  throw new QuerymillError(
    "MODEL_UNPRICED",
    `The budget of $${budget.usd} cannot be kept: the price of ${names} is not known. Give it in the config file under prices (USD per million tokens: input, output), or run without --budget.`,
  );
}

/**
 * Takes the job's folder: writable, locked, queues read.
 * @returns how many damaged queue records were passed over
 * @throws QuerymillError STATE_UNWRITABLE, JOB_HELD
 */
export async function openState(
  manager: BatchFileManager,
  { batchDir, job, retention = null }: JobSettings,
  executionId: string,
  closers: Closers,
): Promise<number> {
  await openStateFolder(manager.files, manager.folder);
  await manager.files.write(join(batchDir, ".gitignore"), "*\n");
  const owner = { pid: process.pid, host: hostname(), executionId, since: new Date().toISOString() };
  // The lock comes before the queues are read: nobody else may be writing them.
  const lock = OwnerLock.take(manager.folder, owner, job);
  closers.add(() => lock.release());
  await manager.files.makeReserve();
  closers.add(() => manager.files.removeReserve());
  const { damaged } = await manager.open();
  closers.add(() => manager.close());
  closers.add(await keepRetention(manager, retention));
  return damaged;
}

/** @throws QuerymillError STATE_UNCLEAN, FINGERPRINT_CHANGED: a person has to say how to go on */
export function refuseWhatIsUnclear(settings: JobSettings, leftover: Leftover, fingerprint: Fingerprint): void {
  const { mode, recover, fresh, acceptChanges, job } = settings;
  if (fresh) return;
  if (leftover.unclean && mode === "batch" && !recover) {
    const { modelCalls, costUsd } = leftover.state.totals;
    const usdPerCall = costUsd !== null && modelCalls > 0 ? costUsd / modelCalls : null;
    throw new QuerymillError("STATE_UNCLEAN", uncleanMessage(settings, leftover, usdPerCall));
  }
  const before = leftover.checkpoint?.fingerprint;
  if (before === undefined || acceptChanges) return;
  const undone = settings.reclassify === null ? [] : UNDONE_BY[settings.reclassify];
  const fields = differingFields(before, fingerprint).filter((field) => !undone.includes(field));
  const fromFile = settings.storeUri === inputStore(settings.batchDir, job).uri;
  if (fields.length > 0) throw fingerprintChanged({ job, fromFile }, before, fingerprint, fields);
}

/**
 * Connects to store and model, and finds out whether everything a run needs works, for nothing.
 * @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED, COLLECTION_MISSING, SOURCE_NOT_MARKABLE, SOURCE_SHAPE,
 * TARGET_TAKEN, JOB_HELD, MODEL_UNREACHABLE
 */
export async function openStores(
  manager: BatchFileManager,
  settings: JobSettings,
  adapters: Adapters,
  executionId: string,
  closers: Closers,
): Promise<OpenJob> {
  const { sourceCollection, targetCollection, mark, filter, batchDir, job, deadlines } = settings;
  const updatedAt = settings.growing?.again === true ? settings.growing.updatedAt : null;
  const store = await adapters.openStore();
  closers.add(() => store.close());
  const { range = null, leaseMs } = settings;
  const reading = { collection: sourceCollection, mark, filter, fields: adapters.fields, updatedAt, range };
  const source = store.source(reading);
  const { address, sourceAddress = address } = store;
  const notes = [
    ...(sourceAddress === address ? [] : [`Documents are read from ${sourceAddress}, records go to ${address}.`]),
    ...(await source.prepare()),
  ];
  await refuseWrongShape(settings, store);
  const preset = await hintOfPreset(settings, store);
  if (preset !== null) notes.push(preset);
  // The demo's state is made afresh each time.
  const fleeting = sourceCollection.startsWith("querymill_demo_")
    ? null
    : await whyFleeting(batchDir).catch(() => null);
  if (fleeting !== null) notes.push(`The state folder ${batchDir} ${fleeting}`);
  const providers = await openProviders(settings, adapters, closers);
  const lease = await LeaseKeeper.take(store.lease, targetCollection, manager, {
    job,
    executionId,
    range: range?.name ?? null,
    fleet: adapters.together?.shareOut !== undefined,
    ...(leaseMs === undefined ? {} : { leaseMs }),
  });
  closers.add(() => lease.release());
  closers.add(() => adapters.together?.close?.());
  await adapters.together?.held?.({ lease, store, source, manager, executionId });
  const endpoints = await checkProviders(providers, deadlines.connectMs);
  notes.push(...adapters.notes);
  notes.push(...endpoints.flatMap(({ settings: { name }, trouble }) => (trouble ? `${name} is away: ${trouble}` : [])));
  return { store, source, target: store.target(targetCollection), endpoints, lease, notes };
}
