import type { Env, Hono } from "hono";
import type { PlannedRange } from "../cluster/ports.ts";
import { FLEET_SILENT_MS } from "../cluster/ports.ts";
import type { JobSettings } from "../job.ts";
import type { Store } from "../store.ts";
import type { FleetDetail } from "./api.ts";
import { answering } from "./data-requests.ts";

export interface FleetDeps {
  readonly settings: JobSettings;
  readonly store: () => Promise<Store>;
  /** In front of each path. */
  readonly base: string;
}

/** Ranges that are looked at: about all that a run has cut and not counted yet. */
const MOST_RANGES = 1_000;
const MOST_SHOWN = 100;

/** What the plan of a fleet says of its ranges. A job that one process works off has none. */
export function mountFleet<E extends Env>(app: Hono<E>, { settings, store, base }: FleetDeps): void {
  app.get(`${base}/fleet`, (context) =>
    answering(context, async () => context.json(await detailOf(settings, await store()))),
  );
}

async function detailOf({ workersAt, targetCollection }: JobSettings, store: Store): Promise<FleetDetail> {
  const fleet = (workersAt ?? null) === null ? undefined : store.fleet?.(targetCollection);
  if (fleet === undefined)
    return { workers: null, counts: null, ranges: [], complete: true, silentMs: FLEET_SILENT_MS };
  const [workers, counts, planned] = await Promise.all([
    fleet.board.workers(),
    fleet.book.counts(),
    fleet.book.list(MOST_RANGES),
  ]);
  const told = planned
    .filter(({ state }) => state === "dead" || state === "taken")
    .sort((a, b) => rank(a) - rank(b) || a.number - b.number);
  return {
    ...{ workers, counts, silentMs: FLEET_SILENT_MS },
    ranges: told.slice(0, MOST_SHOWN).map(rowOf),
    complete: told.length <= MOST_SHOWN && planned.length < MOST_RANGES,
  };
}

const rank = ({ state }: PlannedRange): number => (state === "dead" ? 0 : 1);

function rowOf(range: PlannedRange): FleetDetail["ranges"][number] {
  const { name, number, state, items, worker, takenAtMs, attempts, crashes, reason } = range;
  const done = Object.values(range.work).reduce(
    (sum, { counters }) => sum + counters.classified + counters.skipped + counters.deadLetters + counters.retryQueued,
    0,
  );
  return { name, number, state, items, done, worker, takenAtMs, attempts, crashes, reason };
}
