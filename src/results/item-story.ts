import type { CallEnded } from "../call-ended.ts";
import type { ItemDetail } from "../dashboard/api.ts";
import type { Price } from "../job.ts";
import type { Usage } from "../record.ts";
import type { QueueEntry } from "../state/retry-queue.ts";
import type { SourceDocument } from "../store.ts";

type Attempt = ItemDetail["attempts"][number];
type Fields = Readonly<Record<string, unknown>>;

/** What is known of what happened to an item. */
export interface ItemFacts {
  readonly record: SourceDocument | null;
  /** Documents of `history.ts`, oldest first. */
  readonly history: readonly SourceDocument[];
  readonly retry: QueueEntry | null;
  readonly deadLetter: QueueEntry | null;
  /** When its document was marked, and by what; null when that is not noted there. */
  readonly mark: { readonly at: unknown; readonly by: unknown } | null;
  /** Calls for it that this process made lately. */
  readonly calls: readonly CallEnded[];
}

const REPLACED: Readonly<Record<string, string>> = {
  changed: "replaced when the conversation had changed",
  stale: "replaced when taxonomy, prompt or model had changed",
  all: "replaced when all were asked again",
};

/** What happened to an item, by time: what is written down, and the calls that are remembered. */
export function storyOf({ record, history, retry, deadLetter, mark, calls }: ItemFacts): Attempt[] {
  const attempts: (Attempt | null)[] = calls.map(callOf);
  for (const { record: before, reason } of history)
    attempts.push(answerOf(before as Fields, REPLACED[String(reason)] ?? "replaced"));
  if (record !== null) {
    const byPerson = record.decidedBy === "person";
    const suggestion = record.modelSuggestion as Fields | undefined;
    attempts.push(byPerson ? (suggestion ? answerOf(suggestion, null) : null) : answerOf(record, null));
    if (byPerson) attempts.push(decisionOf(record));
  }
  if (mark !== null) attempts.push(markOf(mark));
  if (retry !== null) attempts.push(waitOf(retry));
  if (deadLetter !== null)
    attempts.push({
      atMs: deadLetter.dueMs,
      what: `Given up (${deadLetter.failure})`,
      detail: deadLetter.message,
      level: "bad",
      tookMs: null,
    });
  return attempts.filter((one) => one !== null).sort((a, b) => a.atMs - b.atMs);
}

/** A record's tokens, each once, with their price where the parts add up to what the record says it cost. */
export function costParts(record: Fields, price: Price | null): ItemDetail["cost"] {
  const usage = record.usage as Partial<Usage> | undefined;
  if (usage === undefined || usage === null) return [];
  const of = (name: keyof Usage): number => (typeof usage[name] === "number" ? usage[name] : 0);
  const [cached, written, thought] = [of("cachedInputTokens"), of("cacheWriteTokens"), of("reasoningTokens")];
  const parts: [string, number, number | undefined][] = [
    ["Input", Math.max(0, of("inputTokens") - cached - written), price?.input],
    ["Cached input", cached, price?.cachedInput ?? price?.input],
    ["Written to cache", written, price?.cacheWrite ?? price?.input],
    ["Output", Math.max(0, of("outputTokens") - thought), price?.output],
    ["Reasoning", thought, price?.output],
  ];
  const shown = parts.filter(([what, tokens]) => tokens > 0 || what === "Input" || what === "Output");
  const usd = shown.map(([, tokens, perMillion]) => (tokens * (perMillion ?? 0)) / 1_000_000);
  const sum = usd.reduce((total, part) => total + part, 0);
  const total = record.costUsd;
  const fits = price !== null && typeof total === "number" && Math.abs(sum - total) <= Math.max(total * 0.01, 1e-9);
  return shown.map(([what, tokens], at) => ({ what, tokens, usd: fits ? usd[at]! : null }));
}

function callOf(call: CallEnded): Attempt {
  const answered = call.result === "answered";
  const parts = [
    `attempt ${call.attempt}`,
    call.repair ? "repair" : "",
    call.usage === null ? "" : `${call.usage.inputTokens} tokens in, ${call.usage.outputTokens} out`,
    call.costUsd === null ? "" : usdOf(call.costUsd),
  ];
  return {
    atMs: call.endedAtMs,
    what: `Call to ${call.endpoint}: ${call.result}`,
    detail: parts.filter((part) => part !== "").join(", "),
    level: answered ? "ok" : call.result === "cut-off" ? "idle" : "warn",
    tookMs: call.durationMs,
  };
}

function answerOf(record: Fields, note: string | null): Attempt | null {
  const { classifiedAt, decidedBy, provider, model, attempts, costUsd, latencyMs, cachedFrom, executionId } = record;
  if (!(classifiedAt instanceof Date)) return null;
  const who = decidedBy === "cache" ? "the answer to an equal text" : `${String(provider)}/${String(model)}`;
  const parts = [
    typeof attempts === "number" && attempts > 0 ? `${attempts} ${attempts === 1 ? "attempt" : "attempts"}` : "",
    typeof costUsd === "number" ? usdOf(costUsd) : "",
    typeof cachedFrom === "string" ? `from ${cachedFrom}` : "",
    typeof executionId === "string" ? `run ${executionId}` : "",
    note ?? "",
  ];
  return {
    atMs: classifiedAt.getTime(),
    what: `Classified by ${provider === "offline" ? "the offline classifier" : who}`,
    detail: parts.filter((part) => part !== "").join(", ") || null,
    level: note === null ? "ok" : "idle",
    tookMs: typeof latencyMs === "number" ? latencyMs : null,
  };
}

function decisionOf({ reviewedAt, review }: Fields): Attempt | null {
  if (!(reviewedAt instanceof Date)) return null;
  const { sheet, by } = (review ?? {}) as { sheet?: unknown; by?: unknown };
  const parts = [typeof sheet === "string" ? `sheet ${sheet}` : "", typeof by === "string" ? by : ""];
  return {
    atMs: reviewedAt.getTime(),
    what: "Decided by a person",
    detail: parts.filter((part) => part !== "").join(", ") || null,
    level: "ok",
    tookMs: null,
  };
}

function markOf({ at, by }: NonNullable<ItemFacts["mark"]>): Attempt | null {
  if (!(at instanceof Date)) return null;
  const { outcome, executionId } = (by ?? {}) as { outcome?: unknown; executionId?: unknown };
  const detail = [outcome, executionId].filter((part) => typeof part === "string").join(", run ");
  return { atMs: at.getTime(), what: "Marked in the source", detail: detail || null, level: "idle", tookMs: null };
}

function waitOf({ dueMs, failure, message, round, queue }: QueueEntry): Attempt {
  return {
    atMs: dueMs,
    what: `Due for another try (${failure})`,
    detail: `queue ${queue}, round ${round}: ${message}`,
    level: "warn",
    tookMs: null,
  };
}

function usdOf(usd: number): string {
  return `$${usd.toFixed(usd < 0.01 ? 5 : 2)}`;
}
