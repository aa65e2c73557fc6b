import { setTimeout as delay } from "node:timers/promises";
import type { Counters } from "../counters.ts";
import { QuerymillError } from "../errors.ts";
import type { DeadRange, FleetSnapshot } from "../fleet.ts";
import type { ItemKey } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { spentOf } from "../jobs/budget.ts";
import { NO_COUNTERS } from "../jobs/no-counters.ts";
import type { Held, Shared, Together } from "../jobs/together.ts";
import { insist } from "../traffic/insist.ts";
import type { CoordinatorAllowance } from "./coordinator-allowance.ts";
import { takeOver } from "./hand-over.ts";
import {
  type Dispatcher,
  type FleetOrders,
  type FleetPlan,
  type FleetStore,
  NO_ORDERS,
  type PlannedRange,
} from "./ports.ts";
import { questionOf } from "./question.ts";
import { RangeCutter } from "./range-cutter.ts";
import { addCounters, costOf, settledOf, sumOf } from "./range-work.ts";

export interface ShareOutOptions {
  readonly settings: JobSettings;
  readonly allowance: CoordinatorAllowance;
  readonly openDispatcher: (fleet: FleetStore) => Promise<Dispatcher>;
  /** Nobody works though there is work. */
  readonly onAlone: (ranges: number) => void;
}

/** How often the plan is looked at, in ms. */
const LOOK_MS = 500;
/** Every so many looks what is free is offered again: a dispatcher may have lost it. */
const LOOKS_TO_OFFER = 4;
/** Ranges that wait: at least so many, and so many for each worker; more are cut when these are taken. */
const AHEAD = 16;
const AHEAD_OF_EACH = 4;
/** Ranges that are looked at together. */
const AT_ONCE = 200;
/** Ranges that are shown, of those that are held and of those that are dead. */
const MOST_SHOWN = 100;
/** Cutting again what remains, within one pass of a source that is worked off once. */
const MOST_ROUNDS = 3;
const DEFAULT_SIZE = 2_000;

type Orders = Omit<FleetOrders, "version">;
const { version: _, ...NONE }: FleetOrders = NO_ORDERS;

/** Finished, whichever way. */
const isOver = ({ state }: PlannedRange): boolean => state === "done" || state === "dead";

/** Has workers do what is too much for one: cuts the source into ranges, and counts what they did. */
export class ShareOut implements Together {
  readonly #options: ShareOutOptions;
  #fleet: FleetStore | null = null;
  #dispatcher: Dispatcher | null = null;
  /** As it was seen last; what it says of items is not counted for the job yet. */
  #seen: FleetLook | null = null;
  /** Counted ones too, which are no longer in the plan. */
  readonly #dead = new Map<string, DeadRange>();
  /** Items settled in ranges that were not counted when this execution looked first. */
  #settledBefore: number | null = null;
  #next = 1;
  #told: Promise<unknown> = Promise.resolve();
  /** The workers know of it. */
  #budget: JobSettings["budget"];
  #orders: Orders = NONE;

  constructor(options: ShareOutOptions) {
    this.#options = options;
    this.#budget = options.settings.budget;
  }

  /** null before it is open. */
  get fleet(): FleetSnapshot | null {
    return this.#seen?.fleet ?? null;
  }
  /** Of ranges that are not counted for the job yet. */
  get counters(): Counters {
    const uncounted = [...(this.#seen?.uncounted.values() ?? [])];
    return uncounted.reduce((sum, counters) => addCounters(sum, counters), { ...NO_COUNTERS });
  }

  /** Items of {@link counters} and of the job's own that were settled before this execution began. */
  get settledBefore(): number {
    return this.#settledBefore ?? 0;
  }

  async held({ store, source }: Held): Promise<void> {
    const { settings, openDispatcher, allowance } = this.#options;
    const fleet = store.fleet?.(settings.targetCollection) ?? null;
    if (fleet === null || source.cut === undefined)
      throw new QuerymillError(
        "USAGE",
        `--workers-at: ${store.address} is a file of this machine, which workers on others cannot reach. Give a MongoDB with --store, or leave --workers-at out.`,
      );
    this.#fleet = fleet;
    await allowance.open(settings);
    this.#dispatcher = await openDispatcher(fleet);
    // Orders of a run before are not for this one.
    await fleet.board.order(this.#orders);
  }

  async ended(): Promise<void> {
    await this.#told;
    await this.#dispatcher?.close();
    await this.#options.allowance.close();
  }

  /** Holds for workers that come later too. */
  async order(change: Partial<Orders>): Promise<void> {
    this.#orders = { ...this.#orders, ...change };
    // One after the other, so that the last word is the one that holds.
    this.#told = this.#told.then(async () => await this.#fleet?.board.order(change)).catch(() => {});
    await this.#told;
  }

  async shareOut(shared: Shared): Promise<void> {
    const { manager, open, signal } = shared;
    const ask = <T>(action: () => Promise<T>): Promise<T> => insist(action, shared.watch, signal);
    const { book, handed } = this.#fleet!;
    for (let round = 0; round < MOST_ROUNDS && !signal.aborted; round += 1) {
      await ask(() => handed.waiting([...manager.retryQueue.keys()]));
      const last = await ask(() => book.last());
      if (last === null) {
        const first = await ask(() => open.source.cut!(null, this.#size));
        // One process has done it before others have begun.
        if (first === null || first.to === null) return;
      }
      const readBefore = shared.recorder.counts.read;
      await this.#oneRound(shared, last, ask);
      // What nobody settles now would be cut again and again.
      if (shared.recorder.counts.read === readBefore) return;
    }
  }

  get ownItems(): number {
    return this.#size;
  }

  get #size(): number {
    return this.#options.settings.rangeSize ?? DEFAULT_SIZE;
  }

  /** From what an earlier one left of the plan to its end. */
  async #oneRound(shared: Shared, last: PlannedRange | null, ask: Ask): Promise<void> {
    const { open, signal, executionId, fingerprint } = shared;
    const { settings, onAlone } = this.#options;
    const { book } = this.#fleet!;
    const plan = await ask(() => book.plan());
    const said: Omit<FleetPlan, "next" | "cut"> = {
      job: settings.job,
      executionId,
      question: questionOf(settings, fingerprint),
    };
    this.#next = Math.max(plan?.next ?? 1, (last?.number ?? 0) + 1, (shared.recorder.state.absorbedRanges ?? 0) + 1);
    const cutter = new RangeCutter((from, size) => ask(() => open.source.cut!(from, size)), this.#size);
    let from: ItemKey | null = last?.to ?? null;
    let cut = last !== null && (last.to === null || plan?.cut === true);
    await ask(() => book.change({ ...said, cut }, open.lease.fence));
    await this.#isSpent(shared);
    for (let look = 0; !signal.aborted; look += 1) {
      const { workers, ranges } = await ask(() => this.#look());
      await this.#tellBudget(shared);
      // There are more of them.
      if ((await ask(() => this.#absorb(shared))) === AT_ONCE) continue;
      let { waiting } = ranges;
      const ahead = Math.max(AHEAD, AHEAD_OF_EACH * workers.length);
      while (!cut && waiting < ahead && !signal.aborted) {
        const end = await cutter.next(from, workers.length);
        if (end !== null) {
          await ask(() => this.#add(from, end));
          from = end.to;
          waiting += 1;
        }
        cut = end === null || end.to === null;
        if (cut) await ask(() => book.change({ ...said, cut }, open.lease.fence));
      }
      if (cut && waiting + ranges.taken === 0) return;
      if (waiting > ranges.waiting || look % LOOKS_TO_OFFER === 0) await ask(() => this.#offer());
      // With nothing left to spend, the workers have ended, and the own pass says why.
      if (workers.length === 0 && (await this.#isSpent(shared))) return;
      if (workers.length === 0) onAlone(waiting);
      await delay(LOOK_MS, undefined, { signal }).catch(() => {});
    }
    // What is finished by now is counted by this execution, if the store lets it.
    await this.#look()
      .then(() => this.#absorb(shared))
      .catch(() => {});
  }

  /** Also tells workers what was spent before they came. While the store is away it is not known: null. */
  async #isSpent({ settings, recorder }: Shared): Promise<boolean | null> {
    const { allowance } = this.#options;
    const [{ totals }, { counters }] = [recorder, this];
    // Of a day or a month only what was counted in it: the rest was leased in it.
    const uncounted = settings.budget?.per === "job" ? costOf(counters) : 0;
    const spentUsd = (atMs: number): number => spentOf(settings, recorder, atMs) + uncounted;
    const callUsd =
      ((totals.costUsd ?? 0) + (counters.costUsd ?? 0)) / Math.max(1, totals.modelCalls + counters.modelCalls);
    return await allowance.spent(settings.budget, spentUsd, callUsd).catch(() => null);
  }

  /** Once what was spent before it is counted. */
  async #tellBudget(shared: Shared): Promise<void> {
    const { budget } = shared.settings;
    if (budget === this.#budget || (await this.#isSpent(shared)) === null) return;
    this.#budget = budget;
    await this.order({ budget: { usd: budget?.usd ?? null } });
  }

  async #add(from: ItemKey | null, { to, items }: { to: ItemKey | null; items: number }): Promise<void> {
    const number = this.#next;
    this.#next += 1;
    await this.#fleet!.book.add([{ name: `r${String(number).padStart(9, "0")}`, number, from, to, items }]);
  }

  async #offer(): Promise<void> {
    const { book } = this.#fleet!;
    const free = await book.free(AT_ONCE);
    await this.#dispatcher!.offer(free);
  }

  /**
   * Counts finished ranges for the job, in the order they were cut, and takes over what they handed over. Only then they
   * leave the plan; whoever dies in between does it again, and nothing is counted twice.
   * @returns how many
   */
  async #absorb({ manager, open, recorder }: Shared): Promise<number> {
    const { book, handed } = this.#fleet!;
    const { listed, uncounted } = this.#seen!;
    const goesOn = listed.findIndex((range) => !isOver(range));
    const over = goesOn < 0 ? listed : listed.slice(0, goesOn);
    const { job } = this.#options.settings;
    for (const { name, number, work } of over) {
      const failed = await takeOver(handed, name, manager, open.source, job);
      const all = sumOf(Object.values(work));
      uncounted.delete(name);
      if (all !== null) await recorder.absorb({ number, counters: all.counters, atMs: Date.now() }, all, failed);
      await handed.remove(name);
    }
    await book.remove(over.map(({ name }) => name));
    return over.length;
  }

  async #look(): Promise<FleetSnapshot> {
    const { fleet, ...seen } = await lookAt(this.#fleet!);
    for (const one of fleet.dead) if (!this.#dead.has(one.range)) this.#dead.set(one.range, one);
    const dead = [...this.#dead.values()].slice(-MOST_SHOWN);
    this.#seen = { ...seen, fleet: { ...fleet, dead } };
    this.#settledBefore ??= settledOf(this.counters);
    return this.#seen.fleet;
  }
}

type Ask = <T>(action: () => Promise<T>) => Promise<T>;

/** How a fleet stands. */
export interface FleetLook {
  readonly fleet: FleetSnapshot;
  /** The first ones in the order they were cut. */
  readonly listed: readonly PlannedRange[];
  /** What was done of ranges that the job has not counted yet, by their names. */
  readonly uncounted: Map<string, Counters>;
}

export async function lookAt({ book, board }: Pick<FleetStore, "book" | "board">): Promise<FleetLook> {
  // Before the ranges: one who leaves has given back what it had, and would be missing with something in its hands.
  const workers = await board.workers();
  const [ranges, listed] = await Promise.all([book.counts(), book.list(AT_ONCE)]);
  const atMs = Date.now();
  const costs = workers.map(({ costUsd }) => costUsd);
  return {
    fleet: {
      workers,
      ranges,
      held: listed
        .filter(({ state }) => state === "taken")
        .slice(0, MOST_SHOWN)
        .map(({ name, worker, takenAtMs }) => ({ range: name, worker: worker ?? "", sinceMs: takenAtMs ?? 0 })),
      dead: listed
        .filter(({ state }) => state === "dead")
        .slice(-MOST_SHOWN)
        .map(({ name, items }) => ({ range: name, items, atMs })),
      itemsPerSecond: workers.reduce((sum, { itemsPerSecond }) => sum + itemsPerSecond, 0),
      costUsd: costs.includes(null) ? null : costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0),
    },
    listed,
    uncounted: new Map(
      listed.flatMap(({ name, work }) => {
        const all = sumOf(Object.values(work));
        return all === null ? [] : [[name, all.counters]];
      }),
    ),
  };
}
