import { contentHashOf, type Item, type ItemKey, type Skipped } from "../item.ts";
import type { ClassificationRecord } from "../record.ts";
import type { RedactionSettings, Redactor } from "./kinds.ts";
import { findSecrets, maskAgain, redact, restore } from "./redactor.ts";

/** No secret but a PEM block is longer; of those as much is looked at, in UTF-16 units. */
const LONGEST_SECRET = 4_096;

/** Masks the texts of items. What stands behind the placeholders is in memory only, and as long as the item is. */
export class Privacy {
  readonly #settings: RedactionSettings;
  readonly #redactor: Redactor | null;
  readonly #values = new WeakMap<Item, ReadonlyMap<string, string>>();

  /** @returns null when nothing is to be masked */
  static of(settings: RedactionSettings, redactor: Redactor | null = null): Privacy | null {
    return settings.kinds.length === 0 && redactor === null ? null : new Privacy(settings, redactor);
  }

  private constructor(settings: RedactionSettings, redactor: Redactor | null) {
    this.#settings = settings;
    this.#redactor = redactor;
  }

  /** @returns an item of the masked text; skipped when the program's own redactor failed */
  mask(key: ItemKey, text: string, truncated: boolean): Item | Skipped {
    const { text: masked, counts, values } = redact(text, this.#settings.kinds);
    const clean = this.#redactor === null ? masked : attempt(this.#redactor, masked);
    if (clean === null) return { key, reason: "redaction failed" };
    const item: Item = { key, text: clean, contentHash: contentHashOf(clean), truncated, redacted: counts };
    if (values.size > 0) this.#values.set(item, values);
    return item;
  }

  /** @returns where a text may be parted instead of at `headEnd` and `tailStart`, so that no secret is */
  around(text: string, headEnd: number, tailStart: number): [headEnd: number, tailStart: number] {
    return [this.#whole(text, headEnd).start, this.#whole(text, tailStart).end];
  }

  /** A record as the target is to have it: with the values again, where that is wanted. */
  restored(item: Item, record: ClassificationRecord): ClassificationRecord {
    const values = this.#settings.restore ? this.#values.get(item) : undefined;
    return values === undefined ? record : withTexts(record, (text) => restore(text, values));
  }

  /** A record of the target as the journal may have it. */
  concealed(item: Item, record: ClassificationRecord): ClassificationRecord {
    const values = this.#values.get(item);
    return values === undefined ? record : withTexts(record, (text) => maskAgain(text, values));
  }

  #whole(text: string, at: number): { start: number; end: number } {
    const from = Math.max(0, at - LONGEST_SECRET);
    const found = findSecrets(text.slice(from, at + LONGEST_SECRET), this.#settings.kinds);
    const parted = found.find(({ start, end }) => start + from < at && end + from > at);
    return parted === undefined ? { start: at, end: at } : { start: parted.start + from, end: parted.end + from };
  }
}

/** Its error may hold the text: nobody sees it. */
function attempt(redactor: Redactor, text: string): string | null {
  try {
    const clean: unknown = redactor(text);
    return typeof clean === "string" && clean.trim() !== "" ? clean : null;
  } catch {
    return null;
  }
}

/** Every text in a record and in what it holds. */
function withTexts<T>(value: T, change: (text: string) => string): T {
  if (typeof value === "string") return change(value) as T;
  if (Array.isArray(value)) return value.map((one) => withTexts(one, change)) as T;
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withTexts(one, change)])) as T;
}
