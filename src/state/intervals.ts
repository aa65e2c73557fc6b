/**
 * A set of whole numbers that mostly grow, kept as ranges: memory is proportional to its gaps, not to its size.
 * Used for what is settled (ordinals of items) and stored (sequence numbers of the journal).
 */
export class Intervals {
  readonly #endOf = new Map<number, number>();
  readonly #startOf = new Map<number, number>();

  add(from: number, to: number = from): void {
    let start = from;
    let end = to;
    const before = this.#startOf.get(from - 1);
    if (before !== undefined) {
      this.#startOf.delete(from - 1);
      start = before;
    }
    const behind = this.#endOf.get(to + 1);
    if (behind !== undefined) {
      this.#endOf.delete(to + 1);
      end = behind;
    }
    this.#endOf.set(start, end);
    this.#startOf.set(end, start);
  }

  /** @returns the last number of the unbroken run that begins at `start`, or `start - 1` */
  unbrokenFrom(start: number): number {
    return this.#endOf.get(start) ?? start - 1;
  }

  /** Ranges in ascending order. */
  ranges(): [from: number, to: number][] {
    return [...this.#endOf].sort((a, b) => a[0] - b[0]);
  }
}
