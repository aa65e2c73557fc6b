import type { JobSettings } from "../job.ts";
import type { LeaseStore } from "./lease-store.ts";
import type { SharedBudget } from "./shared-allowance.ts";

export interface BudgetLeasesOptions {
  readonly store: Pick<LeaseStore, "nowMs" | "add">;
  /** Tenant, job and, for a budget of one run, the run of the whole fleet. */
  readonly job: string;
  readonly usd: number;
  readonly per: NonNullable<JobSettings["budget"]>["per"];
  /** A clock that is never set, in ms. */
  readonly now: () => number;
}

/** Money is counted in thousandths of a USD. */
const UNITS = 1_000;
/** A lease is at most this part of the budget, and enough for so many of the calls that want it. */
const LARGEST_PART = 1 / 100;
const CALLS = 200;
/** What is estimated of a call before it is made may be so much more than what calls cost on average. */
const HELD_BACK = 2;
const RETRY_MS = 1_000;
/** More than a process has under way at once. */
const RUNS = 16;
/** How long a counter is kept that comes back never: longer than a job that is left alone, in ms. */
const KEPT_MS = 400 * 86_400_000;

/**
 * The part of a budget that was leased to this process. The counter says what was leased by all, whether or not it was
 * spent: what a process has left when it is killed stays unspent, at most one lease.
 */
export class BudgetLeases implements SharedBudget {
  readonly #options: BudgetLeasesOptions;
  /** By run, as far as it is among {@link RUNS}. */
  readonly #watchers = new Map<string, () => void>();
  readonly #spent = new Map<string, number>();
  /** By runs that are over. */
  #spentBefore = 0;
  #period: string;
  /** In units; since the period began. */
  #leased = 0;
  #mayGrow = true;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | null = null;

  constructor(options: BudgetLeasesOptions) {
    this.#options = options;
    this.#period = this.#periodNow();
  }

  watch(run: string, onChange: () => void): void {
    this.#watchers.set(run, onChange);
  }

  left(run: string, spentUsd: number): { readonly usd: number; readonly mayGrow: boolean } {
    this.#turn();
    const before = this.#spent.get(run) ?? 0;
    // Runs that ask are never the oldest.
    this.#spent.delete(run);
    this.#spent.set(run, Math.max(spentUsd, before));
    const [oldest, usd] = this.#spent.entries().next().value!;
    if (this.#spent.size > RUNS) {
      this.#spent.delete(oldest);
      this.#watchers.delete(oldest);
      this.#spentBefore += usd;
    }
    return { usd: this.#leftUsd(), mayGrow: this.#mayGrow };
  }

  wants(usd: number): void {
    if (this.#underWay !== null || !this.#mayGrow || this.#options.now() < this.#retryAtMs) return;
    this.#underWay = this.#lease(usd).then(
      () => {
        this.#underWay = null;
        this.#tell();
      },
      () => {
        // What was leased may be spent; then calls wait until the store is there again.
        this.#retryAtMs = this.#options.now() + RETRY_MS;
        this.#underWay = null;
        setTimeout(() => {
          // A timer may fire a moment early.
          this.#retryAtMs = Number.NEGATIVE_INFINITY;
          this.#tell();
        }, RETRY_MS).unref();
      },
    );
  }

  /**
   * What is counted as leased is at least so much.
   * @param callUsd about what a call costs
   * @returns true when less is left than a lease, or than calls are held back for
   */
  async raise(spentUsd: number, callUsd = 0): Promise<boolean> {
    const { store, usd } = this.#options;
    const key = this.#key;
    const count = await store.add(key, 0, KEPT_MS);
    const missing = Math.ceil(spentUsd * UNITS) - count;
    const raised = missing > 0 ? await store.add(key, missing, KEPT_MS) : count;
    return raised >= Math.floor(UNITS * (usd - Math.max(usd * LARGEST_PART, HELD_BACK * callUsd)));
  }

  /** Gives back what is not spent. */
  async close(): Promise<void> {
    await this.#underWay;
    const spare = Math.floor(this.#leftUsd() * UNITS);
    this.#leased = 0;
    if (spare > 0) await this.#options.store.add(this.#key, -spare, KEPT_MS).catch(() => {});
  }

  async #lease(usd: number): Promise<void> {
    const { store } = this.#options;
    const budget = Math.floor(this.#options.usd * UNITS);
    const call = usd * UNITS;
    const wanted = Math.max(1, Math.ceil(Math.max(call, Math.min(call * CALLS, budget * LARGEST_PART))));
    const key = this.#key;
    const count = await store.add(key, wanted, KEPT_MS);
    const granted = Math.max(0, Math.min(wanted, wanted - (count - budget)));
    if (granted < wanted) {
      // Others may give back what they do not need; this one has come to the end.
      this.#mayGrow = false;
      await store.add(key, granted - wanted, KEPT_MS);
    }
    if (key === this.#key) this.#leased += granted;
  }

  #tell(): void {
    for (const tell of this.#watchers.values()) tell();
  }

  #leftUsd(): number {
    let spent = this.#spentBefore;
    for (const usd of this.#spent.values()) spent += usd;
    return this.#leased / UNITS - spent;
  }

  /** A new day or month brings the whole budget again. */
  #turn(): void {
    const period = this.#periodNow();
    if (period === this.#period) return;
    this.#period = period;
    this.#leased = 0;
    this.#spent.clear();
    this.#spentBefore = 0;
    this.#mayGrow = true;
  }

  get #key(): string {
    return keyOf(this.#options.job, this.#period);
  }

  #periodNow(): string {
    const { per, store } = this.#options;
    const today = new Date(store.nowMs()).toISOString();
    return per === "day" ? today.slice(0, 10) : per === "month" ? today.slice(0, 7) : per;
  }
}

/** Whether a counter is that of a budget of the job, of whichever period. */
export function isBudgetOf(job: string, key: string): boolean {
  return key === keyOf(job, key.slice(key.lastIndexOf(":") + 1));
}

function keyOf(job: string, period: string): string {
  return `usd:${job}:${period}`;
}
