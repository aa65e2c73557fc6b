import type { ItemKey } from "../item.ts";
import type { Source } from "../store.ts";

type CutSource = NonNullable<Source["cut"]>;
/** Where a range ends and about how many items it has; null: nothing is left. */
type Cut = Awaited<ReturnType<CutSource>>;

/** What is left is shared out in so many ranges for each worker, each smaller than the one before. */
const PARTS_OF_EACH = 2;
/** A range costs something whatever its size: none is cut smaller than this part of the usual size, nor than so many items. */
const LEAST_PART = 0.1;
const LEAST_ITEMS = 200;

/**
 * Cuts a source into ranges that become smaller towards its end ("Guided Self-Scheduling", Polychronopoulos and Kuck,
 * 1987), so that no slow worker has a whole range left while the others have nothing. What it knows can be asked again:
 * one that follows it goes on where the plan ends.
 */
export class RangeCutter {
  readonly #cut: CutSource;
  readonly #size: number;
  /** The next ranges of usual size, as far as the end has to be seen coming. */
  #ahead: NonNullable<Cut>[] = [];
  /** Items up to the end; null: more than is seen. */
  #left: number | null = null;

  /** @param size usual one, in items, integer >= 1 */
  constructor(cut: CutSource, size: number) {
    this.#cut = cut;
    this.#size = size;
  }

  /** @param from where the range before ends; null: the start @param workers that are there now */
  async next(from: ItemKey | null, workers: number): Promise<Cut> {
    const parts = PARTS_OF_EACH * Math.max(1, workers);
    this.#left ??= await this.#look(from, parts);
    if (this.#left === null) return this.#ahead.shift()!;
    const least = Math.max(LEAST_ITEMS, LEAST_PART * this.#size);
    const end = await this.#cut(from, Math.min(this.#size, Math.ceil(Math.max(least, this.#left / parts))));
    const left = this.#left - (end?.items ?? 0);
    // More came meanwhile.
    this.#left = left > 0 ? left : null;
    return end;
  }

  /** Sees more than `parts` ranges ahead. @returns items up to the end when it comes before that */
  async #look(from: ItemKey | null, parts: number): Promise<number | null> {
    while (this.#ahead.length <= parts) {
      const end = await this.#cut(this.#ahead.at(-1)?.to ?? from, this.#size);
      if (end !== null) this.#ahead.push(end);
      if (end !== null && end.to !== null) continue;
      const left = this.#ahead.reduce((sum, { items }) => sum + items, 0);
      this.#ahead = [];
      return left;
    }
    return null;
  }
}
