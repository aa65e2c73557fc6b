import type { Execution } from "../jobs/execution.ts";
import type { FleetOrders } from "./ports.ts";
import type { RangeRun } from "./range-run.ts";

/** What the executions of one worker are told. */
export interface Wanted {
  /** Calls at once of all of them together. */
  readonly calls: number | "auto";
  /** Ceiling of `auto`. */
  readonly most: number;
  readonly orders: FleetOrders;
}

const HELD = "the range before it has the slots";
/** What was told last, so that nothing is told twice. */
const told = new WeakMap<Execution, { ceiling: number; budget: FleetOrders["budget"]; drained: readonly string[] }>();

/**
 * Shares the calls of a worker among its ranges, the oldest first: one that uses all it was given may have all that is
 * free, a later one gets what those before it leave, and is paused while they leave nothing.
 */
export function shareSlots(runs: readonly { readonly execution: Execution }[], { calls, most, orders }: Wanted): void {
  const busy = runs.map(({ execution }) => execution.snapshot().slots.busy);
  let left = calls === "auto" ? most : calls;
  for (const [at, { execution }] of runs.entries()) {
    const own = busy[at]!;
    const before = told.get(execution) ?? { ceiling: 0, budget: null, drained: [] };
    const later = busy.slice(at + 1).reduce((sum, other) => sum + other, 0);
    const wanted = own >= before.ceiling ? left - later : own;
    const ceiling = Math.max(1, at === runs.length - 1 ? left : wanted);
    pauseOrGoOn(execution, orders, at > 0 && left <= 0 && own === 0);
    left -= ceiling;
    if (ceiling !== before.ceiling)
      void execution
        .change(calls === "auto" ? { concurrent: "auto", concurrentMax: ceiling } : { concurrent: ceiling })
        .catch(() => {});
    if (orders.budget !== null && orders.budget.usd !== before.budget?.usd)
      void execution.setBudget(orders.budget.usd).catch(() => {});
    const drained = moveEndpoints(execution, before.drained, orders.drained);
    told.set(execution, { ceiling, budget: orders.budget, drained });
  }
}

function pauseOrGoOn(execution: Execution, { paused }: FleetOrders, isHeld: boolean): void {
  const reason = paused === null ? (isHeld ? HELD : null) : (paused.reason ?? "paused");
  const current = execution.snapshot().paused;
  const isPaused = current?.holder === "operator";
  if (reason !== null && !isPaused) execution.pause(reason, { by: paused?.by ?? null });
  else if (reason === null && isPaused) execution.resume();
}

/** @returns which endpoints take nothing now: one that is not open yet is told later */
function moveEndpoints(execution: Execution, before: readonly string[], wanted: readonly string[]): readonly string[] {
  const now = new Set(before);
  const move = (names: readonly string[], tell: (name: string) => void, keep: (name: string) => void): void => {
    for (const name of names) {
      try {
        tell(name);
        keep(name);
      } catch {
        // It has none of that name, or not yet.
      }
    }
  };
  move(
    wanted.filter((name) => !now.has(name)),
    (name) => execution.drainEndpoint(name),
    (name) => now.add(name),
  );
  move(
    before.filter((name) => !wanted.includes(name)),
    (name) => execution.resumeEndpoint(name),
    (name) => now.delete(name),
  );
  return [...now];
}

/** What is left of it is in flight, or will be within a second or two. */
export function isNearItsEnd({ execution, range }: Pick<RangeRun, "execution" | "range">): boolean {
  const { state, counters, total, slots, itemsPerSecond } = execution.snapshot();
  if (state !== "running" && state !== "waiting") return false;
  const left = (total ?? range.items) - (counters.read - counters.inFlight);
  return left <= Math.max(slots.limit * 2, itemsPerSecond * 2);
}
