import type { ItemKey } from "../item.ts";
import { NO_SPEND, type Settlement } from "../outcome.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Checkpoint } from "../state/checkpoint.ts";
import type { Recording } from "./recording.ts";

/** Keys only: their texts may be large, so they are read a few at a time. */
export interface FirstItems {
  /** One at a time: they were in flight at two crashes in a row. */
  readonly alone: readonly ItemKey[];
  /** In any order: they lay in batch files. */
  readonly again: readonly ItemKey[];
}

/**
 * What an unclean end left to do before anything new. An item that was twice alone in flight when the process died ends
 * as a dead letter here.
 */
export async function firstItems(
  manager: BatchFileManager,
  { recorder, sink }: Recording,
  leftover: { readonly unclean: boolean; readonly suspects: Checkpoint["suspects"] },
  run: {
    readonly executionId: string;
    readonly limit: number | null;
    readonly now: () => number;
    readonly active: Set<string>;
  },
): Promise<FirstItems> {
  const { suspects, unclean } = leftover;
  const culprits = Object.keys(suspects).filter((key) => suspects[key]!.alone >= 2);
  // Those that were alone at the last crash come last: a kill from outside does not hit the same one twice.
  const alone = Object.keys(suspects)
    .filter((key) => suspects[key]!.alone < 2 && suspects[key]!.crashes >= 2)
    .sort((a, b) => suspects[a]!.alone - suspects[b]!.alone);
  for (const key of culprits) {
    const poison: Settlement = {
      outcome: "deadLetter",
      queue: "model",
      failure: "poison",
      message: "the process died twice with only this item in flight",
      rawAnswer: null,
      key,
      origin: "source",
      contentHash: null,
      attempts: 2,
      spend: NO_SPEND,
      executionId: run.executionId,
      atMs: run.now(),
    };
    run.active.add(key);
    recorder.admit(key);
    sink.push(await recorder.settle(poison, null), poison);
  }
  const again: ItemKey[] = [];
  if (unclean && run.limit === null) {
    const known = new Set([...alone, ...culprits]);
    for await (const { items } of manager.batches.leftovers()) {
      for (const { key } of items ?? []) {
        // What is journaled is active: it is being stored.
        if (
          !known.has(key) &&
          !run.active.has(key) &&
          manager.retryQueue.get(key) === null &&
          manager.deadLetters.get(key) === null
        )
          again.push(key);
      }
    }
  }
  await manager.batches.clear();
  return { alone, again };
}
