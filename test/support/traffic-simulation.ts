import type { ConcurrencyOptions, ConcurrencyState, LimitChange, Seen } from "../../src/traffic/concurrency.ts";
import { firstLimit, nextLimit } from "../../src/traffic/concurrency.ts";
import type { RateLimiter } from "../../src/traffic/limiter.ts";
import type { ServerLimits } from "./limited-server.ts";

/** Virtual time: events in the order of their times, equal times in the order in which they were planned. */
export class VirtualTime {
  now = 0;
  #planned = 0;
  /** A binary heap. */
  readonly #events: { atMs: number; number: number; run: () => void }[] = [];

  at(atMs: number, run: () => void): void {
    const heap = this.#events;
    this.#planned += 1;
    let at = heap.push({ atMs: Math.max(this.now, atMs), number: this.#planned, run }) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  /** Runs until nothing is planned, or until a time. */
  run(untilMs = Number.POSITIVE_INFINITY): void {
    const heap = this.#events;
    while (heap.length > 0 && heap[0]!.atMs <= untilMs) {
      const event = heap[0]!;
      const last = heap.pop()!;
      if (heap.length > 0) {
        heap[0] = last;
        for (let at = 0; ; ) {
          let least = at;
          for (const child of [2 * at + 1, 2 * at + 2])
            if (child < heap.length && this.#before(child, least)) least = child;
          if (least === at) break;
          this.#swap(at, least);
          at = least;
        }
      }
      this.now = event.atMs;
      event.run();
    }
  }

  #before(a: number, b: number): boolean {
    const [one, other] = [this.#events[a]!, this.#events[b]!];
    return one.atMs < other.atMs || (one.atMs === other.atMs && one.number < other.number);
  }

  #swap(a: number, b: number): void {
    [this.#events[a], this.#events[b]] = [this.#events[b]!, this.#events[a]!];
  }
}

/** mulberry32. @returns uniform in [0, 1) */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Log-normal by median and 99th percentile. */
export function heavyTail(random: () => number, medianMs: number, p99Ms: number): () => number {
  const sigma = Math.log(p99Ms / medianMs) / 2.326;
  return () => medianMs * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}

export interface SimulationOptions {
  readonly time: VirtualTime;
  readonly limits: ServerLimits | null;
  readonly limiter: RateLimiter | null;
  readonly concurrency: ConcurrencyOptions;
  /** Of one call at the server, by the calls it is working on. */
  readonly latencyMs: (inFlight: number) => number;
  /** On the way there, ms. */
  readonly networkMs: () => number;
  /** What one call will use, and what we think of it. */
  readonly tokens: () => { used: number; estimate: number };
  /** Calls to be answered. Without end by default. */
  readonly calls?: number;
  /** Nothing is sent from then on. */
  readonly stopAtMs?: number;
  /** What a refusal brings besides its status. */
  readonly refusal?: "retry-after-and-headers" | "retry-after" | "nothing";
}

/** Work without end for one endpoint, until so many calls are answered or the time is over. */
export class SimulatedClient {
  sent = 0;
  answered = 0;
  refused = 0;
  usedTokens = 0;
  endedMs = 0;
  concurrency: ConcurrencyState;
  readonly changes: LimitChange[] = [];
  readonly answeredAtMs: number[] = [];
  readonly #options: SimulationOptions;
  #inFlight = 0;
  /** Calls that the server works on. */
  atServer = 0;
  #wakes = false;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.concurrency = firstLimit(options.concurrency);
  }

  /** Sends what may go out now. */
  pump(): void {
    const {
      time,
      limiter,
      tokens,
      calls = Number.POSITIVE_INFINITY,
      stopAtMs = Number.POSITIVE_INFINITY,
    } = this.#options;
    while (this.#inFlight < this.concurrency.limit && this.answered + this.#inFlight < calls && time.now < stopAtMs) {
      const { used, estimate } = tokens();
      const waitMs = limiter?.waitMs(estimate) ?? 0;
      if (waitMs > 0) {
        if (!this.#wakes) {
          this.#wakes = true;
          time.after(waitMs, () => {
            this.#wakes = false;
            this.pump();
          });
        }
        return;
      }
      this.#send(used, estimate);
    }
  }

  #send(used: number, estimate: number): void {
    const { time, limits, limiter, latencyMs, networkMs, refusal = "retry-after-and-headers" } = this.#options;
    const reservation = limiter?.take(estimate);
    const sentMs = time.now;
    this.sent += 1;
    this.#inFlight += 1;
    time.after(networkMs(), () => {
      const arrival = limits?.arrive(time.now, used) ?? null;
      this.atServer += 1;
      time.after(arrival !== null && arrival.refusedMs !== null ? 1 : latencyMs(this.atServer), () => {
        this.atServer -= 1;
        const inFlight = this.#inFlight;
        this.#inFlight -= 1;
        if (arrival !== null && arrival.refusedMs !== null) {
          this.refused += 1;
          if (reservation !== undefined) {
            limiter?.refused(reservation, refusal === "nothing" ? null : arrival.refusedMs);
            if (refusal === "retry-after-and-headers") limiter?.learn(reservation, arrival.headers);
          }
          this.#see({ what: "refused", sentMs, nowMs: time.now });
        } else {
          this.answered += 1;
          this.usedTokens += used;
          this.endedMs = time.now;
          this.answeredAtMs.push(time.now);
          if (reservation !== undefined) {
            limiter?.settle(reservation, used);
            if (arrival !== null) limiter?.learn(reservation, arrival.headers);
          }
          this.#see({ what: "answer", latencyMs: time.now - sentMs, inFlight, headroom: limiter?.headroom ?? null });
        }
        this.pump();
      });
    });
  }

  #see(seen: Seen): void {
    const { state, change } = nextLimit(this.concurrency, seen, this.#options.concurrency);
    this.concurrency = state;
    if (change !== null) this.changes.push(change);
  }
}
