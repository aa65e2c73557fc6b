import type { Command } from "commander";
import type { QuietHours } from "../notify/quiet-hours.ts";
import { type NotifyRulesSettings, RULE_NAMES, RULES, type RuleName } from "../notify/rule-settings.ts";
import { type Look, left, symbols, wrapped } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { wantedChannels } from "./notify-test.ts";
import { makeCommand } from "./options.ts";
import { openScreen } from "./screen.ts";

const NAME_WIDTH = Math.max(...RULE_NAMES.map((name) => name.length));
/** Shown in places of their own. */
const BASICS = ["severity", "channels"];

/** `querymill notify rules`: what is told, when, and where. Changes nothing. */
export function notifyRulesCommand(): Command {
  const command = makeCommand(
    "rules",
    "Shows which rules of notifications are on, with their thresholds and channels. Changes nothing and sends nothing.",
    "querymill notify rules\nquerymill notify rules --mode continuous --json",
  );
  command.configureHelp({ commandUsage: () => "querymill notify rules [options]" });
  return addJobOptions(command, ["mode", "schedule"]).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await rules(flags);
  });
}

async function rules(flags: Record<string, unknown>): Promise<number> {
  const { service, settings, output } = await loadJob(flags, false);
  const channels = wantedChannels(service.channels, null).map(({ name }) => name);
  const notifyRules = service.notifyRules!;
  const screen = openScreen();
  if (output.json)
    screen.json({
      event: "notify:rules",
      time: new Date().toISOString(),
      job: settings.job,
      mode: settings.mode,
      rules: RULE_NAMES.map((name) => ({
        rule: name,
        on: notifyRules.rules[name] !== null,
        looksAt: RULES[name].looksAt,
        recovery: RULES[name].recovery,
        ...notifyRules.rules[name],
        channels: notifyRules.rules[name] === null ? [] : (notifyRules.rules[name].channels ?? channels),
      })),
      ...notifyRules.pacing,
    });
  else
    screen.printWhole([
      ...RULE_NAMES.flatMap((name) => linesOf(name, notifyRules, settings.mode, screen.look)),
      "",
      ...pacingLines(notifyRules, screen.look),
    ]);
  return 0;
}

function linesOf(name: RuleName, { rules }: NotifyRulesSettings, mode: string, look: Look): string[] {
  const { ok, dash } = symbols(look.ascii);
  const rule = rules[name];
  const indent = " ".repeat(NAME_WIDTH + 4);
  if (rule === null) {
    const why = RULES[name].modes.includes(mode as never) ? "off" : `off in mode ${mode} unless it is said`;
    return [`${dash} ${left(name, NAME_WIDTH)}  ${look.style("dim", why)}`];
  }
  const thresholds = Object.entries(rule).filter(
    ([key, value]) => !BASICS.includes(key) && value !== null && value !== 0,
  );
  const said = thresholds.map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(", ") : String(value)}`);
  return [
    `${look.style("green", ok)} ${look.style("bold", left(name, NAME_WIDTH))}  ${rule.severity}: ${RULES[name].looksAt}`,
    ...wrapped(
      [...said, rule.channels === null ? "to every channel" : `to ${rule.channels.join(", ")}`].join("; "),
      look.columns - indent.length,
    ).map((line) => indent + look.style("dim", line)),
  ];
}

function pacingLines({ pacing }: NotifyRulesSettings, look: Look): string[] {
  const { quietHours, groupSeconds, maxPerHour } = pacing;
  const span = ({ from, to, timezone, days }: QuietHours): string =>
    `${from} to ${to} ${timezone}${days.length < 7 ? ` (${days.join(", ")})` : ""}`;
  const quiet =
    quietHours.length === 0 ? "No quiet hours." : `Quiet: ${quietHours.map(span).join("; ")}; critical goes through.`;
  return wrapped(
    `${quiet} What comes within ${groupSeconds} s is one message; at most ${maxPerHour} an hour to each channel.`,
    look.columns,
  );
}
