import type { ModelError } from "../errors.ts";

export interface AvailabilityOptions {
  /** A clock that is never set, in ms. */
  readonly now: () => number;
  readonly random: () => number;
  readonly onPause: (reason: string, untilMs: number) => void;
  readonly onResume: () => void;
  /** Something changed: it may be worth asking {@link Availability.mayEnter} again. */
  readonly onChange: () => void;
  /** Asked after a rest that failures began, before an item probes: resolves when the endpoint is there. Free. */
  readonly check: (signal: AbortSignal) => Promise<void>;
}

/** First rest after a 429 without Retry-After and after the breaker opened, in ms; doubles while probes fail. */
const FIRST_REST_MS = 5_000;
/** Longest rest between two free looks, in ms; doubles from the first rest on while nobody is there. */
const LONGEST_LOOK_MS = 30_000;
/** Longest rest, in ms. A server's Retry-After beyond it is probed earlier: a refused call costs nothing. */
export const LONGEST_REST_MS = 120_000;
/** A server that asks for less than this again and again is not believed: least second rest in a row, doubling. */
const LEAST_SECOND_REST_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** The breaker opens when at least half of the last calls failed, once this many are known. */
const BREAKER_WINDOW = 50;
const BREAKER_MINIMUM = 20;

/**
 * Whether an endpoint may be called now.
 *
 * States: open → resting (429, or half of the last calls failed) → checking (after failures: a free look whether it is
 * there) → rested → probing (one call goes out, the others wait) → open (it was answered) or resting again, twice as long.
 * A probe that was cut off goes back to rested. Every caller waits together; a rest is the endpoint's, never an item's.
 * A timer ends it, not the clock.
 */
export class Availability {
  readonly #options: AvailabilityOptions;
  #state: "open" | "resting" | "checking" | "rested" | "probing" = "open";
  /** Counts rests: the answer to a probe says nothing of a rest that began after it was sent. */
  #restNumber = 0;
  #restUntilMs = 0;
  #restReason = "";
  #restsInRow = 0;
  #looksInRow = 0;
  /** The present rest was begun by calls that failed, not by a limit. */
  #isFailing = false;
  /** When calls last went well before the current trouble. */
  #troubleSinceMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #results: boolean[] = [];
  readonly #closing = new AbortController();

  constructor(options: AvailabilityOptions) {
    this.#options = options;
  }

  /** How long nothing has been answered although it was tried, in ms; 0 while all is well. */
  get troubleMs(): number {
    return this.#troubleSinceMs === null ? 0 : this.#options.now() - this.#troubleSinceMs;
  }

  /** True when a call may go out now; if {@link isRested}, as a probe. */
  get mayEnter(): boolean {
    return this.#state === "open" || this.#state === "rested";
  }

  /** A rest for a limit has ended: whether the limit is over is not known yet. */
  get isUnproven(): boolean {
    return this.#state === "rested" && !this.#isFailing;
  }

  /** True when the next call probes. */
  get isRested(): boolean {
    return this.#state === "rested";
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** A call is out that finds out whether a limit is over. */
  get isProbing(): boolean {
    return this.#state === "probing" && !this.#isFailing;
  }

  /** Its calls fail, so others are asked rather than waiting for it. */
  get isFailing(): boolean {
    return this.#state !== "open" && this.#isFailing;
  }

  /** Why and until when it rests (clock of `now`); null when it does not. */
  get rest(): { readonly reason: string; readonly untilMs: number } | null {
    return this.#state === "open" ? null : { reason: this.#restReason, untilMs: this.#restUntilMs };
  }

  /** One call goes out now. @returns the rest that it probes, or null */
  enter(): number | null {
    if (this.#state !== "rested") return null;
    this.#state = "probing";
    return this.#restNumber;
  }

  /** The call brought an answer, whatever it said. @param probe as {@link enter} returned it */
  answered(probe: number | null): void {
    this.#learn(true);
    if (this.#isProbe(probe) || this.#state === "open") this.#open();
  }

  /** A call of another run that shares the limits was answered: a rest for a limit that is over needs no probe. */
  othersAnswered(): void {
    if (this.#state === "rested" && !this.#isFailing) this.#open();
  }

  /** The call was refused because of the item: the endpoint is there. */
  refusedItem(probe: number | null): void {
    if (this.#isProbe(probe)) this.#open();
  }

  /**
   * The call met a limit.
   * @param retryAfterMs what the server asked to wait; null when it did not say
   * @param isOwn false: it was a call of another run that shares the limits
   */
  throttled(retryAfterMs: number | null, isOwn = true): void {
    const reason = "rate limited (429)";
    const sinceMs = this.#troubleSinceMs;
    if (this.#state !== "resting") this.#beginRest(this.#nextRestMs(retryAfterMs), reason, false);
    // The others that were under way say the same; only one that asks for more adds to it.
    else if (retryAfterMs !== null) this.#beginRest(Math.min(LONGEST_REST_MS, retryAfterMs), reason, false);
    // It has not tried anything itself.
    if (!isOwn) this.#troubleSinceMs = sinceMs;
  }

  /** The call failed, and not because of the item. */
  failed({ message }: Pick<ModelError, "message">, probe: number | null): void {
    this.#troubleSinceMs ??= this.#options.now();
    this.#learn(false);
    if (this.#isProbe(probe)) this.#beginRest(this.#nextRestMs(null), message, true);
    else if (this.#state === "open" && this.#mostlyFails()) {
      const reason = `half of the last ${this.#results.length} calls failed: ${message}`;
      this.#beginRest(this.#nextRestMs(null), reason, true);
    }
  }

  /** The call ended without teaching anything: let the next one probe. */
  left(probe: number | null): void {
    if (this.#isProbe(probe)) this.#beRested();
  }

  /** Rests for at least `ms`, whatever the calls say. @param isFailing others are asked meanwhile */
  restFor(ms: number, reason: string, isFailing = false): void {
    this.#beginRest(ms, reason, isFailing);
    this.#results = [];
  }

  close(): void {
    this.#closing.abort();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #isProbe(probe: number | null): boolean {
    return probe !== null && this.#state === "probing" && this.#restNumber === probe;
  }

  /** Length of one more rest in a row. */
  #nextRestMs(askedMs: number | null): number {
    const doublings = 2 ** this.#restsInRow;
    this.#restsInRow += 1;
    const least = doublings === 1 ? 0 : (LEAST_SECOND_REST_MS * doublings) / 2;
    return Math.min(LONGEST_REST_MS, askedMs === null ? FIRST_REST_MS * doublings : Math.max(askedMs, least));
  }

  /** Begins a rest, or makes the present one longer, never shorter. */
  #beginRest(leastMs: number, reason: string, isFailing: boolean): void {
    if (this.#closing.signal.aborted) return;
    const now = this.#options.now();
    this.#troubleSinceMs ??= now;
    // Jitter only ever lengthens: several processes on one key must not come back together.
    const ms = Math.ceil(leastMs * (1 + 0.1 * this.#options.random()));
    if (this.#state === "resting" && now + ms <= this.#restUntilMs) return;
    this.#state = "resting";
    this.#restNumber += 1;
    this.#restReason = reason;
    this.#restUntilMs = now + ms;
    this.#isFailing = isFailing;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#endRest(), Math.min(LONGEST_TIMER_MS, ms));
    this.#options.onPause(reason, this.#restUntilMs);
    this.#options.onChange();
  }

  async #endRest(): Promise<void> {
    if (!this.#isFailing) return this.#beRested();
    this.#state = "checking";
    const number = this.#restNumber;
    const found = await this.#options.check(this.#closing.signal).then(
      () => true,
      () => false,
    );
    if (this.#state !== "checking" || this.#restNumber !== number || this.#closing.signal.aborted) return;
    if (found) {
      this.#looksInRow = 0;
      return this.#beRested();
    }
    // Looking is free, so it is looked for again and again, and for hours.
    this.#beginRest(Math.min(LONGEST_LOOK_MS, FIRST_REST_MS * 2 ** this.#looksInRow), this.#restReason, true);
    this.#looksInRow += 1;
  }

  #beRested(): void {
    this.#state = "rested";
    this.#options.onChange();
  }

  #open(): void {
    this.#troubleSinceMs = null;
    this.#restsInRow = 0;
    if (this.#state === "open") return;
    this.#state = "open";
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#results = [];
    this.#options.onResume();
    this.#options.onChange();
  }

  #learn(answered: boolean): void {
    this.#results.push(answered);
    if (this.#results.length > BREAKER_WINDOW) this.#results.shift();
  }

  #mostlyFails(): boolean {
    const failed = this.#results.filter((answered) => !answered).length;
    return this.#results.length >= BREAKER_MINIMUM && failed * 2 >= this.#results.length;
  }
}
