import { systemClocks } from "../clocks.ts";
import type { JobSettings } from "../job.ts";
import { loadPeers } from "../observe/peer-package.ts";
import { FleetAllowance } from "./fleet-allowance.ts";
import type { LeaseStore } from "./lease-store.ts";
import { openMongodbLeases } from "./mongodb-lease-store.ts";
import { kindOf } from "./store-url.ts";

/**
 * Opens what this process leases of limits that the whole fleet has: pace in the queue store, money in the job's own store.
 * @returns null when no model is asked that has limits; also without the package that counts, when the settings say nothing
 * of limits and money: each process then follows for itself what the model's headers tell
 * @throws QuerymillError CONFIG_INVALID, STORE_UNREACHABLE, STORE_REFUSED
 */
export async function openAllowance(settings: JobSettings): Promise<FleetAllowance | null> {
  const { workersAt, storeUri, db, tenant, job, endpoints, budget } = settings;
  if (endpoints.every(({ model }) => model.provider === "offline")) return null;
  // The clock of the limiters: leases end by it.
  const now = systemClocks.steadyNow;
  const url = workersAt ?? "mongodb";
  const isSaid = budget !== null || endpoints.some(({ limits }) => Object.values(limits).some((one) => one !== null));
  if (!isSaid && !(await hasCounters())) return null;
  const money = await openMongodbLeases(storeUri, db, now);
  try {
    return new FleetAllowance({
      paceStore: url === "mongodb" ? money : await openPace(url, now),
      moneyStore: money,
      job: `${tenant}.${job}`,
      now,
      random: Math.random,
    });
  } catch (error) {
    await money.close();
    throw error;
  }
}

async function hasCounters(): Promise<boolean> {
  return await loadPeers("", ["rate-limiter-flexible"]).then(
    () => true,
    () => false,
  );
}

async function openPace(url: string, now: () => number): Promise<LeaseStore> {
  if (kindOf(url) === "Redis") {
    const { openRedisLeases } = await import("./redis-lease-store.ts");
    return await openRedisLeases(url, now);
  }
  const { openPostgresLeases } = await import("./postgres-lease-store.ts");
  return await openPostgresLeases(url, now);
}
