import type { Command } from "commander";
import type { ChannelFound } from "../config/channels.ts";
import { type OutboxContent, readOutbox } from "../notify/outbox-file.ts";
import { heldFor, readRulesState } from "../notify/rules-file.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import { count, type Look, left, momentRange, printable, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { wantedChannels } from "./notify-test.ts";
import { makeCommand } from "./options.ts";
import { openScreen } from "./screen.ts";

/** Of one channel, this many that wait and this many that were given up are shown. */
const MOST_SHOWN = 5;

/** `querymill notify list`: the channels, what waits for them, what was given up. Changes nothing. */
export function notifyListCommand(): Command {
  const command = makeCommand(
    "list",
    "Shows the channels of notifications, what waits to be delivered to each, and what was given up. Changes nothing and sends nothing.",
    "querymill notify list\nquerymill notify list --job support-inbox --json",
  );
  command.configureHelp({ commandUsage: () => "querymill notify list [options]" });
  return addJobOptions(command).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await list(flags);
  });
}

async function list(flags: Record<string, unknown>): Promise<number> {
  const { service, settings, output } = await loadJob(flags, false);
  const identity = { ...settings, range: WHOLE_RANGE };
  const folder = jobFolder(settings.batchDir, identity);
  const content = await readOutbox(folder, identity);
  const rules = await readRulesState(folder, identity);
  const channels = wantedChannels(service.channels, null);
  const screen = openScreen();
  if (output.json)
    screen.json({
      event: "notify:list",
      time: new Date().toISOString(),
      job: settings.job,
      channels: channels.map((found) => ({
        channel: found.name,
        type: found.type,
        problem: "problem" in found ? found.problem : null,
        held: heldFor(rules, found.name),
        waiting: content.waiting.filter(({ channel }) => channel === found.name).length,
        givenUp: content.givenUp.filter(({ channel }) => channel === found.name).length,
      })),
      waiting: content.waiting,
      givenUp: content.givenUp,
    });
  else {
    const widths = { name: widest(channels.map(({ name }) => name)), type: widest(channels.map(({ type }) => type)) };
    screen.printWhole(
      channels.flatMap((found) => linesOf(found, content, heldFor(rules, found.name), screen.look, widths)),
    );
  }
  return channels.some((found) => "problem" in found) ? 2 : 0;
}

interface Widths {
  readonly name: number;
  readonly type: number;
}

function widest(words: readonly string[]): number {
  return Math.max(...words.map(({ length }) => length));
}

function linesOf(found: ChannelFound, content: OutboxContent, held: number, look: Look, widths: Widths): string[] {
  const { bad, ok, warn, dash } = symbols(look.ascii);
  const at = (ms: number): string => momentRange(ms, ms, Date.now(), dash);
  const mine = ({ channel }: { readonly channel: string }): boolean => channel === found.name;
  const waiting = content.waiting.filter(mine);
  const givenUp = content.givenUp.filter(mine);
  const [sign, format] = "problem" in found ? ([bad, "red"] as const) : ([ok, "green"] as const);
  const lines = [
    `${look.style(format, sign)} ${look.style("bold", left(found.name, widths.name))}  ${left(found.type, widths.type)}   ${count(waiting.length)} waiting   ${count(givenUp.length)} given up${held === 0 ? "" : `   ${count(held)} held back for now`}`,
  ];
  if ("problem" in found) lines.push(`    ${printable(found.problem)}`);
  for (const { putMs, title, attempts, trouble } of waiting.slice(0, MOST_SHOWN)) {
    const tried =
      attempts === 0 ? "" : ` (tried ${attempts === 1 ? "once" : `${count(attempts)} times`}, last: ${trouble})`;
    lines.push(`    ${left(at(putMs), 14)} ${printable(title + tried)}`);
  }
  if (waiting.length > MOST_SHOWN) lines.push(`    and ${count(waiting.length - MOST_SHOWN)} more (--json has all)`);
  for (const { givenUpMs, title, trouble } of givenUp.slice(-MOST_SHOWN))
    lines.push(`  ${look.style("yellow", warn)} ${left(at(givenUpMs), 14)} ${printable(`${title}: ${trouble}`)}`);
  return lines;
}
