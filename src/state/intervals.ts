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

/** @returns these numbers as ranges, in ascending order */
export function rangesOf(numbers: readonly number[]): [from: number, to: number][] {
  const ranges: [number, number][] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}
