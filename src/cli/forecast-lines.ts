import type { Estimate } from "../estimation/estimate.ts";
import type { JobSettings } from "../job.ts";
import type { DryRun } from "../jobs/dry-run.ts";
import { amount, count, durationRange, type Look, left, money, moneyRange, percent, symbols } from "./format.ts";

/** One line of a layout: its name, what it is, and what is to be said about it. */
export type Row = (name: string, text: string, more?: string) => string;

/** Texts, calls, tokens, and what of them is the same in every call. */
export function tokenLines(found: DryRun, row: Row, look: Look): string[] {
  const { dash } = symbols(look.ascii);
  const lines: string[] = [];
  const { calls, textChars, inputTokens, outputTokens, fixedPrompt } = found;
  const tokens = (range: Estimate): string => rangeOf(range, amount, dash);
  if (textChars !== null && inputTokens !== null && inputTokens.to > 0)
    lines.push(
      row(
        "texts",
        `${rangeOf(textChars, (chars) => count(chars), dash)} characters`,
        `on average; ${found.sampledAll ? "all" : count(found.sampled)} of them measured${found.sampledAll ? "" : ", drawn at random"}`,
      ),
    );
  if (calls !== null) lines.push(row("calls", rangeOf(calls, count, dash)));
  if (inputTokens === null || outputTokens === null || inputTokens.to === 0) return lines;
  lines.push(row("tokens", `${tokens(inputTokens)} in`, `${tokens(outputTokens)} out`));
  lines.push(row("", basis(found)));
  if (fixedPrompt !== null) {
    const ofBill = fixedPrompt.costShare === null ? "" : `, ${share(fixedPrompt.costShare)} of the bill`;
    lines.push(
      row(
        "fixed",
        `${tokens(fixedPrompt.tokens)} in every call`,
        `rules and taxonomy: ${share(fixedPrompt.inputShare)} of the input${ofBill}`,
      ),
    );
  }
  return lines;
}

/** What it costs, with and without the provider's cache, and where. */
export function costLines(found: DryRun, budget: JobSettings["budget"], row: Row, look: Look): string[] {
  const { dash } = symbols(look.ascii);
  const { costUsd, withCacheUsd, withoutCacheUsd, byEndpoint, cachedShare } = found;
  const lines = [row("cost", costWords(found, dash), budget === null ? "" : `budget $${budget.usd} per ${budget.per}`)];
  if (costUsd === null || withCacheUsd === null || withoutCacheUsd === null || costUsd.to === 0) return lines;
  const helps = withoutCacheUsd.expected - withCacheUsd.expected > withoutCacheUsd.expected * 0.005;
  if (helps)
    lines.push(
      row(
        "cache",
        `${money(withCacheUsd.expected)} with it, ${money(withoutCacheUsd.expected)} without`,
        cachedShare === null
          ? "the provider may keep the fixed part; how much is known after the first calls"
          : `${share(cachedShare)} of the input came from the provider's cache`,
      ),
    );
  else if (cachedShare === null)
    lines.push(row("cache", "no effect", "no price for cached tokens, or a prompt too short"));
  const endpoints = byEndpoint ?? [];
  if (endpoints.length > 1)
    for (const { endpoint, model, share: part, costUsd: usd } of endpoints)
      lines.push(
        row(
          "",
          `${left(endpoint, 10)} ${usd === null ? "?" : moneyRange(usd.from, usd.to, dash)}`,
          `${model}${part === null ? ", if it answered everything" : `, ${share(part)} of the answers`}`,
        ),
      );
  return lines;
}

export function timeLine(found: DryRun, concurrent: JobSettings["concurrent"], row: Row, look: Look): string {
  return row("time", timeWords(found, concurrent, symbols(look.ascii).dash), `at --concurrent ${concurrent}`);
}

function basis({ basedOnRecords, sampled, pilotAt }: DryRun): string {
  if (pilotAt !== null) return `${count(basedOnRecords)} random answers of the pilot of ${pilotAt.slice(0, 10)}`;
  if (basedOnRecords > 0) return `${count(basedOnRecords)} records of this job`;
  return `an estimate from ${count(sampled)} texts and the prompt; querymill estimate --pilot 100 is far closer`;
}

function costWords({ costUsd, model, items }: DryRun, dash: string): string {
  if (model === "offline") return "$0.00";
  if (costUsd !== null) return moneyRange(costUsd.from, costUsd.to, dash);
  return items === null ? "unknown" : "price unknown; give it in querymill.yaml under prices";
}

function timeWords({ durationMs, model }: DryRun, concurrent: JobSettings["concurrent"], dash: string): string {
  if (durationMs !== null && model !== "offline") return durationRange(durationMs.from, durationMs.to, dash);
  if (model === "offline") return "no server to wait for";
  return concurrent === "auto" ? "as the endpoints allow" : "unknown until this job has records";
}

function rangeOf({ from, to }: Estimate, write: (value: number) => string, dash: string): string {
  const [low, high] = [write(from), write(to)];
  return low === high ? high : `${low} ${dash} ${high}`;
}

function share(part: number): string {
  return percent(part, 1).replace(/\.\d/, "");
}
