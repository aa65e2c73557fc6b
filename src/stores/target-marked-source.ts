import { approximateBytes } from "../document-size.ts";
import { type Filter, matches } from "../filter.ts";
import { type ItemKey, idOf, keyOf } from "../item.ts";
import type {
  Cursor,
  MarkGroup,
  Page,
  SettledMark,
  Source,
  SourceDocument,
  SourceInspection,
  SourceOptions,
  Store,
  Target,
  UpdatedDocument,
} from "../store.ts";
import { isSettled, outcomesOf, REOPENED } from "./target-marks.ts";
import { timeOf } from "./updated-at.ts";

/** Ids compared with the target at once, at most: a long stretch of settled items is passed over in steps of this size. */
const LARGEST_STEP = 20_000;
/** Documents of one page, roughly. */
const PAGE_BYTES = 16_000_000;
/** The first ones show how large they are. */
const FIRST_DOCUMENTS = 8;
const LAST_ID: ItemKey = '{"$maxKey":1}';
/** For each document of a sample so many ids are drawn, since settled ones are among them. */
const DRAWN = 20;

/**
 * A source that is only read. Settled is what has a record in the target, or a note beside it: skipped items, dead
 * letters, and (the other way round) items that have a record and are to be done again. Ids are read in the source's
 * own order and looked up in the target step by step, so ids of mixed kinds and stores of two kinds are right, and
 * memory stays the same however many there are.
 */
export class TargetMarkedSource implements Source {
  readonly #ids: Source;
  readonly #documents: Source;
  /** To decide the filter on documents that are read by their keys. */
  readonly #whole: Source;
  readonly #collection: string;
  readonly #filter: Filter | null;
  readonly #target: string;
  readonly #records: Target;
  readonly #notes: Target;
  readonly #targetStore: Store;
  readonly watch?: NonNullable<Source["watch"]>;
  readonly cut?: NonNullable<Source["cut"]>;
  /** Notes are replaced, never removed: once there was one, there is one. */
  #hasNotes = false;

  /** @param target name of the collection with the records */
  constructor(source: Store, targetStore: Store, target: string, options: SourceOptions) {
    const { collection, filter, updatedAt = null, range = null } = options;
    const idsIn = (part: SourceOptions["range"]): Source =>
      source.source({ collection, mark: null, filter, fields: [], ...(part ? { range: part } : {}) });
    this.#ids = idsIn(range);
    this.#documents = source.source({ collection, mark: null, filter, fields: options.fields, updatedAt });
    this.#whole = source.source({ collection, mark: null, filter, fields: null });
    if (this.#ids.cut !== undefined)
      this.cut = (from, size) => cutOpen(idsIn({ from, to: null }), (page) => this.#open(page), size);
    this.#collection = collection;
    this.#filter = filter;
    this.#target = target;
    this.#targetStore = targetStore;
    this.#records = targetStore.target(target);
    this.#notes = targetStore.target(outcomesOf(target));
    const { watch } = this.#documents;
    if (watch !== undefined) this.watch = watch.bind(this.#documents);
  }

  async prepare(): Promise<readonly string[]> {
    const notes = await this.#documents.prepare();
    // Shows before the first call whether it may be written.
    await this.#targetStore.insert(outcomesOf(this.#target), []);
    return [
      ...notes,
      `${this.#collection} is only read: what is settled is noted in ${this.#target} and ${outcomesOf(this.#target)}.`,
    ];
  }

  async inspect(): Promise<SourceInspection> {
    return await this.#documents.inspect();
  }

  async countUnprocessed(maxMs: number): Promise<number | null> {
    const deadline = performance.now() + maxMs;
    let total = 0;
    for (let after: Cursor | null = null; ; ) {
      const page: Page = await this.#ids.readUnprocessed(after, LARGEST_STEP);
      total += (await this.#open(page)).length;
      if (page.last) return total;
      if (performance.now() > deadline) return null;
      after = page.cursor;
    }
  }

  async readUnprocessed(after: Cursor | null, limit: number): Promise<Page> {
    for (let most = limit, from = after; ; ) {
      const { keys, cursor, last } = await this.#openKeys(from, most);
      const documents = await this.#read(keys);
      if (documents === null) most = Math.max(1, most >> 1);
      else if (documents.length > 0 || last) return { documents, cursor, last };
      // All of them were deleted meanwhile.
      else from = cursor;
    }
  }

  async sample(size: number): Promise<readonly SourceDocument[]> {
    const drawn = await this.#ids.sample(size * DRAWN);
    const open = await this.#openOf(drawn.map(({ _id }) => keyOf(_id)));
    // Only a few are left between many settled ones.
    if (open.length === 0) return (await this.readUnprocessed(null, size)).documents;
    return await this.#documents.readByKeys(someOf(open, size));
  }

  async readMarked(
    { job, outcome }: Pick<MarkGroup["by"], "job" | "outcome">,
    after: Cursor | null,
    limit: number,
  ): Promise<Page> {
    const fits = (document: SourceDocument): boolean => this.#filter === null || matches(this.#filter, document);
    const classified = outcome === "classified";
    for (let from = after; ; ) {
      const page = await (classified ? this.#records : this.#notes).readAll(from, limit);
      const own = page.documents.filter((found) => found.job === job && (classified || found.outcome === outcome));
      const keys = own.map(({ _id }) => keyOf(_id));
      const open = new Set(classified ? await this.#openOf(keys) : []);
      const source = this.#filter === null ? this.#documents : this.#whole;
      const documents = await source.readByKeys(keys.filter((key) => !open.has(key)));
      if (documents.length > 0 || page.last) return { ...page, documents: documents.filter(fits) };
      from = page.cursor;
    }
  }

  async settledBy(job: string, keys: readonly ItemKey[]): Promise<ReadonlyMap<ItemKey, SettledMark>> {
    if (keys.length === 0) return new Map();
    const [records, notes] = await Promise.all([this.#records.readByKeys(keys), this.#readNotes(keys)]);
    const marks = new Map<ItemKey, SettledMark>();
    for (const { _id, job: by, classifiedAt } of records)
      if (by === job) marks.set(keyOf(_id), { outcome: "classified", atMs: timeOf(classifiedAt) });
    for (const { _id, job: by, outcome, at } of notes) {
      const key = keyOf(_id);
      if (outcome === REOPENED) marks.delete(key);
      else if (by === job) marks.set(key, { outcome: outcome as SettledMark["outcome"], atMs: timeOf(at) });
    }
    return marks;
  }

  async *readUpdated(job: string, sinceMs: number): AsyncGenerator<readonly UpdatedDocument[]> {
    for await (const page of this.#documents.readUpdated(job, sinceMs)) {
      const marks = await this.settledBy(
        job,
        page.map(({ key }) => key),
      );
      yield page.flatMap((one) => {
        const mark = marks.get(one.key);
        return mark === undefined ? [] : { ...one, mark };
      });
    }
  }

  async readByKeys(keys: readonly ItemKey[]): Promise<readonly SourceDocument[]> {
    return await this.#documents.readByKeys(keys);
  }

  async mark(groups: readonly MarkGroup[]): Promise<void> {
    for (const { keys, at, by } of groups) {
      // A record is a mark itself; only a note that says otherwise has to be replaced.
      const noted = by.outcome === "classified" ? await this.#noted(keys) : keys;
      await this.#note(noted, { ...by, at });
    }
  }

  async unmark(keys: readonly ItemKey[]): Promise<void> {
    await this.#note(keys, { outcome: REOPENED });
  }

  async reopen(keys: readonly ItemKey[]): Promise<void> {
    await this.unmark(keys);
  }

  /** Keys that are to be done behind `after`, at most `most`, and the cursor behind the last id that was looked at. */
  async #openKeys(after: Cursor | null, most: number): Promise<{ keys: ItemKey[]; cursor: Cursor; last: boolean }> {
    const keys: ItemKey[] = [];
    let cursor = after;
    for (let step = most; ; ) {
      const page = await this.#ids.readUnprocessed(cursor, step);
      const open = await this.#open(page);
      if (keys.length + open.length > most) {
        if (keys.length > 0) return { keys, cursor: cursor!, last: false };
        // The long step met more than was asked for: the same place again, in a step that cannot.
        step = most;
        continue;
      }
      keys.push(...open);
      cursor = page.cursor;
      if (page.last || keys.length * 2 >= most) return { keys, cursor, last: page.last };
      step = open.length === 0 ? Math.min(step * 4, Math.max(most, LARGEST_STEP)) : most;
    }
  }

  /** Documents in the order of their keys. @returns null when they are more than fit into a page */
  async #read(keys: readonly ItemKey[]): Promise<SourceDocument[] | null> {
    const documents: SourceDocument[] = [];
    let bytes = 0;
    for (let at = 0, count = FIRST_DOCUMENTS; at < keys.length; ) {
      const some = keys.slice(at, at + count);
      const found = new Map(
        (await this.#documents.readByKeys(some)).map((document) => [keyOf(document._id), document]),
      );
      for (const key of some) {
        const document = found.get(key);
        if (document === undefined) continue;
        documents.push(document);
        bytes += approximateBytes(document, 4);
      }
      at += some.length;
      if (bytes > PAGE_BYTES && at < keys.length) return null;
      count = Math.max(1, Math.floor(((PAGE_BYTES - bytes) * at) / Math.max(1, bytes)));
    }
    return documents;
  }

  #open(page: Page): Promise<ItemKey[]> {
    return this.#openOf(page.documents.map(({ _id }) => keyOf(_id)));
  }

  async #openOf(keys: readonly ItemKey[]): Promise<ItemKey[]> {
    if (keys.length === 0) return [];
    const [records, notes] = await Promise.all([this.#records.existing(keys), this.#readNotes(keys)]);
    const noted = new Map(notes.map((note) => [keyOf(note._id), note]));
    return keys.filter((key) => !isSettled(records.has(key), noted.get(key)));
  }

  /** Most jobs skip nothing and have no dead letters. */
  async #readNotes(keys: readonly ItemKey[]): Promise<readonly SourceDocument[]> {
    this.#hasNotes ||= (await this.#notes.readAll(null, 1)).documents.length > 0;
    return this.#hasNotes ? await this.#notes.readByKeys(keys) : [];
  }

  async #noted(keys: readonly ItemKey[]): Promise<ItemKey[]> {
    return [...(await this.#notes.existing(keys))];
  }

  async #note(keys: readonly ItemKey[], note: Readonly<Record<string, unknown>>): Promise<void> {
    if (keys.length === 0) return;
    const documents = keys.map((key) => ({ _id: idOf(key), ...note }));
    await this.#targetStore.insert(outcomesOf(this.#target), documents);
  }
}

/** Walks the ids until so many are to be done. @param ids from where the part begins */
async function cutOpen(
  ids: Source,
  open: (page: Page) => Promise<readonly ItemKey[]>,
  size: number,
): Promise<{ to: ItemKey | null; items: number } | null> {
  let items = 0;
  let cursor: Cursor | null = null;
  for (let step = size; ; ) {
    const page: Page = await ids.readUnprocessed(cursor, step);
    const found = (await open(page)).length;
    if (items + found > size && step > size) {
      // The long step met more than was asked for: the same place again, in a step that cannot.
      step = size;
      continue;
    }
    items += found;
    cursor = page.cursor;
    if (page.last) return items === 0 ? null : { to: null, items };
    if (items >= size) {
      const [next] = (await ids.readUnprocessed(cursor, 1)).documents;
      // Nothing can begin at `MaxKey`: the one that has it belongs to what lies before.
      const to = next === undefined ? null : keyOf(next._id);
      return { to: to === LAST_ID ? null : to, items };
    }
    step = found === 0 ? Math.min(step * 4, LARGEST_STEP) : size;
  }
}

/** Drawn at random: ids of a sample may come in their order. */
function someOf(keys: readonly ItemKey[], size: number): ItemKey[] {
  const drawn = [...keys];
  for (let at = 0; at < Math.min(size, drawn.length); at++) {
    const other = at + Math.floor(Math.random() * (drawn.length - at));
    [drawn[at], drawn[other]] = [drawn[other]!, drawn[at]!];
  }
  return drawn.slice(0, size);
}
