import { Classifier, type ClassifierOptions } from "../classify.ts";
import type { Clocks } from "../clocks.ts";
import type { JobSettings } from "../job.ts";
import type { Gateway } from "../traffic/gateway.ts";
import type { Adapters } from "./adapters.ts";

/** The part of an execution that asks. @param run who asks, and by which clocks */
export function openClassifier(
  settings: JobSettings,
  { prompt, checkAnswer, estimateUsage }: Adapters,
  gateway: Gateway,
  {
    stamp,
    clocks,
    holdReason,
  }: { readonly stamp: ClassifierOptions["stamp"]; readonly clocks: Clocks; readonly holdReason: () => string | null },
): Classifier {
  const { retry, deadlines, maxOutputTokens, hedge } = settings;
  return new Classifier({
    prompt,
    checkAnswer,
    estimateUsage,
    retry,
    itemMs: deadlines.itemMs,
    hedge:
      hedge === null
        ? null
        : { ...hedge, takeOther: (wish) => (holdReason() === null ? gateway.takeOther(wish) : null) },
    maxOutputTokens,
    stamp,
    ...clocks,
    random: Math.random,
  });
}
