import { EJSON } from "bson";
import type { CallEnded } from "../call-ended.ts";
import type { ItemDetail, ItemRow } from "../dashboard/api.ts";
import { QuerymillError } from "../errors.ts";
import { type ItemKey, idOf, keyOf } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { type FoundItem, findByKeys, findItem } from "../jobs/find-item.ts";
import { loadPricing } from "../llm/usage.ts";
import type { SourceDocument, Store } from "../store.ts";
import { conversationOf } from "../stores/conversation.ts";
import { rowOfEntry, rowOfKey, rowOfRecord, valueAt } from "./item-row.ts";
import { costParts, storyOf } from "./item-story.ts";

/**
 * Everything that is known of one item. Reads only.
 * @param text its key, or its id as somebody types it
 * @param callsOf that this process made for an item lately
 * @throws QuerymillError ITEM_NOT_FOUND; USAGE when an id fits several
 */
export async function itemDetail(
  settings: JobSettings,
  store: Store,
  text: string,
  callsOf: (key: ItemKey) => readonly CallEnded[],
): Promise<ItemDetail> {
  const item = await find(settings, store, text);
  const { document, record, history, read } = item;
  const { mark, mapping, prices } = settings;
  const shown = read !== null && "text" in read ? read : null;
  const isOther = shown !== null && (shown.truncated || Object.keys(shown.redacted ?? {}).length > 0);
  const asked = record === null ? null : answerIn(record);
  const price = asked === null ? null : await priceOf(asked, prices);
  return {
    row: rowOf(item, settings),
    conversation: document === null ? null : conversationOf(document, mapping),
    asked: isOther ? shown.text : null,
    record: record === null ? null : relaxed(record),
    history: history.map(relaxed),
    attempts: storyOf({
      ...item,
      calls: callsOf(item.key),
      mark:
        document === null ? null : { at: valueAt(document, mark.processedAt), by: valueAt(document, mark.processedBy) },
    }),
    cost: asked === null ? [] : costParts(asked, price),
  };
}

async function find(settings: JobSettings, store: Store, text: string): Promise<FoundItem> {
  const [byKey] = isKey(text) ? await findByKeys(settings, store, [text]) : [];
  if (byKey !== undefined) return byKey;
  const found = await findItem(settings, store, text);
  const [item] = found;
  const named = text.slice(0, 200);
  if (item === undefined)
    throw new QuerymillError("ITEM_NOT_FOUND", `There is no item ${named}, in the source or in the target.`);
  if (found.length === 1) return item;
  const keys = found.map(({ key }) => key.slice(0, 200)).join(" and ");
  throw new QuerymillError("USAGE", `${named} fits ${found.length} items, and none is guessed: ${keys}.`);
}

/** @returns whether a text is the key of an item */
function isKey(key: string): boolean {
  try {
    return keyOf(idOf(key)) === key;
  } catch {
    return false;
  }
}

function rowOf({ key, record, retry, deadLetter, marked, read }: FoundItem, { taxonomy }: JobSettings): ItemRow {
  if (retry !== null) return rowOfEntry(retry, "retryQueued");
  if (record !== null) return rowOfRecord(record, taxonomy);
  if (deadLetter !== null) return rowOfEntry(deadLetter, "deadLetter");
  const isSkipped = marked && read !== null && "reason" in read;
  return rowOfKey(key, isSkipped || marked ? "skipped" : "pending", null);
}

/** The model's answer, which was paid for. */
function answerIn(record: SourceDocument): Readonly<Record<string, unknown>> {
  const { decidedBy, modelSuggestion } = record;
  const isSuggested = decidedBy === "person" && typeof modelSuggestion === "object" && modelSuggestion !== null;
  return isSuggested ? (modelSuggestion as Record<string, unknown>) : record;
}

async function priceOf(
  { provider, model, requestedModel }: Readonly<Record<string, unknown>>,
  prices: JobSettings["prices"],
) {
  const pricing = await loadPricing(prices);
  const found = pricing.priceOf(String(provider), String(model));
  return found ?? (typeof requestedModel === "string" ? pricing.priceOf(String(provider), requestedModel) : null);
}

function relaxed(document: SourceDocument): Readonly<Record<string, unknown>> {
  return EJSON.serialize(document as object, { relaxed: true }) as Record<string, unknown>;
}
