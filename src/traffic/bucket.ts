import { type Charge, MOMENT_MS, type SendLedger } from "./send-ledger.ts";

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;

/** How a server fills its limit up again. */
export interface Refill {
  /** Time in which the whole limit comes back, in ms. */
  readonly periodMs: number;
  /** Nothing comes back for so many ms, then everything at once (a fixed window); null: it comes continuously. */
  readonly windowMs: number | null;
}

/** What an answer said of one limit. */
export interface Told {
  /** > 0 */
  readonly limit: number;
  /** When the call had arrived, itself included. */
  readonly remaining: number;
  /** null when it cannot be told from this answer. */
  readonly refill: Refill | null;
}

/** Never more than this share of the limit is kept back. */
const MOST_SPARE = 0.04;

/** A reset may be off by this much: some servers round to seconds, and clocks differ. */
const RESET_SLACK_MS = 2_000;

/**
 * Reads the refill out of how long it takes until the limit is whole again: what is missing comes back within its share
 * of a minute or of a day, else the server counts in fixed windows.
 */
export function refillOf(limit: number, remaining: number, resetMs: number | null): Refill | null {
  const missing = (limit - remaining) / limit;
  if (resetMs === null || resetMs === 0 || missing <= 0) return null;
  for (const periodMs of [MINUTE_MS, DAY_MS]) {
    if (Math.abs(resetMs - missing * periodMs) <= 0.25 * missing * periodMs + RESET_SLACK_MS)
      return { periodMs, windowMs: null };
  }
  return { periodMs: resetMs <= MINUTE_MS + RESET_SLACK_MS ? MINUTE_MS : DAY_MS, windowMs: resetMs };
}

/**
 * One limit as a bucket that holds at most the limit and fills continuously, or all at once when a window ends.
 *
 * The level may be told by the server. What it tells is as old as the call and does not say which of the calls sent at
 * nearly the same time it counts, so it gives a lowest and a highest level for now; our own level moves only as far as it
 * lies outside of these.
 */
export class Bucket {
  #limit: number;
  #periodMs: number;
  #windowEndsMs: number | null = null;
  #level: number;
  #atMs: number;
  /** Charges up to this number are in the level as the server told it, not as we had charged them. */
  #toldUpTo = 0;
  /** The latest moment of which an answer has told. */
  #latestMoment = Number.NEGATIVE_INFINITY;

  /** Begins full. @param limit > 0 */
  constructor(limit: number, periodMs: number, nowMs: number) {
    this.#limit = limit;
    this.#periodMs = periodMs;
    this.#level = limit;
    this.#atMs = nowMs;
  }

  get limit(): number {
    return this.#limit;
  }

  get periodMs(): number {
    return this.#periodMs;
  }

  /** What could be taken now; below 0 when more was taken than there was. */
  level(nowMs: number): number {
    if (this.#windowEndsMs !== null && nowMs >= this.#windowEndsMs) {
      this.#level = this.#limit;
      this.#atMs = this.#windowEndsMs;
      this.#windowEndsMs = null;
    }
    this.#level = Math.min(this.#limit, this.#level + this.#filled(this.#atMs, nowMs));
    this.#atMs = nowMs;
    return this.#level;
  }

  /** Share of the limit that could be taken now, 0..1. */
  share(nowMs: number): number {
    return Math.max(0, this.level(nowMs) / this.#limit);
  }

  /**
   * ms until `amount` may be taken, whole; 0: now. More than the limit waits until the bucket is full.
   * @param spareMs what fills in in so many ms is left in the bucket
   * @param spare and so much more
   */
  waitMs(amount: number, spareMs: number, spare: number, nowMs: number): number {
    const perMs = this.#limit / this.#periodMs;
    const kept = Math.min(MOST_SPARE * this.#limit, perMs * spareMs + spare);
    const missing = Math.min(amount + kept, this.#limit) - this.level(nowMs);
    if (missing <= 1e-9 * this.#limit) return 0;
    return Math.max(1, Math.ceil(this.#windowEndsMs === null ? missing / perMs : this.#windowEndsMs - nowMs));
  }

  take(amount: number, nowMs: number): void {
    this.#level = this.level(nowMs) - amount;
  }

  /** A charge turned out larger, or smaller (negative). */
  correct({ number }: Charge, grewBy: number, nowMs: number): void {
    if (number > this.#toldUpTo) this.#level = Math.min(this.#limit, this.level(nowMs) - grewBy);
  }

  /** Follows what the answer to a call said. Answers to calls sent before the latest one that answered say nothing. */
  follow({ limit, remaining, refill }: Told, charge: Charge, ledger: SendLedger, nowMs: number): void {
    const { sentMs, moment } = charge;
    if (moment.index < this.#latestMoment) return;
    const later = ledger.laterThan(charge);
    // What may have been sent after the first call that tells, this bucket has not been charged yet.
    if (this.#latestMoment === Number.NEGATIVE_INFINITY) this.#set(limit - later.perhaps, later.perhapsFrom);
    this.#latestMoment = moment.index;
    this.level(nowMs);
    this.#limit = limit;
    if (refill !== null) {
      this.#periodMs = refill.periodMs;
      this.#windowEndsMs = refill.windowMs === null ? null : sentMs + refill.windowMs + MOMENT_MS;
      // That window is over: what was left in it says nothing of the new one.
      if (this.#windowEndsMs !== null && this.#windowEndsMs <= nowMs) {
        this.#windowEndsMs = null;
        return;
      }
    }
    const highest = remaining + this.#filled(sentMs, nowMs) - later.surely;
    // The call arrived after it was sent, at the latest now.
    const filledAtLeast = this.#filled(Math.min(nowMs, sentMs + MOMENT_MS), nowMs);
    const lowest = Math.min(limit, remaining + filledAtLeast) - later.perhaps;
    // Servers round down: nearly one more may be left.
    if (this.#level >= highest + 1) this.#set(highest, later.surelyFrom);
    else if (this.#level < lowest) this.#set(lowest, later.perhapsFrom);
  }

  /** A call was refused: there was too little when it arrived, as good as nothing. */
  refuse(charge: Charge, ledger: SendLedger, nowMs: number): void {
    const later = ledger.laterThan(charge);
    const highest = this.#filled(charge.sentMs, nowMs) - later.surely;
    if (this.level(nowMs) > highest) this.#set(highest, later.surelyFrom);
  }

  #set(level: number, toldUpTo: number): void {
    this.#level = Math.min(this.#limit, level);
    this.#toldUpTo = toldUpTo;
  }

  #filled(fromMs: number, toMs: number): number {
    return this.#windowEndsMs === null ? ((toMs - fromMs) * this.#limit) / this.#periodMs : 0;
  }
}
