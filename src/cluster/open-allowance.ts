import { systemClocks } from "../clocks.ts";
import { QuerymillError } from "../errors.ts";
import type { JobSettings } from "../job.ts";
import { loadPeers } from "../observe/peer-package.ts";
import { FleetAllowance } from "./fleet-allowance.ts";
import type { LeaseStore } from "./lease-store.ts";
import { openMongodbLeases } from "./mongodb-lease-store.ts";
import type { FleetOrders } from "./ports.ts";
import { kindOf } from "./store-url.ts";

const COUNTERS = "rate-limiter-flexible";

/**
 * Opens what this process leases of limits that the whole fleet has: pace in the queue store, money in the job's own store.
 * @returns null when no model is asked that has limits; also without the package that counts, when the settings say nothing
 * of limits and money: each process then follows for itself what the model's headers tell
 * @throws QuerymillError CONFIG_INVALID, STORE_UNREACHABLE, STORE_REFUSED
 */
export async function openAllowance(settings: JobSettings): Promise<FleetAllowance | null> {
  const { workersAt, storeUri, db, tenant, job, endpoints, budget } = settings;
  if (isOffline(settings)) return null;
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

/**
 * @returns why a process that leases nothing has to end when it is told a budget under way, which it would spend for
 * itself; null when there is no end to it, or nothing is asked that costs anything
 */
export function uncountedBudget(settings: JobSettings, told: FleetOrders["budget"]): QuerymillError | null {
  if (told === null || told.usd === null || isOffline(settings)) return null;
  return new QuerymillError(
    "CONFIG_INVALID",
    `The run was told a budget, which all of its workers spend together. To count it needs the package ${COUNTERS}, which was not installed here when this worker started. Install it where you start Querymill, and start this worker again:  npm i ${COUNTERS}`,
  );
}

const isOffline = ({ endpoints }: JobSettings): boolean => endpoints.every(({ model }) => model.provider === "offline");

async function hasCounters(): Promise<boolean> {
  return await loadPeers("", [COUNTERS]).then(
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
