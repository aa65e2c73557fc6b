import { setTimeout as delay } from "node:timers/promises";
import type { Confirmation } from "../config/confirmation.ts";
import { isLoopbackUrlHost } from "../config/loopback.ts";
import { QuerymillError } from "../errors.ts";
import type { EndpointSettings, JobSettings } from "../job.ts";
import { estimateTokens, promptChars } from "../llm/usage.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Adapters } from "./adapters.ts";
import { type DryRun, dryRun, type LookCaps } from "./dry-run.ts";
import { firstAsked, lastPilot } from "./run-forecast.ts";

/** Looking must not be felt by who waits for the run. */
const QUICK: LookCaps = { roughly: true, countMs: 250, whole: 300, drawn: 300, maxMs: 200 };

/**
 * What a job's first run is about to spend, when that may be more than is spent without asking. What is wrong is left for
 * the run to tell.
 * @param withinMs how long somebody waits for it; null: nobody does
 * @returns `unknown` when it cannot be told in time; null when it is less, or the job has spent before (a pilot does not
 * count)
 */
export async function spendingAhead(
  settings: JobSettings,
  adapters: Adapters,
  confirmation: Confirmation,
  withinMs: number | null,
): Promise<DryRun | "unknown" | null> {
  try {
    if (isLittle(settings, adapters, confirmation) || (await hasBegun(settings))) return null;
    const looking = dryRun(settings, adapters, QUICK);
    // It may fail when nobody waits for it any more.
    looking.catch(() => {});
    const late = withinMs === null ? [] : [delay(withinMs, "unknown" as const, { ref: false })];
    const found = await Promise.race([looking, ...late]);
    return found === "unknown" || isMuch(found, settings, confirmation) ? found : null;
  } catch (error) {
    if (error instanceof QuerymillError) return null;
    throw error;
  }
}

function isMuch(
  { costUsd, calls, items }: DryRun,
  settings: JobSettings,
  { aboveUsd, aboveCalls }: Confirmation,
): boolean {
  if (costUsd !== null) return costUsd.to > aboveUsd;
  if (isAtHome(settings)) return false;
  return calls === null ? items === null : calls.to > aboveCalls;
}

/** So few items that the longest texts and answers would not be much. */
function isLittle(settings: JobSettings, adapters: Adapters, { aboveUsd, aboveCalls }: Confirmation): boolean {
  const { limit, mapping, maxOutputTokens } = settings;
  if (limit === null) return false;
  const usage = {
    inputTokens: estimateTokens(promptChars(adapters.prompt) + mapping.maxChars),
    outputTokens: maxOutputTokens,
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
  };
  const each = firstAsked(settings).map((endpoint) => adapters.pricingOf(endpoint).costOf(usage, endpoint.model.name));
  if (each.includes(null)) return limit <= aboveCalls;
  return limit * Math.max(...(each as number[])) <= aboveUsd;
}

async function hasBegun(settings: JobSettings): Promise<boolean> {
  if (settings.fresh || settings.reclassify !== null) return false;
  const manager = new BatchFileManager(settings.batchDir, settings);
  const checkpoint = await manager.loadLatestCheckpoint();
  if (checkpoint === null) return false;
  const pilot = await lastPilot(manager);
  return checkpoint.state.totals.modelCalls > (pilot?.modelCalls ?? 0);
}

/** A server of one's own without a price costs nothing that could be asked about. */
function isAtHome(settings: JobSettings): boolean {
  return firstAsked(settings).every(
    ({ model }: EndpointSettings) => model.baseUrl !== null && isLoopbackUrlHost(new URL(model.baseUrl).hostname),
  );
}
