import { ModelError } from "../errors.ts";
import type { EndpointSnapshot } from "../events.ts";
import type { ModelProvider, ModelReply, ModelRequest } from "../llm/provider.ts";

export interface EndpointOptions {
  readonly now: () => number;
  readonly random: () => number;
  readonly onPause: (reason: string, untilMs: number) => void;
  readonly onResume: () => void;
}

/** First rest after a 429 without Retry-After and after the breaker opened, in ms; doubles while probes fail. */
const FIRST_REST_MS = 5_000;
/** Longest rest, in ms. A server's Retry-After beyond it is probed earlier: a refused call costs nothing. */
const LONGEST_REST_MS = 120_000;
/** The breaker opens when at least half of the last calls failed, once this many are known. */
const BREAKER_WINDOW = 50;
const BREAKER_MINIMUM = 20;

/**
 * One URL with one key, and whether it may be called now.
 *
 * States: open → resting (429, or half of the last calls failed) → probing (the rest is over: one call goes out, the
 * others wait) → open (it was answered) or resting again, twice as long. Every caller waits together; a rest is the
 * endpoint's, never an item's.
 */
export class Endpoint {
  readonly provider: ModelProvider;
  readonly #options: EndpointOptions;
  #state: "open" | "resting" | "probing" = "open";
  #restUntilMs = 0;
  #restReason = "";
  #restsInRow = 0;
  /** When calls last went well before the current trouble, epoch ms. */
  #troubleSinceMs: number | null = null;
  #queue: (() => void)[] = [];
  #timer: NodeJS.Timeout | null = null;
  #results: boolean[] = [];
  #inFlight = 0;
  readonly #latencies: number[] = [];
  #answeredAt: number[] = [];

  constructor(provider: ModelProvider, options: EndpointOptions) {
    this.provider = provider;
    this.#options = options;
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
    if (this.#state === "resting" && this.#options.now() >= this.#restUntilMs) {
      this.#state = "probing";
      return true;
    }
    return false;
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
    const probing = this.#state === "probing";
    this.#inFlight += 1;
    const startedMs = this.#options.now();
    try {
      const reply = await this.provider.call(request, signal);
      this.#learn(true, this.#options.now() - startedMs);
      if (probing || this.#state === "open") this.#open();
      return reply;
    } catch (error) {
      const failure = error instanceof ModelError ? error.failure : null;
      if (failure === "throttled") {
        const asked = (error as ModelError).retryAfterMs;
        this.#rest(asked, "rate limited (429)", probing);
      } else if (failure === "transient" || failure === "unknown-outcome") {
        this.#learn(false, null);
        if (probing) this.#rest(null, (error as ModelError).message, true);
        else if (this.#state === "open" && this.#mostlyFails())
          this.#rest(
            null,
            `half of the last ${this.#results.length} calls failed: ${(error as ModelError).message}`,
            false,
          );
      } else if (probing) {
        // It answered, if only about this item: the endpoint is there.
        this.#open();
      }
      throw error;
    } finally {
      this.#inFlight -= 1;
      // An aborted probe taught nothing: let the next one probe.
      if (probing && this.#state === "probing") this.#state = "resting";
      if (probing) this.#wakeAll();
    }
  }

  /** Rests for at least `ms`, whatever the calls say. */
  rest(ms: number, reason: string): void {
    this.#rest(ms, reason, true);
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
      callsPerSecond: this.#answeredAt.length / 10,
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

  #rest(askedMs: number | null, reason: string, isNewEpisode: boolean): void {
    const now = this.#options.now();
    this.#troubleSinceMs ??= now;
    const sameEpisode = this.#state === "resting" && !isNewEpisode;
    if (!sameEpisode) this.#restsInRow += 1;
    const own = FIRST_REST_MS * 2 ** (this.#restsInRow - 1);
    // Jitter only ever lengthens: several processes on one key must not come back together.
    const ms = Math.min(LONGEST_REST_MS, askedMs ?? own) * (1 + 0.1 * this.#options.random());
    const until =
      sameEpisode && askedMs === null ? this.#restUntilMs : Math.max(sameEpisode ? this.#restUntilMs : 0, now + ms);
    this.#state = "resting";
    this.#restReason = reason;
    if (until === this.#restUntilMs) return;
    this.#restUntilMs = until;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wakeAll(), Math.max(0, until - now) + 1);
    this.#options.onPause(reason, until);
  }

  #open(): void {
    this.#troubleSinceMs = null;
    this.#restsInRow = 0;
    if (this.#state === "open") return;
    this.#state = "open";
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
