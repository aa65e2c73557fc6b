/**
 * The candidates that a mistyped word most likely meant, nearest first: by edit distance (a swap of neighbours counts
 * one), ignoring case, `-` and `_`. A candidate is near when at most a third of the word is wrong, or when one of the
 * two begins with the other (three letters at least).
 * @returns at most `count` of them; none when nothing is near
 */
export function nearest(word: string, candidates: Iterable<string>, count = 1): string[] {
  const wanted = normalise(word).slice(0, 200);
  const near: { candidate: string; distance: number }[] = [];
  for (const candidate of candidates) {
    const other = normalise(candidate);
    const distance = editDistance(wanted, other);
    const allowed = Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3));
    const prefix = Math.min(wanted.length, other.length) >= 3 && (other.startsWith(wanted) || wanted.startsWith(other));
    if (distance <= allowed || prefix) near.push({ candidate, distance });
  }
  near.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1));
  return near.slice(0, count).map(({ candidate }) => candidate);
}

/** @returns ` Did you mean X?` with a leading blank, or nothing when no candidate is near */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const [best] = nearest(word, candidates);
  return best === undefined ? "" : ` Did you mean ${best}?`;
}

/** Insertions, deletions, replacements and swaps of neighbours between two texts (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
}

function normalise(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, "");
}
