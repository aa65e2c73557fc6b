import { fileInvalid } from "./file-fault.ts";

/** Longest name of a column, in characters: what is longer is data. */
const LONGEST_NAME = 200;

/**
 * The names of the columns from the first row of a CSV file, blanks around them taken off; a cell without one is called
 * `column 3`.
 * @throws QuerymillError FILE_INVALID when the row does not name columns, or names one twice
 */
export function columnNames(path: string, line: number, cells: readonly string[]): string[] {
  const trimmed = cells.map((cell) => cell.trim());
  const looksLikeData = trimmed.every((cell) => cell === "" || /^[+-]?[\d.,:/-]+$/.test(cell));
  if (looksLikeData || trimmed.some((cell) => cell.length > LONGEST_NAME))
    throw fileInvalid(
      path,
      `line ${line} does not name the columns: ${looksLikeData ? "it holds numbers or nothing" : `it has a cell of more than ${LONGEST_NAME} characters`}`,
      "Put a first line with names in front, such as id,text.",
    );
  const names = trimmed.map((name, at) => name || `column ${at + 1}`);
  const places = new Map<string, number[]>();
  for (const [at, name] of names.entries()) places.set(name, [...(places.get(name) ?? []), at + 1]);
  const twice = [...places].filter(([, at]) => at.length > 1);
  if (twice.length > 0) {
    const told = twice.slice(0, 5).map(([name, at]) => `"${name}" (columns ${at.join(" and ")})`);
    throw fileInvalid(path, `line ${line} names a column twice: ${told.join(", ")}`, "Give each its own name.");
  }
  return names;
}
