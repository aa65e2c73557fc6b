import type { TimelineBucket } from "../store.ts";

/** A bucket while it is counted. */
export interface CountedBucket extends TimelineBucket {
  total: number;
  readonly labels: Record<string, Record<string, number>>;
}

export function emptyBucket(fields: readonly string[]): CountedBucket {
  return {
    total: 0,
    labels: Object.fromEntries(fields.map((field) => [field, Object.create(null) as Record<string, number>])),
  };
}

/** Counts so many records that have the same labels. @param labelAt a label, a list of labels, or anything that is none, by the field's place */
export function addLabels(bucket: CountedBucket, items: number, labelAt: (fieldAt: number) => unknown): void {
  bucket.total += items;
  for (const [at, counts] of Object.values(bucket.labels).entries()) {
    const value = labelAt(at);
    for (const label of Array.isArray(value) ? new Set(value) : [value])
      if (typeof label === "string") counts[label] = (counts[label] ?? 0) + items;
  }
}
