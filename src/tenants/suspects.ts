import { QuerymillError } from "../errors.ts";
import type { ItemKey } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { inspectLeftover, nextSuspects } from "../jobs/recovery.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { TenantLane } from "./lane.ts";
import type { TenantEvents } from "./tenant-events.ts";

/** No tenant holds the others up longer than this, in ms: what it cannot do by then is no matter of one item. */
const LONGEST_MS = 120_000;

/**
 * Items of a tenant that its next run is to do one at a time, since the process died twice with them in flight. With them
 * alone in flight means alone in the process: what kills it may be another tenant's.
 */
export async function suspectsOf(settings: JobSettings): Promise<ReadonlySet<ItemKey>> {
  try {
    const leftover = await inspectLeftover(new BatchFileManager(settings.batchDir, settings));
    if (!leftover.unclean) return new Set();
    const suspects = nextSuspects(leftover.suspects, leftover.inFlight);
    return new Set(Object.keys(suspects).filter((key) => suspects[key]!.crashes >= 2 && suspects[key]!.alone < 2));
  } catch (error) {
    // The run itself tells what is wrong with its state.
    if (error instanceof QuerymillError) return new Set();
    throw error;
  }
}

/** Resolves when a tenant has settled these items, or does not go on with them: it is over, failed, paused or waits. */
export async function whenSettled(lane: TenantLane, keys: ReadonlySet<ItemKey>, events: TenantEvents): Promise<void> {
  const open = new Set(keys);
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LONGEST_MS);
  const stop = events.watch((tenant, name, payload) => {
    if (tenant !== lane.name) return;
    if (name === "item:settled") open.delete((payload as { readonly key: ItemKey }).key);
    const waits = name === "execution:wait" || name === "execution:pause" || name === "execution:end";
    if (open.size === 0 || waits || name === "tenant:failed" || name === "tenant:state") resolve();
  });
  await promise;
  clearTimeout(timer);
  stop();
}
