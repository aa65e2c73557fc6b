const CANDIDATES = [",", ";", "\t", "|"] as const;
/** Rows that are looked at. */
const ROWS = 50;

/**
 * The character that parts the cells of a CSV text: of `, ; tab |` the one that cuts the first rows into the same number
 * of cells most often, and into most cells among those; quoted text is passed by.
 * @param head the beginning of the text, cut anywhere
 * @param complete true when it is the whole text, so that its last row is whole
 */
export function recogniseDelimiter(head: string, complete: boolean): string {
  const scored = CANDIDATES.map((delimiter) => {
    const counts = cellCounts(head, delimiter, complete);
    const columns = counts[0] ?? 1;
    const same = counts.filter((count) => count === columns).length / Math.max(1, counts.length);
    return { delimiter, score: columns < 2 ? 0 : same + columns / 10_000 };
  });
  return scored.reduce((best, one) => (one.score > best.score ? one : best)).delimiter;
}

/** `sep=;` in the first line, as Excel writes and reads it. @returns null when there is none */
export function declaredDelimiter(head: string): { readonly delimiter: string; readonly line: string } | null {
  const [line, delimiter] = /^"?sep=([^\r\n"])"?(?:\r\n|\n|\r)/i.exec(head) ?? [];
  return line === undefined || delimiter === undefined ? null : { delimiter, line };
}

function cellCounts(text: string, delimiter: string, complete: boolean): number[] {
  const counts: number[] = [];
  let cells = 1;
  let quoted = false;
  let cellEmpty = true;
  let rowEmpty = true;
  for (let at = 0; at < text.length && counts.length < ROWS; at += 1) {
    const character = text[at]!;
    if (quoted) {
      if (character === '"') quoted = false;
      continue;
    }
    if (character === '"' && (cellEmpty || text[at - 1] === '"')) quoted = true;
    if (character === "\n" || character === "\r") {
      if (!rowEmpty) counts.push(cells);
      cells = 1;
      rowEmpty = true;
    } else rowEmpty = false;
    if (character === delimiter) cells += 1;
    cellEmpty = character === delimiter || character === "\n" || character === "\r";
  }
  if (complete && !rowEmpty && counts.length < ROWS) counts.push(cells);
  return counts.length === 0 && !rowEmpty ? [cells] : counts;
}
