import { messageOf, QuerymillError } from "../errors.ts";
import { inspectLeftover } from "../jobs/recovery.ts";
import { tenantJobs } from "../jobs/status.ts";
import { addUsage, type ModelUsage, NO_USAGE, UNKNOWN_MODEL } from "../model-usage.ts";
import type { JobState } from "../outcome.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";

/** What one tenant used of one model in one month. */
export interface UsageRow extends ModelUsage {
  readonly tenant: string;
  /** UTC, `2026-11`. */
  readonly month: string;
  /** `openai/gpt-5-mini`; `cache`, `offline`; `unknown` for calls of which that was not kept. */
  readonly model: string;
}

/**
 * What a tenant used, by month and model, over all its jobs that have local state: read from checkpoint and journal, so it
 * is right while it runs and after any crash.
 * @throws QuerymillError STATE_DAMAGED, STATE_NEWER: a part that cannot be read is not left out in silence
 */
export async function tenantUsage(batchDir: string, tenant: string): Promise<UsageRow[]> {
  const rows = new Map<string, UsageRow>();
  for (const identity of await tenantJobs(batchDir, tenant)) {
    const { state } = await inspectLeftover(new BatchFileManager(batchDir, identity)).catch((error: unknown) => {
      if (!(error instanceof QuerymillError)) throw error;
      throw new QuerymillError(error.code, `The usage of tenant ${tenant} cannot be told: ${messageOf(error)}`, {
        cause: error,
      });
    });
    for (const [month, model, usage] of usageOf(state)) {
      const at = `${month} ${model}`;
      rows.set(at, { tenant, month, model, ...addUsage(rows.get(at) ?? NO_USAGE, usage) });
    }
  }
  return [...rows.values()].sort((a, b) => compare(a.month, b.month) || compare(a.model, b.model));
}

/** By month and model. What the ledger of days has beyond them is from before models were kept. */
export function usageOf({ usage = {}, ledger }: JobState): [month: string, model: string, usage: ModelUsage][] {
  const found = Object.entries(usage).flatMap(([month, models]) =>
    Object.entries(models).map(([model, one]): [string, string, ModelUsage] => [month, model, one]),
  );
  const earlier = new Map<string, ModelUsage>();
  for (const [day, { calls, costUsd, uncertainUsd, unpricedCalls }] of Object.entries(ledger)) {
    const month = day.slice(0, 7);
    earlier.set(month, addUsage(earlier.get(month) ?? NO_USAGE, { calls, costUsd, uncertainUsd, unpricedCalls }));
  }
  for (const [month, , one] of found) {
    const rest = earlier.get(month);
    if (rest === undefined) continue;
    const { calls, costUsd, uncertainUsd, unpricedCalls } = one;
    earlier.set(
      month,
      addUsage(rest, {
        calls: -calls,
        costUsd: -costUsd,
        uncertainUsd: -uncertainUsd,
        unpricedCalls: -unpricedCalls,
      }),
    );
  }
  for (const [month, rest] of earlier) {
    // Sums of many fractions differ in their last digits.
    if (rest.calls <= 0) continue;
    const at = found.findIndex(([of, model]) => of === month && model === UNKNOWN_MODEL);
    const whole = addUsage(at === -1 ? NO_USAGE : found[at]![2], rest);
    if (at === -1) found.push([month, UNKNOWN_MODEL, whole]);
    else found[at] = [month, UNKNOWN_MODEL, whole];
  }
  return found;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const COLUMNS = [
  ...(["tenant", "month", "model", "items", "calls", "inputTokens", "cachedInputTokens", "outputTokens"] as const),
  ...(["costUsd", "uncertainUsd", "unpricedCalls"] as const),
];

/**
 * CSV by RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe in front; names of models come
 * from settings.
 */
export function usageCsv(rows: readonly UsageRow[]): string {
  const cell = (value: string | number): string => {
    if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(6);
    const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [COLUMNS.join(","), ...rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(","))];
  return `${lines.join("\r\n")}\r\n`;
}
