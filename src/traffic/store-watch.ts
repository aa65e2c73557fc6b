import { messageOf } from "../errors.ts";

export interface StoreWatchOptions {
  /** How long the store may be away, in ms; null: for however long. */
  readonly storeMs: number | null;
  /** A clock that is never set. */
  readonly now: () => number;
  /** Called when something has waited for the store for some seconds. `untilMs` is when it is given up; null: never. */
  readonly onWait?: (reason: string, untilMs: number | null) => void;
  /** Called when nothing waits any more, after a wait that was told. */
  readonly onResume?: (waitedMs: number) => void;
}

/** Waits below this are everyday life, in ms. */
const SAY_AFTER_MS = 3_000;

/** One action of the store, from its first try until it is confirmed or given up. */
export interface StoreWait {
  readonly sinceMs: number;
  trouble: string | null;
}

/** Knows what waits for the store, so that no wait is silent: neither for one that refuses nor for one that is mute. */
export class StoreWatch {
  readonly #options: StoreWatchOptions;
  /** In the order in which they began. */
  readonly #waits = new Set<StoreWait>();
  #timer: NodeJS.Timeout | null = null;
  #saidSinceMs: number | null = null;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
  }

  /** How long the store may be away, in ms; null: for however long. */
  get storeMs(): number | null {
    return this.#options.storeMs;
  }

  /** What the oldest action waits for, when it has done so for some seconds; the end by its clock. */
  get waiting(): { reason: string; untilMs: number | null; items: number } | null {
    const [oldest] = this.#waits;
    if (oldest === undefined || this.#options.now() - oldest.sinceMs < SAY_AFTER_MS) return null;
    const untilMs = this.storeMs === null ? null : oldest.sinceMs + this.storeMs;
    return { reason: reasonOf(oldest), untilMs, items: 0 };
  }

  begin(): StoreWait {
    const wait: StoreWait = { sinceMs: this.#options.now(), trouble: null };
    this.#waits.add(wait);
    this.#arm();
    return wait;
  }

  /** One try failed; there will be another. */
  failed(wait: StoreWait, error: unknown): void {
    wait.trouble = messageOf(error);
  }

  /** Confirmed, or given up. */
  end(wait: StoreWait): void {
    this.#waits.delete(wait);
    const [oldest] = this.#waits;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#saidSinceMs === null) this.#arm();
    else if (oldest === undefined || this.#options.now() - oldest.sinceMs < SAY_AFTER_MS) {
      this.#options.onResume?.(this.#options.now() - this.#saidSinceMs);
      this.#saidSinceMs = null;
      this.#arm();
    }
  }

  #arm(): void {
    const [oldest] = this.#waits;
    if (oldest === undefined || this.#timer !== null || this.#saidSinceMs !== null) return;
    const leftMs = oldest.sinceMs + SAY_AFTER_MS - this.#options.now();
    this.#timer = setTimeout(() => this.#say(), Math.min(SAY_AFTER_MS, Math.max(1, leftMs))).unref();
  }

  #say(): void {
    this.#timer = null;
    const { waiting } = this;
    const [oldest] = this.#waits;
    if (waiting === null || oldest === undefined) {
      this.#arm();
      return;
    }
    this.#saidSinceMs = oldest.sinceMs;
    this.#options.onWait?.(waiting.reason, waiting.untilMs);
  }
}

function reasonOf({ trouble }: StoreWait): string {
  return trouble === null ? "the store does not answer" : `the store does not answer: ${trouble}`;
}
