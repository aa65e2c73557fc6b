import { tenantUsage } from "../tenants/usage.ts";

interface Known {
  readonly usd: Promise<number | null>;
  readonly atMs: number;
}

/** Reading journals takes its time: what a month has cost is read again after this, in ms. */
const AGAIN_MS = 20_000;

/** What each tenant has cost this month (UTC), for all who look. */
export class MonthCosts {
  readonly #known = new Map<string, Known>();

  /** USD; null when a price is not known, or the state cannot be read. */
  of(batchDir: string, tenant: string, nowMs: number): Promise<number | null> {
    const known = this.#known.get(tenant);
    if (known !== undefined && nowMs - known.atMs < AGAIN_MS) return known.usd;
    const usd = costOf(batchDir, tenant, new Date(nowMs).toISOString().slice(0, 7));
    this.#known.set(tenant, { usd, atMs: nowMs });
    return usd;
  }
}

async function costOf(batchDir: string, tenant: string, month: string): Promise<number | null> {
  const rows = await tenantUsage(batchDir, tenant).catch(() => null);
  const own = rows?.filter((row) => row.month === month) ?? null;
  if (own === null || own.some(({ unpricedCalls }) => unpricedCalls > 0)) return null;
  return own.reduce((sum, { costUsd, uncertainUsd }) => sum + costUsd + uncertainUsd, 0);
}
