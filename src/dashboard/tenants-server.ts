import { messageOf } from "../errors.ts";
import type { Events } from "../events.ts";
import type { JobSettings } from "../job.ts";
import { API, type TenantsOverview } from "./api.ts";
import { type DashboardApp, type DashboardContext, NOTHING_HERE, tenantIn } from "./gate.ts";
import { MonthCosts } from "./month-costs.ts";
import { refuse } from "./problem.ts";
import { type Dashboard, type Door, type ServerOptions, serveDashboard } from "./server.ts";
import { openSite, type Site } from "./site.ts";
import { type ShownTenant, sharedEndpoints, tenantRow } from "./tenant-rows.ts";
import type { Worker } from "./worker.ts";

/** Where tenants are known. */
export interface ShownTenants {
  /** As they are now, in the order of the settings. Asked every two seconds. @throws QuerymillError: those of before stay */
  list(): Promise<readonly ShownTenant[]>;
  workerOf(name: string, settings: JobSettings): Worker;
  /** Flags that lead a command to it. */
  jobFlagsOf(name: string): string;
}

export interface TenantsDashboardOptions extends ServerOptions {
  readonly batchDir: string;
  readonly tenants: ShownTenants;
}

export interface TenantsDashboard extends Dashboard {
  /** An execution of a tenant begins in this process. */
  hear(name: string, settings: JobSettings, events: Events): Promise<void>;
}

const LOOK_MS = 2_000;

/**
 * One dashboard of all tenants: an overview of all, and below `/t/NAME/` that of each.
 * @throws QuerymillError as `openDashboard`
 */
export async function openTenantsDashboard(options: TenantsDashboardOptions): Promise<TenantsDashboard> {
  let sites: Sites | null = null;
  const opened = await serveDashboard(options, async (door) => {
    const all = new Sites(options, door);
    sites = all;
    await all.look();
    return {
      batchDir: options.batchDir,
      only: null,
      hasTenant: (name) => all.names.includes(name),
      tenants: () => all.names,
      routes: () => all.routes,
      onFailedLogins: () => {},
      mount: (app) => mount(app, all),
      close: () => all.close(),
    };
  });
  return { ...opened, hear: (name, settings, events) => sites!.hear(name, settings, events) };
}

function mount(app: DashboardApp, sites: Sites): void {
  app.get(`${API}/tenants`, async (context) => context.json(await sites.overview()));
  app.all(`${API}/t/:tenant/*`, async (context) => await sites.answer(context));
}

/** A site for each tenant, made when its settings can be used, and anew when they are others. */
class Sites {
  readonly #options: TenantsDashboardOptions;
  readonly #door: Door;
  readonly #sites = new Map<string, { readonly site: Site; readonly mark: string }>();
  readonly #months = new MonthCosts();
  #shown: readonly ShownTenant[] = [];
  /** What went wrong last with each tenant, and under no name with their list. */
  readonly #troubles = new Map<string, string>();
  #looking: Promise<void> | null = null;
  #changing: Promise<void> = Promise.resolve();
  readonly #timer: NodeJS.Timeout;

  constructor(options: TenantsDashboardOptions, door: Door) {
    this.#options = options;
    this.#door = door;
    this.#timer = setInterval(() => void this.look(), LOOK_MS).unref();
  }

  get names(): readonly string[] {
    return this.#shown.map(({ name }) => name);
  }

  get routes(): readonly { readonly method: string; readonly path: string }[] {
    return [...this.#sites.values()].flatMap(({ site }) => site.app.routes);
  }

  /** Looks which tenants there are, one look at a time. While that cannot be told, those of before stay. */
  look(): Promise<void> {
    this.#looking ??= this.#next(async () => {
      const shown = await this.#tried("", () => this.#options.tenants.list());
      if (shown === null) return;
      this.#shown = shown;
      for (const { name, settings } of this.#shown)
        if (settings !== null) await this.#tried(name, () => this.#siteOf(name, settings));
      for (const name of this.#sites.keys())
        if (!this.names.includes(name)) await this.#tried(name, () => this.#close(name));
    }).finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /** @returns null when it went wrong, which is told once as long as it does, and keeps nothing else back */
  async #tried<T>(name: string, action: () => Promise<T>): Promise<T | null> {
    try {
      const done = await action();
      this.#troubles.delete(name);
      return done;
    } catch (error) {
      const trouble = messageOf(error);
      if (trouble !== this.#troubles.get(name)) this.#door.onError(error);
      this.#troubles.set(name, trouble);
      return null;
    }
  }

  hear(name: string, settings: JobSettings, events: Events): Promise<void> {
    return this.#next(async () => (await this.#siteOf(name, settings)).hear(events));
  }

  async answer(context: DashboardContext): Promise<Response> {
    const name = tenantIn(context.req.path) ?? "";
    const found = this.#sites.get(name);
    if (found !== undefined) return await found.site.answer(context);
    if (!this.names.includes(name)) return refuse(context, 404, "NOT_FOUND", NOTHING_HERE);
    return refuse(context, 503, "CONFIG_INVALID", "The settings of this tenant cannot be used now.");
  }

  async overview(): Promise<TenantsOverview> {
    const nowMs = Date.now();
    const rows = this.#shown.map(async (one) => {
      const site = this.#sites.get(one.name)?.site ?? null;
      const overview = site === null ? null : await site.watch.overview(true);
      const { batchDir } = this.#options;
      return tenantRow(one, overview, await this.#months.of(batchDir, one.name, nowMs));
    });
    const runs = this.#shown.map(async ({ name, settings, lane }) => {
      const run = lane?.run ?? (await this.#sites.get(name)?.site.watch.whole()) ?? null;
      return { name, run, weight: settings?.share?.weight ?? 1 };
    });
    return { nowMs, tenants: await Promise.all(rows), shared: sharedEndpoints(await Promise.all(runs)) };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#next(async () => {
      for (const name of this.#sites.keys()) await this.#tried(name, () => this.#close(name));
    });
  }

  async #siteOf(name: string, settings: JobSettings): Promise<Site> {
    const mark = JSON.stringify(settings);
    const known = this.#sites.get(name);
    if (known?.mark === mark) return known.site;
    await this.#close(name);
    const { tenants } = this.#options;
    const site = await openSite({
      settings,
      worker: tenants.workerOf(name, settings),
      base: `${API}/t/${name}`,
      jobFlags: tenants.jobFlagsOf(name),
      program: this.#options.program ?? "querymill",
      ...this.#door,
    });
    this.#sites.set(name, { site, mark });
    return site;
  }

  async #close(name: string): Promise<void> {
    const known = this.#sites.get(name);
    this.#sites.delete(name);
    await known?.site.close();
  }

  /** One change after the other; what goes wrong with one is told and keeps nothing else back. */
  #next(change: () => Promise<void>): Promise<void> {
    this.#changing = this.#changing.then(change).catch(this.#door.onError);
    return this.#changing;
  }
}
