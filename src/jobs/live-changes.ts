import { QuerymillError } from "../errors.ts";
import type { EndpointSettings, JobSettings } from "../job.ts";

/** Settings that can be changed while an execution runs. What is left out stays. */
export type LiveChanges = Partial<
  Pick<
    JobSettings,
    | "concurrent"
    | "concurrentMax"
    | "intervalSeconds"
    | "balance"
    | "hedge"
    | "budget"
    | "prices"
    | "retry"
    | "endpoints"
    | "share"
  >
>;

/** What a budget is for. */
export type BudgetPer = NonNullable<JobSettings["budget"]>["per"];

const MOST_CALLS = 10_000;

/** @throws QuerymillError USAGE */
export function checkConcurrency(calls: number | "auto"): void {
  if (calls === "auto" || (Number.isInteger(calls) && calls >= 1 && calls <= MOST_CALLS)) return;
  throw new QuerymillError(
    "USAGE",
    `concurrency: expected an integer from 1 to 10,000, or auto; got ${String(calls)}. To make no calls at all, pause.`,
  );
}

/** @throws QuerymillError USAGE */
export function checkBudget(usd: number | null): void {
  if (usd === null || (Number.isFinite(usd) && usd > 0 && usd <= 1e9)) return;
  throw new QuerymillError(
    "USAGE",
    `budget: expected a number above 0 in USD, at most 1000000000, or none; got ${String(usd)}. To spend nothing, pause.`,
  );
}

/** Endpoints may be told other limits, shares and keys, not become others. @throws QuerymillError USAGE */
export function checkEndpoints(before: readonly EndpointSettings[], next: readonly EndpointSettings[]): void {
  const same = (a: EndpointSettings, b: EndpointSettings | undefined): boolean =>
    a.name === b?.name &&
    a.fallback === b.fallback &&
    a.model.provider === b.model.provider &&
    a.model.name === b.model.name &&
    a.model.baseUrl === b.model.baseUrl;
  if (before.length === next.length && before.every((one, at) => same(one, next[at]))) return;
  throw new QuerymillError(
    "USAGE",
    "endpoints: which ones there are cannot be changed while a run goes on. Restart it.",
  );
}
