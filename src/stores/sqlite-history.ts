import { supersededBy } from "../history.ts";
import { type ItemKey, keyOf } from "../item.ts";
import type { ClassificationRecord } from "../record.ts";
import { bodyOf, documentOf } from "./sqlite-body.ts";
import type { Row } from "./sqlite-pages.ts";

/** @returns the row that keeps a record which `body` replaces; null when nothing is lost */
export function supersededRow({ key, body: before }: Row, body: string): Row | null {
  const { _id, ...record } = documentOf(key, body);
  const kept = supersededBy(record as unknown as ClassificationRecord, documentOf(key, before));
  return kept === null ? null : { key: keyOf(kept._id), body: bodyOf(kept) };
}

/** What the keys of an item's rows begin with; behind it they are in the order of time. */
export function historyPrefix(key: ItemKey): string {
  return `{"item":${key},`;
}
