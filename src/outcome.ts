import type { Counters, JobTotals } from "./counters.ts";
import { FAILURE_CLASSES } from "./errors.ts";
import type { ItemKey, SkipReason } from "./item.ts";
import {
  addUsage,
  CACHED,
  type ModelUsage,
  type MonthlyUsage,
  NO_USAGE,
  UNKNOWN_MODEL,
  withUsage,
} from "./model-usage.ts";
import type { ClassificationRecord, Usage } from "./record.ts";

/** What the calls for one item cost, all attempts together. */
export interface Spend extends Usage {
  readonly calls: number;
  readonly repairCalls: number;
  /** Second calls for items whose first call took long. */
  readonly hedgedCalls: number;
  /** Sent, no answer seen, perhaps billed. */
  readonly uncertainCalls: number;
  /** Answered, price unknown: not part of `costUsd`. */
  readonly unpricedCalls: number;
  readonly costUsd: number;
  readonly uncertainUsd: number;
  /** `openai/gpt-5-mini`: who was asked, when all calls were of one model. */
  readonly model?: string;
  /** By model, when they were of several. */
  readonly byModel?: Readonly<Record<string, Partial<ModelUsage>>>;
}
export const NO_SPEND: Spend = {
  calls: 0,
  repairCalls: 0,
  hedgedCalls: 0,
  uncertainCalls: 0,
  unpricedCalls: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  costUsd: 0,
  uncertainUsd: 0,
};

/** @returns the sum; what `b` does not say counts as 0 */
export function addSpend(a: Spend, b: Partial<Spend>): Spend {
  return {
    calls: a.calls + (b.calls ?? 0),
    repairCalls: a.repairCalls + (b.repairCalls ?? 0),
    hedgedCalls: a.hedgedCalls + (b.hedgedCalls ?? 0),
    uncertainCalls: a.uncertainCalls + (b.uncertainCalls ?? 0),
    unpricedCalls: a.unpricedCalls + (b.unpricedCalls ?? 0),
    inputTokens: a.inputTokens + (b.inputTokens ?? 0),
    cachedInputTokens: a.cachedInputTokens + (b.cachedInputTokens ?? 0),
    cacheWriteTokens: a.cacheWriteTokens + (b.cacheWriteTokens ?? 0),
    outputTokens: a.outputTokens + (b.outputTokens ?? 0),
    reasoningTokens: a.reasoningTokens + (b.reasoningTokens ?? 0),
    costUsd: a.costUsd + (b.costUsd ?? 0),
    uncertainUsd: a.uncertainUsd + (b.uncertainUsd ?? 0),
    ...whoWasAsked(a, b),
  };
}

/** Of two spends together: one model where that is true, else what each model has of it. */
function whoWasAsked(a: Spend, b: Partial<Spend>): Pick<Spend, "model" | "byModel"> {
  const single = a.byModel === undefined && b.byModel === undefined;
  if (single && a.model === b.model) return a.model === undefined ? {} : { model: a.model };
  if (isNothing(b)) return pickModels(a);
  if (isNothing(a)) return pickModels(b);
  const byModel: Record<string, Partial<ModelUsage>> = {};
  for (const [model, usage] of [...usageByModel(a), ...usageByModel(b)])
    byModel[model] = byModel[model] === undefined ? usage : addUsage({ ...NO_USAGE, ...byModel[model] }, usage);
  return { byModel };
}

function pickModels({ model, byModel }: Partial<Spend>): Pick<Spend, "model" | "byModel"> {
  if (byModel !== undefined) return { byModel };
  return model === undefined ? {} : { model };
}

function isNothing({ calls = 0, uncertainCalls = 0, inputTokens = 0, costUsd = 0 }: Partial<Spend>): boolean {
  return calls === 0 && uncertainCalls === 0 && inputTokens === 0 && costUsd === 0;
}

/** What each model has of a spend. */
function usageByModel(spend: Partial<Spend>): [model: string, usage: Partial<ModelUsage>][] {
  if (spend.byModel !== undefined) return Object.entries(spend.byModel);
  const { calls = 0, inputTokens = 0, cachedInputTokens = 0, outputTokens = 0 } = spend;
  const { costUsd = 0, uncertainUsd = 0, unpricedCalls = 0 } = spend;
  const usage = { calls, inputTokens, cachedInputTokens, outputTokens, costUsd, uncertainUsd, unpricedCalls };
  return [[spend.model ?? UNKNOWN_MODEL, usage]];
}

/** Where an admitted item came from: decides how it moves in the job's totals. */
export type Origin =
  | "source"
  | "retryQueue"
  /** Read from the source again, since it is no more what ended as a dead letter. */
  | "deadLetter";

/** Why an item failed: a class of model failure, or one of ours. */
export const FAILURE_KINDS = [
  ...FAILURE_CLASSES,
  "store-refused",
  "mark-refused",
  "poison",
  "item-deadline",
  "redaction-failed",
] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/** What needs doing again: ask the model, write the record, set the mark. Free strings are allowed in the library. */
export type QueueName = "model" | "store" | "mark";

/** What became of an item. */
export type Outcome =
  | { readonly outcome: "classified"; readonly record: ClassificationRecord }
  | { readonly outcome: "skipped"; readonly reason: SkipReason }
  | {
      readonly outcome: "retryQueued";
      readonly queue: QueueName;
      /** Epoch ms. */
      readonly dueMs: number;
      /** Rounds behind it when it comes due, from 1. */
      readonly round: number;
      readonly failure: FailureKind;
      readonly message: string;
      /** How often in a row it ended with this very failure. */
      readonly alike: number;
      readonly record?: ClassificationRecord;
    }
  | {
      readonly outcome: "deadLetter";
      readonly queue: QueueName;
      readonly failure: FailureKind;
      readonly message: string;
      readonly rawAnswer: string | null;
      readonly record?: ClassificationRecord;
    };

/** An outcome with all that the job's totals, the sink and recovery need: one journal record. */
export type Settlement = Outcome & {
  readonly key: ItemKey;
  readonly origin: Origin;
  readonly contentHash: string | null;
  readonly attempts: number;
  readonly spend: Spend;
  readonly executionId: string;
  /** Epoch ms. */
  readonly atMs: number;
  /** Of an item that was asked: under which its answer is kept for equal texts. */
  readonly answerKey?: string;
  /** Of an item that needed no call: what the one for its answer had cost in USD, null when unknown. */
  readonly savedUsd?: number | null;
};

/** Everything that is remembered of a job over all executions: a fold of its journal. */
export interface JobState {
  readonly totals: JobTotals;
  /** Spend per UTC day (`2026-11-24`). */
  readonly ledger: Readonly<Record<string, DaySpend>>;
  /** What each model was used, by month. @default nothing: it is from before this was kept */
  readonly usage?: MonthlyUsage;
  /** Pages of items whose marks were taken away to classify them again. @default 0 */
  readonly unmarkedPages?: number;
  /** Ranges up to this number, which others worked off, are counted. @default 0 */
  readonly absorbedRanges?: number;
}
export interface DaySpend {
  readonly calls: number;
  readonly costUsd: number;
  readonly uncertainUsd: number;
  readonly unpricedCalls: number;
}

export const EMPTY_JOB_STATE: JobState = {
  totals: { classified: 0, skipped: 0, retryQueued: 0, deadLetters: 0, modelCalls: 0, costUsd: 0, uncertainUsd: 0 },
  ledger: {},
};

/** @returns the job's state after an item was settled */
export function applySettlement(state: JobState, settlement: Settlement): JobState {
  const spent = applySpend(state, settlement.spend, settlement.atMs);
  const { totals } = spent;
  const counter = COUNTER_OF[settlement.outcome];
  const counted = { ...totals, [counter]: totals[counter] + 1 };
  if (settlement.origin === "retryQueue") counted.retryQueued -= 1;
  if (settlement.origin === "deadLetter") counted.deadLetters -= 1;
  if (settlement.outcome !== "classified") return { ...spent, totals: counted };
  const month = dayOf(settlement.atMs).slice(0, 7);
  const usage = withUsage(spent.usage ?? {}, month, answeredBy(settlement), { items: 1 });
  return { ...spent, totals: counted, usage };
}

/** Under which an answer is counted: the model that was asked for it, the cache, or what needed no call. */
function answeredBy({ spend, record }: Settlement & { readonly outcome: "classified" }): string {
  if (spend.model !== undefined) return spend.model;
  if (record.decidedBy === "cache") return CACHED;
  if (record.decidedBy === "offline") return record.decidedBy;
  return `${record.provider}/${record.requestedModel ?? record.model}`;
}

/** @returns the job's state after an item was taken back: it changed while in flight and will be read again */
export function applyReopening(state: JobState, outcome: "classified" | "skipped" | "deadLetter"): JobState {
  const counter = COUNTER_OF[outcome];
  return { ...state, totals: { ...state.totals, [counter]: state.totals[counter] - 1 } };
}

/** @returns the job's state after dead letters were sent to a retry queue */
export function applyRequeue(state: JobState, items: number): JobState {
  const { totals } = state;
  return {
    ...state,
    totals: { ...totals, deadLetters: totals.deadLetters - items, retryQueued: totals.retryQueued + items },
  };
}

/** A page of settled items that lost their marks, to be classified again. Pages have numbers from 1, over the job's whole life. */
export interface Unmarking {
  readonly page: number;
  readonly outcome: "classified" | "skipped";
  readonly items: number;
}

/** @returns the job's state after that; the same page counts once. A job that started over has forgotten what it settled before. */
export function applyUnmarking(state: JobState, { page, outcome, items }: Unmarking): JobState {
  if (page <= (state.unmarkedPages ?? 0)) return state;
  const totals = { ...state.totals, [outcome]: Math.max(0, state.totals[outcome] - items) };
  return { ...state, totals, unmarkedPages: page };
}

/** What others did of a range, counted for the job once. */
export interface Absorbed {
  /** Of the range: from 1, in order over the job's whole life. */
  readonly number: number;
  readonly counters: Pick<Counters, "classified" | "skipped" | "retryQueued" | "deadLetters" | "modelCalls"> &
    Pick<Counters, "costUsd" | "uncertainUsd" | "unpricedCalls">;
  readonly atMs: number;
}

/** @returns the job's state after that; the same range counts once */
export function applyAbsorbed(state: JobState, { number, counters, atMs }: Absorbed): JobState {
  if (number <= (state.absorbedRanges ?? 0)) return state;
  const { modelCalls, unpricedCalls, costUsd, uncertainUsd } = counters;
  const spent = applySpend(
    state,
    {
      ...NO_SPEND,
      calls: modelCalls,
      unpricedCalls: costUsd === null ? Math.max(1, unpricedCalls) : unpricedCalls,
      costUsd: costUsd ?? 0,
      uncertainUsd: uncertainUsd ?? 0,
    },
    atMs,
  );
  const totals = { ...spent.totals };
  for (const name of ["classified", "skipped", "retryQueued", "deadLetters"] as const) totals[name] += counters[name];
  return { ...spent, totals, absorbedRanges: number };
}

export function applySpend(state: JobState, spend: Spend, atMs: number): JobState {
  if (spend.calls === 0 && spend.uncertainCalls === 0) return state;
  const { totals } = state;
  const day = dayOf(atMs);
  const before = state.ledger[day] ?? { calls: 0, costUsd: 0, uncertainUsd: 0, unpricedCalls: 0 };
  return {
    ...state,
    totals: {
      ...totals,
      modelCalls: totals.modelCalls + spend.calls,
      costUsd: totals.costUsd === null || spend.unpricedCalls > 0 ? null : totals.costUsd + spend.costUsd,
      uncertainUsd: totals.uncertainUsd === null ? null : totals.uncertainUsd + spend.uncertainUsd,
    },
    ledger: {
      ...state.ledger,
      [day]: {
        calls: before.calls + spend.calls,
        costUsd: before.costUsd + spend.costUsd,
        uncertainUsd: before.uncertainUsd + spend.uncertainUsd,
        unpricedCalls: before.unpricedCalls + spend.unpricedCalls,
      },
    },
    usage: usageByModel(spend).reduce(
      (usage, [model, more]) => withUsage(usage, day.slice(0, 7), model, more),
      state.usage ?? {},
    ),
  };
}

const DAY_MS = 86_400_000;
let lastDay = { number: Number.NaN, name: "" };

/** @returns the UTC day, `2026-11-24`; the last one is remembered, since nearly every item asks for it */
function dayOf(atMs: number): string {
  const number = Math.floor(atMs / DAY_MS);
  if (number !== lastDay.number) lastDay = { number, name: new Date(atMs).toISOString().slice(0, 10) };
  return lastDay.name;
}

/** @returns calls whose answers never came, as perhaps billed at the job's mean cost */
export function lostCalls({ totals }: JobState, calls: number): Spend {
  const { modelCalls, costUsd } = totals;
  const perCall = costUsd !== null && modelCalls > 0 ? costUsd / modelCalls : 0;
  return { ...NO_SPEND, calls, uncertainCalls: calls, uncertainUsd: perCall * calls };
}

/** USD spent by a job in the period a budget covers. What may have been billed counts as billed. */
export function spentIn(state: JobState, per: "day" | "month" | "job", nowMs: number): number {
  const now = new Date(nowMs).toISOString();
  const prefix = per === "day" ? now.slice(0, 10) : per === "month" ? now.slice(0, 7) : "";
  let usd = 0;
  for (const [day, spend] of Object.entries(state.ledger)) {
    if (day.startsWith(prefix)) usd += spend.costUsd + spend.uncertainUsd;
  }
  return usd;
}

/** Documents whose text was cut are up to 16 MB each: so many are read together. */
const LARGE_AT_ONCE = 4;

/** @returns keys of these outcomes in groups whose documents fit into memory together */
export function keysToRead(settlements: readonly Settlement[]): ItemKey[][] {
  const isLarge = (one: Settlement): boolean =>
    one.outcome === "classified" ? one.record.reviewReasons.includes("text-truncated") : one.outcome === "deadLetter";
  const groups: ItemKey[][] = [settlements.filter((one) => !isLarge(one)).map(({ key }) => key)];
  const large = settlements.filter(isLarge).map(({ key }) => key);
  for (let at = 0; at < large.length; at += LARGE_AT_ONCE) groups.push(large.slice(at, at + LARGE_AT_ONCE));
  return groups.filter((keys) => keys.length > 0);
}

export const COUNTER_OF = {
  classified: "classified",
  skipped: "skipped",
  retryQueued: "retryQueued",
  deadLetter: "deadLetters",
} as const;
