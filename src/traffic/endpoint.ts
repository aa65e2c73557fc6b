import { ModelError } from "../errors.ts";
import type { EndpointSnapshot } from "../events.ts";
import type { EndpointSettings } from "../job.ts";
import type { ModelProvider, ModelReply, ModelRequest } from "../llm/provider.ts";
import type { Usage } from "../record.ts";
import { Availability, LONGEST_REST_MS } from "./availability.ts";
import {
  type ConcurrencyOptions,
  type ConcurrencyState,
  firstLimit,
  type LimitChange,
  type LimitStep,
  nextLimit,
  retunedLimit,
  type Seen,
} from "./concurrency.ts";
import { Latencies } from "./latencies.ts";
import { RateLimiter, type Reservation } from "./limiter.ts";
import { TokenEstimate } from "./token-estimate.ts";

export interface EndpointOptions {
  readonly provider: ModelProvider;
  readonly settings: Pick<EndpointSettings, "weight" | "fallback" | "limits">;
  readonly concurrency: ConcurrencyOptions;
  /** USD of a usage for the model that answered; null when unknown. */
  readonly costOf: (usage: Usage, model: string) => number | null;
  /** A clock that is never set, in ms. */
  readonly now: () => number;
  readonly random: () => number;
  /** `untilMs` by the clock of `now`. */
  readonly onPause: (reason: string, untilMs: number) => void;
  readonly onResume: () => void;
  readonly onLimit: (change: LimitChange) => void;
  /** It takes calls no longer, or again. @param reason null: again */
  readonly onState: (state: EndpointState, reason: string | null) => void;
}

/** `out`: it refused us for good (key, credit, unknown model), until it is taken {@link Endpoint.resume back}. */
export type EndpointState = "in" | "draining" | "out";

/** Calls in a row that met a limit which {@link RateLimiter} knew, before the endpoint rests as one that is not understood. */
const REFUSED_EPISODES = 3;
/** A pause for a known limit is told from this length on, in ms. */
const TOLD_PAUSE_MS = 1_000;

/** One URL with one key: whether it may be called now, how many calls it takes at once and in a minute, how it fares. */
export class Endpoint {
  readonly provider: ModelProvider;
  weight: number;
  /** Later numbers answer only while no endpoint of an earlier one can. */
  readonly fallback: number;
  readonly costOf: EndpointOptions["costOf"];
  /** Called when {@link waitMs} may have become less. */
  onChange: () => void = () => {};
  readonly #options: EndpointOptions;
  readonly #availability: Availability;
  readonly #limiter: RateLimiter;
  readonly #tokens = new TokenEstimate();
  readonly #latencies: Latencies;
  #concurrency: ConcurrencyState;
  #bounds: ConcurrencyOptions;
  #lastChange: EndpointSnapshot["lastChange"] = null;
  #inFlight = 0;
  #state: EndpointState = "in";
  #stateReason: string | null = null;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  #refusedEpisodes = 0;
  /** Until when a known limit makes calls wait, once that was told and as long as no later call was answered. */
  #toldUntilMs: number | null = null;

  constructor(options: EndpointOptions) {
    const { provider, settings, now } = options;
    this.provider = provider;
    this.weight = settings.weight;
    this.fallback = settings.fallback;
    this.costOf = options.costOf;
    this.#options = options;
    this.#limiter = new RateLimiter({ configured: settings.limits, now });
    this.#latencies = new Latencies(now);
    this.#bounds = options.concurrency;
    this.#concurrency = firstLimit(this.#bounds);
    const check = (signal: AbortSignal): Promise<void> => provider.check(signal);
    this.#availability = new Availability({ ...options, onChange: () => this.onChange(), check });
  }

  get name(): string {
    return this.provider.endpoint;
  }
  get inFlight(): number {
    return this.#inFlight;
  }
  /** Calls that may be in flight at once, now. */
  get limit(): number {
    return this.#concurrency.limit;
  }
  get state(): EndpointState {
    return this.#state;
  }
  get stateReason(): string | null {
    return this.#stateReason;
  }
  /** False while others have to answer: it is out, draining or failing. */
  get canServe(): boolean {
    return this.#state === "in" && !this.#availability.isFailing;
  }
  /** Its rest is over, and the next call finds out whether it answers again. */
  get isRested(): boolean {
    return this.#availability.isRested;
  }
  /** How long nothing has been answered although it was tried, in ms; 0 while all is well. */
  get troubleMs(): number {
    return this.#availability.troubleMs;
  }
  /** Smoothed, in ms; null before the first answer. */
  get latencyMs(): number | null {
    return this.#latencies.smoothedMs;
  }
  /** Smoothed share of calls that failed, 0..1. */
  get errorShare(): number {
    return this.#latencies.errorShare;
  }

  /** Tokens that a request of so many characters will count against the limits, input and output. */
  tokensOf(chars: number): number {
    return this.#tokens.estimate(chars);
  }

  /** ms until a request of so many characters may go out by the rate limits; 0: now; Infinity: when something changes. */
  waitMs(chars: number): number {
    if (this.#state !== "in" || !this.#availability.mayEnter) return Number.POSITIVE_INFINITY;
    if (this.#inFlight >= this.#concurrency.limit) return Number.POSITIVE_INFINITY;
    return this.#limiter.waitMs(this.#tokens.estimate(chars));
  }

  /** The right to make one call now; only when {@link waitMs} is 0. It has to be used, or given back. */
  take(chars: number): Permit {
    this.#inFlight += 1;
    const sentMs = this.#options.now();
    const reservation = this.#limiter.take(this.#tokens.estimate(chars));
    return new Permit(this, { chars, sentMs, reservation, probe: this.#availability.enter() });
  }

  /** Rests for at least `ms`, whatever the calls say. @param isFailing others are asked meanwhile */
  rest(ms: number, reason: string, isFailing = false): void {
    this.#availability.restFor(ms, reason, isFailing);
  }

  /** Takes no new calls; those in flight come home. */
  drain(reason: string): void {
    this.#setState("draining", reason);
  }

  /** It refused us for good. */
  retire(reason: string): void {
    this.#setState("out", reason);
  }

  /** Takes calls again, after {@link drain} or {@link retire}. */
  resume(): void {
    this.#setState("in", null);
  }

  /** Other bounds from now on: calls in flight beyond them come home. */
  retune({ concurrency, settings }: Pick<EndpointOptions, "concurrency" | "settings">): void {
    this.weight = settings.weight;
    this.#limiter.configure(settings.limits);
    this.#bounds = concurrency;
    this.#move(retunedLimit(this.#concurrency, concurrency));
    this.onChange();
  }

  snapshot(): EndpointSnapshot {
    const { provider, model } = this.provider;
    const { rest } = this.#availability;
    return {
      name: this.name,
      model: provider === "offline" ? provider : `${provider}/${model}`,
      state: this.#state !== "in" ? this.#state : rest === null ? "open" : "resting",
      stateReason: this.#stateReason,
      fallback: this.fallback,
      weight: this.weight,
      inFlight: this.#inFlight,
      limit: this.#concurrency.limit,
      ceiling: this.#bounds.max,
      lastChange: this.#lastChange,
      answered: this.#latencies.answers,
      ...this.#latencies.snapshot(),
      pausedUntilMs: rest?.untilMs ?? null,
      pauseReason: rest?.reason ?? null,
      limits: this.#limiter.snapshot(),
    };
  }

  close(): void {
    this.#availability.close();
  }

  /** For {@link Permit} only. */
  async call(ticket: Ticket, request: ModelRequest, signal: AbortSignal): Promise<ModelReply> {
    const { probe } = ticket;
    try {
      const reply = await this.provider.call(request, signal);
      this.#answered(ticket, reply);
      return reply;
    } catch (error) {
      if (error instanceof ModelError && !signal.aborted) this.#failed(ticket, error);
      else this.#gaveUp(ticket);
      throw error;
    } finally {
      this.#inFlight -= 1;
      this.#availability.left(probe);
      this.onChange();
    }
  }

  /** For {@link Permit} only. */
  cancel({ reservation, probe }: Ticket): void {
    this.#inFlight -= 1;
    this.#limiter.cancel(reservation);
    this.#availability.left(probe);
    this.onChange();
  }

  #answered({ chars, sentMs, reservation, probe }: Ticket, { usage, rate }: ModelReply): void {
    const latencyMs = this.#options.now() - sentMs;
    const counted = usage === null ? null : this.#counted(usage);
    this.#limiter.settle(reservation, counted === null ? null : counted.inputTokens + counted.outputTokens);
    if (rate !== null) this.#limiter.learn(reservation, rate);
    if (counted !== null) this.#tokens.learn(chars, counted);
    this.#refusedEpisodes = 0;
    this.#latencies.answered(latencyMs);
    this.#see({ what: "answer", latencyMs, inFlight: this.#inFlight, headroom: this.#limiter.headroom });
    this.#sayGoesOn(sentMs);
    this.#availability.answered(probe);
  }

  /** What counts against the limits. */
  #counted({ inputTokens, cachedInputTokens, outputTokens }: Usage): Pick<Usage, "inputTokens" | "outputTokens"> {
    const free = this.provider.cachedIsUncounted === true ? cachedInputTokens : 0;
    return { inputTokens: inputTokens - free, outputTokens };
  }

  /** It was cut off, since another endpoint was faster or the run is stopped. */
  #gaveUp({ sentMs, reservation }: Ticket): void {
    this.#limiter.settle(reservation, null);
    this.#latencies.outlasted(this.#options.now() - sentMs);
  }

  #failed({ sentMs, reservation, probe }: Ticket, error: ModelError): void {
    const { failure, rate } = error;
    if (failure === "throttled") {
      this.#throttled(sentMs, reservation, error);
      return;
    }
    this.#limiter.settle(reservation, null);
    if (rate !== null) this.#limiter.learn(reservation, rate);
    if (failure === "transient" || failure === "unknown-outcome") {
      this.#latencies.failed();
      this.#see({ what: "failed" });
      this.#availability.failed(error, probe);
      return;
    }
    // It answered, if only about this item.
    this.#availability.refusedItem(probe);
  }

  /**
   * A limit that is known is a matter of pace: the limiter waits as long as the server asks and goes on. One that is not,
   * or that refuses again and again, makes the endpoint rest and be probed.
   */
  #throttled(sentMs: number, reservation: Reservation, { retryAfterMs, rate }: ModelError): void {
    const nowMs = this.#options.now();
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
    if (rate !== null) this.#limiter.learn(reservation, rate);
    if (!isPace) this.#availability.throttled(retryAfterMs);
    else this.#sayPaces(nowMs, pauseMs);
  }

  /** Once per crowd: the calls that are refused together ask for nearly the same time. */
  #sayPaces(nowMs: number, pauseMs: number): void {
    if (pauseMs < TOLD_PAUSE_MS || nowMs + pauseMs < (this.#toldUntilMs ?? 0) + TOLD_PAUSE_MS) return;
    this.#toldUntilMs = nowMs + pauseMs;
    this.#options.onPause("rate limited (429)", this.#toldUntilMs);
  }

  #sayGoesOn(sentMs: number): void {
    if (this.#toldUntilMs === null || sentMs < this.#toldUntilMs) return;
    this.#toldUntilMs = null;
    // The end of a rest is told by the one who began it.
    if (this.#availability.isOpen) this.#options.onResume();
  }

  #see(seen: Seen): void {
    this.#move(nextLimit(this.#concurrency, seen, this.#bounds));
  }

  #move({ state, change }: LimitStep): void {
    this.#concurrency = state;
    if (change === null) return;
    this.#lastChange = { ...change, atMs: this.#options.now() };
    this.#options.onLimit(change);
  }

  #setState(state: EndpointState, reason: string | null): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#stateReason = reason;
    this.#options.onState(state, reason);
    this.onChange();
  }
}

/** What a call was charged, and when. */
interface Ticket {
  readonly chars: number;
  readonly sentMs: number;
  readonly reservation: Reservation;
  readonly probe: number | null;
}

/** The right to make one call at one endpoint: used once, by {@link call} or {@link cancel}. */
export class Permit {
  readonly endpoint: Endpoint;
  readonly #ticket: Ticket;

  constructor(endpoint: Endpoint, ticket: Ticket) {
    this.endpoint = endpoint;
    this.#ticket = ticket;
  }

  /** What the call teaches about the endpoint is learned there. @throws ModelError */
  call(request: ModelRequest, signal: AbortSignal): Promise<ModelReply> {
    return this.endpoint.call(this.#ticket, request, signal);
  }

  /** The call is not made: nothing was used. */
  cancel(): void {
    this.endpoint.cancel(this.#ticket);
  }
}
