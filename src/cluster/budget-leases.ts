import type { JobSettings } from "../job.ts";
import type { LeaseStore } from "./lease-store.ts";
import type { SharedBudget, Spender } from "./shared-allowance.ts";

export interface BudgetLeasesOptions {
  readonly store: Pick<LeaseStore, "nowMs" | "add">;
  /** Tenant, job and, for a budget of one run, the run of the whole fleet. */
  readonly job: string;
  readonly usd: number;
  readonly per: NonNullable<JobSettings["budget"]>["per"];
  /** A clock that is never set, in ms. */
  readonly now: () => number;
}

/** Money is counted in millionths of a USD. */
const UNITS = 1_000_000;
/** A lease is at most this part of the budget, and enough for so many of the calls that want it. */
const LARGEST_PART = 1 / 100;
const CALLS = 200;
/** What is estimated of a call before it is made may be so much more than what calls cost on average. */
const HELD_BACK = 2;
const RETRY_MS = 1_000;
/** How long a counter is kept that comes back never: longer than a job that is left alone, in ms. */
const KEPT_MS = 400 * 86_400_000;

/** A run that spends, and what it had spent when it was looked at last, in USD. */
interface Member {
  readonly spender: Spender;
  seenUsd: number;
}

/**
 * The part of a budget that was leased to this process. The counter says what was leased by all, whether or not it was
 * spent: what a process has left when it is killed stays unspent, at most one lease.
 */
export class BudgetLeases {
  readonly #options: BudgetLeasesOptions;
  readonly #members = new Set<Member>();
  #period: string;
  /** In units; since the period began. */
  #leased = 0;
  /** In USD; since the period began, by the clock of the store. */
  #spentUsd = 0;
  #mayGrow = true;
  /** A run found that not one more call can be paid. */
  #isSpent = false;
  /** How many had found that when it was asked first: others may have given back a good part since. */
  #endsBefore: number | null = null;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | null = null;

  constructor(options: BudgetLeasesOptions) {
    this.#options = options;
    this.#period = this.#periodNow();
  }

  join(spender: Spender): SharedBudget {
    const member: Member = { spender, seenUsd: spender.spentUsd() };
    this.#members.add(member);
    return {
      left: () => this.#left(),
      wants: (usd) => this.#wants(usd),
      end: () => {
        this.#isSpent = true;
      },
      leave: () => {
        this.#count(member);
        this.#members.delete(member);
      },
    };
  }

  #left(): { readonly usd: number; readonly mayGrow: boolean } {
    this.#turn();
    for (const member of this.#members) this.#count(member);
    return { usd: this.#leftUsd(), mayGrow: this.#mayGrow };
  }

  #count(member: Member): void {
    const usd = member.spender.spentUsd();
    if (usd <= member.seenUsd) return;
    this.#spentUsd += usd - member.seenUsd;
    member.seenUsd = usd;
  }

  #wants(usd: number): void {
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
   * What is counted as leased is at least what was spent.
   * @param spentUsd USD spent in the period of this time, epoch ms @param callUsd about what a call costs
   * @returns true when less is left than a lease, or than calls are held back for, and when a process that has left has found
   * the budget spent: since this was asked first, or before with no more left than rests of calls
   */
  async raise(spentUsd: (atMs: number) => number, callUsd = 0): Promise<boolean> {
    const { store, usd } = this.#options;
    this.#turn();
    const key = this.#key;
    const spent = spentUsd(store.nowMs());
    const count = await store.add(key, 0, KEPT_MS);
    const missing = Math.ceil(spent * UNITS) - count;
    const raised = missing > 0 ? await store.add(key, missing, KEPT_MS) : count;
    const rest = usd - raised / UNITS;
    const heldBack = Math.max(usd * LARGEST_PART, HELD_BACK * callUsd);
    // The counter is in whole units.
    if (rest <= heldBack + 1 / UNITS) return true;
    const ends = await store.add(this.#endKey, 0, KEPT_MS);
    this.#endsBefore ??= ends;
    return ends > this.#endsBefore || (ends > 0 && rest <= heldBack + ends * HELD_BACK * callUsd);
  }

  /** Gives back what is not spent, and says so when no call could be paid of it. */
  async close(): Promise<void> {
    await this.#underWay;
    const { store } = this.#options;
    const spare = Math.floor(this.#left().usd * UNITS);
    this.#leased = 0;
    if (this.#isSpent) await store.add(this.#endKey, 1, KEPT_MS).catch(() => {});
    if (spare > 0) await store.add(this.#key, -spare, KEPT_MS).catch(() => {});
  }

  async #lease(usd: number): Promise<void> {
    const { store } = this.#options;
    const budget = Math.floor(this.#options.usd * UNITS);
    const call = usd * UNITS;
    const wanted = Math.max(1, Math.ceil(Math.max(call, Math.min(call * CALLS, budget * LARGEST_PART))));
    const key = this.#key;
    const count = await store.add(key, wanted, KEPT_MS);
    const granted = Math.max(0, Math.min(wanted, wanted - (count - budget)));
    if (granted < wanted) await store.add(key, granted - wanted, KEPT_MS);
    if (key !== this.#key) return;
    this.#leased += granted;
    // Others may give back what they do not need; this one has come to the end.
    if (granted < wanted) this.#mayGrow = false;
  }

  #tell(): void {
    for (const { spender } of this.#members) spender.onChange();
  }

  #leftUsd(): number {
    return this.#leased / UNITS - this.#spentUsd;
  }

  /** A new day or month brings the whole budget again. */
  #turn(): void {
    const period = this.#periodNow();
    if (period === this.#period) return;
    this.#period = period;
    this.#leased = 0;
    this.#spentUsd = 0;
    this.#mayGrow = true;
    this.#isSpent = false;
    this.#endsBefore = null;
  }

  get #key(): string {
    return keyOf(this.#options.job, this.#period);
  }

  /** Of how many processes have found this budget spent. */
  get #endKey(): string {
    return keyOf(this.#options.job, `${this.#period}-${this.#options.usd}-spent`);
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
