import type { OutputSettings } from "../config/load.ts";
import type { JobSettings } from "../job.ts";
import type { DryRun } from "../jobs/dry-run.ts";
import type { AgainReason, ReclassificationPreview } from "../jobs/reclassify.ts";
import { costLines, type Row, timeLine, tokenLines } from "./forecast-lines.ts";
import { count, type Look, left, symbols } from "./format.ts";
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
    const lines = [
      ...dryRunLines(found, settings, "what a run would do", screen.look),
      "",
      "Nothing was asked, spent or written. Without --dry-run it is done.",
    ];
    screen.printWhole([
      ...[...notes, ...found.hints].map((note) => `${symbols(screen.look.ascii).dot} ${note}`),
      ...lines,
    ]);
  }
  return 0;
}

/** @param heading completes the first line, behind the job's name */
export function dryRunLines(found: DryRun, settings: JobSettings, heading: string, look: Look): string[] {
  const { warn, dot } = symbols(look.ascii);
  const row: Row = (name, text, more = "") =>
    `  ${left(name, 10)}${left(text, more === "" ? 0 : 24)}${more === "" ? "" : `  ${look.style("dim", more)}`}`;
  const lines = [
    `${look.style("bold", found.job)} ${dot} ${heading}`,
    "",
    row("from", `${found.source} in ${found.sourceStore ?? found.store}`),
    row("to", found.sourceStore === undefined ? found.target : `${found.target} in ${found.store}`),
    row("by", found.model),
    row("items", found.items === null ? "?" : count(found.items), itemsNote(found, settings.limit)),
  ];
  if (found.again !== null) lines.push(...againLines(found.again, row));
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
  if (found.items === 0 && settings.filter !== null)
    lines.push(`${look.style("yellow", warn)} No unprocessed item fits the filter.`);
  lines.push(
    ...tokenLines(found, row, look),
    ...costLines(found, settings.budget, row, look),
    timeLine(found, settings.concurrent, row, look),
  );
  for (const obstacle of found.obstacles)
    lines.push(
      "",
      ...commandsHere(obstacle)
        .split("\n")
        .map((line, index) => (index === 0 ? `${look.style("yellow", warn)} ${line}` : line)),
    );
  return lines;
}

const WHY: Readonly<Record<AgainReason, string>> = {
  taxonomy: "another taxonomy",
  prompt: "another prompt",
  model: "another model",
  text: "another text",
  all: "all that is settled",
};

function againLines({ which, settled, items, reasons, keptByPerson }: ReclassificationPreview, row: Row): string[] {
  const why = Object.entries(reasons).map(([reason, times]) => `${WHY[reason as AgainReason]} ${count(times)}`);
  return [
    row(
      "again",
      count(items),
      `--reclassify ${which}, of ${count(settled)} settled${why.length > 0 ? `: ${why.join(", ")}` : ""}`,
    ),
    ...(keptByPerson > 0 ? [row("", "", `${count(keptByPerson)} decided by a person stay as they are`)] : []),
  ];
}

function itemsNote({ unprocessed, waiting }: DryRun, limit: number | null): string {
  const parts = [
    unprocessed === null ? "more than can be counted in 30 s" : `${count(unprocessed)} unprocessed`,
    waiting > 0 ? `${count(waiting)} of them wait in retry queues` : "",
    limit === null ? "" : `--limit ${limit}`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}
