import { loadSettings, type SettingsInput } from "../config/load.ts";
import { obey } from "../control/commands.ts";
import type { Done, Verb } from "../control/protocol.ts";
import { ownChanges } from "../dashboard/own-changes.ts";
import type { ShownTenant } from "../dashboard/tenant-rows.ts";
import type { ShownTenants } from "../dashboard/tenants-server.ts";
import { type Look, OtherWorker, type Worker } from "../dashboard/worker.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import type { JobSettings } from "../job.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { TenantLane } from "../tenants/lane.ts";
import { listTenants } from "../tenants/list.ts";
import type { Tenants } from "../tenants/tenants.ts";
import { JOB_OPTIONS, retype } from "./options.ts";

/** Tenants of the settings file, whoever runs them. */
export function tenantsOfFile(input: SettingsInput): ShownTenants {
  return {
    list: async () =>
      (await listTenants({ ...input, needsModel: false })).map(
        (one): ShownTenant =>
          "loaded" in one
            ? { name: one.name, settings: one.loaded.settings, problem: null, lane: null }
            : { name: one.name, settings: null, problem: one.problem, lane: null },
      ),
    workerOf: (_, settings) => otherWorker(settings),
    jobFlagsOf: (name) => jobFlagsOf(input, name),
  };
}

/** Tenants that this process runs. */
export function tenantsOfProcess(tenants: Tenants, input: SettingsInput): ShownTenants {
  const settingsOf = async (lane: TenantLane): Promise<Pick<ShownTenant, "settings" | "problem">> => {
    if (lane.loaded !== null) return { settings: lane.loaded.settings, problem: null };
    try {
      const flags = { ...input.flags, tenant: lane.name };
      return { settings: (await loadSettings({ ...input, flags, needsModel: false })).settings, problem: null };
    } catch (error) {
      if (!(error instanceof QuerymillError)) throw error;
      return { settings: null, problem: messageOf(error) };
    }
  };
  return {
    list: async () => {
      const { lanes } = tenants;
      // Before they begin.
      if (lanes.length === 0) return await tenantsOfFile(input).list();
      const there = lanes.filter((lane) => lane.snapshot().state !== "removed");
      return await Promise.all(
        there.map(async (lane) => ({ name: lane.name, ...(await settingsOf(lane)), lane: lane.snapshot() })),
      );
    },
    workerOf: (name, settings) => new LaneWorker(tenants, name, settings),
    jobFlagsOf: (name) => jobFlagsOf(input, name),
  };
}

/** What a tenant of this process runs now, one execution after the other. */
class LaneWorker implements Worker {
  readonly isNear = true;
  readonly #tenants: Tenants;
  readonly #name: string;
  readonly #others: OtherWorker;

  constructor(tenants: Tenants, name: string, settings: JobSettings) {
    this.#tenants = tenants;
    this.#name = name;
    this.#others = otherWorker(settings);
  }

  async look(): Promise<Look> {
    const execution = this.#lane?.execution ?? null;
    if (execution === null) return await this.#others.look();
    return { from: "this-process", trouble: null, snapshot: execution.snapshot() };
  }

  async tell(verb: Verb, body: unknown, by: string): Promise<Done> {
    const execution = this.#lane?.execution ?? null;
    if (execution === null) return await this.#others.tell(verb, body, by);
    const reload = async () => {
      const { taken, refused } = await this.#tenants.reload(by);
      return { taken: ownChanges(taken, this.#name), refused };
    };
    return await obey(verb, body, by, { execution, reload });
  }

  get #lane(): TenantLane | undefined {
    return this.#tenants.lanes.find(({ name }) => name === this.#name);
  }
}

function otherWorker(settings: JobSettings): OtherWorker {
  return new OtherWorker(new BatchFileManager(settings.batchDir, settings));
}

function jobFlagsOf({ flags }: SettingsInput, tenant: string): string {
  return retype(
    { ...flags, tenant },
    JOB_OPTIONS.filter((key) => key !== "json"),
  );
}
