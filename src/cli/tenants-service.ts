import type { Health, HealthWatch } from "../observe/health-watch.ts";
import { openServiceManager } from "../observe/service-manager.ts";
import type { TenantSnapshot } from "../tenants/lane.ts";
import type { Tenants } from "../tenants/tenants.ts";
import { count, money } from "./format.ts";

/** How often the line of `systemctl status` is brought up to date at least, in ms. */
const STATUS_MS = 10_000;
/** From the end of a drain to the end of the process, in ms. */
const CLOSING_MS = 30_000;

/** Probes of tenants that run now, by their name. */
export type Probes = ReadonlyMap<string, HealthWatch>;

/** Whether a restart would help one of them. */
export function liveTenants(probes: Probes): { readonly ok: boolean; readonly tenants: Record<string, Health> } {
  const tenants = Object.fromEntries([...probes].map(([name, probe]) => [name, probe.live()]));
  return { ok: Object.values(tenants).every(({ ok }) => ok), tenants };
}

/** Whether one of them at least can work now: the others are told. */
export async function readyTenants(
  probes: Probes,
): Promise<{ readonly ok: boolean; readonly tenants: Record<string, Health> }> {
  const told = await Promise.all([...probes].map(async ([name, probe]) => [name, await probe.ready()] as const));
  const tenants = Object.fromEntries(told);
  return { ok: Object.values(tenants).some(({ ok }) => ok), tenants };
}

/**
 * Tells the service manager that started this process how its tenants do.
 * @returns null when no service manager asked for it
 */
export function openTenantsService(
  tenants: Tenants,
  probes: Probes,
  warn: (why: string) => void,
): { readonly stopping: (drainMs: number) => void; close(): Promise<void> } | null {
  const manager = openServiceManager(process.env, process.pid, warn);
  if (manager === null) return null;
  let isReady = false;
  const ready = (): void => {
    if (!isReady) manager.tell({ READY: 1, STATUS: statusLine(tenants.snapshot()) });
    isReady = true;
  };
  tenants.events.on("execution:start", ready).on("execution:wait", ready);
  const look = (): void => {
    const life = manager.watchdogMs === null || !liveTenants(probes).ok ? {} : { WATCHDOG: 1 };
    manager.tell({ ...life, STATUS: statusLine(tenants.snapshot()) });
  };
  const timer = setInterval(look, Math.min(STATUS_MS, (manager.watchdogMs ?? STATUS_MS * 2) / 2));
  timer.unref();
  return {
    stopping: (drainMs) => manager.tell({ STOPPING: 1, EXTEND_TIMEOUT_USEC: (drainMs + CLOSING_MS) * 1_000 }),
    close: async () => {
      clearInterval(timer);
      await manager.close();
    },
  };
}

/** `2 running, 1 waiting: 1,204 settled, $0.71` */
function statusLine(tenants: readonly TenantSnapshot[]): string {
  const states = new Map<string, number>();
  let settled = 0;
  let usd: number | null = 0;
  for (const { state, run } of tenants) {
    states.set(state, (states.get(state) ?? 0) + 1);
    if (run === null) continue;
    const { classified, skipped, retryQueued, deadLetters, costUsd } = run.counters;
    settled += classified + skipped + retryQueued + deadLetters;
    usd = usd === null || costUsd === null ? null : usd + costUsd;
  }
  const parts = [...states].map(([state, number]) => `${number} ${state}`);
  return `${parts.join(", ")}: ${count(settled)} settled, ${money(usd)}`;
}
