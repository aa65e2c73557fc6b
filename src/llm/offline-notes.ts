import type { Taxonomy } from "../taxonomy.ts";
import type { ExampleSet } from "./examples.ts";

/** Examples of a tone from which on they say more than word lists, and are held to be worth their stated confidence. */
export const TONE_LEARNED = 100;

const TONES = ["sentiment", "urgency"];

/** @returns what the offline classifier does not know about these dimensions, as one sentence; null when nothing */
export function offlineCaveat(taxonomy: Taxonomy, examples: ExampleSet | null): string | null {
  const guessed = taxonomy.dimensions
    .map(({ id }) => id)
    .filter((id) => TONES.includes(id) && (examples?.rows.get(id)?.length ?? 0) < TONE_LEARNED);
  if (guessed.length === 0) return null;
  const come = guessed.length === 1 ? "comes" : "come";
  return `Offline, ${guessed.join(" and ")} ${come} from word lists and rules: a hint, with low confidence.`;
}
