import type { OutputSettings } from "../config/load.ts";
import type { JobSettings } from "../job.ts";
import type { DryRun, Range } from "../jobs/dry-run.ts";
import { amount, count, durationRange, type Look, left, moneyRange, symbols } from "./format.ts";
import { asTyped, commandsHere } from "./program.ts";
import { openScreen } from "./screen.ts";

/** `querymill run --dry-run`: says what a run would do, for nothing. @returns the exit code, 0 */
export async function dryRunCommand(
  settings: JobSettings,
  output: OutputSettings,
  notes: readonly string[],
): Promise<number> {
  const { chooseAdapters } = await import("../jobs/wiring.ts");
  const { dryRun } = await import("../jobs/dry-run.ts");
  const found = await dryRun(settings, await chooseAdapters(settings));
  const screen = openScreen();
  if (output.json) screen.json({ event: "dry-run", time: new Date().toISOString(), ...found, notes });
  else {
    const lines = dryRunLines(found, settings, screen.look);
    screen.printWhole([...notes.map((note) => `${symbols(screen.look.ascii).dot} ${note}`), ...lines]);
  }
  return 0;
}

function dryRunLines(found: DryRun, { concurrent, limit, budget, filter }: JobSettings, look: Look): string[] {
  const { dash, warn, dot } = symbols(look.ascii);
  const row = (name: string, text: string, more = ""): string =>
    `  ${left(name, 10)}${left(text, more === "" ? 0 : 24)}${more === "" ? "" : `  ${look.style("dim", more)}`}`;
  const tokens = ({ from, to }: Range): string => (from === to ? amount(to) : `${amount(from)} ${dash} ${amount(to)}`);
  const whole = (range: Range): string =>
    range.from === range.to ? count(range.to) : `${count(range.from)} ${dash} ${count(range.to)}`;
  const lines = [
    `${look.style("bold", found.job)} ${dot} what a run would do`,
    "",
    row("from", `${found.source} in ${found.sourceStore ?? found.store}`),
    row("to", found.sourceStore === undefined ? found.target : `${found.target} in ${found.store}`),
    row("by", found.model),
    row("items", found.items === null ? "?" : count(found.items), itemsNote(found, limit)),
  ];
  if (found.skipped) {
    const reasons = Object.entries(found.sampleSkipped).map(([reason, times]) => `${reason} ${times}`);
    lines.push(
      row("skipped", `about ${count(found.skipped)}`, `of ${count(found.sampled)} looked at: ${reasons.join(", ")}`),
    );
  }
  const unread = Object.values(found.sampleSkipped).reduce((sum, times) => sum + times, 0);
  if (unread * 10 >= found.sampled && unread > 0)
    lines.push(
      `${look.style("yellow", warn)} ${Math.round((unread / found.sampled) * 100)} % would be skipped. If their text is in other fields, set source.text in querymill.yaml;`,
      `  ${asTyped("querymill doctor --sample 3")} shows what the model would see.`,
    );
  if (found.items === 0 && filter !== null)
    lines.push(`${look.style("yellow", warn)} No unprocessed item fits the filter.`);
  if (found.calls !== null) lines.push(row("calls", whole(found.calls)));
  if (found.inputTokens !== null && found.outputTokens !== null && found.inputTokens.to > 0) {
    lines.push(row("tokens", `${tokens(found.inputTokens)} in`, `${tokens(found.outputTokens)} out`));
    lines.push(row("", basis(found)));
  }
  const ofBudget = budget === null ? "" : `budget $${budget.usd} per ${budget.per}`;
  lines.push(row("cost", costWords(found, dash), ofBudget));
  lines.push(row("time", timeWords(found, concurrent, dash), `at --concurrent ${concurrent}`));
  for (const obstacle of found.obstacles)
    lines.push(
      "",
      ...commandsHere(obstacle)
        .split("\n")
        .map((line, index) => (index === 0 ? `${look.style("yellow", warn)} ${line}` : line)),
    );
  lines.push("", "Nothing was asked, spent or written. Without --dry-run it is done.");
  return lines;
}

function itemsNote({ unprocessed, waiting }: DryRun, limit: number | null): string {
  const parts = [
    unprocessed === null ? "more than can be counted in 30 s" : `${count(unprocessed)} unprocessed`,
    waiting > 0 ? `${count(waiting)} of them wait in retry queues` : "",
    limit === null ? "" : `--limit ${limit}`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function basis({ basedOnRecords, sampled }: DryRun): string {
  if (basedOnRecords > 0) return `${count(basedOnRecords)} records of this job`;
  return `an estimate from ${count(sampled)} texts and the prompt; after a first --limit 100 it is closer`;
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
