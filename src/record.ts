import type { RedactionCounts } from "./redaction/kinds.ts";
import type { Classification } from "./taxonomy.ts";

/** Tokens as the provider counted them. `cachedInputTokens` and `cacheWriteTokens` are parts of `inputTokens`, `reasoningTokens` of `outputTokens`. */
export interface Usage {
  readonly inputTokens: number;
  readonly cachedInputTokens: number;
  readonly cacheWriteTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
}

/** The document of the target collection. Its `_id` is the source's `_id` and is not part of this. */
export interface ClassificationRecord extends Classification {
  readonly job: string;
  readonly decidedBy: "model" | "cache" | "student" | "offline" | "person";
  readonly provider: string;
  /** As the server named it. */
  readonly model: string;
  /** What was asked for, where the server answered under an unrelated name: a deployment, an alias. */
  readonly requestedModel?: string;
  readonly endpoint: string;
  readonly promptVersion: string;
  readonly taxonomyVersion: string;
  /** Of the text as it was sent: with redaction, without what was masked. */
  readonly contentHash: string;
  /** How many places of the text were masked before it was sent; only with redaction. */
  readonly redacted?: RedactionCounts;
  /** `decidedBy: "cache"`: the item (canonical EJSON of its `_id`) that the model was asked about. */
  readonly cachedFrom?: string;
  /** Sum over all attempts, repairs included. */
  readonly usage: Usage;
  /** USD, sum over all attempts; null when the price is unknown. */
  readonly costUsd: number | null;
  /** Of the call that answered, in ms. */
  readonly latencyMs: number;
  readonly attempts: number;
  readonly executionId: string;
  /** Token of the owner that wrote it; a lower one never overwrites a higher one. */
  readonly fence: number;
  readonly classifiedAt: Date;
}

/** Fields that a record can be without: a new one takes them away with the old. */
export const OPTIONAL_FIELDS = [
  "fields",
  "requestedModel",
  "cachedFrom",
  "redacted",
] as const satisfies readonly (keyof ClassificationRecord)[];

/** A record as it stands in a journal or a queue file, where dates are text. */
export function reviveRecord(record: ClassificationRecord, fence: number): ClassificationRecord {
  return { ...record, fence, classifiedAt: new Date(record.classifiedAt) };
}
