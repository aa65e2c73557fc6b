import { setTimeout as delay } from "node:timers/promises";
import type { ItemKey } from "../item.ts";
import type { Settlement } from "../outcome.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { JournalFollower } from "../state/journal-follower.ts";
import { ownerOf } from "./status.ts";

/** One settled item, without any text of a customer. */
export interface TailItem {
  readonly key: ItemKey;
  /** Epoch ms. */
  readonly atMs: number;
  readonly executionId: string;
  readonly outcome: Settlement["outcome"];
  /** Why it was not classified; null when it was. */
  readonly reason: string | null;
  readonly category: string | null;
  readonly sentiment: string | null;
  readonly urgency: string | null;
  /** Of the category, 0..1; null when there is none. */
  readonly confidence: number | null;
  readonly needsReview: boolean;
  readonly attempts: number;
  /** USD; null when a price is unknown. */
  readonly costUsd: number | null;
}

export interface TailOptions {
  /** Settled items from before, at most. */
  readonly lines: number;
  readonly wanted: (item: TailItem) => boolean;
}

const POLL_MS = 250;

/**
 * The newest settled items of a job, from its journal, then those that a run settles meanwhile; ends when no process
 * holds the job any more. Reads only.
 */
export async function* tail(manager: BatchFileManager, { lines, wanted }: TailOptions): AsyncGenerator<TailItem> {
  const follower = new JournalFollower(manager.journalFolder);
  try {
    let before: TailItem[] = [];
    for (let items = await nextItems(follower); items !== null; items = await nextItems(follower))
      before = lines === 0 ? [] : [...before, ...items.filter(wanted)].slice(-lines);
    yield* before;
    for (;;) {
      const held = (await ownerOf(manager)) !== null;
      const items = await nextItems(follower);
      if (items !== null) yield* items.filter(wanted);
      // What was settled before the job was let go of has been read.
      else if (!held) return;
      else await delay(POLL_MS);
    }
  } finally {
    await follower.close();
  }
}

/** @returns null when there is nothing new */
async function nextItems(follower: JournalFollower): Promise<TailItem[] | null> {
  const records = await follower.next();
  if (records.length === 0) return null;
  return records.flatMap(({ entry }) => (entry.kind === "settled" ? [itemOf(entry.settlement)] : []));
}

function itemOf(settlement: Settlement): TailItem {
  const { key, atMs, executionId, outcome, attempts, spend } = settlement;
  const record = outcome === "classified" ? settlement.record : null;
  return {
    key,
    atMs,
    executionId,
    outcome,
    reason: outcome === "classified" ? null : outcome === "skipped" ? settlement.reason : settlement.failure,
    category: record?.category ?? null,
    sentiment: record?.sentiment ?? null,
    urgency: record?.urgency ?? null,
    confidence: record?.confidence?.category ?? null,
    needsReview: record?.needsReview ?? false,
    attempts,
    costUsd: spend.unpricedCalls > 0 ? null : spend.costUsd,
  };
}
