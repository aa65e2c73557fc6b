import { type Command, Option } from "commander";
import { QuerymillError } from "../errors.ts";
import type { JobSettings } from "../job.ts";
import type { DryRun } from "../jobs/dry-run.ts";
import type { PilotPlan } from "../jobs/pilot.ts";
import { confirm } from "./confirm.ts";
import { dryRunLines } from "./dry-run.ts";
import { count, type Look, money, moneyRange, symbols } from "./format.ts";
import { addJobOptions, type LoadedJob, loadJob } from "./job-command.ts";
import { makeCommand, READING_OPTIONS, RUN_OPTIONS, retype } from "./options.ts";
import { asTyped } from "./program.ts";
import { readInput } from "./read-input.ts";
import { openScreen } from "./screen.ts";
import { supervise } from "./supervise.ts";

const SHARED = new Set<string>([
  ...READING_OPTIONS,
  "redact",
  "concurrent",
  "concurrentMax",
  "retry.retries",
  "model",
  "baseUrl",
  "limits.requestsPerMinute",
  "limits.tokensPerMinute",
  "taxonomy",
  "filter",
  "budget.usd",
  "acceptChanges",
  "yes",
  "quiet",
  "logLevel",
  "logFile",
]);
const MOST = 5_000;
/** A range wider than this, to either side, gets the advice to ask more; what that would reach. */
const WIDE = 0.1;
const CLOSE = 0.05;

/** `querymill estimate`: what classifying everything will cost and how long it takes. */
export function estimateCommand(): Command {
  const command = makeCommand(
    "estimate",
    "Says what classifying everything will cost and how long it takes: free from texts and prompt, or with --pilot from some real answers, which are paid for and kept.",
    `querymill estimate --model openai/gpt-5-mini
querymill estimate --pilot 100 --model openai/gpt-5-mini --yes
querymill estimate --input tickets.csv --model openai/gpt-5-mini`,
  );
  command.addOption(
    new Option(
      "--pilot <n>",
      `ask the model about n random items first (10 to ${count(MOST)}): this spends, and asks before`,
    ),
  );
  return addJobOptions(
    command,
    RUN_OPTIONS.filter((key) => SHARED.has(key)),
  ).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await estimate(flags);
  });
}

async function estimate({ pilot, ...flags }: Record<string, unknown>): Promise<number> {
  const size = pilot === undefined ? null : pilotSize(String(pilot));
  const loaded = await readInput(await loadJob(flags, true));
  const { chooseAdapters } = await import("../jobs/wiring.ts");
  const adapters = await chooseAdapters(loaded.settings);
  const paid = size === null ? null : await askSome(size, flags, loaded, adapters);
  if (paid !== null && !paid.goOn) return paid.exitCode;
  const { dryRun } = await import("../jobs/dry-run.ts");
  const found = await dryRun(loaded.settings, adapters);
  const screen = openScreen();
  const { output, settings, notes } = loaded;
  const spent = paid?.spent ?? null;
  if (output.json) screen.json({ event: "estimate", time: new Date().toISOString(), pilot: spent, ...found, notes });
  else screen.printWhole([...(spent === null ? [] : [""]), ...lastLines(found, settings, spent, screen.look)]);
  return paid?.exitCode ?? 0;
}

/** What a pilot took. */
interface Spent {
  readonly executionId: string;
  readonly asked: number;
  readonly classified: number;
  readonly failed: number;
  readonly modelCalls: number;
  /** USD; null when a price is unknown. */
  readonly costUsd: number | null;
  readonly durationMs: number;
}

type Paid =
  | { readonly goOn: true; readonly exitCode: number; readonly spent: Spent | null }
  | { readonly goOn: false; readonly exitCode: number };

async function askSome(
  size: number,
  flags: Record<string, unknown>,
  { settings, output, notes, jobFlags, confirmation }: LoadedJob,
  adapters: Parameters<typeof import("../jobs/dry-run.ts").dryRun>[1],
): Promise<Paid> {
  const { PilotExecution, planPilot } = await import("../jobs/pilot.ts");
  const screen = openScreen();
  const plan = await planPilot(settings, adapters, size, Math.random);
  if (plan.items.size === 0) {
    if (!output.json) screen.print([`${plan.job} has no unprocessed item with a text: there is nothing to ask.`]);
    return { goOn: true, exitCode: 0, spent: null };
  }
  if (output.json) screen.json({ event: "estimate:pilot", time: new Date().toISOString(), ...planned(plan) });
  else if (!output.quiet) screen.printWhole(planLines(plan, screen.look));
  if (!confirmation.yes) {
    const asks = !output.json && (await confirm(question(plan), "A pilot", "leave --pilot out"));
    if (output.json)
      throw new QuerymillError(
        "USAGE",
        "A pilot spends, and with --json nobody can be asked. Add --yes to do it, or leave --pilot out to look only.",
      );
    if (!asks) {
      screen.print(["Nothing was asked or spent."]);
      return { goOn: false, exitCode: 0 };
    }
  }
  const pilot = new PilotExecution(settings, adapters, plan);
  const exitCode = await supervise(pilot.execution, {
    settings: pilot.settings,
    output,
    notes,
    jobFlags,
    modelFlags: retype(flags, ["model", "baseUrl", "taxonomy"]),
    again: asTyped(
      ["querymill estimate --pilot", size, jobFlags, retype(flags, [...READING_OPTIONS, "redact"])].join(" ").trimEnd(),
    ),
  });
  await pilot.remember();
  const { end } = pilot;
  if (end === null || (exitCode !== 0 && exitCode !== 3)) return { goOn: false, exitCode };
  const { executionId, read, classified, retryQueued, deadLetters, modelCalls, costUsd, durationMs } = end;
  const failed = retryQueued + deadLetters;
  return {
    goOn: true,
    exitCode,
    spent: { executionId, asked: read, classified, failed, modelCalls, costUsd, durationMs },
  };
}

function planned({ job, model, unprocessed, items, expected }: PilotPlan): object {
  return { job, model, unprocessed, items: items.size, costUsd: expected.costUsd, durationMs: expected.durationMs };
}

function planLines(plan: PilotPlan, look: Look): string[] {
  const { dot } = symbols(look.ascii);
  const of = plan.unprocessed === null ? "" : ` of ${count(plan.unprocessed)}`;
  return [
    `${look.style("bold", plan.job)} ${dot} a pilot asks ${plan.model} about ${count(plan.items.size)}${of} items, drawn at random.`,
    `${costSentence(plan, look)} The answers are kept: no run pays for them again.`,
    "",
  ];
}

function question(plan: PilotPlan): string {
  const price = rangeOf(plan, { ascii: true });
  return `Ask about ${count(plan.items.size)} items${price === null ? "" : ` for ${price}`}?`;
}

function costSentence(plan: PilotPlan, look: Look): string {
  const price = rangeOf(plan, look);
  return price === null
    ? `The price of ${plan.model} is not known; with one in querymill.yaml under prices, the cost is told.`
    : `It is expected to cost ${price}.`;
}

/** null when a price is not known. */
function rangeOf({ expected: { costUsd } }: PilotPlan, { ascii }: Pick<Look, "ascii">): string | null {
  return costUsd === null ? null : moneyRange(costUsd.from, costUsd.to, symbols(ascii).dash);
}

function lastLines(found: DryRun, settings: JobSettings, spent: Spent | null, look: Look): string[] {
  const heading = spent === null ? "what classifying everything takes" : "what the rest takes";
  const lines = dryRunLines(found, settings, heading, look);
  if (spent === null) return [...lines, "", "Nothing was asked, spent or written."];
  const cost = spent.costUsd === null ? "" : ` for ${money(spent.costUsd)}`;
  const failed = spent.failed === 0 ? "" : `, ${count(spent.failed)} of them without an answer`;
  return [
    ...lines,
    ...widthLines(found),
    "",
    `The pilot asked about ${count(spent.asked)} items${cost}${failed}. Its answers are in ${found.target}.`,
  ];
}

/** How to know it better, when it is not known well. */
function widthLines({ costUsd, basedOnRecords }: DryRun): string[] {
  if (costUsd === null || costUsd.expected === 0 || basedOnRecords === 0) return [];
  const width = (costUsd.to - costUsd.from) / 2 / costUsd.expected;
  // A range narrows with the root of the number of answers.
  const more = Math.min(MOST, Math.ceil((basedOnRecords * ((width / CLOSE) ** 2 - 1)) / 10) * 10);
  if (width <= WIDE) return [];
  return [
    "",
    `The range of the cost is ± ${Math.round(width * 100)} %: these items differ much. A pilot of ${count(more)} more would make it about ± ${Math.round(CLOSE * 100)} %.`,
  ];
}

function pilotSize(text: string): number {
  const size = Number(text);
  if (/^\d+$/.test(text) && size >= 10 && size <= MOST) return size;
  throw new QuerymillError("USAGE", `--pilot: expected an integer from 10 to ${count(MOST)}; got "${text}".`);
}
