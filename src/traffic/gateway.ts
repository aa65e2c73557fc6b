import type { Balance } from "../job.ts";
import { choose, Shares } from "./balancer.ts";
import type { Endpoint, Permit } from "./endpoint.ts";

export interface GatewayOptions {
  /** At least one. */
  readonly endpoints: readonly Endpoint[];
  readonly balance: Balance;
  /** Calls of the whole run at once, integer >= 1. */
  readonly ceiling: number;
  /** A clock that is never set, in ms. */
  readonly now: () => number;
  readonly random: () => number;
}

/** A request that wants to go out. */
export interface Wish {
  /** Of the whole request, in UTF-16 units. */
  readonly chars: number;
  /** Endpoints that failed this item lately: they are left out as long as another can serve. */
  readonly avoid: ReadonlySet<Endpoint>;
}

/** Why nothing goes out: a limit in requests or tokens, and until when (clock of `now`). */
export interface LimitWait {
  readonly untilMs: number;
  readonly endpoint: string;
}

interface Waiter {
  readonly wish: Wish;
  readonly resolve: (permit: Permit | null) => void;
}

const LONGEST_TIMER_MS = 600_000;
const TYPICAL_USAGE = {
  inputTokens: 1_000,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 100,
  reasoningTokens: 0,
};

/**
 * The one way out to the models: chooses an endpoint for each call, and makes callers wait in turn while none may be
 * called. Endpoints of a later fallback number are asked only while no earlier one can serve: busy or at its rate limit
 * is no reason, failing, out and draining are.
 */
export class Gateway {
  readonly endpoints: readonly Endpoint[];
  readonly #options: GatewayOptions;
  #bounds: Pick<GatewayOptions, "ceiling" | "balance">;
  readonly #shares = new Shares<Endpoint>();
  #waiters: Waiter[] = [];
  #timer: NodeJS.Timeout | null = null;
  #limitWait: LimitWait | null = null;
  /** Counts {@link #sayWants}. */
  #saying = 0;
  /** The last items of a run: each is waited for, so it goes where it is answered soonest. */
  soonest = false;
  /** Called when more calls may be made at once, or fewer. */
  onCapacity: () => void = () => {};

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#bounds = options;
    this.endpoints = options.endpoints;
    for (const endpoint of options.endpoints) {
      endpoint.onChange = () => {
        this.#serve();
        this.onCapacity();
      };
      endpoint.onTurn = () => this.#serve();
    }
  }

  /** Other bounds of the whole run from now on. */
  retune(bounds: Pick<GatewayOptions, "ceiling" | "balance">): void {
    this.#bounds = bounds;
    this.#serve();
    this.onCapacity();
  }

  /** Calls that may be made at once now, 0..ceiling; 0 while every endpoint was told to take none. */
  get capacity(): number {
    let calls = 0;
    for (const endpoint of this.#serving()) calls += endpoint.limit;
    return Math.min(this.#bounds.ceiling, calls);
  }

  /** Callers that may be under way: where others ask too, one more than {@link capacity} waits for its turn. */
  get slots(): number {
    const { capacity } = this;
    return capacity > 0 && this.#isShared ? capacity + 1 : capacity;
  }

  /** Set while callers wait for a limit in requests or tokens. */
  get limitWait(): LimitWait | null {
    return this.#waiters.length === 0 ? null : this.#limitWait;
  }

  /** How long none of the endpoints that are asked has answered although it was tried, in ms; 0 while none is asked. */
  get troubleMs(): number {
    const serving = this.#serving();
    return serving.length === 0 ? 0 : Math.min(...serving.map(({ troubleMs }) => troubleMs));
  }

  /**
   * The right to make one call: at once, or when it may be made.
   * @returns null when `signal` fired
   */
  acquire(wish: Wish, signal: AbortSignal): Promise<Permit | null> | Permit | null {
    if (signal.aborted) return null;
    const permit = this.#waiters.length === 0 ? this.#take(wish) : null;
    if (permit !== null) return permit;
    return new Promise((resolve) => {
      const waiter: Waiter = {
        wish,
        resolve: (granted) => {
          signal.removeEventListener("abort", leave);
          resolve(granted);
        },
      };
      const leave = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        if (this.#waiters.length === 0) this.#sayWants(null);
        waiter.resolve(null);
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  /** The right to make one call now, at another endpoint; null when there is none. */
  takeOther(wish: Wish): Permit | null {
    const others = this.#others(wish.avoid).filter((endpoint) => endpoint.waitMs(wish.chars) === 0);
    return others.length === 0 ? null : this.#choose(others).take(wish.chars);
  }

  /** True when another endpoint than these could serve now. */
  hasOther(avoid: ReadonlySet<Endpoint>): boolean {
    return this.#others(avoid).length > 0;
  }

  /** @returns undefined when there is none of that name */
  find(name: string): Endpoint | undefined {
    return this.endpoints.find((endpoint) => endpoint.name === name);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const endpoint of this.endpoints) endpoint.close();
    for (const { resolve } of this.#waiters.splice(0)) resolve(null);
  }

  /** Up to the lowest fallback number that has any that can serve; when none can, all. */
  #serving(): readonly Endpoint[] {
    const able = this.endpoints.filter(({ canServe }) => canServe);
    const level = Math.min(...able.map(({ fallback }) => fallback));
    // One that rests because it failed is probed again by an item, once the free check has found it.
    return this.endpoints.filter(({ fallback, state }) => fallback <= level && state === "in");
  }

  /** Waiting for another one is better than asking again where it failed. */
  #servingFor({ avoid }: Wish): readonly Endpoint[] {
    const others = avoid.size === 0 ? [] : this.#others(avoid);
    return others.length > 0 ? others : this.#serving();
  }

  #others(avoid: Wish["avoid"]): readonly Endpoint[] {
    return this.#serving().filter((endpoint) => endpoint.canServe && !avoid.has(endpoint));
  }

  get #isShared(): boolean {
    return this.endpoints.some(({ isShared }) => isShared);
  }

  /** As many calls are out as may be; where others ask too, there is one caller more than that. */
  get #isFull(): boolean {
    const inFlight = this.endpoints.reduce((sum, endpoint) => sum + endpoint.inFlight, 0);
    return inFlight >= this.#bounds.ceiling;
  }

  #take(wish: Wish): Permit | null {
    const [only] = this.endpoints;
    if (this.endpoints.length === 1) return only!.waitMs(wish.chars) === 0 ? only!.take(wish.chars) : null;
    if (this.#isShared && this.#isFull) return null;
    const serving = this.#servingFor(wish);
    const ready = serving.filter((endpoint) => endpoint.waitMs(wish.chars) === 0);
    if (ready.length === 0 || this.#isSoonerBusy(serving, ready)) return null;
    return this.#choose(ready).take(wish.chars);
  }

  /** True when waiting for an endpoint that is full brings the answer sooner than the best that has room. */
  #isSoonerBusy(serving: readonly Endpoint[], ready: readonly Endpoint[]): boolean {
    if (!this.soonest || this.#bounds.balance !== "latency") return false;
    const best = Math.min(...ready.map(({ latencyMs }) => latencyMs ?? 0));
    return serving.some(({ latencyMs, inFlight, limit, canServe }) => {
      if (!canServe || latencyMs === null || inFlight < limit) return false;
      // Of so many calls in flight one comes home in this time.
      return latencyMs + (latencyMs / limit) * (this.#waiters.length + 1) < best;
    });
  }

  #choose(ready: readonly Endpoint[]): Endpoint {
    const { balance } = this.#bounds;
    // Whether one that rested answers again is found out by a call only, however dear or slow it is.
    const rested = this.soonest ? undefined : ready.find(({ isRested }) => isRested);
    const endpoint =
      rested ??
      choose(ready, balance, {
        costOf: (one) => one.costOf(TYPICAL_USAGE, one.provider.model),
        servedOf: (one) => this.#shares.of(one),
        random: this.#options.random,
        soonest: this.soonest,
      });
    this.#shares.serve(endpoint);
    return endpoint;
  }

  /** Serves waiters in turn, as far as may be, and sees to be woken when a limit has room for one that had its turn. */
  #serve(): void {
    let soonest: { waitMs: number; endpoint: Endpoint } | null = null;
    let isBusy = false;
    const wants = this.#isShared ? new Map<Endpoint, number>() : null;
    for (let at = 0; at < this.#waiters.length; ) {
      const { wish, resolve } = this.#waiters[at]!;
      const permit = this.#take(wish);
      if (permit !== null) {
        this.#waiters.splice(at, 1);
        resolve(permit);
        continue;
      }
      if (wants !== null && this.#isFull) break;
      for (const endpoint of this.#servingFor(wish)) {
        const waitMs = endpoint.waitMs(wish.chars);
        // Without a wait it is only held back for a faster one, whose next answer serves again.
        if (waitMs === 0) continue;
        if (!Number.isFinite(waitMs)) isBusy ||= endpoint.inFlight > 0;
        else if (soonest === null || waitMs < soonest.waitMs) soonest = { waitMs, endpoint };
        if (wants !== null && !wants.has(endpoint)) wants.set(endpoint, wish.chars);
      }
      // One that waits for another endpoint than the others do holds up nobody.
      if (wish.avoid.size === 0) break;
      at += 1;
    }
    this.#wakeFor(soonest, isBusy);
    if (wants !== null) this.#sayWants(wants);
  }

  #wakeFor(soonest: { readonly waitMs: number; readonly endpoint: Endpoint } | null, isBusy: boolean): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#limitWait = null;
    if (soonest === null) return;
    const { waitMs, endpoint } = soonest;
    // As long as another is only full, calls do go out.
    if (!isBusy) this.#limitWait = { untilMs: this.#options.now() + waitMs, endpoint: endpoint.name };
    // Where others wait too, its turn comes without asking.
    if (endpoint.isShared) return;
    this.#timer = setTimeout(() => this.#serve(), Math.min(LONGEST_TIMER_MS, Math.max(1, waitMs)));
  }

  /** Tells the endpoints what would go out next, so that shared ones give this run its turns. */
  #sayWants(wants: ReadonlyMap<Endpoint, number> | null): void {
    this.#saying += 1;
    const saying = this.#saying;
    for (const endpoint of this.endpoints) {
      endpoint.want(wants?.get(endpoint) ?? null);
      // A turn has come meanwhile, and what is wanted after it was said already.
      if (saying !== this.#saying) return;
    }
  }
}
