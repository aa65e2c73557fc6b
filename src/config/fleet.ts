import type { JobSettings } from "../job.ts";
import type { ResolvedOptions } from "./sources.ts";

/** What of the job says how it is shared out; nothing where one process does it alone. */
export function fleetSettings({ get }: ResolvedOptions): Pick<JobSettings, "workersAt" | "rangeSize"> {
  const workersAt = get("workersAt");
  return workersAt === null ? {} : { workersAt, rangeSize: get("rangeSize") };
}

/** What cannot be worked off together. */
export function fleetConflicts({ get, name }: ResolvedOptions): string[] {
  if (get("workersAt") === null || get("input") === null) return [];
  return [
    `${name("workersAt")} and ${name("input")} exclude each other: the rows of a file are in a store of this machine, which workers on others cannot reach. Bring them into MongoDB with querymill import.`,
  ];
}
