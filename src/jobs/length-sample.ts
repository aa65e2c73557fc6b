import { approximateBytes } from "../document-size.ts";
import { type Lengths, lengthsOf } from "../estimation/lengths.ts";
import type { Item, ItemKey, Skipped, SkipReason } from "../item.ts";
import type { Cursor, Source, SourceDocument } from "../store.ts";

/** How much may be looked at. */
export interface SampleCaps {
  /** A source, or a run's limit, up to this many items is looked at as a whole. */
  readonly whole: number;
  /** Of a larger one, so many are drawn at random. */
  readonly drawn: number;
  /** Time for it, in ms; what was seen until then counts. */
  readonly maxMs: number;
}

/** Texts that were looked at for their lengths; the texts themselves are let go at once. */
export interface LengthSample {
  readonly texts: readonly { readonly key: ItemKey; readonly chars: number }[];
  readonly looked: number;
  readonly skipped: Readonly<Partial<Record<SkipReason, number>>>;
  /** True when everything that a run would read was looked at. */
  readonly whole: boolean;
}

const PAGE = 500;
const FIRST_DRAW = 100;
/** Documents that are drawn together are in memory together. */
const DRAW_BYTES = 32_000_000;

/**
 * @param items how many a run would read, from the front; null when unknown
 * @param unprocessed how many there are; null when unknown
 */
export async function sampleLengths(
  source: Source,
  makeItem: (document: SourceDocument) => Item | Skipped,
  { items, unprocessed }: { readonly items: number | null; readonly unprocessed: number | null },
  caps: SampleCaps,
): Promise<LengthSample> {
  if (items !== null && items <= caps.whole) {
    const front = await readFront(source, makeItem, items, caps.maxMs);
    // The front alone says nothing of the rest, which may be longer.
    if (front.whole || unprocessed === null) return front;
  }
  const seen = new Seen(makeItem);
  const first = await source.sample(Math.min(FIRST_DRAW, caps.drawn), caps.maxMs);
  seen.add(first);
  const bytes = first.reduce((sum, document) => sum + approximateBytes(document), 0) / Math.max(1, first.length);
  const more = Math.min(caps.drawn - first.length, Math.floor(DRAW_BYTES / Math.max(1, bytes)));
  if (first.length === FIRST_DRAW && more > 0) seen.add(await source.sample(more, caps.maxMs));
  return seen.sample(unprocessed !== null && seen.looked >= unprocessed);
}

/** @returns the lengths of `items` items by what was looked at */
export function lengthsOfSample({ texts, looked }: LengthSample, items: number): Lengths {
  return lengthsOf(
    texts.map(({ chars }) => chars),
    looked - texts.length,
    items,
  );
}

async function readFront(
  source: Source,
  makeItem: (document: SourceDocument) => Item | Skipped,
  items: number,
  maxMs: number,
): Promise<LengthSample> {
  const seen = new Seen(makeItem);
  const deadline = performance.now() + maxMs;
  for (let after: Cursor | null = null, last = false; !last && seen.looked < items; ) {
    if (performance.now() > deadline) return seen.sample(false);
    const page = await source.readUnprocessed(after, Math.min(PAGE, items - seen.looked));
    seen.add(page.documents);
    ({ cursor: after, last } = page);
  }
  return seen.sample(true);
}

class Seen {
  readonly #makeItem: (document: SourceDocument) => Item | Skipped;
  readonly #chars = new Map<ItemKey, number | null>();
  readonly #skipped: Partial<Record<SkipReason, number>> = {};

  constructor(makeItem: (document: SourceDocument) => Item | Skipped) {
    this.#makeItem = makeItem;
  }

  get looked(): number {
    return this.#chars.size;
  }

  add(documents: readonly SourceDocument[]): void {
    for (const document of documents) {
      const read = this.#makeItem(document);
      if (this.#chars.has(read.key)) continue;
      this.#chars.set(read.key, "reason" in read ? null : read.text.length);
      if ("reason" in read) this.#skipped[read.reason] = (this.#skipped[read.reason] ?? 0) + 1;
    }
  }

  sample(whole: boolean): LengthSample {
    const texts = [...this.#chars].flatMap(([key, chars]) => (chars === null ? [] : [{ key, chars }]));
    return { texts, looked: this.looked, skipped: this.#skipped, whole };
  }
}
