import type { Attributes, Counter } from "@opentelemetry/api";

/** Sets of values that one counter keeps apart at most; what comes after is counted together. */
const MOST_SERIES = 500;
const OTHER = "_OTHER";

interface Series {
  readonly attributes: Attributes;
  /** Not told to the counter yet. */
  amount: number;
}

/**
 * Counts for a counter of OpenTelemetry. Adding there costs about a microsecond for each attribute, and an item adds ten
 * times: here it is a look-up, and the counter is told when somebody asks for it.
 */
export class Tally {
  readonly #counter: Counter;
  readonly #names: readonly string[];
  readonly #fixed: Attributes;
  readonly #series = new Map<string, Series>();

  /** @param names of the attributes, in the order of the values */
  constructor(counter: Counter, names: readonly string[], fixed: Attributes) {
    this.#counter = counter;
    this.#names = names;
    this.#fixed = fixed;
    if (names.length === 0) this.expect();
  }

  /** @param values of the attributes; one that is null is left out */
  add(amount: number, ...values: readonly (string | null)[]): void {
    if (amount === 0) return;
    const key = keyOf(values);
    const series = this.#series.get(key) ?? this.#begin(key, values);
    series.amount += amount;
  }

  /** Tells the counter of a series that is 0: one that appears with its first increase has not increased for whoever looks. */
  expect(...values: readonly (string | null)[]): void {
    this.#counter.add(0, this.#begin(keyOf(values), values).attributes);
  }

  /** Tells the counter what was added since. */
  flush(): void {
    for (const series of this.#series.values()) {
      if (series.amount === 0) continue;
      this.#counter.add(series.amount, series.attributes);
      series.amount = 0;
    }
  }

  #begin(key: string, values: readonly (string | null)[]): Series {
    if (this.#series.size >= MOST_SERIES && key !== OTHER) {
      const rest = this.#names.map(() => OTHER);
      return this.#series.get(OTHER) ?? this.#begin(OTHER, rest);
    }
    const named = this.#names.map((name, at) => [name, values[at] ?? null] as const);
    const attributes = Object.fromEntries(named.filter(([, value]) => value !== null));
    const series: Series = { attributes: { ...this.#fixed, ...attributes } as Attributes, amount: 0 };
    this.#series.set(key, series);
    return series;
  }
}

function keyOf(values: readonly (string | null)[]): string {
  return values.length === 1 ? (values[0] ?? "") : values.join("\u0000");
}
