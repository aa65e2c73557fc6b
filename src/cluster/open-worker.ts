import { QuerymillError } from "../errors.ts";
import { type JobSettings, slotCeiling } from "../job.ts";
import type { Adapters } from "../jobs/adapters.ts";
import { Closers } from "../jobs/closers.ts";
import { chooseAdapters, keepOpen, type Own, openStore } from "../jobs/wiring.ts";
import type { ModelProvider } from "../llm/provider.ts";
import { EndpointPool } from "../traffic/endpoint-pool.ts";
import { openAllowance } from "./open-allowance.ts";
import { openDispatcher } from "./open-dispatcher.ts";
import { Worker, type WorkerOptions } from "./worker.ts";

/** Of a worker that was opened. */
export interface OpenedWorker {
  readonly worker: Worker;
  close(): Promise<void>;
}

/**
 * Opens what all ranges of a worker use: the connection to the store, and those to the models.
 * @throws QuerymillError USAGE for what workers cannot do; STORE_UNREACHABLE, STORE_REFUSED
 */
export async function openWorker(
  settings: JobSettings,
  { idleMs, tell, provider }: Pick<WorkerOptions, "idleMs" | "tell"> & Pick<Own, "provider">,
): Promise<OpenedWorker> {
  const { workersAt = null, tenant, job, targetCollection } = settings;
  if (workersAt === null)
    throw new QuerymillError("USAGE", "A worker has to know where its run is. Give --workers-at, as for the run.");
  const closers = new Closers();
  const close = (): Promise<void> => closers.closeAll();
  try {
    const store = await openStore(settings);
    closers.add(() => store.close());
    const fleet = store.fleet?.(targetCollection);
    if (fleet === undefined)
      throw new QuerymillError(
        "USAGE",
        `--workers-at: ${store.address} is a file of this machine, which workers on others cannot reach. Give a MongoDB with --store.`,
      );
    const chosen = await chooseAdapters(settings, provider === undefined ? {} : { provider });
    const { adapters, close: closeProviders } = shared(chosen, slotCeiling(settings));
    closers.add(closeProviders);
    const dispatcher = await openDispatcher({ workersAt, tenant, job, targetCollection }, fleet.book);
    closers.add(() => dispatcher.close());
    const allowance = await openAllowance(settings);
    closers.add(() => allowance?.close());
    // Ranges begin with what those before them found out. Who answers in place of the model is not at that model's place.
    const pool = provider === undefined ? new EndpointPool(slotCeiling(settings)) : null;
    const own = { ...adapters, openStore: async () => keepOpen(store), allowance, pool };
    return { worker: new Worker({ settings, adapters: own, store, dispatcher, idleMs, tell }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Providers are opened once for all ranges: a new connection costs several round trips. */
function shared(adapters: Adapters, least: number): { adapters: Adapters; close: () => Promise<void> } {
  const opened: { readonly key: string; readonly connections: number; readonly provider: Promise<ModelProvider> }[] =
    [];
  return {
    adapters: {
      ...adapters,
      openProvider: async (endpoint, wanted) => {
        const key = JSON.stringify([endpoint.name, endpoint.model]);
        const known = opened.find((one) => one.key === key && one.connections >= wanted);
        if (known !== undefined) return keepOpen(await known.provider);
        // A range begins with few calls and has all of them soon.
        const connections = Math.max(wanted, least);
        const provider = adapters.openProvider(endpoint, connections);
        opened.push({ key, connections, provider });
        return keepOpen(await provider);
      },
    },
    close: async () => {
      for (const { provider } of opened) await (await provider).close();
    },
  };
}
