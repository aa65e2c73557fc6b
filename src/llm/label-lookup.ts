import type { Dimension } from "../taxonomy.ts";

/** Shorter labels are never repaired: one letter makes another word of them. */
const SHORTEST_FOR_ONE_EDIT = 5;
const SHORTEST_FOR_TWO_EDITS = 8;

export interface FoundLabel {
  readonly id: string;
  /** True when it took a guess at a misspelling, so that a person should look at it. */
  readonly repaired: boolean;
}

/** @param mayGuess false: no repair of misspellings. @default true */
export type FindLabel = (answer: string, mayGuess?: boolean) => FoundLabel | null;

/**
 * Precompiles how answers for one dimension are turned into label ids: the exact id, else equal but for case, spaces
 * and punctuation to an id or an alias, else at most 2 edits away from exactly one label. The first letter and all
 * digits must be right for the last, so that `unavailable` is not taken for `available`, nor `tier_2` for `tier_1`.
 * @returns a function that gives null when no label, or more than one, fits
 */
export function compileLabels(dimension: Dimension): FindLabel {
  const exact = new Map(dimension.labels.map((label) => [label.id, { id: label.id, repaired: false }]));
  const spellings = spellingsOf(dimension);
  return (answer, mayGuess = true) => {
    const found = exact.get(answer);
    if (found !== undefined) return found;
    const spelling = normalised(answer);
    const id = spellings.get(spelling);
    if (id === null) return null;
    if (id !== undefined) return { id, repaired: false };
    return mayGuess ? nearest(spelling, spellings) : null;
  };
}

/** @returns the text without case, width, spaces and punctuation */
export function normalised(text: string): string {
  return text
    .slice(0, 200)
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "");
}

/** Ids win over aliases; a spelling that two labels claim belongs to none (null). */
function spellingsOf(dimension: Dimension): ReadonlyMap<string, string | null> {
  const spellings = new Map<string, string | null>();
  for (const { id } of dimension.labels) {
    const spelling = normalised(id);
    spellings.set(spelling, spellings.has(spelling) ? null : id);
  }
  const ids = new Set(spellings.keys());
  for (const { id, aliases } of dimension.labels)
    for (const spelling of aliases.map(normalised)) {
      if (spelling === "" || ids.has(spelling)) continue;
      const other = spellings.get(spelling);
      spellings.set(spelling, other === undefined || other === id ? id : null);
    }
  return spellings;
}

function nearest(answer: string, spellings: ReadonlyMap<string, string | null>): FoundLabel | null {
  const allowed = answer.length >= SHORTEST_FOR_TWO_EDITS ? 2 : answer.length >= SHORTEST_FOR_ONE_EDIT ? 1 : 0;
  let best = allowed + 1;
  let winner: string | null = null;
  if (allowed === 0) return null;
  for (const [spelling, id] of spellings) {
    if (id === null || spelling[0] !== answer[0] || digits(spelling) !== digits(answer)) continue;
    const limit = spelling.length >= SHORTEST_FOR_TWO_EDITS ? 2 : spelling.length >= SHORTEST_FOR_ONE_EDIT ? 1 : 0;
    const distance = editDistance(answer, spelling, Math.min(limit, allowed));
    if (distance > Math.min(limit, allowed) || distance > best) continue;
    if (distance < best) winner = id;
    else if (winner !== id) winner = null;
    best = distance;
  }
  return winner === null ? null : { id: winner, repaired: true };
}

function digits(text: string): string {
  return text.replace(/\P{N}/gu, "");
}

/** Levenshtein distance, or anything above `limit` once it is sure to be above. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    if (Math.min(...next) > limit) return limit + 1;
    row = next;
  }
  return row[b.length]!;
}
