import type { Collection, Document } from "mongodb";
import type { ItemKey } from "../item.ts";
import type { MarkFields, RangeSettings } from "../job.ts";
import type { MarkGroup } from "../store.ts";
import { boundsOf, idBehind, type Range } from "./mongodb-page.ts";

/**
 * Where a part with about `size` documents of the first index ends, and not many more than that of the others. Only the
 * server compares ids, since their order over all types is its own.
 * @returns null when nothing lies from `from` on
 */
export async function cutAlong(
  collection: Collection<Document>,
  ranges: readonly Range[],
  from: ItemKey | null,
  size: number,
): Promise<{ to: ItemKey | null; items: number } | null> {
  let to: ItemKey | null = null;
  for (const range of ranges) to = (await idBehind(collection, { ...range, from, to }, size)) ?? to;
  if (to !== null) return { to, items: size };
  let items = 0;
  for (const range of ranges) items += await countAlong(collection, { ...range, from, to: null });
  return items === 0 ? null : { to: null, items };
}

/** How many documents a range has, counted along its index; for a range of some thousands. */
export async function countAlong(collection: Collection<Document>, range: Range, maxTimeMS?: number): Promise<number> {
  const found = collection.find(range.filter, {
    ...boundsOf(range, null),
    projection: { _id: 1 },
    batchSize: 10_000,
    ...(maxTimeMS === undefined ? {} : { maxTimeMS }),
  });
  let items = 0;
  for await (const _ of found) items += 1;
  return items;
}

/** How many documents of a range these executions marked, by outcome. */
export async function settledAlong(
  collection: Collection<Document>,
  { processed, processedBy }: MarkFields,
  { from, to }: Pick<RangeSettings, "from" | "to">,
  job: string,
  executionIds: readonly string[],
): Promise<Record<MarkGroup["by"]["outcome"], number>> {
  const counts = { classified: 0, skipped: 0, deadLetter: 0 };
  const own = { [processed]: true, [`${processedBy}.job`]: job, [`${processedBy}.executionId`]: { $in: executionIds } };
  const range: Range = { filter: own, index: "_id_", keyAt: (_id) => ({ _id }), sort: { _id: 1 }, from, to };
  const found = collection.find(own as Document, {
    ...boundsOf(range, null),
    projection: { _id: 0, [`${processedBy}.outcome`]: 1 },
    batchSize: 10_000,
  });
  for await (const document of found) {
    const outcome = document[processedBy]?.outcome as keyof typeof counts;
    if (outcome in counts) counts[outcome] += 1;
  }
  return counts;
}
