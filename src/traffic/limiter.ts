import type { LimiterSnapshot, LimitSnapshot, RateHeaders, RateLimits } from "../rate-limits.ts";
import { Bucket, DAY_MS, MINUTE_MS, refillOf } from "./bucket.ts";
import { type FullPace, type LeasedShare, paceOf } from "./leased-share.ts";
import { type Charge, SendLedger } from "./send-ledger.ts";

/** What one call was charged. */
export interface Reservation {
  readonly requests: Charge;
  readonly tokens: Charge;
}

type Counted = keyof Reservation;

interface Known {
  readonly counted: Counted;
  readonly origin: LimitSnapshot["origin"];
  readonly bucket: Bucket;
}

const NAMES = {
  requestsPerMinute: { counted: "requests", periodMs: MINUTE_MS },
  tokensPerMinute: { counted: "tokens", periodMs: MINUTE_MS },
  requestsPerDay: { counted: "requests", periodMs: DAY_MS },
  tokensPerDay: { counted: "tokens", periodMs: DAY_MS },
} as const satisfies Record<keyof RateLimits, { counted: Counted; periodMs: number }>;

/** What fills in in this time is left in every bucket: calls overtake each other on their way. In ms, see {@link RateLimiter}. */
const LEAST_SPARE_MS = 200;
const MOST_SPARE_MS = 3_200;
/** Half of what refusals added to it is taken back in this time, in ms. */
const SPARE_HALF_LIFE_MS = 60_000;
/** The relative error of token estimates that is assumed at first, and the weight of each call in it. */
const FIRST_ERROR = 0.2;
const ERROR_WEIGHT = 1 / 64;

/**
 * Requests and tokens per minute and per day of one endpoint: when the next call may go out so that it is not refused.
 *
 * Configured limits are ceilings that we count ourselves. Beside them stand the limits that the answers' headers tell
 * of, at most one for requests and one for tokens: these follow the server, up and down. A call goes out when every
 * bucket has room. A little is kept back in each, which costs a steady stream nothing: for the jitter of the network, for
 * the error of token estimates, and more for a while after a refusal.
 *
 * For each call: {@link take}; then, when it has come back, {@link settle}, {@link cancel} or {@link refused}; then
 * {@link learn}, if it had headers. No timers: the caller sleeps {@link waitMs} and asks again.
 */
export class RateLimiter {
  readonly #now: () => number;
  /** Of all limits that were ever configured: what was used of one that is named no more is known when it is named again. */
  readonly #configured = new Map<keyof RateLimits, Known>();
  readonly #ledgers: Readonly<Record<Counted, SendLedger>> = { requests: new SendLedger(), tokens: new SendLedger() };
  readonly #told: { requests: Known | null; tokens: Known | null } = { requests: null, tokens: null };
  /** Those that hold now. */
  #known: readonly Known[] = [];
  /** A refusal's Retry-After ends here. */
  #closedUntilMs = 0;
  #extraSpareMs = 0;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  /** Smoothed square of the relative error of estimates. */
  #squaredError = FIRST_ERROR ** 2;
  /** Estimates of calls that have not come back. */
  #openTokens = 0;
  /** null: nobody else uses the endpoint. */
  #share: LeasedShare | null = null;
  /** Limits per minute that another process was told of. */
  #heard: FullPace = { requests: null, tokens: null };

  /** @param options.now monotonic ms */
  constructor({ configured, now }: { readonly configured: RateLimits; readonly now: () => number }) {
    this.#now = now;
    this.configure(configured);
  }

  /** Other limits from now on. What is used up of one stays used up, as a share, also while nobody names it. */
  configure(limits: RateLimits): void {
    const now = this.#now();
    const configured = (Object.keys(NAMES) as (keyof RateLimits)[]).flatMap((name): Known[] => {
      const limit = limits[name];
      if (limit === null) return [];
      const { counted, periodMs } = NAMES[name];
      const old = this.#configured.get(name);
      if (old?.bucket.limit === limit) return [old];
      const bucket = new Bucket(limit, periodMs, now);
      if (old !== undefined) bucket.take((1 - old.bucket.share(now)) * limit, now);
      const known: Known = { counted, origin: "config", bucket };
      this.#configured.set(name, known);
      return [known];
    });
    this.#known = [...configured, ...this.#known.filter(({ origin }) => origin === "headers")];
  }

  /** Others use the endpoint too: from now on calls go out at the pace of the share that is leased. */
  shareWith(share: LeasedShare): void {
    this.#share = share;
  }

  /** What another process has learned of the endpoint: its limits per minute, and how long nothing may go out. */
  hear(limits: Pick<RateLimits, "requestsPerMinute" | "tokensPerMinute">, restMs: number): void {
    const told = paceOf(limits);
    this.#heard = { requests: told.requests ?? this.#heard.requests, tokens: told.tokens ?? this.#heard.tokens };
    this.#closedUntilMs = Math.max(this.#closedUntilMs, this.#now() + restMs);
  }

  /** The lowest limit per minute of each kind for the whole endpoint, by settings, headers and what others heard. */
  get pace(): FullPace {
    return this.#lowestPace(this.#heard);
  }

  /** The same by settings and headers alone: what others may be told without telling them what they told. */
  get ownPace(): FullPace {
    return this.#lowestPace({ requests: null, tokens: null });
  }

  /** ms until a call of so many tokens may go out, whole and finite; 0: now. It may be less when asked again. */
  waitMs(tokens: number): number {
    const now = this.#now();
    const spareMs = this.#spareMs(now);
    const tokenSpare = 2 * Math.sqrt(this.#squaredError * this.#openTokens * tokens);
    let longest = Math.max(0, Math.ceil(this.#closedUntilMs - now));
    for (const { counted, bucket } of this.#known) {
      const wait =
        counted === "requests" ? bucket.waitMs(1, spareMs, 0, now) : bucket.waitMs(tokens, spareMs, tokenSpare, now);
      if (wait > longest) longest = wait;
    }
    const forShare = this.#share?.waitMs(tokens, this.pace, now) ?? 0;
    return Math.max(longest, forShare);
  }

  /** Charges a call that goes out now; meant for when {@link waitMs} is 0. @param tokens estimate, finite, >= 0 */
  take(tokens: number): Reservation {
    const now = this.#now();
    for (const { counted, bucket } of this.#known) bucket.take(counted === "requests" ? 1 : tokens, now);
    this.#openTokens += tokens;
    this.#share?.take("requests", 1);
    this.#share?.take("tokens", tokens);
    return { requests: this.#ledgers.requests.add(now, 1), tokens: this.#ledgers.tokens.add(now, tokens) };
  }

  /** The call was answered. @param usedTokens null: unknown, the estimate stands */
  settle(reservation: Reservation, usedTokens: number | null): void {
    const estimate = reservation.tokens.amount;
    this.#close(reservation);
    if (usedTokens === null) return;
    this.#change("tokens", reservation.tokens, usedTokens);
    if (estimate === 0) return;
    const error = Math.min(1, Math.abs(usedTokens / estimate - 1));
    this.#squaredError += ERROR_WEIGHT * (error ** 2 - this.#squaredError);
  }

  /** The call was never sent: gives all back. */
  cancel(reservation: Reservation): void {
    this.#close(reservation);
    this.#change("requests", reservation.requests, 0);
    this.#change("tokens", reservation.tokens, 0);
  }

  /** The call came back with 429: gives all back, and nothing goes out before the time that the server asks for. */
  refused(reservation: Reservation, retryAfterMs: number | null): void {
    const now = this.#now();
    this.cancel(reservation);
    this.#closedUntilMs = Math.max(this.#closedUntilMs, now + (retryAfterMs ?? 0));
    // Once per crowd: the calls that were under way together are refused together.
    if (reservation.requests.sentMs > this.#refusedAtMs) {
      const spareMs = 2 * this.#spareMs(now);
      this.#extraSpareMs = Math.min(MOST_SPARE_MS, spareMs) - LEAST_SPARE_MS;
      this.#refusedAtMs = now;
    }
    const tightest = this.#known.toSorted((a, b) => a.bucket.share(now) - b.bucket.share(now))[0];
    if (tightest === undefined) return;
    const { counted, bucket } = tightest;
    bucket.refuse(reservation[counted], this.#ledgers[counted], now);
  }

  /** What the headers of the call's answer or refusal said. */
  learn(reservation: Reservation, rate: RateHeaders): void {
    this.#follow("requests", reservation, rate.limitRequests, rate.remainingRequests, rate.resetRequestsMs);
    this.#follow("tokens", reservation, rate.limitTokens, rate.remainingTokens, rate.resetTokensMs);
  }

  /** The time in which all that was used of its limits comes back, in ms; those that are named no more count too. */
  get memoryMs(): number {
    const all = [...this.#configured.values(), ...this.#known];
    return Math.max(MINUTE_MS, ...all.map(({ bucket }) => bucket.periodMs));
  }

  /** Estimates of the calls that have not come back. */
  get openTokens(): number {
    return this.#openTokens;
  }

  /** The smallest share that is left of a limit, 0..1; null while no limit is known. */
  get headroom(): number | null {
    const now = this.#now();
    let smallest: number | null = null;
    for (const { bucket } of this.#known) {
      const share = bucket.share(now);
      if (smallest === null || share < smallest) smallest = share;
    }
    return smallest;
  }

  /** null for limits that nobody has told. A limit per hour shows as one per day. */
  snapshot(): LimiterSnapshot {
    const now = this.#now();
    const shown = (name: keyof RateLimits): LimitSnapshot | null => {
      const { counted, periodMs } = NAMES[name];
      const [known] = this.#known
        .filter((each) => each.counted === counted && each.bucket.periodMs === periodMs)
        .sort((a, b) => a.bucket.limit - b.bucket.limit || a.bucket.level(now) - b.bucket.level(now));
      if (known === undefined) return null;
      const { bucket, origin } = known;
      const share = bucket.share(now);
      return { limit: bucket.limit, remaining: share * bucket.limit, used: 1 - share, origin };
    };
    return {
      requestsPerMinute: shown("requestsPerMinute"),
      tokensPerMinute: shown("tokensPerMinute"),
      requestsPerDay: shown("requestsPerDay"),
      tokensPerDay: shown("tokensPerDay"),
    };
  }

  #lowestPace(atMost: FullPace): FullPace {
    const lowest = (counted: Counted): number | null => {
      let pace = atMost[counted];
      for (const { counted: what, bucket } of this.#known) {
        if (what !== counted || bucket.periodMs !== MINUTE_MS) continue;
        const perMs = bucket.limit / MINUTE_MS;
        if (pace === null || perMs < pace) pace = perMs;
      }
      return pace;
    };
    return { requests: lowest("requests"), tokens: lowest("tokens") };
  }

  #spareMs(nowMs: number): number {
    return LEAST_SPARE_MS + this.#extraSpareMs * 0.5 ** ((nowMs - this.#refusedAtMs) / SPARE_HALF_LIFE_MS);
  }

  /** It has come back, or was never sent. */
  #close({ tokens }: Reservation): void {
    this.#openTokens = Math.max(0, this.#openTokens - tokens.amount);
  }

  #change(counted: Counted, charge: Charge, amount: number): void {
    const now = this.#now();
    const grewBy = this.#ledgers[counted].change(charge, amount);
    if (grewBy === 0) return;
    this.#share?.take(counted, grewBy);
    for (const known of this.#known) if (known.counted === counted) known.bucket.correct(charge, grewBy, now);
  }

  #follow(
    counted: Counted,
    reservation: Reservation,
    limit: number | null,
    remaining: number | null,
    resetMs: number | null,
  ): void {
    if (limit === null || limit <= 0 || remaining === null) return;
    const now = this.#now();
    const ledger = this.#ledgers[counted];
    const charge = reservation[counted];
    const left = Math.min(limit, remaining);
    const refill = refillOf(limit, left, resetMs);
    let known = this.#told[counted];
    if (known === null) {
      known = { counted, origin: "headers", bucket: new Bucket(limit, refill?.periodMs ?? MINUTE_MS, now) };
      this.#told[counted] = known;
      this.#known = [...this.#known, known];
    }
    known.bucket.follow({ limit, remaining: left, refill }, charge, ledger, now);
  }
}
