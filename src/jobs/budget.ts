import type { SharedAllowance, SharedBudget } from "../cluster/shared-allowance.ts";
import type { JobSettings } from "../job.ts";
import { promptChars } from "../llm/usage.ts";
import { spentIn } from "../outcome.ts";
import type { Recorder } from "../recorder.ts";
import { Budget, type Left } from "../traffic/budget.ts";
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

/**
 * Follows the budget of the settings, which may be changed, given and taken away under way.
 * @param run unique in the fleet @param onChange called when calls that wait for the budget may go out
 */
export function openBudget(
  settings: JobSettings,
  { pricingOf, estimateUsage, prompt, allowance }: Adapters,
  recorder: Recorder,
  { now, run, onChange }: { readonly now: () => number; readonly run: string; readonly onChange: () => void },
): Budget {
  const { endpoints } = settings;
  const usage = estimateUsage(promptChars(prompt) + TEXT_CHARS, ANSWER_CHARS);
  // Whichever endpoint is asked first: as much as the dearest takes.
  const guess = (): number =>
    Math.max(...endpoints.map((endpoint) => pricingOf(endpoint).costOf(usage, endpoint.model.name) ?? 0));
  const perCall = (): number => {
    const { costUsd, uncertainUsd, modelCalls } = recorder.totals;
    return modelCalls === 0 ? guess() : ((costUsd ?? 0) + (uncertainUsd ?? 0)) / modelCalls;
  };
  if (allowance) return new Budget(sharedLeft(settings, allowance, recorder, { run, onChange, now }), perCall);
  return new Budget(() => {
    const { budget } = settings;
    return budget === null ? null : { usd: budget.usd - spentOf(settings, recorder, now()) };
  }, perCall);
}

/** What is left of this process's part of a budget that others spend too. What the run had spent before is counted there. */
function sharedLeft(
  settings: JobSettings,
  allowance: SharedAllowance,
  recorder: Recorder,
  { run, onChange, now }: { readonly run: string; readonly onChange: () => void; readonly now: () => number },
): () => Left | null {
  let before: number | null = null;
  let shared: { readonly of: JobSettings["budget"]; readonly budget: SharedBudget } | null = null;
  return () => {
    if (settings.budget === null) return null;
    const spent = spentOf(settings, recorder, now()) - recorder.absorbedUsd;
    before ??= spent;
    if (shared?.of !== settings.budget)
      shared = { of: settings.budget, budget: allowance.budget(settings.budget, run, onChange) };
    const { budget } = shared!;
    // A new day begins at 0: what was spent before it is no longer among it.
    if (spent < before) before = 0;
    return { ...budget.left(run, spent - before), more: (usd) => budget.wants(usd) };
  };
}
