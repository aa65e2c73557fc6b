import { readFile, stat } from "node:fs/promises";
import { DEFAULT_TAXONOMY } from "../default-taxonomy.ts";
import { QuerymillError } from "../errors.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { parseTaxonomy } from "./taxonomy.ts";

/** Stands for the built-in taxonomy where a file is expected. */
export const BUILT_IN = "default";

/** A taxonomy with the text it was read from. */
export interface TaxonomyFile {
  /** As messages name it. */
  readonly name: string;
  /** null for the built-in one. */
  readonly text: string | null;
  readonly taxonomy: Taxonomy;
}

/**
 * @param path of a file, or `default` for the built-in taxonomy
 * @throws QuerymillError USAGE (no such file, not readable), TAXONOMY_INVALID
 */
export async function readTaxonomyFile(path: string): Promise<TaxonomyFile> {
  if (path === BUILT_IN) return { name: "the built-in taxonomy", text: null, taxonomy: DEFAULT_TAXONOMY };
  const text = await readText(path);
  return { name: path, text, taxonomy: parseTaxonomy(text, path) };
}

async function readText(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory())
      throw new QuerymillError("USAGE", `${path} is a folder. Name the taxonomy file in it.`);
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof QuerymillError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    const why =
      code === "ENOENT" || code === "ENOTDIR"
        ? "there is no such file"
        : code === "EACCES"
          ? "this user may not read it"
          : String(code);
    throw new QuerymillError("USAGE", `${path} cannot be read: ${why}. Check the path.`, { cause: error });
  }
}
