import { signal } from "@preact/signals";
import type {
  CorrectionDone,
  CorrectionRequest,
  ItemDetail,
  ItemPage,
  ItemRow,
  UndoRequest,
} from "../../src/dashboard/api.ts";
import { get, post, sayError, withQuery } from "../client.ts";
import { UNDO_KEY } from "../review-keys.ts";
import { say, unsayKey } from "../state.ts";

const PAGE = 40;
/** With so few left the next page is loaded. */
const FEW = 8;
/** A page may be empty though there is a next one: so many more are asked for at once. */
const MOST_EMPTY = 10;

type LabelValue = string | readonly string[] | null;

/** Something that was decided here and can be taken back. */
export interface Decided {
  readonly row: ItemRow;
  readonly agreed: boolean;
}

/** The review list as far as it was loaded, and how far one is. It outlives the view. */
export const rows = signal<readonly ItemRow[]>([]);
export const at = signal(0);
export const decided = signal<readonly Decided[]>([]);
export const trouble = signal<string | null>(null);
export const count = signal<ItemPage["count"]>(null);
/** Whether anything is being loaded or written. */
export const busy = signal(false);
/** False before the first page has come. */
export const known = signal(false);
const details = new Map<string, Promise<ItemDetail>>();
let next: string | null = null;
let isFirst = true;

/** Loads the first page, or the next one when few are left. */
export async function fill(): Promise<void> {
  if (busy.peek() || (!isFirst && (next === null || rows.peek().length - at.peek() > FEW))) return;
  busy.value = true;
  try {
    let page = await get<ItemPage>(withQuery("/review", { after: next, limit: PAGE }));
    for (let turn = 0; turn < MOST_EMPTY && page.items.length === 0 && page.next !== null; turn++)
      page = await get<ItemPage>(withQuery("/review", { after: page.next, limit: PAGE }));
    const here = new Set(rows.peek().map(({ key }) => key));
    rows.value = [...rows.peek(), ...page.items.filter(({ key }) => !here.has(key))];
    next = page.next;
    isFirst = false;
    count.value = page.count ?? count.peek();
    trouble.value = null;
    known.value = true;
  } catch (error) {
    trouble.value = sayError(error);
  } finally {
    busy.value = false;
  }
}

/** Begins again from the least certain. */
export async function beginAgain(): Promise<void> {
  rows.value = [];
  at.value = 0;
  next = null;
  isFirst = true;
  known.value = false;
  details.clear();
  await fill();
}

/** An item with its conversation; the one after it is fetched while this one is read. */
export function detailOf(key: string): Promise<ItemDetail> {
  const held = details.get(key);
  if (held !== undefined) return held;
  const asked = get<ItemDetail>(`/items/${encodeURIComponent(key)}`);
  details.set(key, asked);
  asked.catch(() => details.delete(key));
  if (details.size > 20) details.delete(details.keys().next().value!);
  return asked;
}

export function skip(): void {
  at.value = Math.min(rows.peek().length, at.peek() + 1);
  void fill();
}

/**
 * Writes what a person decided and goes to the next item.
 * @returns what the server made of it; null when it refused: the item stays then
 */
export async function decide(
  row: ItemRow,
  fields: Readonly<Record<string, LabelValue>>,
  contentHash: string | null,
): Promise<CorrectionDone["status"] | null> {
  if (busy.peek()) return null;
  busy.value = true;
  try {
    const request: CorrectionRequest = { key: row.key, fields, contentHash };
    const { status } = await post<CorrectionDone>("/corrections", request);
    details.delete(row.key);
    if (status === "changed" || status === "missing") {
      say(
        "bad",
        status === "changed"
          ? `${row.id}: the conversation has changed since it was classified. Nothing was written.`
          : `${row.id} has no record any more. Nothing was written.`,
      );
    } else decided.value = [...decided.peek(), { row, agreed: Object.keys(fields).length === 0 }].slice(-200);
    skip();
    return status;
  } catch (error) {
    say("bad", `Nothing was written: ${sayError(error)}`);
    return null;
  } finally {
    busy.value = false;
    void fill();
  }
}

/** Takes the last decision back and shows its item again. */
export async function undo(): Promise<void> {
  const last = decided.peek().at(-1);
  if (last === undefined) {
    say("info", "Nothing was decided here that could be undone.");
    return;
  }
  if (busy.peek()) return;
  busy.value = true;
  try {
    const request: UndoRequest = { key: last.row.key };
    await post<CorrectionDone>("/corrections/undo", request);
    decided.value = decided.peek().slice(0, -1);
    details.delete(last.row.key);
    unsayKey(UNDO_KEY);
    const place = rows.peek().findIndex(({ key }) => key === last.row.key);
    if (place >= 0) at.value = place;
    say("ok", `${last.row.id}: undone. It is as the model left it.`);
  } catch (error) {
    say("bad", `Nothing was undone: ${sayError(error)}`);
  } finally {
    busy.value = false;
  }
}
