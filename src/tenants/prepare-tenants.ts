import { loadSettings, readFiles, type SettingsInput } from "../config/load.ts";
import { prepareExecution } from "../jobs/wiring.ts";
import { attachTelemetry } from "../observe/attach.ts";
import { EndpointPool } from "../traffic/endpoint-pool.ts";
import { refuseRemoved } from "./removal.ts";
import { Tenants, type TenantsOptions } from "./tenants.ts";

/** Where a program's tenants come from. */
export interface TenantsInput extends Partial<Pick<SettingsInput, "config" | "flags" | "files">> {
  /** @default process.env */
  readonly env?: SettingsInput["env"];
  /** @default process.cwd() */
  readonly cwd?: string;
  /** Only this tenant. @default all */
  readonly only?: string;
  /** Waits before a tenant that failed is tried again, in ms. @default 30 s, growing to 10 min */
  readonly retry?: TenantsOptions["retry"];
}

/**
 * All tenants of a program, sharing the endpoints that they have in common. Installs no signal handlers, writes nothing to
 * stdout; nothing is opened before `run`.
 *
 * ```ts
 * const tenants = prepareTenants({ config: { model: "openai/gpt-5-mini", tenants: { sales: { … }, legal: { … } } } });
 * tenants.events.on("item:settled", (tenant, { key, outcome }) => console.log(tenant, key, outcome));
 * const { exitCode } = await tenants.run();
 * ```
 */
export function prepareTenants(options: TenantsInput): Tenants {
  const { only = null, retry, flags = {}, env = process.env, cwd = process.cwd(), ...rest } = options;
  const input: SettingsInput = { ...rest, flags, env, cwd };
  const pool = new EndpointPool();
  return new Tenants({
    only,
    ...(retry === undefined ? {} : { retry }),
    read: async () => (await readFiles(input)).file,
    load: async (name) => {
      const loaded = await loadSettings({ ...input, flags: { ...flags, tenant: name } });
      await refuseRemoved(loaded.settings.batchDir, name);
      return loaded;
    },
    prepare: ({ settings }) => prepareExecution(settings, {}, { pool }),
    beside: async (_loaded, execution) => {
      const detach = await attachTelemetry(execution);
      return { close: async () => detach() };
    },
  });
}
