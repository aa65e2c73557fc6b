import { QuerymillError } from "../errors.ts";
import type { ExecutionEnd, StopReason } from "../events.ts";
import type { ItemKey } from "../item.ts";
import type { JobSettings } from "../job.ts";
import type { Adapters } from "../jobs/adapters.ts";
import { JobExecution } from "../jobs/job-execution.ts";
import type { Held, Together } from "../jobs/together.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { insist } from "../traffic/insist.ts";
import type { StoreWatch } from "../traffic/store-watch.ts";
import { HandOver } from "./hand-over.ts";
import type { FleetStore, PlannedRange, RangeTaker, RangeWork } from "./ports.ts";
import { recounted, workOf, workUnderWay } from "./range-work.ts";

/** How a range ended for its worker. `busy`: somebody was faster; `lost`: somebody took it over. */
export type RangeResult =
  | { readonly result: "done" | "dead" | "given-back"; readonly end: ExecutionEnd }
  | { readonly result: "busy" | "lost"; readonly end: null };

export interface RangeRunOptions {
  readonly settings: JobSettings;
  readonly adapters: Adapters;
  readonly fleet: FleetStore;
  /** As it was when it was chosen. */
  readonly range: PlannedRange;
  readonly worker: string;
  /** It is the only range of its worker. */
  readonly alone: boolean;
  readonly watch: StoreWatch;
}

/** How often a range says how far it has come, in ms. */
const PROGRESS_MS = 2_000;
/** A range that ended so many workers is buried; at the last time it was all that its worker had. */
const MOST_STRIKES = 2;
/** Also where the journal should have found the item that is to blame: some never get as far as the journal. */
const MOST_CRASHES = 20;

/** One range in a worker: the very same execution, over a part of the source. */
export class RangeRun implements Together {
  readonly range: PlannedRange;
  readonly execution: JobExecution;
  bury: string | null = null;
  readonly #options: RangeRunOptions;
  readonly #handOver: HandOver;
  readonly #ending = new AbortController();
  #known: ReadonlySet<ItemKey> = new Set();
  #held: Held | null = null;
  #timer: NodeJS.Timeout | null = null;
  #telling: Promise<void> | null = null;
  #result: RangeResult["result"] = "lost";

  constructor(options: RangeRunOptions) {
    const { settings, adapters, fleet, range } = options;
    this.#options = options;
    this.range = range;
    this.#handOver = new HandOver(fleet.handed, range.name);
    const own = rangeSettings(settings, range, adapters);
    this.execution = new JobExecution(own, { ...adapters, together: this });
  }

  async run(): Promise<RangeResult> {
    try {
      const end = await this.execution.run();
      const result = this.#result;
      return result === "done" || result === "dead" || result === "given-back"
        ? { result, end }
        : { result: "lost", end: null };
    } catch (error) {
      if (error instanceof QuerymillError && error.code === "JOB_HELD") return { result: "busy", end: null };
      if (error instanceof QuerymillError && error.code === "FENCED") return { result: "lost", end: null };
      await this.#giveUp();
      throw error;
    } finally {
      if (this.#timer !== null) clearInterval(this.#timer);
      this.#ending.abort();
    }
  }

  async held(held: Held): Promise<void> {
    const { fleet, range } = this.#options;
    const taken = await fleet.book.take(range, this.#taker(held));
    if (!taken)
      throw new QuerymillError("JOB_HELD", `Range ${range.name} was taken by another worker in the same moment.`);
    this.#held = held;
    this.bury = this.#whyBury(held.lease.ownerId);
    this.#known = await fleet.handed.known(range);
    await this.#tell();
    this.#timer = setInterval(() => {
      this.#telling ??= this.#tell()
        // The next one tells.
        .catch(() => {})
        .finally(() => {
          this.#telling = null;
        });
    }, PROGRESS_MS);
    this.#timer.unref();
  }

  isKnown(key: ItemKey): boolean {
    return this.#known.has(key);
  }

  /** Failures are handed over before the range is anything but taken: nothing of it stays on this disk. */
  async ended(end: ExecutionEnd, manager: BatchFileManager): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#telling;
    if (end.stopReason === "fenced" || this.#held === null) return;
    const { fleet, range } = this.#options;
    const { lease, executionId } = this.#held;
    const state = end.stopReason !== null ? "waiting" : this.bury === null ? "done" : "dead";
    await this.#insist(() => lease.confirm());
    await this.#insist(() => this.#handOver.bring(manager));
    if (state !== "waiting") await this.#insist(() => this.#countOthers(manager));
    const work = workOf(executionId, { ...end, counters: end }, this.#before(), true);
    const taker = this.#taker(this.#held);
    if (await this.#insist(() => fleet.book.finish(range.name, taker, state, work, this.bury)))
      this.#result = state === "waiting" ? "given-back" : state;
  }

  /** On the same folder the journal knows what was in flight, and the item that is to blame is found. */
  #whyBury(ownerId: string): string | null {
    const { state, alone, strikes, crashes, name } = this.range;
    if (state !== "taken" || !alone) return null;
    const unknown = strikes + (this.range.ownerId === ownerId ? 0 : 1);
    if (unknown >= MOST_STRIKES)
      return `its range ${name} ended its worker ${unknown} times, and what was in flight then is not known`;
    return crashes + 1 < MOST_CRASHES ? null : `its range ${name} ended its worker ${crashes + 1} times`;
  }

  #taker({ lease: { fence, ownerId }, executionId }: Held): RangeTaker {
    const { worker, alone } = this.#options;
    return { worker, ownerId, executionId, fence, alone };
  }

  #before(): RangeWork | null {
    return this.range.work[this.#held!.lease.ownerId] ?? null;
  }

  async #tell(): Promise<void> {
    const { lease, executionId, manager } = this.#held!;
    await this.#handOver.bring(manager);
    const work = workUnderWay(executionId, this.execution.snapshot(), this.#before());
    await this.#options.fleet.book.progress(this.range.name, lease.fence, lease.ownerId, work);
  }

  /** What those settled who did not come back to say it, as far as the source knows. */
  async #countOthers(manager: BatchFileManager): Promise<void> {
    const { fleet, range, settings } = this.#options;
    const { lease, source } = this.#held!;
    const others = Object.entries(range.work).filter(([ownerId]) => ownerId !== lease.ownerId);
    const silent = others.filter(([, { ended }]) => !ended);
    if (silent.length === 0) return;
    let waiting = 0;
    for await (const entries of fleet.handed.of(range.name))
      waiting += entries.filter(({ kind, key }) => kind === "retry" && manager.retryQueue.get(key) === null).length;
    for (const [, { ended, counters }] of others) if (ended) waiting -= counters.retryQueued;
    for (const [ownerId, work] of silent) {
      const settled = await source.settledIn?.(settings.job, work.executionIds);
      const counted = recounted(work, settled ?? null, Math.max(0, waiting));
      await fleet.book.progress(range.name, lease.fence, ownerId, counted);
      waiting = 0;
    }
  }

  /** It broke: somebody else may have better luck. */
  async #giveUp(): Promise<void> {
    if (this.#held === null) return;
    const taker = this.#taker(this.#held);
    await this.#options.fleet.book.finish(this.range.name, taker, "waiting", null).catch(() => false);
  }

  #insist<T>(action: () => Promise<T>): Promise<T> {
    return insist(action, this.#options.watch, this.#ending.signal);
  }
}

/** Why a worker takes no more ranges: they would end in the same way. */
export const LASTING: ReadonlySet<StopReason> = new Set([
  "authentication",
  "billing",
  "config",
  "daily-quota",
  "run-breaker",
  "budget",
  "disk",
]);

function rangeSettings(
  settings: JobSettings,
  { name, from, to }: PlannedRange,
  { allowance }: Pick<Adapters, "allowance">,
): JobSettings {
  const { growing = null, budget } = settings;
  return {
    ...settings,
    range: { name, from, to },
    mode: "batch",
    recover: true,
    // That all ask the same is held by the plan.
    acceptChanges: true,
    fresh: false,
    wait: false,
    limit: null,
    budget: allowance == null ? null : budget,
    reclassify: null,
    // What grew is looked for by whoever shares the job out.
    growing: growing === null || growing.quietForMs === 0 ? null : { ...growing, again: false, sweepEveryMs: null },
    retryOnly: null,
    workersAt: null,
  };
}
