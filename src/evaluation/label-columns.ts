import { didYouMean } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import { columnNamed } from "../files/text-column.ts";
import type { Dimension, Taxonomy } from "../taxonomy.ts";

/** Which column holds the right labels of a dimension. */
export interface LabelColumn {
  readonly dimension: Dimension;
  readonly column: string;
}

/** Columns that mean the category when none is named like a dimension. */
const CATEGORY_NAMES = ["label", "intent", "gold"];
/**
 * Reads `--label-column category=intent`; `category` alone is the column of that name. Without any, every column that is
 * named like a dimension counts, else `label`, `intent` or `gold` as the category.
 * @throws QuerymillError USAGE: unknown dimension or column, none found, a dimension named twice
 */
export function labelColumns(
  given: readonly string[],
  names: readonly string[],
  taxonomy: Taxonomy,
  file: string,
): LabelColumn[] {
  if (given.length === 0) return guessed(names, taxonomy, file);
  const found: LabelColumn[] = [];
  for (const text of given) {
    const [id = "", wanted = id] = text.split(/=(.*)/s);
    const dimension = taxonomy.dimensions.find((one) => one.id === id);
    const ids = taxonomy.dimensions.map((one) => one.id);
    if (dimension === undefined) throw unknownDimension(text, id, ids, names);
    if (found.some((one) => one.dimension === dimension))
      throw refused(`--label-column names the dimension ${id} twice. Leave one out.`);
    found.push({ dimension, column: columnOf(names, wanted, "--label-column", file) });
  }
  return found;
}

/** Often the column was meant: it stands behind the dimension. */
function unknownDimension(text: string, id: string, ids: readonly string[], names: readonly string[]): QuerymillError {
  const meant = text === id ? columnNamed(names, id) : null;
  const example = ids.includes("category") ? "category" : ids[0];
  const form =
    meant === null
      ? `The form is DIMENSION=COLUMN, and the columns are: ${listed(names)}.`
      : `${meant} is a column of the file: --label-column ${example}=${meant} says that it holds the labels of ${example}. Other columns: ${listed(names.filter((name) => name !== meant))}.`;
  return refused(
    `--label-column ${text}: the taxonomy has no dimension ${id}.${didYouMean(id, ids)} It has: ${ids.join(", ")}. ${form}`,
  );
}

/** @throws QuerymillError USAGE with the nearest name */
export function columnOf(names: readonly string[], wanted: string, flag: string, file: string): string {
  const found = columnNamed(names, wanted);
  if (found !== null) return found;
  throw refused(`${flag}: ${file} has no column ${wanted}.${didYouMean(wanted, names)} It has: ${listed(names)}.`);
}

function guessed(names: readonly string[], taxonomy: Taxonomy, file: string): LabelColumn[] {
  const found = taxonomy.dimensions.flatMap((dimension) => {
    const column = columnNamed(names, dimension.id);
    return column === null ? [] : { dimension, column };
  });
  if (found.length > 0) return found;
  const category = taxonomy.dimensions.find(({ id }) => id === "category");
  const column = CATEGORY_NAMES.flatMap((name) => columnNamed(names, name) ?? [])[0];
  if (category !== undefined && column !== undefined) return [{ dimension: category, column }];
  throw refused(
    `${file}: no column is known to hold the right labels. Name it with --label-column category=COLUMN. It has: ${listed(names)}.`,
  );
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 30).join(", ");
  return names.length > 30 ? `${shown} and ${names.length - 30} more` : shown;
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
