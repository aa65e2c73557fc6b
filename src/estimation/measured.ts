import type { Usage } from "../record.ts";
import { type Estimate, exactly, mapEstimate, mean } from "./estimate.ts";
import type { AskedEndpoint, EndpointForecast, Forecast, Pace } from "./forecast.ts";
import type { Lengths } from "./lengths.ts";
import { fitLine, type Point, predictTotal } from "./predict-total.ts";

/** One answered item, and what it took. */
export interface MeasuredItem {
  /** Length of its text as it was sent, in UTF-16 units. */
  readonly chars: number;
  /** All its calls together. */
  readonly usage: Usage;
  readonly attempts: number;
  /** Of the call that answered, in ms. */
  readonly latencyMs: number;
  /** Epoch ms. */
  readonly answeredMs: number;
  readonly executionId: string;
  readonly endpoint: string;
  readonly model: string;
  /** USD at the price of the model that answered; null when it is unknown. */
  readonly costOf: (usage: Usage) => number | null;
}

/** An item that was asked and paid for without an answer that could be used. */
export interface FailedItem {
  readonly chars: number;
  /** null when the price is unknown. */
  readonly costUsd: number | null;
}

/** Prices, caches and answers of the next hours are not quite those of the pilot: no range is narrower than this, either way. */
const DRIFT = 0.01;
/** What is rare and dear (repairs, misses of the cache, very long answers) scatters more than a pilot shows: measured. */
const RARE = 1.2;
/** Time between an answer and the next call in its slot, and the end when not every slot has work. */
const IDLE = 1.05;
const START_MS = 500;

/**
 * From items that this job asked this model with this prompt.
 * @param items at least one
 * @param stableChars length of what is the same in every call
 */
export function measuredForecast(
  { items, failed }: { readonly items: readonly MeasuredItem[]; readonly failed: readonly FailedItem[] },
  lengths: Lengths,
  endpoints: readonly AskedEndpoint[],
  pace: Pace,
  stableChars: number,
): Forecast {
  const warm = warmed(items);
  const total = (of: (item: MeasuredItem) => number): Estimate =>
    widened(
      predictTotal(
        items.map((item) => ({ chars: item.chars, value: of(item) })),
        lengths,
      ),
    );
  const cost = (of: (item: MeasuredItem) => Usage): Estimate | null => costTotal(items, of, failed, lengths);
  const attempts = total(({ attempts }) => attempts);
  // No item is answered without a call.
  const calls = mapEstimate({ ...attempts, from: Math.max(attempts.from, lengths.items.from) }, Math.round);
  const inputTokens = mapEstimate(
    total(({ usage }) => usage.inputTokens),
    Math.round,
  );
  const outputTokens = mapEstimate(
    total(({ usage }) => usage.outputTokens),
    Math.round,
  );
  const meanInput = mean(items.map(({ usage }) => usage.inputTokens));
  const fixed = Math.round(fixedTokens(items, meanInput, stableChars));
  const coldUsd = coldStart(items, warm, Math.min(pace.slots ?? 1, lengths.items.expected));
  const costUsd = withColdStart(
    cost((item) => warm.get(item)!),
    coldUsd,
  );
  return {
    calls,
    inputTokens,
    outputTokens,
    costUsd,
    withoutCacheUsd: cost(({ usage }) => uncached(usage)),
    withCacheUsd: withColdStart(
      cost(({ usage }) => ({ ...uncached(usage), cachedInputTokens: Math.min(usage.inputTokens, fixed) })),
      coldUsd,
    ),
    fixedPrompt: {
      tokens: exactly(fixed),
      inputShare: meanInput === 0 ? 0 : fixed / meanInput,
      costShare: fixedCostShare(items, warm, fixed),
    },
    cachedShare: cachedShare([...warm.values()]),
    byEndpoint: endpointShares(items, endpoints, costUsd),
    durationMs: durationOf(
      // How long an answer takes hardly depends on the text, and one that took very long would tilt a line.
      predictTotal(
        items.map(({ latencyMs, attempts }) => ({ chars: 0, value: latencyMs * attempts })),
        lengths,
      ),
      {
        calls,
        tokens: mapEstimate(inputTokens, (tokens) => tokens + outputTokens.expected),
        longestMs: Math.max(...items.map(({ latencyMs }) => latencyMs)),
        pace,
      },
    ),
  };
}

/** Input tokens of a call for an empty text: where the line over the lengths begins; by its part of the characters when there is no line. */
function fixedTokens(items: readonly MeasuredItem[], meanInput: number, stableChars: number): number {
  const line = fitLine(items.map(({ chars, usage }) => ({ chars, value: usage.inputTokens })));
  if (line.perChar > 0) return Math.max(0, Math.min(meanInput, line.fixed));
  return (meanInput * stableChars) / (stableChars + mean(items.map(({ chars }) => chars)));
}

/**
 * Usage as it would be in the middle of a run. Calls that left before the first answer came could find nothing in the
 * provider's cache: of a hundred that is much, of a hundred thousand nothing.
 */
function warmed(items: readonly MeasuredItem[]): Map<MeasuredItem, Usage> {
  const firstMs = new Map<string, number>();
  for (const { executionId, answeredMs } of items)
    firstMs.set(executionId, Math.min(answeredMs, firstMs.get(executionId) ?? answeredMs));
  const isCold = ({ answeredMs, latencyMs, executionId }: MeasuredItem): boolean =>
    answeredMs - latencyMs < firstMs.get(executionId)!;
  const later = items.filter((item) => !isCold(item)).map(({ usage }) => usage);
  const cached = mean(later.map(({ cachedInputTokens }) => cachedInputTokens));
  const written = mean(later.map(({ cacheWriteTokens }) => cacheWriteTokens));
  return new Map(
    items.map((item) => {
      const { usage } = item;
      if (!isCold(item) || later.length === 0 || usage.cachedInputTokens >= cached) return [item, usage];
      const cachedInputTokens = Math.min(cached, usage.inputTokens);
      return [item, { ...usage, cachedInputTokens, cacheWriteTokens: Math.min(written, usage.cacheWriteTokens) }];
    }),
  );
}

/** USD that the first calls of a run cost more than later ones; 0 when there is no cache or no price. */
function coldStart(items: readonly MeasuredItem[], warm: ReadonlyMap<MeasuredItem, Usage>, calls: number): number {
  const more = items.map((item) => {
    const [cold, later] = [item.costOf(uncached(item.usage)), item.costOf(warm.get(item)!)];
    return cold === null || later === null ? 0 : cold - later;
  });
  return Math.max(0, mean(more)) * calls;
}

/** A cache that is still warm from a moment ago costs less, one that is cold costs this more. */
function withColdStart(cost: Estimate | null, coldUsd: number): Estimate | null {
  return cost && { from: cost.from, expected: cost.expected + coldUsd / 2, to: cost.to + coldUsd };
}

function costTotal(
  items: readonly MeasuredItem[],
  of: (item: MeasuredItem) => Usage,
  failed: readonly FailedItem[],
  lengths: Lengths,
): Estimate | null {
  const points: Point[] = [];
  for (const item of items) {
    const value = item.costOf(of(item));
    if (value === null) return null;
    points.push({ chars: item.chars, value });
  }
  for (const { chars, costUsd } of failed) {
    if (costUsd === null) return null;
    points.push({ chars, value: costUsd });
  }
  return widened(predictTotal(points, lengths));
}

function widened({ from, expected, to }: Estimate): Estimate {
  const below = Math.max(RARE * (expected - from), DRIFT * expected);
  const above = Math.max(RARE * (to - expected), DRIFT * expected);
  return { from: Math.max(0, expected - below), expected, to: expected + above };
}

function uncached(usage: Usage): Usage {
  return { ...usage, cachedInputTokens: 0, cacheWriteTokens: 0 };
}

function cachedShare(usages: readonly Usage[]): number {
  const input = mean(usages.map(({ inputTokens }) => inputTokens));
  return input === 0 ? 0 : mean(usages.map(({ cachedInputTokens }) => cachedInputTokens)) / input;
}

/** What is cached of a call is the beginning of it: the fixed prompt. */
function fixedCostShare(
  items: readonly MeasuredItem[],
  warm: ReadonlyMap<MeasuredItem, Usage>,
  fixed: number,
): number | null {
  let [part, whole] = [0, 0];
  for (const item of items) {
    const usage = warm.get(item)!;
    const inputTokens = Math.min(fixed, usage.inputTokens);
    const own = item.costOf({
      ...usage,
      inputTokens,
      outputTokens: 0,
      reasoningTokens: 0,
      cachedInputTokens: Math.min(usage.cachedInputTokens, inputTokens),
      cacheWriteTokens: Math.min(usage.cacheWriteTokens, inputTokens),
    });
    const all = item.costOf(usage);
    if (own === null || all === null) return null;
    part += own;
    whole += all;
  }
  return whole === 0 ? 0 : part / whole;
}

/** The endpoints that answered, in the order of the settings, with their parts of the cost. */
function endpointShares(
  items: readonly MeasuredItem[],
  endpoints: readonly AskedEndpoint[],
  cost: Estimate | null,
): EndpointForecast[] {
  const groups = Map.groupBy(items, ({ endpoint, model }) => `${endpoint}\n${model}`);
  const usdOf = (group: readonly MeasuredItem[]): number =>
    group.reduce((sum, item) => sum + (item.costOf(item.usage) ?? 0), 0);
  const whole = usdOf(items);
  const place = (name: string): number => endpoints.findIndex(({ endpoint }) => endpoint === name);
  return [...groups.values()]
    .map((group) => {
      const part = whole === 0 ? 0 : usdOf(group) / whole;
      return {
        endpoint: group[0]!.endpoint,
        model: group[0]!.model,
        share: group.length / items.length,
        costUsd: cost && mapEstimate(cost, (usd) => usd * part),
      };
    })
    .sort((a, b) => place(a.endpoint) - place(b.endpoint));
}

function durationOf(
  slotMs: Estimate,
  run: { readonly calls: Estimate; readonly tokens: Estimate; readonly longestMs: number; readonly pace: Pace },
): Estimate | null {
  const { calls, tokens, longestMs, pace } = run;
  if (pace.slots === null) return null;
  const slots = Math.max(1, pace.slots);
  const at = (bound: keyof Estimate): number =>
    Math.max(
      slotMs[bound] / slots,
      (calls[bound] * 60_000) / pace.requestsPerMinute,
      (tokens[bound] * 60_000) / pace.tokensPerMinute,
    );
  return {
    from: at("from"),
    expected: at("expected") * ((1 + IDLE) / 2) + longestMs / 2 + START_MS,
    to: at("to") * IDLE + longestMs + 2 * START_MS,
  };
}
