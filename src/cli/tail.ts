import { type Command, Option } from "commander";
import { QuerymillError } from "../errors.ts";
import { idOf } from "../item.ts";
import { ownerOf } from "../jobs/status.ts";
import { type TailItem, tail } from "../jobs/tail.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import { clock, type Look, left, money, printable, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { makeCommand } from "./options.ts";
import { asTyped } from "./program.ts";
import { openScreen } from "./screen.ts";
import { visible } from "./visible.ts";

const LINES = 10;
const MOST_LINES = 10_000;

/** `querymill tail`: what a run settles, while it does. */
export function tailCommand(): Command {
  const command = makeCommand(
    "tail",
    "Follows what a run settles: time, id, labels, confidence and cost of each item, from the job's local state. Shows no text, changes nothing, ends with the run.",
    `querymill tail --job support-inbox
querymill tail --needs-review --json`,
  );
  command.addOption(new Option("--lines <n>", `items from before that are shown first (default: ${LINES})`));
  command.addOption(new Option("--category <label>", "only classified items of this category"));
  command.addOption(new Option("--needs-review", "only items of which the model was unsure"));
  return addJobOptions(command).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await follow(flags);
  });
}

async function follow({ lines, category, needsReview, ...flags }: Record<string, unknown>): Promise<number> {
  const before = lines === undefined ? LINES : lineCount(String(lines));
  const { settings, output } = await loadJob(flags, false);
  const manager = new BatchFileManager(settings.batchDir, settings);
  const screen = openScreen();
  // A reader that went away (`| head`): nobody is left to follow for.
  let gone = false;
  process.stdout.on("error", () => {
    gone = true;
  });
  const wanted = (item: TailItem): boolean =>
    (category === undefined || item.category === category) && (needsReview !== true || item.needsReview);
  const say = (text: string): void => {
    if (!output.json) screen.print([screen.look.style("dim", text)]);
  };
  const runs = (await ownerOf(manager)) !== null;
  if (!runs) say(`No run of ${settings.job} is under way. Its last items:`);
  let shown = 0;
  for await (const item of tail(manager, { lines: before, wanted })) {
    if (gone) return 0;
    shown += 1;
    if (output.json) screen.json({ event: "item", time: new Date(item.atMs).toISOString(), ...item });
    else screen.print([itemLine(item, screen.look)]);
  }
  if (runs) say(`The run of ${settings.job} has ended.`);
  else if (shown === 0) say(`There are none. The jobs that have state here:  ${asTyped("querymill status")}`);
  return 0;
}

function itemLine(item: TailItem, look: Look): string {
  const { dot, warn } = symbols(look.ascii);
  const id = left(printable(visible(String(idOf(item.key)))), 24);
  if (item.outcome !== "classified") {
    const what = { skipped: "skipped", retryQueued: "waits for a retry", deadLetter: "dead letter" }[item.outcome];
    return `${clock(item.atMs)}  ${id}  ${look.style("yellow", `${what} ${dot} ${item.reason}`)}`;
  }
  const labels = [item.category, item.sentiment, item.urgency].map((label) => label ?? "?").join(` ${dot} `);
  const sure = item.confidence === null ? "" : item.confidence.toFixed(2);
  const review = item.needsReview ? `  ${look.style("yellow", `${warn} review`)}` : "";
  return `${clock(item.atMs)}  ${id}  ${left(labels, 44)}  ${left(sure, 4)}  ${money(item.costUsd)}${review}`;
}

function lineCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count <= MOST_LINES) return count;
  throw new QuerymillError("USAGE", `--lines: expected an integer from 0 to ${MOST_LINES}; got "${text}".`);
}
