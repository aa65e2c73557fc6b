import { Classifier, type ClassifierOptions } from "../classify.ts";
import type { Clocks } from "../clocks.ts";
import type { JobSettings } from "../job.ts";
import type { Pause } from "../pause.ts";
import type { Gateway } from "../traffic/gateway.ts";
import type { Adapters } from "./adapters.ts";

/** The part of an execution that asks. It follows retries and hedging of the settings as they are changed. */
export function openClassifier(
  settings: JobSettings,
  { prompt, checkAnswer, estimateUsage }: Adapters,
  gateway: Gateway,
  {
    stamp,
    clocks,
    pause,
  }: { readonly stamp: ClassifierOptions["stamp"]; readonly clocks: Clocks; readonly pause: Pause },
): Classifier {
  const { deadlines, maxOutputTokens } = settings;
  // A pause makes no second calls either.
  const takeOther: Gateway["takeOther"] = (wish) => (pause.current === null ? gateway.takeOther(wish) : null);
  return new Classifier({
    prompt,
    checkAnswer,
    estimateUsage,
    get retry() {
      return settings.retry;
    },
    itemMs: deadlines.itemMs,
    get hedge() {
      return settings.hedge === null ? null : { ...settings.hedge, takeOther };
    },
    maxOutputTokens,
    stamp,
    ...clocks,
    random: Math.random,
  });
}
