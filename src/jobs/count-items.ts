import { setTimeout as delay } from "node:timers/promises";
import type { Source } from "../store.ts";
import type { Requeued } from "./requeue.ts";

/** Longest time to count the source, and how long the first call waits for it. */
const COUNT_MS = 30_000;
const COUNT_WAIT_MS = 200;

/**
 * A large source takes long to count: work waits for it only for a moment.
 * @param retried all that the run does, where it does no more; null for a run over the source
 * @param tell called once with how many items the run has, null when that would take too long; perhaps later
 */
export async function countItems(
  source: Source,
  limit: number | null,
  retried: Requeued | null,
  tell: (total: number | null) => void,
): Promise<void> {
  const known = retried === null ? null : retried.deadLetters.length + retried.waiting.length;
  const counting = (known === null ? source.countUnprocessed(COUNT_MS) : Promise.resolve(known))
    .then((total) => tell(total === null || limit === null ? total : Math.min(total, limit)))
    .catch(() => {});
  await Promise.race([counting, delay(COUNT_WAIT_MS)]);
}
