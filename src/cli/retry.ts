import { type Command, Option } from "commander";
import { nearest } from "../config/nearest.ts";
import type { OptionKey } from "../config/schema.ts";
import { QuerymillError } from "../errors.ts";
import type { JobSettings } from "../job.ts";
import { recallReading } from "../jobs/recall.ts";
import { inspectLeftover } from "../jobs/recovery.ts";
import { previewRequeue, type RetrySelection } from "../jobs/requeue.ts";
import { type CauseCount, countCauses, ownerOf } from "../jobs/status.ts";
import { type JobState, spentIn } from "../outcome.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Owner } from "../state/owner.ts";
import type { QueueEntry } from "../state/retry-queue.ts";
import { confirm } from "./confirm.ts";
import { count, type Look, left, momentRange, money, moneyRange, printable, right, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { modelFlags } from "./model-flags.ts";
import { makeCommand, READING_OPTIONS, retype } from "./options.ts";
import { asTyped } from "./program.ts";
import { openScreen } from "./screen.ts";
import { besideOf, supervise } from "./supervise.ts";
import { visible } from "./visible.ts";

/** Which text of an item is sent. */
const TEXT_KEYS: readonly OptionKey[] = ["redact", ...READING_OPTIONS.filter((key) => key !== "idColumn")];
/** What a retry may set beside the job: who answers, how many at once, for how much. */
const RUN_KEYS: readonly OptionKey[] = [
  "model",
  "baseUrl",
  "taxonomy",
  ...TEXT_KEYS,
  "cache.enabled",
  "concurrent",
  "retry.retries",
  "limit",
  "budget.usd",
  "recover",
  "acceptChanges",
  "dashboard.listen",
  "quiet",
  "logLevel",
  "logFile",
];
/** Messages shown of each cause. */
const SHOWN_MESSAGES = 3;

/** `querymill retry`: waiting items and dead letters are worked on again, now. */
export function retryCommand(): Command {
  const command = makeCommand(
    "retry",
    "Works on waiting items and dead letters again, all or some. Says first what that would cost.",
    `querymill retry --error label-unknown --dry-run
querymill retry --queue model --model openai/gpt-5-mini --yes
querymill retry --skipped --dry-run`,
  );
  command.addOption(new Option("--queue <name>", "only what has to be done again there: model, store or mark"));
  command.addOption(new Option("--error <class>", "only what failed with this class, such as label-unknown"));
  command.addOption(
    new Option(
      "--skipped",
      "instead: skipped items that have a text now (source.text was set) are read by the next run",
    ),
  );
  command.addOption(new Option("--dry-run", "say what would be done, for nothing"));
  command.addOption(new Option("--yes", "do it without asking"));
  return addJobOptions(command, RUN_KEYS).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await retry(flags);
  });
}

async function retry({ queue, error, skipped, dryRun, yes, ...flags }: Record<string, unknown>): Promise<number> {
  if (skipped === true) {
    if (queue !== undefined || error !== undefined)
      throw new QuerymillError(
        "USAGE",
        "--skipped stands alone: a skipped item is in no queue and has no error. Leave --queue and --error out.",
      );
    const { retrySkipped } = await import("./retry-skipped.ts");
    const loaded = await loadJob(flags, false);
    const jobFlags = `${loaded.jobFlags} ${retype(flags, TEXT_KEYS)}`.trim();
    return await retrySkipped(
      { ...loaded, jobFlags, settings: await recallReading(loaded.settings, loaded.files.input) },
      { dryRun: dryRun === true, yes: yes === true },
    );
  }
  const { settings, files, output, service, notes, jobFlags } = await loadJob(flags, dryRun !== true);
  const selection: RetrySelection = {
    ...(queue === undefined ? {} : { queue: String(queue) }),
    ...(error === undefined ? {} : { failure: String(error) }),
  };
  const preview = await previewOf(settings, selection);
  const again = [
    "querymill retry",
    ...(queue === undefined ? [] : [`--queue ${String(queue)}`]),
    ...(error === undefined ? [] : [`--error ${String(error)}`]),
    jobFlags,
    retype(flags, RUN_KEYS),
    dryRun === true ? await modelFlags(flags, preview.ranWith) : "",
  ]
    .filter((part) => part !== "")
    .join(" ");
  const screen = openScreen();
  if (preview.items === 0) {
    if (output.json) screen.json({ event: "retry:preview", job: settings.job, ...preview });
    else screen.print([`Nothing of ${settings.job} waits or failed: there is nothing to retry.`]);
    return 0;
  }
  if (output.json) screen.json({ event: "retry:preview", job: settings.job, ...preview });
  else if (!output.quiet) screen.print(previewLines(preview, settings, Date.now(), screen.look));
  if (dryRun === true) {
    if (!output.json) screen.printWhole(["", `Nothing was done. To do it:  ${asTyped(again)}`]);
    return 0;
  }
  if (preview.heldBy !== null) throw held(settings.job, preview.heldBy);
  if (yes !== true) {
    if (!(await confirm(question(preview), "A retry"))) {
      screen.print(["Nothing was done."]);
      return 0;
    }
  }
  const { prepareExecution } = await import("../jobs/wiring.ts");
  const only: JobSettings = { ...(await recallReading(settings, files.input)), mode: "batch", retryOnly: selection };
  return await supervise(await prepareExecution(only), {
    settings: only,
    output,
    service: besideOf(service),
    notes,
    jobFlags,
    modelFlags: retype(flags, ["model", "baseUrl", "taxonomy"]),
    again,
  });
}

interface Preview {
  /** Dead letters and waiting items that are selected. */
  readonly items: number;
  readonly deadLetters: number;
  readonly waiting: number;
  /** Those that a model is asked for; the others have an answer that is only stored or marked again. */
  readonly toAsk: number;
  readonly causes: readonly (CauseCount & { readonly messages: readonly { message: string; count: number }[] })[];
  /** By the job's mean cost of a call: one call each, and three. null when that is unknown. */
  readonly costUsd: { readonly from: number; readonly to: number } | null;
  readonly budgetLeftUsd: number | null;
  readonly heldBy: Owner | null;
  /** The model that the job asked last. */
  readonly ranWith: string | null;
}

async function previewOf(settings: JobSettings, selection: RetrySelection): Promise<Preview> {
  const manager = new BatchFileManager(settings.batchDir, settings);
  const heldBy = await ownerOf(manager);
  await manager.retryQueue.open({ readOnly: true });
  await manager.deadLetters.open({ readOnly: true });
  const { deadLetters, waiting } = previewRequeue(manager, selection);
  const entries = [...deadLetters, ...waiting];
  if (entries.length === 0) refuseUnknown(settings.job, selection, manager);
  const { state, checkpoint } = await inspectLeftover(manager);
  const toAsk = entries.filter(({ queue }) => queue === "model").length;
  return {
    items: entries.length,
    deadLetters: deadLetters.length,
    waiting: waiting.length,
    toAsk,
    causes: countCauses(entries).map((cause) => ({ ...cause, messages: messagesOf(entries, cause) })),
    costUsd: costOf(state, toAsk),
    budgetLeftUsd: budgetLeft(settings, state),
    heldBy,
    ranWith: checkpoint?.fingerprint.model ?? null,
  };
}

function costOf({ totals }: JobState, toAsk: number): Preview["costUsd"] {
  if (toAsk === 0) return { from: 0, to: 0 };
  if (totals.costUsd === null || totals.costUsd === 0 || totals.modelCalls === 0) return null;
  const perCall = totals.costUsd / totals.modelCalls;
  return { from: perCall * toAsk, to: perCall * toAsk * 3 };
}

function budgetLeft({ budget }: JobSettings, state: JobState): number | null {
  if (budget === null) return null;
  const spent = budget.per === "run" ? 0 : spentIn(state, budget.per, Date.now());
  return Math.max(0, budget.usd - spent);
}

function messagesOf(
  entries: readonly Omit<QueueEntry, "payload">[],
  cause: CauseCount,
): { message: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const { failure, queue, message } of entries)
    if (failure === cause.failure && queue === cause.queue) counts.set(message, (counts.get(message) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]).slice(0, SHOWN_MESSAGES);
  return sorted.map(([message, count]) => ({ message, count }));
}

/** @throws QuerymillError USAGE when the selection names something that is not there although other things are */
function refuseUnknown(job: string, selection: RetrySelection, { retryQueue, deadLetters }: BatchFileManager): void {
  const all = [...deadLetters.list(), ...retryQueue.list()];
  if (all.length === 0) return;
  const there = countCauses(all).map(
    ({ queue, failure, count: items }) => `  ${failure} (queue ${queue}): ${count(items)}`,
  );
  for (const [flag, given, known] of [
    ["--queue", selection.queue, all.map(({ queue }) => queue)],
    ["--error", selection.failure, all.map(({ failure }) => failure)],
  ] as const) {
    if (given === undefined || known.includes(given)) continue;
    const [near] = nearest(given, new Set(known));
    const meant = near === undefined ? "" : ` Did you mean ${near}?`;
    throw new QuerymillError(
      "USAGE",
      `${flag} ${given}: nothing of ${job} is there.${meant} There is:\n${there.join("\n")}`,
    );
  }
  throw new QuerymillError(
    "USAGE",
    `Nothing of ${job} is in queue ${selection.queue} with error ${selection.failure}. There is:\n${there.join("\n")}`,
  );
}

function previewLines(preview: Preview, { job, budget }: JobSettings, nowMs: number, look: Look): string[] {
  const { dash, warn } = symbols(look.ascii);
  const { deadLetters, waiting, toAsk, items, causes, heldBy } = preview;
  const parts = [
    deadLetters > 0 ? `${count(deadLetters)} dead letters` : "",
    waiting > 0 ? `${count(waiting)} waiting items` : "",
  ];
  const what = parts.filter((part) => part !== "").join(" and ");
  const lines = [
    `${what} of ${job} would be worked on again${toAsk === items ? "" : `, ${count(toAsk)} of them asked`}.`,
    "",
  ];
  const at = (ms: number): string => momentRange(ms, ms, nowMs, dash);
  for (const cause of causes) {
    const [first, last] = [at(cause.firstMs), at(cause.lastMs)];
    const when = first === last ? last : `${first} to ${last}`;
    lines.push(
      `  ${right(count(cause.count), 7)}  ${left(cause.failure, 16)} queue ${left(cause.queue, 6)} ${look.style("dim", when)}`,
    );
    for (const { message, count: times } of cause.messages)
      lines.push(look.style("dim", `           ${right(count(times), 7)}  ${printable(visible(message))}`));
  }
  const budgetWords =
    preview.budgetLeftUsd === null ? "" : `     budget left ${money(preview.budgetLeftUsd)} of ${money(budget!.usd)}`;
  lines.push("", `  cost   ${costWords(preview)}${budgetWords}`);
  if (heldBy !== null) lines.push("", `${look.style("yellow", warn)} ${held(job, heldBy).message}`);
  return lines;
}

function costWords({ costUsd, toAsk }: Preview): string {
  if (toAsk === 0) return "nothing: the answers are there already";
  if (costUsd === null) return "unknown: no answered call of this job has a known price yet";
  return `about ${moneyRange(costUsd.from, costUsd.to, "–")} (one to three calls each, at this job's mean)`;
}

function question({ items, toAsk, costUsd }: Preview): string {
  const price = costUsd === null ? "at an unknown cost" : `for about ${moneyRange(costUsd.from, costUsd.to, "–")}`;
  return `Work on ${count(items)} items again${toAsk === 0 ? "" : `, ${price}`}?`;
}

function held(job: string, { pid, host, executionId }: Owner): QuerymillError {
  return new QuerymillError(
    "JOB_HELD",
    `Job ${job} is held by process ${pid} on ${printable(host)} (execution ${executionId}). Wait for it to end or stop it, then retry.`,
  );
}
