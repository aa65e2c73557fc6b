import type { ClassificationRecord } from "./record.ts";
import type { SourceDocument } from "./store.ts";

/** Why a record was replaced: its text is another one now; it was made with another taxonomy, prompt or model; or all were asked again. */
export type SupersededReason = "changed" | "stale" | "all";

/** A document of the history: one for each record that another one replaced. */
export interface SupersededRecord {
  /** The same however often it is written. In this order, so that the records of one item follow each other by time. */
  readonly _id: { readonly item: unknown; readonly classifiedAt: unknown; readonly contentHash: unknown };
  readonly reason: SupersededReason;
  /** When the answer was made that took its place. */
  readonly supersededAt: Date;
  /** The execution that made it. */
  readonly supersededBy: string;
  /** As it stood in the target, without `_id`. */
  readonly record: Readonly<Record<string, unknown>>;
}

/** @returns the collection beside a target that keeps the records which were replaced */
export function historyOf(target: string): string {
  return `${target}_history`;
}

/**
 * What is kept of a record before another one is written in its place.
 * @returns null when nothing is lost: the same answer is written again, a person's record stays, or a newer owner's
 */
export function supersededBy(by: ClassificationRecord, standing: SourceDocument): SupersededRecord | null {
  const { _id, ...record } = standing;
  if (record.decidedBy === "person" || Number(record.fence ?? 0) > by.fence) return null;
  const { classifiedAt = null, contentHash = null } = record;
  if (contentHash === by.contentHash && isSameTime(classifiedAt, by.classifiedAt)) return null;
  return {
    _id: { item: _id, classifiedAt, contentHash },
    reason: reasonOf(record, by),
    supersededAt: by.classifiedAt,
    supersededBy: by.executionId,
    record,
  };
}

function reasonOf(record: Readonly<Record<string, unknown>>, by: ClassificationRecord): SupersededReason {
  if (record.contentHash !== by.contentHash) return "changed";
  const asked = (one: { readonly [name: string]: unknown }): unknown => one.requestedModel ?? one.model;
  const same =
    record.taxonomyVersion === by.taxonomyVersion &&
    record.promptVersion === by.promptVersion &&
    asked(record) === asked(by as unknown as Record<string, unknown>);
  return same ? "all" : "stale";
}

function isSameTime(a: unknown, b: Date): boolean {
  return a instanceof Date && a.getTime() === b.getTime();
}
