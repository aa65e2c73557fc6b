import type { JobSettings } from "../job.ts";
import { promptChars } from "../llm/usage.ts";
import { spentIn } from "../outcome.ts";
import type { Recorder } from "../recorder.ts";
import { Budget } from "../traffic/budget.ts";
import type { Adapters } from "./adapters.ts";

/** Characters of a text and of an answer, for guessing what the very first call costs. */
const TEXT_CHARS = 1_000;
const ANSWER_CHARS = 400;

/** USD that the budget's period has cost so far, unfinished items included. What may have been billed counts as billed. */
export function spentOf({ budget }: JobSettings, recorder: Recorder, nowMs: number): number {
  const { spend, state, openUsd } = recorder;
  if (budget === null || budget.per === "run") return spend.costUsd + spend.uncertainUsd + openUsd;
  return spentIn(state, budget.per, nowMs) + openUsd;
}

/** Follows the budget of the settings, which may be changed, given and taken away under way. */
export function openBudget(
  settings: JobSettings,
  { pricingOf, estimateUsage, prompt }: Adapters,
  recorder: Recorder,
  now: () => number,
): Budget {
  const { endpoints } = settings;
  const usage = estimateUsage(promptChars(prompt) + TEXT_CHARS, ANSWER_CHARS);
  // Whichever endpoint is asked first: as much as the dearest takes.
  const guess = (): number =>
    Math.max(...endpoints.map((endpoint) => pricingOf(endpoint).costOf(usage, endpoint.model.name) ?? 0));
  return new Budget(
    () => (settings.budget === null ? null : settings.budget.usd - spentOf(settings, recorder, now())),
    () => {
      const { costUsd, uncertainUsd, modelCalls } = recorder.totals;
      return modelCalls === 0 ? guess() : ((costUsd ?? 0) + (uncertainUsd ?? 0)) / modelCalls;
    },
  );
}
