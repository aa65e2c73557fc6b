import { Classifier } from "../classify.ts";
import type { Clocks } from "../clocks.ts";
import type { JobSettings } from "../job.ts";
import type { Gateway } from "../traffic/gateway.ts";
import type { Adapters } from "./adapters.ts";

/** The classifier of one execution. */
export function makeClassifier(
  { retry, deadlines, maxOutputTokens, job, hedge }: JobSettings,
  { prompt, checkAnswer, estimateUsage }: Adapters,
  gateway: Gateway,
  { executionId, fence, clocks }: { readonly executionId: string; readonly fence: number; readonly clocks: Clocks },
): Classifier {
  return new Classifier({
    prompt,
    checkAnswer,
    estimateUsage,
    retry,
    itemMs: deadlines.itemMs,
    hedge: hedge === null ? null : { ...hedge, takeOther: (wish) => gateway.takeOther(wish) },
    maxOutputTokens,
    stamp: { job, executionId, fence },
    ...clocks,
    random: Math.random,
  });
}
