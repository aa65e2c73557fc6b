import { EJSON } from "bson";
import type { CallEnded } from "../call-ended.ts";
import type { ItemDetail, ItemRow } from "../dashboard/api.ts";
import { QuerymillError } from "../errors.ts";
import { type ItemKey, idOf, keyOf } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { type FoundItem, findByKeys } from "../jobs/find-item.ts";
import { loadPricing } from "../llm/usage.ts";
import type { SourceDocument, Store } from "../store.ts";
import { conversationOf } from "../stores/conversation.ts";
import { rowOfEntry, rowOfKey, rowOfRecord, valueAt } from "./item-row.ts";
import { costParts, storyOf } from "./item-story.ts";

/**
 * Everything that is known of one item. Reads only.
 * @param calls that this process made for it lately
 * @throws QuerymillError ITEM_NOT_FOUND
 */
export async function itemDetail(
  settings: JobSettings,
  store: Store,
  key: ItemKey,
  calls: readonly CallEnded[],
): Promise<ItemDetail> {
  const item = isKey(key) ? (await findByKeys(settings, store, [key]))[0] : undefined;
  if (item === undefined)
    throw new QuerymillError(
      "ITEM_NOT_FOUND",
      `There is no item ${key.slice(0, 200)}, in the source or in the target.`,
    );
  const { document, record, history, read } = item;
  const { mark, mapping, prices } = settings;
  const text = read !== null && "text" in read ? read : null;
  const isOther = text !== null && (text.truncated || Object.keys(text.redacted ?? {}).length > 0);
  const asked = record === null ? null : answerIn(record);
  const price = asked === null ? null : await priceOf(asked, prices);
  return {
    row: rowOf(item, settings),
    conversation: document === null ? null : conversationOf(document, mapping),
    asked: isOther ? text.text : null,
    record: record === null ? null : relaxed(record),
    history: history.map(relaxed),
    attempts: storyOf({
      ...item,
      calls,
      mark:
        document === null ? null : { at: valueAt(document, mark.processedAt), by: valueAt(document, mark.processedBy) },
    }),
    cost: asked === null ? [] : costParts(asked, price),
  };
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
