import { QuerymillError } from "../errors.ts";
import type { Field, FieldValue, Taxonomy } from "../taxonomy.ts";

/**
 * Offline chooses labels. Of free fields it fills in texts with a pattern: what the pattern finds, when that is one thing.
 * @returns a sentence on what stays empty, or null when nothing does
 * @throws QuerymillError TAXONOMY_INVALID when a required field would stay empty
 */
export function checkOfflineFields({ fields = [] }: Taxonomy): string | null {
  const required = fields.filter((field) => field.required).map(({ id }) => id);
  if (required.length > 0)
    throw new QuerymillError(
      "TAXONOMY_INVALID",
      `offline cannot promise a value for ${required.join(", ")}: it chooses labels, and reads out of a text only what a pattern describes. Make ${required.length === 1 ? "the field" : "these fields"} optional (required: false), or choose a model.`,
    );
  const empty = fields.filter((field) => !isFound(field)).map(({ id }) => id);
  if (empty.length === 0) return null;
  return `offline leaves ${empty.join(", ")} empty: it chooses labels, and reads out of a text only what a pattern describes.`;
}

/** @returns a function that gives the values of all fields for a text */
export function compileOfflineFields({ fields = [] }: Taxonomy): (text: string) => Record<string, FieldValue> {
  const finders = fields.map((field) => ({
    id: field.id,
    find: isFound(field) ? new RegExp(`(?<![\\p{L}\\p{N}])(?:${field.pattern})(?![\\p{L}\\p{N}])`, "gu") : null,
  }));
  return (text) =>
    Object.fromEntries(
      finders.map(({ id, find }) => {
        const found = find === null ? [] : [...new Set(text.match(find) ?? [])];
        return [id, found.length === 1 ? found[0]! : null];
      }),
    );
}

function isFound({ type, pattern }: Field): boolean {
  return type === "string" && pattern !== undefined;
}
