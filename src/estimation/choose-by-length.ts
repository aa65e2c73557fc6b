/**
 * Draws items so that short and long texts are there as they are in the whole: sorted by length, cut into equal parts,
 * one of each part. Every item is as likely as any other.
 * @param random uniform in [0, 1)
 * @returns at most `size` of the texts
 */
export function chooseByLength<T extends { readonly chars: number }>(
  texts: readonly T[],
  size: number,
  random: () => number,
): T[] {
  if (texts.length <= size) return [...texts];
  const sorted = texts.toSorted((a, b) => a.chars - b.chars);
  // Parts of equal probability, also where the number of texts is no multiple of the size.
  const part = sorted.length / size;
  const chosen = new Set<T>();
  for (let at = 0; at < size; at += 1) {
    const place = Math.min(sorted.length - 1, Math.floor((at + random()) * part));
    const text = sorted[place]!;
    chosen.add(chosen.has(text) ? (sorted[place + 1] ?? text) : text);
  }
  return [...chosen];
}
