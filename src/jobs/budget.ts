import type { SharedAllowance, SharedBudget } from "../cluster/shared-allowance.ts";
import type { JobSettings } from "../job.ts";
import { promptChars } from "../llm/usage.ts";
import { spentIn } from "../outcome.ts";
import type { Recorder } from "../recorder.ts";
import { Budget, type Left } from "../traffic/budget.ts";
import type { Adapters } from "./adapters.ts";
import type { Closers } from "./closers.ts";

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
 * @param onChange called when calls that wait for the budget may go out
 */
export function openBudget(
  settings: JobSettings,
  { pricingOf, estimateUsage, prompt, allowance }: Adapters,
  recorder: Recorder,
  { now, onChange, closers }: { readonly now: () => number; readonly onChange: () => void; readonly closers: Closers },
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
  if (allowance) return new Budget(sharedLeft(settings, allowance, recorder, onChange, closers), perCall);
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
  onChange: () => void,
  closers: Closers,
): () => Left | null {
  const spentUsd = (): number => {
    const { spend, openUsd, absorbedUsd } = recorder;
    return spend.costUsd + spend.uncertainUsd + openUsd - absorbedUsd;
  };
  let joined: { readonly budget: JobSettings["budget"]; readonly shared: SharedBudget } | null = null;
  closers.add(() => joined?.shared.leave());
  return () => {
    const { budget } = settings;
    if (joined !== null && joined.budget !== budget) {
      joined.shared.leave();
      joined = null;
    }
    if (budget === null) return null;
    joined ??= { budget, shared: allowance.budget(budget, { spentUsd, onChange }) };
    const { shared } = joined;
    return { ...shared.left(), more: (usd) => shared.wants(usd), spent: () => shared.end() };
  };
}
