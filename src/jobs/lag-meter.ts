import type { Clocks } from "../clocks.ts";
import { type ItemKey, keyOf } from "../item.ts";
import { type Lag, UNKNOWN_LAG } from "../lag.ts";
import type { SourceDocument } from "../store.ts";

export interface LagMeterOptions extends Clocks {
  /** The first unprocessed document in the source's order, or null: one cheap question. */
  readonly first: () => Promise<SourceDocument | null>;
  /** Epoch ms of when the present pass over the source began; null between passes: everything was read. */
  readonly passSinceMs: () => number | null;
  /** Items that are under way, or wait for a retry. */
  readonly known: () => number;
  /** The store does not answer. */
  readonly isAway: () => boolean;
  /** When a document came or was changed, epoch ms; null: it does not say. */
  readonly updatedAtMs: (document: SourceDocument) => number | null;
}

/**
 * The store is asked no more often than this, in ms, and takes at most this share of the time to answer: by the faster of the
 * last two looks, since one that fell into an election or a freeze says nothing about the next.
 */
const LOOK_MS = 1_000;
const LOOK_SHARE = 0.02;

/**
 * Knows how old the oldest unprocessed item is. Nothing is asked while everything is done. Where ids tell no time, an
 * item counts from the beginning of the pass that found it.
 */
export class LagMeter {
  readonly #options: LagMeterOptions;
  #since: Pick<Lag, "sinceMs" | "basis"> | "none" | null = null;
  #seen: { readonly key: ItemKey; readonly sinceMs: number } | null = null;
  #nextLookMs = Number.NEGATIVE_INFINITY;
  #looking = false;
  /** Of the last look, in ms. */
  #tookMs = Number.POSITIVE_INFINITY;

  constructor(options: LagMeterOptions) {
    this.#options = options;
  }

  get value(): Lag {
    const since = this.#since;
    if (since === null) return UNKNOWN_LAG;
    if (since === "none") return { ms: 0, sinceMs: null, basis: null };
    return { ...since, ms: Math.max(0, this.#options.now() - since.sinceMs!) };
  }

  /** Called about once a second. Never throws. */
  async tick(): Promise<void> {
    const { passSinceMs, known, isAway, steadyNow, first } = this.#options;
    const isRead = passSinceMs() === null;
    if (isAway()) {
      // What came meanwhile is not known.
      if (known() === 0) this.#since = null;
      return;
    }
    if (isRead && known() === 0) {
      this.#since = "none";
      this.#seen = null;
      return;
    }
    if (this.#looking || steadyNow() < this.#nextLookMs) return;
    this.#looking = true;
    const startedMs = steadyNow();
    try {
      this.#learn(await first());
    } catch {
      // Whoever needs the store says so; the age goes on from what was known.
    } finally {
      const tookMs = steadyNow() - startedMs;
      this.#nextLookMs = steadyNow() + Math.max(LOOK_MS, Math.min(tookMs, this.#tookMs) / LOOK_SHARE);
      this.#tookMs = tookMs;
      this.#looking = false;
    }
  }

  #learn(document: SourceDocument | null): void {
    if (document === null) {
      this.#since = "none";
      this.#seen = null;
      return;
    }
    const key = keyOf(document._id);
    const { now, passSinceMs, updatedAtMs } = this.#options;
    if (this.#seen?.key !== key) this.#seen = { key, sinceMs: now() };
    const changedMs = updatedAtMs(document);
    const createdMs = createdAtMs(document._id);
    if (changedMs !== null) this.#since = { sinceMs: changedMs, basis: "updated-at" };
    else if (createdMs !== null) this.#since = { sinceMs: createdMs, basis: "object-id" };
    else {
      const sinceMs = Math.min(this.#seen.sinceMs, passSinceMs() ?? Number.POSITIVE_INFINITY);
      this.#since = { sinceMs, basis: "first-seen" };
    }
  }
}

/** The time in an ObjectId, whichever copy of the library made it. */
function createdAtMs(id: unknown): number | null {
  const { _bsontype, getTimestamp } = (id ?? {}) as { _bsontype?: unknown; getTimestamp?: () => Date };
  return _bsontype === "ObjectId" && getTimestamp !== undefined ? getTimestamp.call(id).getTime() : null;
}
