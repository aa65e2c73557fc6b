import { learnVectors } from "../llm/linear-classifier.ts";

/** Two of the texts that were compared, by their places, and how alike they are: 0 to 1. */
export interface Likeness {
  readonly a: number;
  readonly b: number;
  readonly alike: number;
}

/**
 * Compares texts by what is peculiar to them: the cosine of their words, pairs of words and character grams, weighted by
 * how rare these are among the texts.
 * @returns the pairs that are at least so much alike, most alike first
 */
export function alikePairs(texts: readonly string[], atLeast: number): Likeness[] {
  const vectorOf = learnVectors(texts);
  const vectors = texts.map(vectorOf);
  const pairs: Likeness[] = [];
  for (const [a, first] of vectors.entries()) {
    const weights = new Map([...first.slots].map((slot, at) => [slot, first.weights[at]!]));
    for (let b = a + 1; b < vectors.length; b++) {
      const { slots, weights: others } = vectors[b]!;
      let alike = 0;
      for (let at = 0; at < slots.length; at++) alike += (weights.get(slots[at]!) ?? 0) * others[at]!;
      if (alike >= atLeast) pairs.push({ a, b, alike });
    }
  }
  return pairs.sort((one, other) => other.alike - one.alike);
}
