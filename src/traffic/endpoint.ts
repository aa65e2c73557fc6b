import { ModelError } from "../errors.ts";
import type { EndpointSnapshot } from "../events.ts";
import type { ModelProvider, ModelReply, ModelRequest } from "../llm/provider.ts";

export interface EndpointOptions {
  /** A clock that is never set. */
  readonly now: () => number;
  readonly random: () => number;
  readonly onPause: (reason: string, untilMs: number) => void;
  readonly onResume: () => void;
}

/** First rest after a 429 without Retry-After and after the breaker opened, in ms; doubles while probes fail. */
const FIRST_REST_MS = 5_000;
/** Longest rest, in ms. A server's Retry-After beyond it is probed earlier: a refused call costs nothing. */
const LONGEST_REST_MS = 120_000;
/** A server that asks for less than this again and again is not believed: least second rest in a row, doubling. */
const LEAST_SECOND_REST_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** The breaker opens when at least half of the last calls failed, once this many are known. */
const BREAKER_WINDOW = 50;
const BREAKER_MINIMUM = 20;

/**
 * One URL with one key, and whether it may be called now.
 *
 * States: open → resting (429, or half of the last calls failed) → rested → probing (one call goes out, the others wait)
 * → open (it was answered) or resting again, twice as long. A probe that was cut off goes back to rested. Every caller
 * waits together; a rest is the endpoint's, never an item's. A timer ends it, not the clock, which may be set.
 */
export class Endpoint {
  readonly provider: ModelProvider;
  readonly #options: EndpointOptions;
  #state: "open" | "resting" | "rested" | "probing" = "open";
  /** Counts rests: the answer to a probe says nothing of a rest that began after it was sent. */
  #restNumber = 0;
  #restUntilMs = 0;
  #restReason = "";
  #restsInRow = 0;
  /** When calls last went well before the current trouble. */
  #troubleSinceMs: number | null = null;
  #queue: (() => void)[] = [];
  #timer: NodeJS.Timeout | null = null;
  #results: boolean[] = [];
  #inFlight = 0;
  readonly #madeMs: number;
  readonly #latencies: number[] = [];
  #answeredAt: number[] = [];

  constructor(provider: ModelProvider, options: EndpointOptions) {
    this.provider = provider;
    this.#options = options;
    this.#madeMs = options.now();
  }

  get name(): string {
    return this.provider.endpoint;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** How long nothing has been answered although it was tried, in ms; 0 while all is well. */
  troubleMs(): number {
    return this.#troubleSinceMs === null ? 0 : this.#options.now() - this.#troubleSinceMs;
  }

  /** True when a call may go out now. A caller that gets true must call {@link call} at once. */
  tryEnter(): boolean {
    if (this.#state === "open") return true;
    if (this.#state !== "rested") return false;
    this.#state = "probing";
    return true;
  }

  /** Resolves when it is worth asking {@link tryEnter} again, or `signal` fired. */
  waitForChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      if (signal.aborted) return resolve();
      signal.addEventListener("abort", done, { once: true });
      this.#queue.push(done);
    });
  }

  /** One call: what it teaches about the endpoint is learned here. @throws ModelError */
  async call(request: ModelRequest, signal: AbortSignal): Promise<ModelReply> {
    const probed = this.#state === "probing" ? this.#restNumber : null;
    const isProbe = (): boolean => this.#state === "probing" && this.#restNumber === probed;
    this.#inFlight += 1;
    const startedMs = this.#options.now();
    try {
      const reply = await this.provider.call(request, signal);
      this.#learn(true, this.#options.now() - startedMs);
      if (isProbe() || this.#state === "open") this.#open();
      return reply;
    } catch (error) {
      if (error instanceof ModelError && !signal.aborted) this.#learnFrom(error, isProbe());
      throw error;
    } finally {
      this.#inFlight -= 1;
      // A probe that was cut off taught nothing: let the next one probe.
      if (isProbe()) this.#beRested();
    }
  }

  /** Rests for at least `ms`, whatever the calls say. */
  rest(ms: number, reason: string): void {
    this.#beginRest(ms, reason);
    this.#results = [];
  }

  snapshot(limit: number): EndpointSnapshot {
    const now = this.#options.now();
    const sorted = [...this.#latencies].sort((a, b) => a - b);
    const at = (share: number): number | null =>
      sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
    this.#answeredAt = this.#answeredAt.filter((ms) => ms > now - 10_000);
    const resting = this.#state !== "open";
    return {
      name: this.name,
      inFlight: this.#inFlight,
      limit,
      callsPerSecond: this.#answeredAt.length / Math.min(10, Math.max(1, (now - this.#madeMs) / 1_000)),
      p50Ms: at(0.5),
      p95Ms: at(0.95),
      pausedUntilMs: resting ? this.#restUntilMs : null,
      pauseReason: resting ? this.#restReason : null,
    };
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#wakeAll();
  }

  #learnFrom({ failure, message, retryAfterMs }: ModelError, isProbe: boolean): void {
    if (failure === "throttled") {
      const reason = "rate limited (429)";
      if (this.#state !== "resting") this.#beginRest(this.#nextRestMs(retryAfterMs), reason);
      // The others that were under way say the same; only one that asks for more adds to it.
      else if (retryAfterMs !== null) this.#beginRest(Math.min(LONGEST_REST_MS, retryAfterMs), reason);
      return;
    }
    if (failure !== "transient" && failure !== "unknown-outcome") {
      // It answered, if only about this item: the endpoint is there.
      if (isProbe) this.#open();
      return;
    }
    this.#learn(false, null);
    if (isProbe) this.#beginRest(this.#nextRestMs(null), message);
    else if (this.#state === "open" && this.#mostlyFails()) {
      const reason = `half of the last ${this.#results.length} calls failed: ${message}`;
      this.#beginRest(this.#nextRestMs(null), reason);
    }
  }

  /** Length of one more rest in a row. */
  #nextRestMs(askedMs: number | null): number {
    const doublings = 2 ** this.#restsInRow;
    this.#restsInRow += 1;
    const least = doublings === 1 ? 0 : (LEAST_SECOND_REST_MS * doublings) / 2;
    return Math.min(LONGEST_REST_MS, askedMs === null ? FIRST_REST_MS * doublings : Math.max(askedMs, least));
  }

  /** Begins a rest, or makes the present one longer, never shorter. */
  #beginRest(leastMs: number, reason: string): void {
    const now = this.#options.now();
    this.#troubleSinceMs ??= now;
    // Jitter only ever lengthens: several processes on one key must not come back together.
    const ms = leastMs * (1 + 0.1 * this.#options.random());
    if (this.#state === "resting" && now + ms <= this.#restUntilMs) return;
    this.#state = "resting";
    this.#restNumber += 1;
    this.#restReason = reason;
    this.#restUntilMs = now + ms;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#beRested(), Math.min(LONGEST_TIMER_MS, Math.ceil(ms)));
    this.#options.onPause(reason, this.#restUntilMs);
  }

  #beRested(): void {
    this.#state = "rested";
    this.#wakeAll();
  }

  #open(): void {
    this.#troubleSinceMs = null;
    this.#restsInRow = 0;
    if (this.#state === "open") return;
    this.#state = "open";
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#results = [];
    this.#options.onResume();
    this.#wakeAll();
  }

  #wakeAll(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const wake of queue) wake();
  }

  #learn(answered: boolean, latencyMs: number | null): void {
    if (!answered) this.#troubleSinceMs ??= this.#options.now();
    this.#results.push(answered);
    if (this.#results.length > BREAKER_WINDOW) this.#results.shift();
    if (latencyMs === null) return;
    this.#latencies.push(latencyMs);
    if (this.#latencies.length > 512) this.#latencies.shift();
    this.#answeredAt.push(this.#options.now());
    if (this.#answeredAt.length > 20_000) this.#answeredAt.splice(0, 10_000);
  }

  #mostlyFails(): boolean {
    const failed = this.#results.filter((answered) => !answered).length;
    return this.#results.length >= BREAKER_MINIMUM && failed * 2 >= this.#results.length;
  }
}
