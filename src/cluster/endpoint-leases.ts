import { messageOf } from "../errors.ts";
import type { RateLimits } from "../rate-limits.ts";
import type { ShareDemand } from "../traffic/leased-share.ts";
import type { LeaseStore } from "./lease-store.ts";
import {
  fairParts,
  freeOf,
  fromCount,
  GIVEN_PARTS,
  grantedOf,
  PARTS,
  toCount,
  type WindowCount,
  wantedParts,
  windowMsOf,
} from "./share-window.ts";

export interface EndpointLeasesOptions {
  readonly store: Pick<LeaseStore, "nowMs" | "add">;
  /** What is leased holds from now on, until then (monotonic ms). @param share 0..1 */
  readonly lease: (share: number, untilMs: number) => void;
  /** What was wanted since the last look. */
  readonly lookAtDemand: () => ShareDemand;
  /** Where it is and whose key it has, without the key. */
  readonly key: string;
  /** As they stand in the settings, which are the same for all. */
  readonly limits: RateLimits;
  /** A clock that is never set, in ms. */
  readonly now: () => number;
  readonly random: () => number;
}

/** What is held of one window. */
interface Held {
  readonly window: number;
  parts: number;
  hasAsked: boolean;
  hasLookedForMore: boolean;
}

const TICK_MS = 100;
/** Between two questions while there is no share, in ms; doubles up to a quarter of the window, or this. */
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5_000;
/** After a process took half of what was free, it looks for more after so long, in ms. */
const JOINED_MS = 2_000;
/** Less than this is not worth a question, in parts. */
const WORTH = PARTS / 50;
/** After a look that found nothing free, so many windows pass until the next one. */
const IDLE_LOOKS = 4;

/**
 * Leases this process's share of one endpoint, window by window.
 *
 * Before a window begins, each process asks for its fair share of it, or for less when it needs less; a little later those
 * that need more take what is left. Who comes while a window runs takes half of what is free, and then of the rest. What is
 * not needed is given back; what a dead process held is lost until the window ends. While the store is away, what was
 * leased is used up and nothing beyond it.
 */
export class EndpointLeases {
  readonly #options: EndpointLeasesOptions;
  readonly #windowMs: number;
  readonly #timer: NodeJS.Timeout;
  #current: Held = held(Number.NaN);
  #next: Held = held(Number.NaN);
  /** When this window's questions are asked, as shares of it: not all processes at once. */
  #askAt = 0;
  #lookAt = 0;
  #tidyAt = 0;
  #wanted = GIVEN_PARTS;
  #processes = 1;
  #skippedLooks = IDLE_LOOKS;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #retryMs = FIRST_RETRY_MS;
  #trouble: string | null = null;
  #underWay: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: EndpointLeasesOptions) {
    this.#options = options;
    this.#windowMs = windowMsOf(options.limits);
    options.lease(0, options.now());
    this.#turn();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
    this.#tick();
  }

  /** Why nothing is leased at the moment; null when nothing is wrong. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** Takes no more, and gives back what is held. Takes no longer than one operation of the store. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#underWay;
    const { lease, now, store } = this.#options;
    lease(0, now());
    for (const { window, parts } of [this.#current, this.#next])
      if (parts > 0) await store.add(this.#keyOf(window), -parts, this.#keptMs).catch(() => {});
  }

  #tick(): void {
    this.#turn();
    if (this.#underWay !== null) return;
    const step = this.#dueStep();
    if (step === null) return;
    this.#underWay = step()
      .then(
        () => {
          this.#trouble = null;
        },
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        this.#underWay = null;
      });
  }

  #dueStep(): (() => Promise<void>) | null {
    const { store, now } = this.#options;
    const into = store.nowMs() / this.#windowMs - this.#current.window;
    if (now() < this.#retryAtMs && this.#trouble !== null) return null;
    if (into >= this.#askAt && !this.#next.hasAsked) return () => this.#askForNext();
    if (into >= this.#lookAt && this.#next.hasAsked && !this.#next.hasLookedForMore) return () => this.#lookForMore();
    if (this.#current.parts === 0 && into < this.#askAt && now() >= this.#retryAtMs) return () => this.#join();
    if (into >= this.#tidyAt && into < this.#askAt && !this.#current.hasLookedForMore) return () => this.#tidy();
    return null;
  }

  /** A new window has begun: what was leased for it holds. */
  #turn(): void {
    const { store, random } = this.#options;
    const window = Math.floor(store.nowMs() / this.#windowMs);
    // A clock that was read anew may be a little behind: what is held of a window that has begun stays.
    if (window === this.#current.window || window === this.#current.window - 1) return;
    this.#current = this.#next.window === window ? this.#next : held(window);
    this.#current.hasLookedForMore = false;
    this.#next = held(window + 1);
    this.#tidyAt = 0.4 + 0.2 * random();
    this.#askAt = 0.8 + 0.1 * random();
    this.#lookAt = 0.94 + 0.05 * random();
    this.#retryMs = FIRST_RETRY_MS;
    this.#apply();
  }

  async #askForNext(): Promise<void> {
    this.#wanted = wantedParts(this.#options.lookAtDemand());
    const next = this.#next;
    next.hasAsked = true;
    // Nobody calls here: the first call that wants to asks at once.
    if (this.#wanted === 0) {
      next.hasLookedForMore = true;
      return;
    }
    const asked = Math.min(this.#wanted, fairParts(this.#processes));
    try {
      const granted = await this.#ask(next, asked, true);
      const isShort = granted < asked;
      // Whether anything is left is known already as long as everybody takes a fair share.
      this.#skippedLooks += 1;
      next.hasLookedForMore = granted >= this.#wanted || (!isShort && this.#skippedLooks <= IDLE_LOOKS);
    } catch (error) {
      next.hasAsked = false;
      throw error;
    }
  }

  async #lookForMore(): Promise<void> {
    const next = this.#next;
    next.hasLookedForMore = true;
    const count = await this.#count(next, 0, false);
    this.#processes = Math.max(1, count.processes);
    const free = Math.min(freeOf(count), this.#wanted - next.parts);
    this.#skippedLooks = free >= WORTH ? IDLE_LOOKS : 0;
    if (free >= WORTH) await this.#ask(next, free, false);
  }

  /** There is no share of the window that runs: takes half of what is free as soon as a call wants to go out. */
  async #join(): Promise<void> {
    const { lookAtDemand, now } = this.#options;
    const { isShort } = lookAtDemand();
    this.#retryAtMs = now() + (isShort ? this.#retryMs : 0);
    if (!isShort) return;
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#windowMs / 4, 2 * this.#retryMs);
    const current = this.#current;
    const count = await this.#count(current, 0, false);
    this.#processes = Math.max(this.#processes, count.processes + (current.hasAsked ? 0 : 1));
    const free = freeOf(count);
    if (free > 0) await this.#ask(current, free < WORTH ? free : Math.ceil(free / 2), !current.hasAsked);
    this.#wanted = GIVEN_PARTS;
    // Those that came together have their halves then: the rest is nobody's.
    this.#skippedLooks = IDLE_LOOKS + 1;
    const into = this.#options.store.nowMs() / this.#windowMs - current.window;
    this.#tidyAt = Math.min(this.#tidyAt, into + JOINED_MS / this.#windowMs);
  }

  /** In the middle of a window: gives back what is not needed, takes what others gave back. */
  async #tidy(): Promise<void> {
    const current = this.#current;
    current.hasLookedForMore = true;
    const demand = this.#options.lookAtDemand();
    if (demand.isShort) {
      if (current.parts >= fairParts(this.#processes) && this.#skippedLooks <= IDLE_LOOKS) return;
      const free = freeOf(await this.#count(current, 0, false));
      if (free >= WORTH) await this.#ask(current, free, !current.hasAsked);
      return;
    }
    const spare = current.parts - wantedParts(demand);
    if (spare < WORTH) return;
    current.parts -= spare;
    this.#apply();
    await this.#count(current, -spare, false);
  }

  /** @returns what of it was granted */
  async #ask(of: Held, parts: number, isFirst: boolean): Promise<number> {
    const count = await this.#count(of, parts, isFirst);
    of.hasAsked = true;
    // More than one process has been seen lately: a count so far never says that there are fewer.
    this.#processes = Math.max(this.#processes, count.processes);
    // It was emptied, and others may hold of this window what it does not count: nothing more of it.
    const granted = count.parts < of.parts + parts ? 0 : grantedOf(parts, count.parts);
    of.parts += granted;
    if (of === this.#current) this.#apply();
    if (granted < parts) await this.#count(of, granted - parts, false);
    return granted;
  }

  async #count({ window }: Held, parts: number, isFirst: boolean): Promise<WindowCount> {
    return fromCount(await this.#options.store.add(this.#keyOf(window), toCount(parts, isFirst), this.#keptMs));
  }

  #apply(): void {
    if (this.#isClosed) return;
    const { store, now, lease } = this.#options;
    const leftMs = (this.#current.window + 1) * this.#windowMs - store.nowMs();
    lease(this.#current.parts / PARTS, now() + leftMs);
  }

  #failed(error: unknown): void {
    this.#trouble = messageOf(error);
    this.#retryAtMs = this.#options.now() + this.#retryMs * (1 + this.#options.random());
    this.#retryMs = Math.min(LAST_RETRY_MS, 2 * this.#retryMs);
    this.#apply();
  }

  #keyOf(window: number): string {
    return `${this.#options.key}:${this.#windowMs}:${window}`;
  }

  /** Long enough for clocks that differ: a window's number is never used again. */
  get #keptMs(): number {
    return 2 * this.#windowMs + 600_000;
  }
}

function held(window: number): Held {
  return { window, parts: 0, hasAsked: false, hasLookedForMore: false };
}
