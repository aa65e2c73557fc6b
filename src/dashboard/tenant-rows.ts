import type { RunSnapshot } from "../events.ts";
import type { JobSettings } from "../job.ts";
import type { TenantSnapshot } from "../tenants/lane.ts";
import type { Overview, SharedEndpoint, TenantRow } from "./api.ts";

/** A tenant that is to be shown. */
export interface ShownTenant {
  readonly name: string;
  /** null while they cannot be used, and `problem` says why. */
  readonly settings: JobSettings | null;
  readonly problem: string | null;
  /** Of the process that runs all tenants, where that is this one. */
  readonly lane: TenantSnapshot | null;
}

/** A tenant in a row. @param overview its own; null while its settings cannot be used */
export function tenantRow(shown: ShownTenant, overview: Overview | null, monthUsd: number | null): TenantRow {
  const { name, settings, lane } = shown;
  const run = overview?.run ?? null;
  const words = wordsOf(shown, overview);
  const first = overview?.needs.find(({ level }) => level !== "info") ?? null;
  const urgent = overview?.needs.filter(({ level }) => level !== "info") ?? [];
  const counters = run?.counters ?? overview?.totals ?? null;
  const done =
    counters === null ? null : counters.classified + counters.skipped + counters.deadLetters + counters.retryQueued;
  return {
    name,
    ...words,
    open: overview !== null,
    done,
    left: run === null || run.total === null || done === null ? null : Math.max(0, run.total - done),
    itemsPerSecond: run?.itemsPerSecond ?? null,
    monthUsd: withRun(monthUsd, run),
    budget: run?.budget == null ? null : { usd: run.budget.usd, spentUsd: run.budget.spentUsd },
    workers: run?.fleet?.workers.length ?? null,
    needs: first === null ? stopped(words) : { count: urgent.length, level: first.level, title: first.title },
    share: settings?.share ?? lane?.share ?? null,
  };
}

/** A tenant that cannot run needs somebody, whatever else there is. */
function stopped({ state }: Pick<TenantRow, "state">): TenantRow["needs"] {
  return state === "failed" ? { count: 1, level: "bad", title: "Find out why it does not run" } : null;
}

function wordsOf(
  { problem, lane }: ShownTenant,
  overview: Overview | null,
): Pick<TenantRow, "state" | "level" | "title" | "detail"> {
  const state = stateOf(lane, overview, problem);
  const why = lane?.state === "failed" ? lane.problem : overview === null ? problem : null;
  if (why !== null) return { state: "failed", level: "bad", title: "It does not run", detail: firstLine(why) };
  if (state === "paused" && overview?.run == null)
    return { state, level: "warn", title: "Paused", detail: "It does not run until it is resumed." };
  if (overview === null) return { state, level: "idle", title: "Starting", detail: "" };
  return { state, ...overview.health };
}

function stateOf(lane: TenantSnapshot | null, overview: Overview | null, problem: string | null): TenantRow["state"] {
  if (lane !== null) return lane.state;
  if (overview === null) return problem === null ? "starting" : "failed";
  return overview.run?.state ?? "idle";
}

/** What workers spent is of the month when the run has counted their ranges; it is known before. */
function withRun(monthUsd: number | null, run: RunSnapshot | null): number | null {
  if (monthUsd === null || run?.fleet === undefined) return monthUsd;
  const { costUsd } = run.counters;
  return costUsd === null ? null : Math.max(monthUsd, costUsd);
}

const firstLine = (text: string): string => text.split("\n")[0]!;

/** Endpoints that more than one run of a process asks, and who has how much of each. */
export function sharedEndpoints(
  runs: readonly { readonly name: string; readonly weight: number; readonly run: RunSnapshot | null }[],
): SharedEndpoint[] {
  const found = new Map<
    string,
    { first: Omit<SharedEndpoint, "tenants">; tenants: SharedEndpoint["tenants"][number][] }
  >();
  for (const { name, weight, run } of runs)
    for (const { name: endpoint, model, limit, shared, inFlight, callsPerSecond } of run?.endpoints ?? []) {
      // Those that have workers ask in other processes.
      if (shared === undefined || run!.state === "ended" || run!.fleet !== undefined) continue;
      const known = found.get(`${endpoint} ${model}`) ?? { first: { endpoint, model, limit }, tenants: [] };
      known.tenants.push({ name, weight, inFlight, callsPerSecond });
      found.set(`${endpoint} ${model}`, known);
    }
  return [...found.values()]
    .filter(({ tenants }) => tenants.length > 1)
    .map(({ first, tenants }) => ({ ...first, tenants }));
}
