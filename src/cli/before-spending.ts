import type { Confirmation } from "../config/confirmation.ts";
import type { OutputSettings } from "../config/load.ts";
import type { JobSettings } from "../job.ts";
import type { DryRun } from "../jobs/dry-run.ts";
import { confirm } from "./confirm.ts";
import { count, money, moneyRange, symbols } from "./format.ts";
import { commandsHere } from "./program.ts";
import { openScreen } from "./screen.ts";

/** A person waits no longer for the question. */
const LONGEST_MS = 1_000;

/** How a run goes on that may spend much. */
export interface BeforeSpending {
  readonly goOn: boolean;
  /** Found out once the run is under way, so that no script waits for it: one line for the user, or null. */
  readonly later: (() => Promise<string | null>) | null;
}

/**
 * Asks a person before a job's first run spends more than the settings allow without asking. Nobody is asked, and
 * nothing waits, with `--yes`, `--json`, `--quiet` or without a terminal: the estimate is then one line of the output.
 */
export async function beforeSpending(
  settings: JobSettings,
  { json, quiet }: OutputSettings,
  confirmation: Confirmation,
): Promise<BeforeSpending> {
  if (confirmation.yes) return { goOn: true, later: null };
  const look = async (withinMs: number | null): Promise<DryRun | "unknown" | null> => {
    const { spendingAhead } = await import("../jobs/spending.ts");
    const { chooseAdapters } = await import("../jobs/wiring.ts");
    return await spendingAhead(settings, await chooseAdapters(settings), confirmation, withinMs);
  };
  const someone = process.stdin.isTTY === true && process.stdout.isTTY === true;
  if (json || quiet || !someone)
    return {
      goOn: true,
      later: async () => {
        const found = await look(null);
        return found === null || found === "unknown"
          ? null
          : `${sentence(found, true)} Nobody was asked: there is no terminal, or --json or --quiet was given.`;
      },
    };
  const found = await look(LONGEST_MS);
  if (found === null) return { goOn: true, later: null };
  const screen = openScreen();
  const unpriced = found !== "unknown" && found.costUsd === null;
  const limit = unpriced
    ? `confirmAboveCalls, ${count(confirmation.aboveCalls)}`
    : `confirmAboveUsd, ${money(confirmation.aboveUsd)}`;
  screen.printWhole([
    found === "unknown"
      ? `${settings.job}: what this run costs cannot be told within a second.`
      : sentence(found, screen.look.ascii),
    `This is asked before a job's first run, above ${limit}. A closer estimate:`,
    `  ${commandsHere("querymill estimate --pilot 100")}`,
  ]);
  const goOn = await confirm("Go on?", "Spending");
  if (!goOn) screen.print(["Nothing was asked or spent."]);
  return { goOn, later: null };
}

function sentence({ job, model, items, costUsd, basedOnRecords }: DryRun, ascii: boolean): string {
  const what = items === null ? "more items than can be counted in a moment" : `${count(items)} items`;
  const basis = basedOnRecords > 0 ? `by ${count(basedOnRecords)} answers` : "estimated from texts and prompt";
  const asks = `${job} is going to ask ${model} about ${what}`;
  return costUsd === null
    ? `${asks}. The price of ${model} is not known: give it in querymill.yaml under prices.`
    : `${asks} for ${moneyRange(costUsd.from, costUsd.to, symbols(ascii).dash)}, ${basis}.`;
}
