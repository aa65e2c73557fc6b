import type { ItemKey } from "../item.ts";
import type { Cursor, Page, Source, SourceDocument, SourceOptions, Store, Target } from "../store.ts";

/** Documents that are read together: each may have 16 MB. */
const TOGETHER = 50;

/**
 * @param records the target whose records are the marks, where the source carries none; else null
 * @returns a store whose sources have no unprocessed documents but these; all else is the store itself
 */
export function withChosenItems(store: Store, keys: readonly ItemKey[], records: string | null): Store {
  return new Proxy(store, {
    get(inner, name) {
      if (name === "source") return (options: SourceOptions) => new ChosenItems(inner, options, keys, records);
      const value: unknown = Reflect.get(inner, name, inner);
      return typeof value === "function" ? value.bind(inner) : value;
    },
  });
}

/**
 * Reads the chosen documents that are unprocessed, in the order of their keys. Its cursors are those of the whole source
 * at its start: what goes on behind one reads everything.
 */
class ChosenItems implements Source {
  readonly #whole: Source;
  readonly #keys: readonly ItemKey[];
  readonly #mark: string | null;
  readonly #records: Target | null;
  #next = 0;

  constructor(store: Store, options: SourceOptions, keys: readonly ItemKey[], records: string | null) {
    const { fields, mark } = options;
    this.#mark = records === null && mark !== null ? mark.processed : null;
    this.#records = records === null ? null : store.target(records);
    this.#whole = store.source({
      ...options,
      fields: fields && (this.#mark === null ? fields : [...fields, this.#mark]),
    });
    this.#keys = keys;
  }

  async readUnprocessed(after: Cursor | null, limit: number): Promise<Page> {
    const { cursor } = await this.#whole.readUnprocessed(null, 0);
    const from = after === null ? 0 : this.#next;
    const to = Math.min(this.#keys.length, from + Math.min(limit, TOGETHER));
    const keys = this.#keys.slice(from, to);
    const settled = keys.length > 0 ? await this.#records?.existing(keys) : undefined;
    const found = keys.length > 0 ? await this.#whole.readByKeys(keys.filter((key) => !settled?.has(key))) : [];
    // A page that failed is asked for again: only now is this one behind us.
    this.#next = to;
    const mark = this.#mark;
    const documents = mark === null ? found : found.filter((document) => (document[mark] ?? false) === false);
    return { documents, cursor, last: to === this.#keys.length };
  }

  async countUnprocessed(): Promise<number> {
    return this.#keys.length;
  }

  async sample(size: number): Promise<readonly SourceDocument[]> {
    return await this.readByKeys(this.#keys.slice(0, size));
  }

  prepare(): ReturnType<Source["prepare"]> {
    return this.#whole.prepare();
  }
  inspect(): ReturnType<Source["inspect"]> {
    return this.#whole.inspect();
  }
  readMarked(...given: Parameters<Source["readMarked"]>): Promise<Page> {
    return this.#whole.readMarked(...given);
  }
  settledBy(...given: Parameters<Source["settledBy"]>): ReturnType<Source["settledBy"]> {
    return this.#whole.settledBy(...given);
  }
  readUpdated(...given: Parameters<Source["readUpdated"]>): ReturnType<Source["readUpdated"]> {
    return this.#whole.readUpdated(...given);
  }
  readByKeys(keys: readonly ItemKey[]): Promise<readonly SourceDocument[]> {
    return this.#whole.readByKeys(keys);
  }
  mark(...given: Parameters<Source["mark"]>): Promise<void> {
    return this.#whole.mark(...given);
  }
  unmark(keys: readonly ItemKey[]): Promise<void> {
    return this.#whole.unmark(keys);
  }
}
