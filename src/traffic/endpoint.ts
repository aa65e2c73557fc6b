import { ModelError } from "../errors.ts";
import type { EndpointSnapshot } from "../events.ts";
import type { Share } from "../job.ts";
import type { ModelProvider, ModelReply, ModelRequest } from "../llm/provider.ts";
import type { Usage } from "../record.ts";
import { Availability } from "./availability.ts";
import type { LimitChange } from "./concurrency.ts";
import type { EndpointOptions, EndpointState } from "./endpoint-options.ts";
import { EQUAL_SHARE } from "./fair-share.ts";
import { Latencies } from "./latencies.ts";
import { boundsOf, type Party, type PartyBounds, type Passage } from "./party.ts";
import type { SharedEndpoint } from "./shared-endpoint.ts";
import { TokenEstimate } from "./token-estimate.ts";
import { Upstream } from "./upstream.ts";

/** Below this share of failed calls lately all is well. */
const WELL_ERROR_SHARE = 0.1;

/**
 * One URL with one key, as one run asks it: whether it may be called now, and how it fares. How many calls it takes at
 * once and in a minute is known to its {@link Upstream}, which other runs may share.
 */
export class Endpoint implements Party {
  readonly provider: ModelProvider;
  weight: number;
  /** Later numbers answer only while no endpoint of an earlier one can. */
  readonly fallback: number;
  readonly costOf: EndpointOptions["costOf"];
  /** Called when {@link waitMs} may have become less. */
  onChange: () => void = () => {};
  /** Called when it is the run's turn at what it shares with others: {@link waitMs} of what it wants is 0. */
  onTurn: () => void = () => {};
  share: Share;
  bounds: PartyBounds;
  readonly #options: EndpointOptions;
  readonly availability: Availability;
  readonly #tokens = new TokenEstimate();
  readonly #latencies: Latencies;
  #upstream: Upstream;
  /** Of the call that would go out next, in UTF-16 units; null: there is none. */
  #wantedChars: number | null = null;
  #inFlight = 0;
  #state: EndpointState = "in";
  #stateReason: string | null = null;

  constructor(options: EndpointOptions) {
    const { provider, settings, now } = options;
    this.provider = provider;
    this.weight = settings.weight;
    this.fallback = settings.fallback;
    this.costOf = options.costOf;
    this.#options = options;
    this.#latencies = new Latencies(now);
    this.share = options.share ?? EQUAL_SHARE;
    this.bounds = boundsOf(options.settings, options.concurrency);
    const check = (signal: AbortSignal): Promise<void> => provider.check(signal);
    this.availability = new Availability({ ...options, onChange: () => this.onChange(), check });
    this.#upstream = options.upstream ?? new Upstream(now);
    this.#upstream.join(this);
  }

  get name(): string {
    return this.provider.endpoint;
  }
  get inFlight(): number {
    return this.#inFlight;
  }
  /** Calls of this run that may be in flight at once, now, if no other takes any. */
  get limit(): number {
    return Math.min(this.bounds.concurrency.max, this.#upstream.limit);
  }
  /** True while other runs ask here too. */
  get isShared(): boolean {
    return this.#upstream.isShared;
  }
  /** What it has with other processes that ask here too. */
  get shared(): SharedEndpoint {
    return this.#upstream.shared;
  }
  get state(): EndpointState {
    return this.#state;
  }
  get stateReason(): string | null {
    return this.#stateReason;
  }
  /** False while others have to answer: it is out, draining or failing. */
  get canServe(): boolean {
    return this.#state === "in" && !this.availability.isFailing;
  }
  /** Its rest is over, and the next call finds out whether it answers again. */
  get isRested(): boolean {
    return this.availability.isRested;
  }
  /** How long nothing has been answered although it was tried, in ms; 0 while all is well. */
  get troubleMs(): number {
    return this.availability.troubleMs;
  }
  /** Smoothed, in ms; null before the first answer. */
  get latencyMs(): number | null {
    return this.#latencies.smoothedMs;
  }
  /** Smoothed share of calls that failed, 0..1. */
  get errorShare(): number {
    return this.#latencies.errorShare;
  }
  get isWell(): boolean {
    return this.#inFlight > 0 && this.#latencies.answers > 0 && this.errorShare < WELL_ERROR_SHARE;
  }
  get wanted(): number | null {
    return this.#wantedChars !== null && this.#mayEnter ? this.#tokens.estimate(this.#wantedChars) : null;
  }

  /** Tokens that a request of so many characters will count against the limits, input and output. */
  tokensOf(chars: number): number {
    return this.#tokens.estimate(chars);
  }

  /** ms until a request of so many characters may go out by the rate limits; 0: now; Infinity: when something changes. */
  waitMs(chars: number): number {
    if (!this.#mayEnter) return Number.POSITIVE_INFINITY;
    return this.#upstream.waitMs(this, this.#tokens.estimate(chars));
  }

  /** The right to make one call now; only when {@link waitMs} is 0. It has to be used, or given back. */
  take(chars: number): Permit {
    const passage = this.#upstream.take(this, this.#tokens.estimate(chars));
    this.#inFlight += 1;
    return new Permit(this, { chars, passage, upstream: this.#upstream, probe: this.availability.enter() });
  }

  /** What would go out next, in UTF-16 units, where others wait for their turns too; null: nothing. */
  want(chars: number | null): void {
    if (chars === null && this.#wantedChars === null) return;
    this.#wantedChars = chars;
    this.#upstream.wants(this);
  }

  /** Rests for at least `ms`, whatever the calls say. @param isFailing others are asked meanwhile */
  rest(ms: number, reason: string, isFailing = false): void {
    this.availability.restFor(ms, reason, isFailing);
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
  retune(options: Pick<EndpointOptions, "concurrency" | "settings" | "share">): void {
    this.weight = options.settings.weight;
    this.share = options.share ?? EQUAL_SHARE;
    this.bounds = boundsOf(options.settings, options.concurrency);
    this.#upstream.retuned();
    this.onChange();
  }

  /** Later calls go out there. */
  moveTo(upstream: Upstream): void {
    if (upstream === this.#upstream) return;
    const before = this.#upstream;
    this.#upstream = upstream;
    upstream.join(this);
    before.leave(this);
    this.onChange();
  }

  /** For {@link Upstream} only, as the three below. */
  passTurn(): void {
    this.#wantedChars = null;
  }
  onLimit(change: LimitChange): void {
    this.#options.onLimit(change);
    if (this.isShared) this.onChange();
  }
  onPace(reason: string, untilMs: number): void {
    this.#options.onPause(reason, untilMs);
  }
  onPaceEnd(): void {
    this.#options.onResume();
  }

  snapshot(): EndpointSnapshot {
    const { provider, model } = this.provider;
    const { rest } = this.availability;
    const { lastChange, limits, inFlight, parties } = this.#upstream;
    return {
      name: this.name,
      model: provider === "offline" ? provider : `${provider}/${model}`,
      state: this.#state !== "in" ? this.#state : rest === null ? "open" : "resting",
      stateReason: this.#stateReason,
      fallback: this.fallback,
      weight: this.weight,
      inFlight: this.#inFlight,
      limit: this.limit,
      ceiling: this.bounds.concurrency.max,
      lastChange,
      answered: this.#latencies.answers,
      ...this.#latencies.snapshot(),
      pausedUntilMs: rest?.untilMs ?? null,
      pauseReason: rest?.reason ?? null,
      limits,
      ...this.shared.snapshot(this.#options.now()),
      ...(parties > 1 ? { shared: { inFlight, parties } } : {}),
    };
  }

  close(): void {
    this.availability.close();
    this.#upstream.leave(this);
  }

  /** For {@link Permit} only. */
  async call(ticket: Ticket, request: ModelRequest, signal: AbortSignal): Promise<ModelReply> {
    try {
      const reply = await this.provider.call(request, signal);
      this.#answered(ticket, reply);
      return reply;
    } catch (error) {
      if (error instanceof ModelError && !signal.aborted) this.#failed(ticket, error);
      else this.#gaveUp(ticket);
      throw error;
    } finally {
      this.#left(ticket);
    }
  }

  /** For {@link Permit} only. */
  cancel(ticket: Ticket): void {
    ticket.upstream.cancel(this, ticket.passage);
    this.#left(ticket);
  }

  #left({ probe, upstream }: Ticket): void {
    this.#inFlight -= 1;
    this.availability.left(probe);
    upstream.left(this);
    this.onChange();
  }

  #answered({ chars, passage, probe, upstream }: Ticket, { usage, rate }: ModelReply): void {
    const latencyMs = this.#options.now() - passage.sentMs;
    const counted = usage === null ? null : this.#counted(usage);
    if (counted !== null) this.#tokens.learn(chars, counted);
    this.#latencies.answered(latencyMs);
    const tokens = counted === null ? null : counted.inputTokens + counted.outputTokens;
    upstream.answered(this, passage, tokens, rate, latencyMs);
    this.availability.answered(probe);
  }

  /** What counts against the limits. */
  #counted({ inputTokens, cachedInputTokens, outputTokens }: Usage): Pick<Usage, "inputTokens" | "outputTokens"> {
    const free = this.provider.cachedIsUncounted === true ? cachedInputTokens : 0;
    return { inputTokens: inputTokens - free, outputTokens };
  }

  /** It was cut off, since another endpoint was faster or the run is stopped. */
  #gaveUp({ passage, upstream }: Ticket): void {
    upstream.gaveUp(this, passage);
    this.#latencies.outlasted(this.#options.now() - passage.sentMs);
  }

  #failed({ passage, probe, upstream }: Ticket, error: ModelError): void {
    const { failure } = error;
    if (failure === "throttled") {
      upstream.throttled(this, passage, error);
      return;
    }
    const isItem = failure !== "transient" && failure !== "unknown-outcome";
    if (!isItem) this.#latencies.failed();
    upstream.failed(this, passage, error, isItem);
    if (!isItem) this.availability.failed(error, probe);
    // It answered, if only about this item.
    else this.availability.refusedItem(probe);
  }

  get #mayEnter(): boolean {
    if (this.#state !== "in" || !this.availability.mayEnter) return false;
    // One call is enough to find out for all.
    return !(this.availability.isUnproven && this.#upstream.isProbed(this));
  }

  #setState(state: EndpointState, reason: string | null): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#stateReason = reason;
    this.#options.onState(state, reason);
    this.onChange();
  }
}

/** What a call was charged, and where. */
interface Ticket {
  readonly chars: number;
  readonly passage: Passage;
  readonly upstream: Upstream;
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
