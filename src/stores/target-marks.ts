import type { SourceDocument } from "../store.ts";

/** Says that an item has to be done again although it has a record. */
export const REOPENED = "reopened";

/** @returns the collection beside a target in which outcomes without a record are noted */
export function outcomesOf(target: string): string {
  return `${target}_outcomes`;
}

/** Whether an item is settled by what the target's side has of it: a record, and a note in {@link outcomesOf}. */
export function isSettled(hasRecord: boolean, note: SourceDocument | undefined): boolean {
  return note === undefined ? hasRecord : note.outcome !== REOPENED;
}
