import { editDistance } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";

/** @returns the names most like `wanted`, nearest first, at most three */
export function nearestNames(wanted: string, names: readonly string[]): string[] {
  return names
    .map((name) => ({ name, distance: editDistance(wanted.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** @param nearest names with their documents, nearest first; null where the number is unknown */
export function collectionMissing(
  wanted: string,
  place: string,
  nearest: readonly { readonly name: string; readonly documents: number | null }[],
): QuerymillError {
  const list = nearest
    .map(({ name, documents }) => (documents === null ? name : `${name} (${counted(documents)})`))
    .join(", ");
  const hint = list === "" ? `${place} has no collections: check the database's name.` : `Nearest: ${list}.`;
  return new QuerymillError("COLLECTION_MISSING", `Collection ${wanted} does not exist in ${place}. ${hint}`);
}

function counted(documents: number): string {
  return `${documents.toLocaleString("en-US")} ${documents === 1 ? "document" : "documents"}`;
}
