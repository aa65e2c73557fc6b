import type { Taxonomy } from "../taxonomy.ts";

/** Columns of a review sheet beside those of the dimensions. */
export const SHEET = {
  text: "text",
  verdict: "verdict",
  note: "note",
  key: "querymill_key",
  part: "querymill_part",
  of: "querymill_of",
  sheet: "querymill_sheet",
  content: "querymill_content",
} as const;

/** The column in which a person writes the right label of a dimension. */
export function rightColumn(dimension: string): string {
  return `right_${dimension}`;
}

/** What people need first, what is filled in next, what the import needs last. */
export function sheetColumns({ dimensions, alternatives }: Taxonomy): string[] {
  const ids = dimensions.map(({ id }) => id);
  return [
    SHEET.text,
    ...ids,
    "confidence",
    ...(alternatives ? ["alternatives"] : []),
    "review_reasons",
    SHEET.verdict,
    ...ids.map(rightColumn),
    SHEET.note,
    SHEET.key,
    SHEET.part,
    SHEET.of,
    SHEET.sheet,
    SHEET.content,
  ];
}
