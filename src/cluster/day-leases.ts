import type { DayShare } from "../traffic/leased-share.ts";
import type { LeaseStore } from "./lease-store.ts";

export interface DayLeasesOptions {
  readonly store: Pick<LeaseStore, "nowMs" | "add">;
  /** Of the endpoint and of what is counted. */
  readonly key: string;
  /** In 24 hours. */
  readonly limit: number;
  /** A clock that is never set, in ms. */
  readonly now: () => number;
  /** More may be used now. */
  readonly onChange: () => void;
}

const HOUR_MS = 3_600_000;
const HOURS = 24;
const KEPT_MS = (HOURS + 3) * HOUR_MS;
/** One lease is this part of the limit: few questions, and little is lost with a process that dies. */
const PART = 1 / 500;
const RETRY_MS = 1_000;
/** Counters hold so many units of a limit at most, so that they fit where integers have 32 bits. */
const MOST_UNITS = 1_000_000_000;

/**
 * What this process leased of a limit in 24 hours. It is counted by the hour, and an hour gets what the 24 before it have
 * left: however a provider counts its days, no 24 hours hold more than the limit.
 */
export class DayLeases implements DayShare {
  readonly #options: DayLeasesOptions;
  readonly #unit: number;
  #hour = Number.NaN;
  /** What the hours before have left for this one, in units; null: not known yet. */
  #allowed: number | null = null;
  #left = 0;
  #isSpent = false;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | null = null;

  constructor(options: DayLeasesOptions) {
    this.#options = options;
    this.#unit = Math.max(1, Math.ceil(options.limit / MOST_UNITS));
  }

  waitMs(asked: number): number {
    const { store, now, limit } = this.#options;
    // A call that takes more than a day has goes out when it can have all of it.
    const amount = Math.min(asked, Math.floor(limit / this.#unit) * this.#unit);
    const atMs = store.nowMs();
    const hour = Math.floor(atMs / HOUR_MS);
    if (hour !== this.#hour) {
      this.#hour = hour;
      this.#allowed = null;
      this.#left = Math.min(0, this.#left);
      this.#isSpent = false;
    }
    if (this.#left >= amount) return 0;
    if (this.#isSpent) return Math.ceil((hour + 1) * HOUR_MS - atMs);
    if (this.#underWay === null && now() >= this.#retryAtMs) this.#underWay = this.#ask(amount);
    return RETRY_MS;
  }

  take(amount: number): void {
    this.#left -= amount;
  }

  async #ask(amount: number): Promise<void> {
    const { limit, onChange } = this.#options;
    const hour = this.#hour;
    try {
      const wanted = Math.ceil(Math.max(amount - this.#left, limit * PART) / this.#unit);
      const granted = await this.#lease(hour, wanted);
      if (hour === this.#hour) {
        this.#left += granted * this.#unit;
        this.#isSpent = granted < wanted && this.#left < amount;
      }
    } catch {
      // Nothing is used beyond what was leased until the store is there again.
      this.#retryAtMs = this.#options.now() + RETRY_MS;
    } finally {
      this.#underWay = null;
    }
    onChange();
  }

  async #lease(hour: number, wanted: number): Promise<number> {
    const { store, limit } = this.#options;
    const before = Array.from({ length: HOURS }, (_, at) => hour - 1 - at);
    this.#allowed ??=
      Math.floor(limit / this.#unit) -
      (await Promise.all(before.map((one) => store.add(this.#keyOf(one), 0, KEPT_MS)))).reduce((a, b) => a + b, 0);
    const count = await store.add(this.#keyOf(hour), wanted, KEPT_MS);
    const granted = Math.max(0, Math.min(wanted, wanted - (count - this.#allowed)));
    if (granted < wanted) await store.add(this.#keyOf(hour), granted - wanted, KEPT_MS);
    return granted;
  }

  #keyOf(hour: number): string {
    return `${this.#options.key}:day:${hour}`;
  }
}
