import type { ModelError } from "../errors.ts";
import type { EndpointSnapshot } from "../events.ts";
import { NO_LIMITS, type RateHeaders, strictest } from "../rate-limits.ts";
import { LONGEST_REST_MS } from "./availability.ts";
import {
  type ConcurrencyOptions,
  type ConcurrencyState,
  firstLimit,
  type LimitStep,
  nextLimit,
  retunedLimit,
  type Seen,
} from "./concurrency.ts";
import { type Contender, FairShare } from "./fair-share.ts";
import { RateLimiter } from "./limiter.ts";
import { Paces } from "./paces.ts";
import { concurrencyOfAll, type Party, type Passage } from "./party.ts";
import { SharedEndpoint } from "./shared-endpoint.ts";

/** Calls in a row that met a limit which {@link RateLimiter} knew, before the endpoint rests as one that is not understood. */
const REFUSED_EPISODES = 3;
/** A pause for a known limit is told from this length on, in ms. */
const TOLD_PAUSE_MS = 1_000;
const LONGEST_TIMER_MS = 600_000;
/** Stands for a usual latency where none is known, in ms. */
const SOME_LATENCY_MS = 1_000;

export interface UpstreamOptions {
  /** Called when the last one has left. */
  readonly onEmpty?: () => void;
  /** Calls at once of all that share it; null: as many as they may make together. See {@link Upstream.bound}. */
  readonly together?: number | null;
}

/**
 * One model at one URL with one key, as its provider counts it: calls at once, requests and tokens in a minute. Of one run,
 * or shared by several, which then get their shares of it in turn. What only concerns a run (whether its own calls fail,
 * whether it was told to drain) is with its endpoint.
 */
export class Upstream {
  /** What it has with other processes that ask here too. */
  readonly shared: SharedEndpoint;
  readonly #now: () => number;
  readonly #limiter: RateLimiter;
  readonly #onEmpty: () => void;
  readonly #parties = new Set<Party>();
  readonly #fair = new FairShare<Party>();
  #together: number | null;
  #concurrency: ConcurrencyState | null = null;
  #bounds: ConcurrencyOptions = { start: 1, max: 1, mode: "auto" };
  /** null until several have shared it. */
  #paces: Paces<Party> | null = null;
  #lastChange: EndpointSnapshot["lastChange"] = null;
  #inFlight = 0;
  #taken = 0;
  #era = 0;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  #refusedEpisodes = 0;
  /** Until when a known limit makes calls wait, once that was told and as long as no later call was answered. */
  #toldUntilMs: number | null = null;
  #isServing = false;
  #timer: NodeJS.Timeout | null = null;

  /** @param now a clock that is never set, in ms */
  constructor(now: () => number, { onEmpty = () => {}, together = null }: UpstreamOptions = {}) {
    this.#now = now;
    this.#onEmpty = onEmpty;
    this.#together = together;
    this.#limiter = new RateLimiter({ configured: NO_LIMITS, now });
    this.shared = new SharedEndpoint(this.#limiter, (isRefused) => this.#hear(isRefused));
  }

  get isShared(): boolean {
    return this.#parties.size > 1;
  }
  /** Runs that share it. */
  get parties(): number {
    return this.#parties.size;
  }
  /** Of all that share it. */
  get inFlight(): number {
    return this.#inFlight;
  }
  /** Calls that may be in flight at once, now, of all that share it. */
  get limit(): number {
    return this.#concurrency?.limit ?? 0;
  }
  get lastChange(): EndpointSnapshot["lastChange"] {
    return this.#lastChange;
  }
  get limits(): EndpointSnapshot["limits"] {
    return this.#limiter.snapshot();
  }
  /** How long it is remembered what was used of its limits, in ms. */
  get memoryMs(): number {
    return this.#limiter.memoryMs;
  }

  join(party: Party): void {
    if (this.#parties.size === 1) {
      if (this.#together === null) this.#paces ??= this.#firstPaces();
      this.#era += 1;
      for (const alone of this.#parties) this.#fair.wasAlone(alone, this.#limiter.openTokens);
    }
    this.#parties.add(party);
    this.#retune();
    // From now on it is asked for in turn: those that wait have to say so.
    for (const other of this.#parties) if (other !== party) other.onTurn();
  }

  /** Its calls in flight come home yet. */
  leave(party: Party): void {
    if (!this.#parties.delete(party)) return;
    this.#fair.leave(party);
    this.#paces?.leave(party);
    if (this.#parties.size === 0) {
      if (this.#together === null) this.shared.onLeave();
      this.#onEmpty();
    } else this.#retune();
    this.#serveIn(0);
    if (this.#parties.size > 1) this.serve();
    // One that is alone waits for limits by itself.
    else for (const last of this.#parties) last.onTurn();
  }

  /**
   * Set where those that share it are parts of one run, which come and go: the calls at once of all of them. Their texts
   * take the same time, and what other processes tell of it holds for the next one.
   */
  bound(calls: number): void {
    this.#together = calls;
    this.retuned();
  }

  /** The bounds of a party were changed. */
  retuned(): void {
    this.#retune();
    this.serve();
  }

  /** ms until the party's call may go out; 0: now; Infinity: when something changes. @param tokens as estimated */
  waitMs(party: Party, tokens: number): number {
    if (this.#inFlight >= this.limit) return Number.POSITIVE_INFINITY;
    if (this.#parties.size <= 1) return this.#limiter.waitMs(tokens);
    if (party.inFlight >= party.bounds.concurrency.max) return Number.POSITIVE_INFINITY;
    const next = this.#fair.next(this.#contenders({ party, tokens }));
    if (next === null) return Number.POSITIVE_INFINITY;
    const waitMs = this.#limiter.waitMs(next.tokens);
    return next.party === party || waitMs > 0 ? waitMs : Number.POSITIVE_INFINITY;
  }

  /** A call of the party goes out now; only when {@link waitMs} is 0. It ends with one of the five below, and {@link left}. */
  take(party: Party, tokens: number): Passage {
    this.#inFlight += 1;
    this.#taken += 1;
    const grant = this.#parties.size > 1 ? this.#fair.take({ party, tokens }, this.#contenders(null)) : null;
    return { sentMs: this.#now(), reservation: this.#limiter.take(tokens), grant, era: this.#era };
  }

  /** True while a call of another one finds out whether a limit is over. */
  isProbed(party: Party): boolean {
    if (this.#parties.size <= 1) return false;
    for (const other of this.#parties) if (other !== party && other.availability.isProbing) return true;
    return false;
  }

  /** The call was not made. */
  cancel(party: Party, passage: Passage): void {
    const grant = this.#grantOf(party, passage);
    this.#limiter.cancel(passage.reservation);
    if (grant !== null) this.#fair.cancel(grant);
  }

  /** It was answered. @param tokens that count against the limits; null: unknown */
  answered(party: Party, passage: Passage, tokens: number | null, rate: RateHeaders | null, latencyMs: number): void {
    this.#settle(party, passage, tokens);
    if (rate !== null) {
      this.#limiter.learn(passage.reservation, rate);
      this.shared.tell(0, false);
    }
    this.#refusedEpisodes = 0;
    const judgedMs = this.#paces === null ? latencyMs : this.#paces.judge(party, latencyMs);
    this.#see({ what: "answer", latencyMs: judgedMs, inFlight: this.#inFlight, headroom: this.#limiter.headroom });
    if (this.#toldUntilMs !== null && passage.sentMs >= this.#toldUntilMs) {
      this.#toldUntilMs = null;
      // The end of a rest is told by the one who began it.
      for (const each of this.#parties) if (each.availability.isOpen) each.onPaceEnd();
    }
    if (this.#parties.size > 1)
      for (const other of this.#parties) if (other !== party) other.availability.othersAnswered();
  }

  /** It was cut off: nobody knows what it used. */
  gaveUp(party: Party, passage: Passage): void {
    this.#settle(party, passage, null);
  }

  /** It brought no answer. @param isItem it was refused because of the item */
  failed(party: Party, passage: Passage, { rate }: ModelError, isItem: boolean): void {
    this.#settle(party, passage, null);
    if (rate !== null) this.#limiter.learn(passage.reservation, rate);
    if (isItem) return;
    // What works for others is this one's own trouble.
    for (const other of this.#parties) if (other !== party && other.isWell) return;
    this.#see({ what: "failed" });
  }

  /**
   * It met a limit. One that is known is a matter of pace: the limiter waits as long as the server asks and goes on. One
   * that is not, or that refuses again and again, makes all that share it rest and probe.
   */
  throttled(party: Party, passage: Passage, { retryAfterMs, rate }: ModelError): void {
    const { sentMs, reservation } = passage;
    const grant = this.#grantOf(party, passage);
    const nowMs = this.#now();
    if (sentMs > this.#refusedAtMs) {
      this.#refusedAtMs = nowMs;
      this.#refusedEpisodes += 1;
    }
    this.#see({ what: "refused", sentMs, nowMs });
    const isKnown =
      this.#limiter.headroom !== null || (rate?.remainingRequests ?? rate?.remainingTokens ?? null) !== null;
    const isPace = isKnown && this.#refusedEpisodes < REFUSED_EPISODES;
    const pauseMs = isPace ? Math.min(LONGEST_REST_MS, retryAfterMs ?? 0) : 0;
    this.#limiter.refused(reservation, pauseMs);
    if (grant !== null) this.#fair.cancel(grant);
    if (rate !== null) this.#limiter.learn(reservation, rate);
    if (isPace) this.#sayPaces(nowMs, pauseMs);
    else for (const each of this.#parties) each.availability.throttled(retryAfterMs, each === party);
    this.shared.tell(Math.min(LONGEST_REST_MS, retryAfterMs ?? 0), true);
  }

  /** A call of the party has ended, however it did. */
  left(party: Party): void {
    this.#inFlight -= 1;
    if (this.#parties.size > 1) this.serve();
    // It may have gone elsewhere meanwhile.
    else for (const last of this.#parties) if (last !== party) last.onTurn();
  }

  /** What a party {@link Party.wanted wants} has changed. */
  wants(party: Party): void {
    if (party.wanted === null) this.#fair.idle(party);
    this.serve();
  }

  /** Gives those that share it their turns, as far as calls may go out. */
  serve(): void {
    if (this.#isServing || this.#parties.size <= 1) return;
    this.#isServing = true;
    try {
      let waitMs = 0;
      while (this.#inFlight < this.limit) {
        const next = this.#fair.next(this.#contenders(null));
        if (next === null) break;
        waitMs = this.#limiter.waitMs(next.tokens);
        if (waitMs > 0) break;
        const before = this.#taken;
        next.party.onTurn();
        if (this.#taken === before && next.party.wanted === next.tokens) next.party.passTurn();
      }
      this.#serveIn(waitMs);
    } finally {
      this.#isServing = false;
    }
  }

  #serveIn(waitMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = waitMs === 0 ? null : setTimeout(() => this.serve(), Math.min(LONGEST_TIMER_MS, waitMs));
  }

  /** Those that would make a call now; `asking` as it asks, whatever it wanted before. */
  #contenders(asking: Contender<Party> | null): Contender<Party>[] {
    const contenders: Contender<Party>[] = [];
    for (const party of this.#parties) {
      if (party === asking?.party) contenders.push(asking);
      else if (party.wanted !== null && party.inFlight < party.bounds.concurrency.max)
        contenders.push({ party, tokens: party.wanted });
    }
    return contenders;
  }

  #settle(party: Party, passage: Passage, tokens: number | null): void {
    const grant = this.#grantOf(party, passage);
    this.#limiter.settle(passage.reservation, tokens);
    if (grant === null) return;
    this.#fair.settle(grant, tokens);
    if (party.wanted === null) this.#fair.idle(party);
  }

  /** As it counts now: what went out while it was alone is in flight yet. */
  #grantOf(party: Party, { reservation, grant, era }: Passage): Passage["grant"] {
    if (this.#parties.size <= 1) return null;
    if (grant !== null && era === this.#era) return grant;
    return { party, tokens: reservation.tokens.amount, free: 0 };
  }

  /** Another process has learned something of it. The calls of one crowd are refused together, wherever they come from. */
  #hear(isRefused: boolean): void {
    const nowMs = this.#now();
    if (isRefused && nowMs > this.#refusedAtMs + TOLD_PAUSE_MS) {
      this.#refusedAtMs = nowMs;
      this.#see({ what: "refused", sentMs: nowMs, nowMs });
    }
    if (this.#parties.size > 1) this.serve();
    else for (const last of this.#parties) last.onTurn();
  }

  /** Once per crowd: the calls that are refused together ask for nearly the same time. */
  #sayPaces(nowMs: number, pauseMs: number): void {
    if (pauseMs < TOLD_PAUSE_MS || nowMs + pauseMs < (this.#toldUntilMs ?? 0) + TOLD_PAUSE_MS) return;
    this.#toldUntilMs = nowMs + pauseMs;
    for (const party of this.#parties) party.onPace("rate limited (429)", this.#toldUntilMs);
  }

  /** The strictest of the limits that they name hold for all; calls at once are what they may make together. */
  #retune(): void {
    const all = [...this.#parties].map(({ bounds }) => bounds);
    if (all.length === 0) return;
    this.#limiter.configure(all.map(({ limits }) => limits).reduce(strictest));
    this.#bounds = concurrencyOfAll(all, this.#together);
    if (this.#concurrency === null) this.#concurrency = firstLimit(this.#bounds);
    else this.#move(retunedLimit(this.#concurrency, this.#bounds));
  }

  /** What is known of the latency is that of the one who was alone. */
  #firstPaces(): Paces<Party> {
    const bestMs = Math.exp(this.#concurrency?.latency.best ?? Number.POSITIVE_INFINITY);
    if (!Number.isFinite(bestMs)) {
      if (this.#concurrency !== null)
        this.#concurrency = { ...this.#concurrency, latency: firstLimit(this.#bounds).latency };
      return new Paces(SOME_LATENCY_MS);
    }
    const paces = new Paces<Party>(bestMs);
    for (const party of this.#parties) paces.know(party, bestMs);
    return paces;
  }

  #see(seen: Seen): void {
    if (this.#concurrency !== null) this.#move(nextLimit(this.#concurrency, seen, this.#bounds));
  }

  #move({ state, change }: LimitStep): void {
    this.#concurrency = state;
    if (change === null) return;
    this.#lastChange = { ...change, atMs: this.#now() };
    for (const party of this.#parties) party.onLimit(change);
  }
}
