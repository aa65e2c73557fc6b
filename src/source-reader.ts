import { approximateBytes } from "./document-size.ts";
import type { Item, ItemKey, Skipped } from "./item.ts";
import { Intervals } from "./state/intervals.ts";
import type { Cursor, Page, Source, SourceDocument } from "./store.ts";
import { insist } from "./traffic/insist.ts";
import type { StoreWatch } from "./traffic/store-watch.ts";

/** A document that was read: an item to classify, or one without text. */
export interface Reading {
  /** Its place in the order of reading, from 1. */
  readonly ordinal: number;
  readonly read: Item | Skipped;
}

export interface SourceReaderOptions {
  readonly source: Source;
  readonly makeItem: (document: SourceDocument) => Item | Skipped;
  /** True for items that are under way or waiting elsewhere: passed over. */
  readonly isKnown: (key: ItemKey, contentHash: string | null) => boolean;
  /** How long a document has to be left alone yet, in ms; null: none ever. */
  readonly quietInMs: ((document: SourceDocument, nowMs: number) => number) | null;
  readonly now: () => number;
  /** Items of this execution in all: no more are read ahead. null for no limit. */
  readonly limit: number | null;
  /**
   * Where to begin: what lies before is settled and perhaps not yet marked. null for the start of the range. Late inserts
   * lie before it too, so a pass from the start has to follow.
   */
  readonly startBehind: Cursor | null;
  readonly watch: StoreWatch;
  readonly signal: AbortSignal;
}

/** Items that are left alone for now, and when the next of them may be read (wall clock); null for none. */
interface NotQuiet {
  readonly items: number;
  readonly nextMs: number | null;
}
const NONE_QUIET: NotQuiet = { items: 0, nextMs: null };

/** Items of one page at most; one page is read ahead while the one before is worked off. */
const PAGE_ITEMS = 400;
/** After a page of nothing but known items (a recovery stores them meanwhile) a larger one is passed over as quickly. */
const KNOWN_PAGE_ITEMS = 4_000;
/** The first page shows how large documents are; later ones hold at most this much, roughly. */
const FIRST_PAGE_ITEMS = 100;
const PAGE_BYTES = 12 * 1024 * 1024;

/** Reads the unprocessed range page by page, one page ahead, and knows up to where everything is settled. */
export class SourceReader {
  readonly #options: SourceReaderOptions;
  #buffer: Reading[] = [];
  #ahead: Promise<Page> | null = null;
  /** Items stored while a page was on its way or waited: it may show them as they were before. */
  readonly #storedMeanwhile = new Set<ItemKey>();
  #after: Cursor | null;
  #startedBehind: boolean;
  #ended = false;
  #quiet: NotQuiet = NONE_QUIET;
  #quietBefore: NotQuiet = NONE_QUIET;
  #pageItems = FIRST_PAGE_ITEMS;
  #ordinal = 0;
  readonly #settled = new Intervals();
  /** Cursor behind each page, with the ordinal of its last document; thinned when it grows. */
  #pages: { ordinal: number; cursor: Cursor }[] = [];

  constructor(options: SourceReaderOptions) {
    this.#options = options;
    this.#after = options.startBehind;
    this.#startedBehind = options.startBehind !== null;
  }

  /** True while this pass did not begin at the start of the range. */
  get startedBehind(): boolean {
    return this.#startedBehind;
  }

  /** Items read and not yet taken. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /** Items that were passed over in this pass, until they are quiet; while it goes on, at least as many as in the one before. */
  get notQuiet(): NotQuiet {
    return this.#ended || this.#quiet.items > this.#quietBefore.items ? this.#quiet : this.#quietBefore;
  }

  /** ms until the next of them may be read; infinite when there is none. */
  get quietInMs(): number {
    return (this.notQuiet.nextMs ?? Number.POSITIVE_INFINITY) - this.#options.now();
  }

  /** Nothing is left to read in this pass, and nothing waits to be taken. */
  get ended(): boolean {
    return this.#ended && this.#buffer.length === 0;
  }

  /** @returns up to `max` readings in order; fewer, or none, only at the end of the range */
  async take(max: number): Promise<Reading[]> {
    const taken: Reading[] = [];
    while (taken.length < max) {
      if (this.#buffer.length === 0) {
        if (this.#ended) break;
        await this.#fill();
        continue;
      }
      taken.push(...this.#buffer.splice(0, max - taken.length));
    }
    if (this.#buffer.length <= this.#pageItems / 2) this.#readAhead();
    return taken;
  }

  /** Begins again at the start of the range: finds late inserts and what changed. */
  rewind(): void {
    this.#after = null;
    this.#startedBehind = false;
    this.#quietBefore = this.notQuiet;
    this.#quiet = NONE_QUIET;
    this.#ended = false;
    this.#pages = [];
  }

  /** Begins again at the start of the range, and forgets what it has read ahead: others may do it meanwhile. */
  async restart(): Promise<void> {
    await this.#ahead?.catch(() => {});
    this.#ahead = null;
    for (const { ordinal } of this.#buffer) this.#settled.add(ordinal);
    this.#buffer = [];
    this.rewind();
  }

  /** The store knows of this item all there is to know: a page that was asked for before is wrong about it. */
  passOver(key: ItemKey): void {
    if (this.#ahead !== null) this.#storedMeanwhile.add(key);
  }

  settle(ordinal: number): void {
    this.#settled.add(ordinal);
  }

  /** Items of this execution that are settled without a gap, and the cursor that stands at or before that place. */
  progress(): { settled: number; cursor: Cursor | null } {
    const settled = this.#settled.unbrokenFrom(1);
    let cursor = this.#startedBehind ? this.#options.startBehind : null;
    for (const page of this.#pages) if (page.ordinal <= settled) cursor = page.cursor;
    const keep = this.#pages.findLastIndex((page) => page.ordinal <= settled);
    if (keep > 0) this.#pages = this.#pages.slice(keep);
    return { settled, cursor };
  }

  #isToBeLeft(document: SourceDocument): boolean {
    const nowMs = this.#options.now();
    const inMs = this.#options.quietInMs?.(document, nowMs) ?? 0;
    if (inMs <= 0) return false;
    const { items, nextMs } = this.#quiet;
    this.#quiet = { items: items + 1, nextMs: Math.min(nextMs ?? Number.POSITIVE_INFINITY, nowMs + inMs) };
    return true;
  }

  #readAhead(wanted = false): void {
    const { source, watch, signal, limit } = this.#options;
    const left = limit === null ? Number.MAX_SAFE_INTEGER : limit - this.#ordinal;
    if (this.#ended || this.#ahead !== null || (left <= 0 && !wanted)) return;
    const after = this.#after;
    // Past the limit documents are only read when some before it needed no slot: they were known already.
    const pageItems = Math.max(1, Math.min(this.#pageItems, left > 0 ? left : (limit ?? 1)));
    this.#ahead = insist(() => source.readUnprocessed(after, pageItems), watch, signal);
    // It is awaited in #fill; until then its rejection is not "unhandled".
    this.#ahead.catch(() => {});
  }

  async #nextPage(): Promise<Page> {
    this.#readAhead(true);
    try {
      return await this.#ahead!;
    } finally {
      this.#ahead = null;
    }
  }

  async #fill(): Promise<void> {
    const page = await this.#nextPage();
    this.#after = page.cursor;
    this.#ended = page.last;
    const before = this.#buffer.length;
    let bytes = 0;
    for (const document of page.documents) {
      bytes += approximateBytes(document);
      const read = this.#options.makeItem(document);
      this.#ordinal += 1;
      const isKnown =
        this.#storedMeanwhile.has(read.key) ||
        this.#options.isKnown(read.key, "contentHash" in read ? read.contentHash : null);
      if (isKnown || this.#isToBeLeft(document)) this.#settled.add(this.#ordinal);
      else this.#buffer.push({ ordinal: this.#ordinal, read });
    }
    this.#storedMeanwhile.clear();
    const kept = this.#buffer.length - before;
    if (page.documents.length > 0) {
      const most = kept === 0 ? KNOWN_PAGE_ITEMS : PAGE_ITEMS;
      this.#pageItems = Math.max(
        1,
        Math.min(most, Math.floor((PAGE_BYTES * page.documents.length) / Math.max(1, bytes))),
      );
    }
    this.#pages.push({ ordinal: this.#ordinal, cursor: page.cursor });
    if (this.#pages.length > 2_000) this.#pages = this.#pages.filter((_, index) => index % 2 === 1);
    if (!this.#ended && this.#buffer.length <= this.#pageItems / 2) this.#readAhead();
  }
}
