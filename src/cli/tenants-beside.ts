import type { Logger } from "pino";
import { systemClocks } from "../clocks.ts";
import type { LoadedSettings } from "../config/load.ts";
import type { Execution } from "../jobs/execution.ts";
import { attachTelemetry } from "../observe/attach.ts";
import { HealthWatch } from "../observe/health-watch.ts";
import type { Telemetry } from "../observe/telemetry.ts";
import type { Tenants } from "../tenants/tenants.ts";
import { liveTenants, openTenantsService, readyTenants } from "./tenants-service.ts";

/** What lives beside all tenants of a process: one server for metrics and probes, one service manager. */
export interface TenantsBeside {
  /** Watches the run of a tenant. @returns stops that */
  watch(loaded: LoadedSettings, execution: Execution): Promise<() => void>;
  /** All are drained. */
  stopping(drainMs: number): void;
  close(): Promise<void>;
}

export interface TenantsHost {
  readonly tenants: Tenants;
  readonly common: LoadedSettings;
  readonly logger: Logger;
  readonly note: (text: string) => void;
}

/** @throws QuerymillError for what cannot work: nothing was spent yet */
export async function openTenantsBeside({ tenants, common, logger, note }: TenantsHost): Promise<TenantsBeside> {
  const { service, settings } = common;
  const probes = new Map<string, HealthWatch>();
  let isOver = false;
  const warn = ({ fields, message }: { readonly fields: object; readonly message: string }, text: string): void => {
    logger.warn(fields, message);
    note(text);
  };
  let telemetry: Telemetry | null = null;
  let server: { close(): Promise<void> } | null = null;
  if (service.metrics !== undefined) {
    const { openOwn, serveMetrics } = await import("./metrics-companion.ts");
    const host = { service, logger, warn, note, folder: settings.batchDir, isOver: () => isOver };
    telemetry = await openOwn(host, null);
    const { listen } = service.metrics;
    const pages = { live: () => liveTenants(probes), ready: () => readyTenants(probes) };
    if (listen !== null && telemetry?.text != null)
      server = await serveMetrics(listen, { ...pages, text: telemetry.text }, note);
  }
  const manager = process.env.NOTIFY_SOCKET
    ? openTenantsService(tenants, probes, (why) =>
        note(`The service manager cannot be told how this process does: ${why}.`),
      )
    : null;
  return {
    watch: async (loaded, execution) => {
      const { tenant, deadlines, batchDir } = loaded.settings;
      probes.set(tenant, new HealthWatch(execution, deadlines, batchDir, systemClocks.steadyNow));
      const detach = await attachTelemetry(execution);
      const stop = telemetry?.watch(execution);
      return () => {
        probes.delete(tenant);
        stop?.();
        detach();
      };
    },
    stopping: (drainMs) => manager?.stopping(drainMs),
    close: async () => {
      isOver = true;
      await server?.close();
      await telemetry?.close();
      await manager?.close();
    },
  };
}
