import type { JobSettings } from "../job.ts";
import { integer, text } from "./option.ts";
import type { ResolvedOptions } from "./sources.ts";

/** Settings of a job that several processes work off. */
export const FLEET_OPTIONS = {
  workersAt: text({
    flag: "--workers-at <url>",
    help: "where workers meet that do the work together: mongodb (the store of the job itself), or the URL of a queue store",
    expected: "mongodb, redis://HOST:PORT, rediss://… or postgres://…",
    pattern: /^(mongodb|rediss?:\/\/\S+|postgres(ql)?:\/\/\S+)$/,
    default: null,
  }),
  rangeSize: integer({
    flag: "--range-size <n>",
    help: "with --workers-at: items of one part that a worker takes",
    min: 10,
    max: 100_000,
    unit: "items",
    default: 2_000,
  }),
} as const;

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
