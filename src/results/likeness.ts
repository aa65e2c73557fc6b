/** The words of a text, each once, in lower case; short ones say little and are left out. */
export function wordsOf(text: string): ReadonlySet<string> {
  return new Set(
    text
      .normalize("NFKC")
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u)
      .filter((word) => word.length > 2),
  );
}

/**
 * Compares texts by the words that they share: the weight of the shared words over that of all words of both (a weighted
 * Jaccard index), 0..1. A word weighs ln(1 + n / k) when k of the n texts have it: what nearly all have says little.
 */
export class Likeness {
  readonly #count: number;
  readonly #texts = new Map<string, number>();

  /** @param words of each text that is compared with */
  constructor(words: readonly ReadonlySet<string>[]) {
    this.#count = words.length;
    for (const text of words) for (const word of text) this.#texts.set(word, (this.#texts.get(word) ?? 0) + 1);
  }

  between(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
    let [shared, all] = [0, 0];
    for (const word of a) {
      const weight = this.#weightOf(word);
      all += weight;
      if (b.has(word)) shared += weight;
    }
    for (const word of b) if (!a.has(word)) all += this.#weightOf(word);
    return all === 0 ? 0 : shared / all;
  }

  #weightOf(word: string): number {
    return Math.log(1 + this.#count / (this.#texts.get(word) ?? 1));
  }
}
