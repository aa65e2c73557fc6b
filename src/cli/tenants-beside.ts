import type { Logger } from "pino";
import { systemClocks } from "../clocks.ts";
import type { LoadedSettings, SettingsInput } from "../config/load.ts";
import type { TenantsDashboard } from "../dashboard/tenants-server.ts";
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
  /** Where the settings are read. */
  readonly input: SettingsInput;
  /** One line for the eyes of the user alone. */
  readonly handOver: (text: string) => void;
  /** The dashboard of all tenants is served there. */
  readonly onListening: (url: string) => void;
}

/** @throws QuerymillError for what cannot work: nothing was spent yet */
export async function openTenantsBeside({
  tenants,
  common,
  logger,
  note,
  input,
  handOver,
  onListening,
}: TenantsHost): Promise<TenantsBeside> {
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
  const dashboard = await openPage(common, { tenants, logger, input });
  if (dashboard !== null) {
    if (dashboard.warning !== null) note(dashboard.warning);
    handOver(`Dashboard: ${dashboard.link}`);
    logger.info({ url: dashboard.url }, "the dashboard is served");
    onListening(dashboard.url);
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
      await dashboard?.hear(tenant, loaded.settings, execution.events);
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
      await dashboard?.close();
      await server?.close();
      await telemetry?.close();
      await manager?.close();
    },
  };
}

/** One page for all tenants. @returns null when none is wanted */
async function openPage(
  { service, settings }: LoadedSettings,
  { tenants, logger, input }: Pick<TenantsHost, "tenants" | "logger" | "input">,
): Promise<TenantsDashboard | null> {
  const { dashboard } = service;
  if (!dashboard?.listen) return null;
  const [{ openTenantsDashboard }, { tenantsOfProcess }] = await Promise.all([
    import("../dashboard/tenants-server.ts"),
    import("./tenants-dashboard.ts"),
  ]);
  const { batchDir } = settings;
  const shown = tenantsOfProcess(tenants, input);
  return await openTenantsDashboard({ dashboard, listen: dashboard.listen, logger, batchDir, tenants: shown });
}
