import { systemClocks } from "../clocks.ts";
import { QuerymillError } from "../errors.ts";
import type { RunSnapshot, StopReason } from "../events.ts";
import type { JobSettings } from "../job.ts";
import type { Adapters } from "../jobs/adapters.ts";
import type { PauseOptions } from "../jobs/execution.ts";
import { JobExecution } from "../jobs/job-execution.ts";
import type { LiveChanges } from "../jobs/live-changes.ts";
import { loadPeers } from "../observe/peer-package.ts";
import { CoordinatorAllowance } from "./coordinator-allowance.ts";
import { openDispatcher } from "./open-dispatcher.ts";
import type { FleetOrders } from "./ports.ts";
import { addCounters, costOf, settledOf } from "./range-work.ts";
import { ShareOut } from "./share-out.ts";

/** What a job needs to be worked off by several processes, else a sentence. */
const REFUSED: readonly [(settings: JobSettings) => boolean, string][] = [
  [
    ({ limit }) => limit !== null,
    "--limit: each worker would count for itself. Run it without --workers-at, or narrow it with --filter.",
  ],
  [
    ({ budget }) => budget?.per === "run",
    "budget.per: run: workers spend for the job, not for a run. Make it job, day or month.",
  ],
  [
    ({ reclassify }) => reclassify !== null,
    "--reclassify: run it without --workers-at first, and the rest with workers.",
  ],
  [
    ({ fresh }) => fresh,
    "--fresh: what workers are at would be forgotten. Run it without --workers-at once they have ended.",
  ],
];

/**
 * A run that has others do the work: an ordinary execution that, before each pass over the source, cuts it into ranges
 * and waits until workers have done them. Its own pass finds late inserts, and works retries that are due.
 */
export class CoordinatorExecution extends JobExecution {
  readonly #sharing: ShareOut;
  readonly #workersAt: string;
  #saidAlone = false;

  /** @throws QuerymillError USAGE for what several processes cannot do together */
  constructor(settings: JobSettings, adapters: Adapters, clocks = systemClocks) {
    for (const [isRefused, why] of REFUSED)
      if (isRefused(settings)) throw new QuerymillError("USAGE", `--workers-at and ${why}`);
    const { workersAt, tenant, job, targetCollection } = settings;
    const place = { workersAt: workersAt!, tenant, job, targetCollection };
    const allowance = new CoordinatorAllowance();
    const sharing: ShareOut = new ShareOut({
      settings,
      allowance,
      openDispatcher: ({ book }) => openDispatcher(place, book),
      onAlone: (ranges) => this.#sayAlone(ranges),
      onUntold: (forMs) => this.#sayWait(UNTOLD, this.clocks.now() + forMs, 0),
    });
    // It can be killed at any time and started again with the same command.
    super({ ...settings, recover: true }, { ...adapters, allowance, together: sharing }, clocks);
    this.#sharing = sharing;
    this.#workersAt = workersAt!;
  }

  override snapshot(): RunSnapshot {
    const own = super.snapshot();
    const { fleet, counters, settledBefore } = this.#sharing;
    if (fleet === null) return own;
    const all = addCounters(own.counters, counters);
    const seconds = Math.max(1, own.nowMs - own.startedAtMs - this.paused.totalMs) / 1_000;
    const waits = fleet.ranges.waiting + fleet.ranges.taken > 0 && fleet.workers.length === 0;
    return {
      ...own,
      fleet,
      counters: all,
      // What a worker has done but not yet said when the run began is in neither.
      total: own.total === null ? null : Math.max(own.total + settledBefore, all.read),
      itemsPerSecond: own.itemsPerSecond + fleet.itemsPerSecond,
      itemsPerSecondMean: (settledOf(all) - settledBefore) / seconds,
      budget: own.budget && { ...own.budget, spentUsd: own.budget.spentUsd + costOf(counters) },
      waiting: own.waiting ?? (waits ? { reason: NOBODY, untilMs: null, items: 0 } : null),
    };
  }

  override pause(reason: string | null = null, options: PauseOptions = {}): void {
    super.pause(reason, options);
    // Each worker keeps the hours itself.
    if ((options.holder ?? "operator") === "operator") this.#tell({ paused: { reason, by: options.by ?? null } });
  }

  override resume(options: PauseOptions = {}): void {
    super.resume(options);
    if ((options.holder ?? "operator") === "operator") this.#tell({ paused: null });
  }

  override stop(reason: StopReason, message: string | null = null): void {
    // A signal is for this process alone: workers go on with what they have, and it can be started again.
    if (reason === "stop-requested") this.#tell({ ending: "stop" });
    super.stop(reason, message);
  }

  override async change(changes: LiveChanges): Promise<void> {
    if (changes.budget) await loadPeers("A budget of several workers", ["rate-limiter-flexible"]);
    await super.change(changes);
    if (changes.concurrent !== undefined) this.#tell({ concurrent: changes.concurrent });
  }

  override drainEndpoint(name: string): void {
    super.drainEndpoint(name);
    this.#tellDrained();
  }

  override resumeEndpoint(name: string): void {
    super.resumeEndpoint(name);
    this.#tellDrained();
  }

  #tellDrained(): void {
    const drained = super.snapshot().endpoints.filter(({ state }) => state === "draining");
    this.#tell({ drained: drained.map(({ name }) => name) });
  }

  #tell(change: Partial<Omit<FleetOrders, "version">>): void {
    void this.#sharing.order(change);
  }

  #sayAlone(ranges: number): void {
    if (this.#saidAlone) return;
    this.#saidAlone = true;
    const where = this.#workersAt === "mongodb" ? "mongodb" : "the same place";
    this.#sayWait(`${NOBODY}: start some with querymill worker --workers-at ${where}`, null, ranges);
  }

  #sayWait(reason: string, untilMs: number | null, items: number): void {
    this.events.emit("execution:wait", { executionId: this.executionId, reason, untilMs, items });
  }
}

const NOBODY = "no worker has joined";
const UNTOLD =
  "the store is away, and the workers cannot be told: where that lasts, end them with SIGTERM, or run this again and tell it once more";
