import { setTimeout as delay } from "node:timers/promises";
import type { Counters } from "../counters.ts";
import { QuerymillError } from "../errors.ts";
import type { ExecutionEnd } from "../events.ts";
import type { DeadRange, FleetSnapshot } from "../fleet.ts";
import type { ItemKey } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { spentOf } from "../jobs/budget.ts";
import type { LeaseKeeper } from "../jobs/lease-keeper.ts";
import { NO_COUNTERS } from "../jobs/no-counters.ts";
import type { Held, Shared, Together } from "../jobs/together.ts";
import { insist } from "../traffic/insist.ts";
import type { CoordinatorAllowance } from "./coordinator-allowance.ts";
import { AT_ONCE, type FleetLook, lookAt, MOST_SHOWN } from "./fleet-look.ts";
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
  /** It ends, and the store does not take what the workers are to be told. @param forMs how long that is tried, in ms */
  readonly onUntold: (forMs: number) => void;
}

/** How often the plan is looked at, in ms. */
const LOOK_MS = 500;
/** Every so many looks what is free is offered again: a dispatcher may have lost it. */
const LOOKS_TO_OFFER = 4;
/** Ranges that wait: at least so many, and so many for each worker; more are cut when these are taken. */
const AHEAD = 16;
const AHEAD_OF_EACH = 4;
/** How long it is tried at the end to tell workers what they were not told yet, in ms. */
const TELL_MS = 10_000;
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
  #lease: LeaseKeeper | null = null;
  #dispatcher: Dispatcher | null = null;
  /** As it was seen last; what it says of items is not counted for the job yet. */
  #seen: FleetLook | null = null;
  /** Counted ones too, which are no longer in the plan. */
  readonly #dead = new Map<string, DeadRange>();
  /** Items settled in ranges that were not counted when this execution looked first. */
  #settledBefore: number | null = null;
  #next = 1;
  #told: Promise<boolean> = Promise.resolve(true);
  /** The workers know of it. */
  #budget: JobSettings["budget"];
  /** USD that workers spent in this execution before there was this budget: nobody leased it of that. */
  #unleasedUsd = 0;
  #orders: Orders = NONE;
  /** Those that the store has. */
  #said: Orders = NONE;

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

  async held({ lease, store, source }: Held): Promise<void> {
    const { settings, openDispatcher, allowance } = this.#options;
    const fleet = store.fleet?.(settings.targetCollection) ?? null;
    if (fleet === null || source.cut === undefined)
      throw new QuerymillError(
        "USAGE",
        `--workers-at: ${store.address} is a file of this machine, which workers on others cannot reach. Give a MongoDB with --store, or leave --workers-at out.`,
      );
    this.#fleet = fleet;
    this.#lease = lease;
    await allowance.open(settings);
    this.#dispatcher = await openDispatcher(fleet);
    // Orders of a run before are not for this one.
    const orders = this.#orders;
    await fleet.board.order(orders, lease.fence);
    this.#said = orders;
  }

  /** Workers that were not told would go on: the store may be away for a moment just now. */
  async ended({ stopReason }: Pick<ExecutionEnd, "stopReason">): Promise<void> {
    if (stopReason === "fenced") return;
    if (await this.#tell()) return;
    const untilMs = performance.now() + TELL_MS;
    this.#options.onUntold(TELL_MS);
    while (!(await this.#tell()) && performance.now() < untilMs) await delay(LOOK_MS);
  }

  /** Also of a try to begin that came to nothing. */
  async close(): Promise<void> {
    await this.#told;
    await this.#dispatcher?.close();
    this.#dispatcher = null;
    await this.#options.allowance.close();
  }

  /** Holds for workers that come later too. While the store is away it is told with the next look. */
  async order(change: Partial<Orders>): Promise<void> {
    this.#orders = { ...this.#orders, ...change };
    await this.#tell();
  }

  /** One after the other, so that the last word is the one that holds. @returns whether the workers can read it */
  #tell(): Promise<boolean> {
    this.#told = this.#told.then(async () => {
      const orders = this.#orders;
      if (this.#fleet === null || orders === this.#said) return true;
      try {
        // They are the workers of whoever has taken over.
        await this.#lease!.confirm();
        await this.#fleet.board.order(orders, this.#lease!.fence);
      } catch (error) {
        return error instanceof QuerymillError && error.code === "FENCED";
      }
      this.#said = orders;
      return true;
    });
    return this.#told;
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
      await this.#oneRound(shared, ask);
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
  async #oneRound(shared: Shared, ask: Ask): Promise<void> {
    const { open, signal, executionId, fingerprint } = shared;
    const { settings, onAlone } = this.#options;
    const { book } = this.#fleet!;
    const plan = await ask(() => book.plan());
    const said: Omit<FleetPlan, "next" | "cut"> = {
      job: settings.job,
      executionId,
      question: questionOf(settings, fingerprint),
    };
    // Whoever had the plan before adds nothing from here on: what is the last range stays it.
    await ask(() => book.change({ ...said, cut: plan?.cut === true }, open.lease.fence));
    const last = await ask(() => book.last());
    this.#next = Math.max(plan?.next ?? 1, (last?.number ?? 0) + 1, (shared.recorder.state.absorbedRanges ?? 0) + 1);
    const cutter = new RangeCutter((from, size) => ask(() => open.source.cut!(from, size)), this.#size);
    let from: ItemKey | null = last?.to ?? null;
    let cut = last !== null && (last.to === null || plan?.cut === true);
    await ask(() => book.change({ ...said, cut }, open.lease.fence));
    await this.#isSpent(shared);
    for (let look = 0; !signal.aborted; look += 1) {
      const { workers, ranges } = await ask(() => this.#look());
      await this.#tellBudget(shared);
      await this.#tell();
      // There are more of them.
      if ((await ask(() => this.#absorb(shared))) === AT_ONCE) continue;
      let { waiting } = ranges;
      const ahead = Math.max(AHEAD, AHEAD_OF_EACH * workers.length);
      while (!cut && waiting < ahead && !signal.aborted) {
        const end = await cutter.next(from, workers.length);
        if (end !== null) {
          await ask(() => this.#add(from, end, open.lease));
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
    const byWorkers = settings.budget?.per === "job" ? costOf(counters) : this.#unleasedUsd - recorder.absorbedUsd;
    const spentUsd = (atMs: number): number => spentOf(settings, recorder, atMs) + byWorkers;
    const callUsd =
      ((totals.costUsd ?? 0) + (counters.costUsd ?? 0)) / Math.max(1, totals.modelCalls + counters.modelCalls);
    return await allowance.spent(settings.budget, spentUsd, callUsd).catch(() => null);
  }

  /** Once what was spent before it is counted. */
  async #tellBudget(shared: Shared): Promise<void> {
    const { budget } = shared.settings;
    if (budget === this.#budget) return;
    if (budget?.per !== this.#budget?.per) this.#unleasedUsd = shared.recorder.absorbedUsd + costOf(this.counters);
    if ((await this.#isSpent(shared)) === null) return;
    this.#budget = budget;
    await this.order({ budget: { usd: budget?.usd ?? null } });
  }

  async #add(from: ItemKey | null, { to, items }: Cut, lease: LeaseKeeper): Promise<void> {
    const number = this.#next;
    await lease.confirm();
    const range = { name: `r${String(number).padStart(9, "0")}`, number, from, to, items };
    await this.#fleet!.book.add([range], lease.fence);
    this.#next = number + 1;
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
      // Another run counts it otherwise, and what was handed over is to go to that one.
      await open.lease.confirm();
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

type Cut = { readonly to: ItemKey | null; readonly items: number };
type Ask = <T>(action: () => Promise<T>) => Promise<T>;
