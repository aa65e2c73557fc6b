import type { Counters, JobTotals } from "../counters.ts";
import { costRange, type PanelHistory } from "../estimation/finish.ts";
import type { RunSnapshot } from "../events.ts";
import type { Usage } from "../record.ts";
import type { Overview } from "./api.ts";
import { type HealthSight, healthOf } from "./health-words.ts";
import { type NeedSight, needsOf } from "./needs.ts";
import { waitingOf } from "./waiting.ts";

/** What an overview is made from, at one moment. */
export interface Sight extends HealthSight, NeedSight {
  readonly totals: JobTotals | null;
  /** That the last execution asked; null before the first. */
  readonly model: string | null;
  readonly history: PanelHistory;
  /** What persons decided of an execution, by who had decided before; null when that is not known. */
  readonly persons: { readonly executionId: string; readonly items: Readonly<Record<string, number>> } | null;
  /** USD of tokens of the run's model; null when they have no known price, or there are several models. */
  readonly priceOf: ((usage: Usage) => number | null) | null;
  readonly viewers: number;
}

/** Everything that the first view shows. */
export function overviewOf(sight: Sight): Overview {
  const { nowMs, from, trouble, snapshot, lastEnd, toReview, viewers } = sight;
  return {
    nowMs,
    from,
    trouble,
    health: healthOf(sight),
    run: snapshot,
    lastEnd,
    sum: sumOf(snapshot?.counters ?? lastEnd, nowMs),
    decidedBy: decidedBy(sight),
    totals: snapshot?.jobTotals ?? sight.totals,
    forecast: forecastOf(snapshot, sight.history),
    spend: snapshot === null ? [] : spendOf(snapshot, sight.priceOf),
    needs: needsOf(sight),
    waiting: waitingOf(snapshot),
    toReview,
    viewers,
  };
}

/** Whether every item that was read is in one place. */
function sumOf(counters: Counters | null, checkedAtMs: number): Overview["sum"] {
  if (counters === null) return null;
  const { read, classified, skipped, retryQueued, deadLetters, inFlight } = counters;
  return { holds: read === classified + skipped + retryQueued + deadLetters + inFlight, checkedAtMs };
}

/** Classified items of the execution by who decided; those that were found answered stand apart. Adds up to `classified`. */
function decidedBy({ snapshot, lastEnd, model, persons }: Sight): Record<string, number> {
  const counters: Counters | null = snapshot?.counters ?? lastEnd;
  if (counters === null) return {};
  const { classified, cacheHits: cache, studentAnswers: student, recovered } = counters;
  const asked = Math.max(0, classified - cache - student - recovered);
  const answered: Answered = { asked, cache, student };
  const ofThis = persons !== null && persons.executionId === (snapshot ?? lastEnd)?.executionId ? persons.items : {};
  const { person, ...left } = withPersons(answered, ofThis);
  const asker = (snapshot?.model ?? model) === "offline" ? "offline" : "model";
  const all = { [asker]: left.asked, cache: left.cache, student: left.student, recovered, person };
  return Object.fromEntries(Object.entries(all).filter(([, items]) => items > 0));
}

/** Items by what answered them in this execution. */
interface Answered {
  readonly asked: number;
  readonly cache: number;
  readonly student: number;
}

/**
 * What persons decided is theirs, and no more of whose answer it replaced. A count that does not fit is of another moment
 * than the counters: it is left out.
 */
function withPersons(
  { asked, cache, student }: Answered,
  { cache: ofCache = 0, student: ofStudent = 0, ...others }: Readonly<Record<string, number>>,
): Answered & { readonly person: number } {
  const ofAsked = Object.values(others).reduce((sum, items) => sum + items, 0);
  if (ofAsked > asked || ofCache > cache || ofStudent > student) return { asked, cache, student, person: 0 };
  const person = ofAsked + ofCache + ofStudent;
  return { asked: asked - ofAsked, cache: cache - ofCache, student: student - ofStudent, person };
}

function forecastOf(snapshot: RunSnapshot | null, { finish, limit }: PanelHistory): Overview["forecast"] {
  if (snapshot === null || snapshot.state === "ended") return { finish: null, cost: null, note: null };
  return { finish, cost: costRange(snapshot), note: limit?.note ?? (finish === null ? noFinish(snapshot) : null) };
}

/** Why nobody can say when it will be finished. */
function noFinish({ mode, total, state }: RunSnapshot): string | null {
  if (mode === "continuous") return "It goes on until it is stopped.";
  if (state === "paused") return "No forecast while it is paused.";
  if (state === "waiting" || state === "draining") return "No forecast while no calls go out.";
  if (total === null) return "Nobody knows how many items there are.";
  return "There is a forecast after ten seconds of work.";
}

/** Tokens by kind; kinds that are part of another one are told once. */
function spendOf({ counters }: RunSnapshot, priceOf: Sight["priceOf"]): Overview["spend"] {
  const { inputTokens, cachedInputTokens, outputTokens, reasoningTokens, unpricedCalls } = counters;
  const none = { inputTokens: 0, cachedInputTokens: 0, cacheWriteTokens: 0, outputTokens: 0, reasoningTokens: 0 };
  const price = (usage: Partial<Usage>): number | null =>
    priceOf === null || unpricedCalls > 0 ? null : priceOf({ ...none, ...usage });
  const fresh = Math.max(0, inputTokens - cachedInputTokens);
  const said = Math.max(0, outputTokens - reasoningTokens);
  const kinds = [
    { what: "input", tokens: fresh, usd: price({ inputTokens: fresh }) },
    {
      what: "cached input",
      tokens: cachedInputTokens,
      usd: price({ inputTokens: cachedInputTokens, cachedInputTokens }),
    },
    { what: "output", tokens: said, usd: price({ outputTokens: said }) },
    {
      what: "reasoning",
      tokens: reasoningTokens,
      usd: price({ outputTokens: reasoningTokens, reasoningTokens }),
    },
  ];
  const uncertain = { what: "uncertain", tokens: null, usd: counters.uncertainUsd };
  return [...kinds.filter(({ tokens }) => tokens > 0), ...(counters.uncertainCalls > 0 ? [uncertain] : [])];
}
