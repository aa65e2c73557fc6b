import type { Item, ItemKey, Skipped } from "../item.ts";
import type { RetryQueue } from "../state/retry-queue.ts";
import type { MarkGroup, SettledMark, Source, SourceDocument, Target } from "../store.ts";

export type SettledOutcome = MarkGroup["by"]["outcome"];

export interface GrownItemsOptions {
  readonly source: Source;
  readonly target: Target;
  readonly deadLetters: Pick<RetryQueue, "get">;
  readonly makeItem: (document: SourceDocument) => Item | Skipped;
}

/** In this order they are looked at. */
export const OUTCOMES: readonly SettledOutcome[] = ["classified", "skipped", "deadLetter"];

/**
 * Picks the items whose text is another one than the one they were settled with; those that were skipped when they have
 * one now. Left out: what a person decided, what has no text any more, and records that do not say what they were made from.
 * @param documents marked with this outcome
 */
export async function grownAmong(
  documents: readonly SourceDocument[],
  outcome: SettledOutcome,
  { target, deadLetters, makeItem }: GrownItemsOptions,
): Promise<ItemKey[]> {
  const read = documents.map(makeItem).filter((one) => "contentHash" in one);
  if (read.length === 0 || outcome === "skipped") return read.map(({ key }) => key);
  const before = new Map<ItemKey, string | null>();
  if (outcome === "deadLetter") for (const { key } of read) before.set(key, deadLetters.get(key)?.contentHash ?? null);
  else
    for (const { key, contentHash, decidedBy } of await target.findSettled(read.map(({ key }) => key)))
      if (decidedBy !== "person") before.set(key, contentHash);
  return read.filter(({ key, contentHash }) => (before.get(key) ?? contentHash) !== contentHash).map(({ key }) => key);
}

/** The same for keys, by what became of them. */
export async function grownOf(
  marks: ReadonlyMap<ItemKey, Pick<SettledMark, "outcome">>,
  options: GrownItemsOptions,
): Promise<Map<SettledOutcome, ItemKey[]>> {
  const grown = new Map<SettledOutcome, ItemKey[]>();
  for (const outcome of OUTCOMES) {
    const keys = [...marks].filter(([, mark]) => mark.outcome === outcome).map(([key]) => key);
    if (keys.length === 0) continue;
    const found = await grownAmong(await options.source.readByKeys(keys), outcome, options);
    if (found.length > 0) grown.set(outcome, found);
  }
  return grown;
}
