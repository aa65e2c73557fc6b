import type { RateLimits } from "../rate-limits.ts";
import { MINUTE_MS } from "./bucket.ts";

/** What a process that shares an endpoint with others wants of it. */
export interface ShareDemand {
  /** Share of the endpoint's limits that was used since the last look, 0 and more. */
  readonly used: number;
  /** Calls waited because the share was used up. */
  readonly isShort: boolean;
}

/** What a whole endpoint grants in one ms; null: no limit of that kind is known. */
export interface FullPace {
  readonly requests: number | null;
  readonly tokens: number | null;
}

/** What of a limit in 24 hours was leased. */
export interface DayShare {
  /** ms until so much may be used, whole and finite; 0: now. */
  waitMs(amount: number): number;
  /** It is used, or turned out larger, or smaller (negative). */
  take(amount: number): void;
}

type Counted = keyof FullPace;

/** What a stream may save up while no call is ready, in ms of its pace: fleets of many processes add these up. */
const SAVED_MS = 500;
/** How long a call that has no share waits until it asks again, in ms: it is woken when there is one. */
const NO_SHARE_MS = 1_000;

/** @returns the pace of limits per minute */
export function paceOf({
  requestsPerMinute,
  tokensPerMinute,
}: Pick<RateLimits, "requestsPerMinute" | "tokensPerMinute">): FullPace {
  const perMs = (limit: number | null): number | null => (limit === null ? null : limit / MINUTE_MS);
  return { requests: perMs(requestsPerMinute), tokens: perMs(tokensPerMinute) };
}

/**
 * The part of an endpoint that was leased to this process: its calls go out at that part of the endpoint's pace, and none
 * when the lease is over. What is leased is a pace and no amount, so that processes which lease at different moments never
 * send more together than the endpoint grants, however a server counts: in buckets, in fixed windows or in sliding ones.
 *
 * A call of more tokens than may be saved up goes out on credit, which is paid back before the next one.
 */
export class LeasedShare {
  #share = 0;
  #untilMs = Number.NEGATIVE_INFINITY;
  #atMs: number;
  #lookedMs: number;
  readonly #levels: Record<Counted, number> = { requests: 0, tokens: 0 };
  readonly #used: Record<Counted, number> = { requests: 0, tokens: 0 };
  readonly #days: Readonly<Partial<Record<Counted, DayShare>>>;
  #isShort = false;

  /** @param nowMs of here and below: a clock that is never set @param days limits in 24 hours */
  constructor(nowMs: number, days: Readonly<Partial<Record<Counted, DayShare>>> = {}) {
    this.#days = days;
    this.#atMs = nowMs;
    this.#lookedMs = nowMs;
  }

  /** What holds from now on. @param share 0..1 @param untilMs monotonic */
  lease(share: number, untilMs: number, full: FullPace, nowMs: number): void {
    this.#fill(full, nowMs);
    this.#share = share;
    this.#untilMs = untilMs;
  }

  /** The share that holds now, 0..1. */
  shareAt(nowMs: number): number {
    return nowMs < this.#untilMs ? this.#share : 0;
  }

  /** ms until a call may go out, whole and finite; 0: now. */
  waitMs(tokens: number, full: FullPace, nowMs: number): number {
    this.#fill(full, nowMs);
    const wait = Math.max(this.#waitFor("requests", 1, full, nowMs), this.#waitFor("tokens", tokens, full, nowMs));
    if (wait > 0) this.#isShort = true;
    return Math.max(wait, this.#days.requests?.waitMs(1) ?? 0, this.#days.tokens?.waitMs(tokens) ?? 0);
  }

  /** A call goes out, or turned out larger, or smaller (negative). */
  take(counted: Counted, amount: number): void {
    this.#levels[counted] -= amount;
    this.#days[counted]?.take(amount);
    this.#used[counted] += amount;
  }

  /** What was wanted since the last look. */
  look(full: FullPace, nowMs: number): ShareDemand {
    const elapsedMs = Math.max(1, nowMs - this.#lookedMs);
    const part = (counted: Counted): number => {
      const pace = full[counted];
      return pace === null ? 0 : Math.max(0, this.#used[counted]) / (pace * elapsedMs);
    };
    const demand = { used: Math.max(part("requests"), part("tokens")), isShort: this.#isShort };
    this.#lookedMs = nowMs;
    this.#used.requests = 0;
    this.#used.tokens = 0;
    this.#isShort = false;
    return demand;
  }

  #waitFor(counted: Counted, amount: number, full: FullPace, nowMs: number): number {
    const pace = full[counted];
    if (pace === null) return 0;
    const perMs = pace * this.shareAt(nowMs);
    if (perMs === 0) return NO_SHARE_MS;
    const missing = Math.min(amount, this.#most(counted, perMs)) - this.#levels[counted];
    return missing <= 1e-9 * amount ? 0 : Math.max(1, Math.min(NO_SHARE_MS, Math.ceil(missing / perMs)));
  }

  #fill(full: FullPace, nowMs: number): void {
    const ms = Math.max(0, Math.min(nowMs, this.#untilMs) - this.#atMs);
    this.#atMs = nowMs;
    for (const counted of ["requests", "tokens"] as const) {
      const pace = full[counted];
      if (pace === null) {
        this.#levels[counted] = 0;
        continue;
      }
      const perMs = pace * this.#share;
      const level = this.#levels[counted];
      const most = Math.max(level, this.#most(counted, perMs));
      this.#levels[counted] = Math.min(most, level + ms * perMs);
    }
  }

  /** A call needs one request, however small the share. */
  #most(counted: Counted, perMs: number): number {
    return Math.max(counted === "requests" ? 1 : 0, perMs * SAVED_MS);
  }
}
