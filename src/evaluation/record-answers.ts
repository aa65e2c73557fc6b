import type { ClassificationRecord, Usage } from "../record.ts";
import type { Dimension } from "../taxonomy.ts";
import type { CostFigures } from "./evaluation.ts";

/** What a record answers to a dimension. Records may come from elsewhere: what is no label is no answer. */
export function answerOf(record: Partial<ClassificationRecord>, { id, choose }: Dimension): string | string[] | null {
  const own = ["category", "subcategory", "sentiment", "urgency"].includes(id);
  const value: unknown = own ? record[id as "category"] : record.labels?.[id];
  if (choose === "many") return Array.isArray(value) ? value.filter((label) => typeof label === "string") : null;
  return typeof value === "string" ? value : null;
}

export function confidenceOf({ confidence }: Partial<ClassificationRecord>, id: string): number | null {
  const value: unknown = confidence?.[id];
  return typeof value === "number" && value >= 0 && value <= 1 ? value : null;
}

/** Cost, tokens and latency over answered records. */
export function costOf(records: readonly Partial<ClassificationRecord>[]): CostFigures {
  const sum = (of: (record: Partial<ClassificationRecord>) => unknown): number =>
    records.reduce((total, record) => total + numberOf(of(record)), 0);
  const tokens = (name: keyof Usage): number => sum(({ usage }) => usage?.[name]);
  const priced = records.every(({ costUsd }) => typeof costUsd === "number");
  const usd = priced ? sum(({ costUsd }) => costUsd) : null;
  const latencies = records.flatMap(({ latencyMs }) => (typeof latencyMs === "number" ? latencyMs : []));
  latencies.sort((a, b) => a - b);
  return {
    answered: records.length,
    usd,
    usdPerThousand: usd === null || records.length === 0 ? null : (usd / records.length) * 1_000,
    usage: {
      inputTokens: tokens("inputTokens"),
      cachedInputTokens: tokens("cachedInputTokens"),
      cacheWriteTokens: tokens("cacheWriteTokens"),
      outputTokens: tokens("outputTokens"),
      reasoningTokens: tokens("reasoningTokens"),
    },
    latencyP50Ms: quantile(latencies, 0.5),
    latencyP95Ms: quantile(latencies, 0.95),
  };
}

/** The smallest value that at least this share of the values does not exceed (nearest rank). */
export function quantile(sorted: readonly number[], share: number): number | null {
  return sorted.length === 0 ? null : sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
