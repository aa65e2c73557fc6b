import { type Command, Option } from "commander";
import { type OptionKey, optionOf } from "../config/schema.ts";
import { QuerymillError } from "../errors.ts";
import type { Imported } from "../jobs/import.ts";
import { count, type Look, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { makeCommand } from "./options.ts";
import { asTyped } from "./program.ts";
import { showProgress } from "./row-progress.ts";
import { openScreen } from "./screen.ts";

/** How the file is read: as for `run --input`. */
const ABOUT_FILE: readonly OptionKey[] = ["idColumn", "encoding", "delimiter"];

/** `querymill import FILE`: the rows of a file become documents of the source. */
export function importCommand(): Command {
  const command = makeCommand(
    "import",
    "Brings the rows of a CSV, JSONL or Parquet file into the source collection. The same file again adds nothing; a document that is there is left as it is.",
    `querymill import tickets.csv --store mongodb://localhost/support --id-column ticket_id
mongoexport --collection tickets | querymill import - --source-collection conversation_set`,
  );
  command.argument("<file>", "CSV, JSONL or Parquet; - is stdin. In JSONL ids and dates may be EJSON");
  command.configureHelp({ commandUsage: () => "querymill import [options] <file>" });
  for (const key of ABOUT_FILE) command.addOption(new Option(optionOf(key).flag!, optionOf(key).help));
  return addJobOptions(command).action(async (file: string, flags: Record<string, unknown>) => {
    process.exitCode = await importRows(file, flags);
  });
}

async function importRows(
  path: string,
  { idColumn, encoding, delimiter, ...flags }: Record<string, unknown>,
): Promise<number> {
  if (flags.input !== undefined)
    throw new QuerymillError("USAGE", "--input is for run: import takes the file as its argument. Leave it out.");
  const { settings, output, jobFlags } = await loadJob(flags, false);
  const { importFile } = await import("../jobs/import.ts");
  const screen = openScreen();
  const options = {
    path,
    idColumn: typeof idColumn === "string" ? idColumn : null,
    ...(typeof encoding === "string" ? { encoding } : {}),
    ...(typeof delimiter === "string" ? { delimiter: /^(tab|\\t)$/.test(delimiter) ? "\t" : delimiter } : {}),
  };
  const progress = showProgress(output.json || output.quiet);
  const found = await importFile(settings, options, progress.tell).finally(progress.end);
  const to = `${settings.sourceCollection} in ${found.store}`;
  if (output.json) screen.json({ event: "import:end", time: new Date().toISOString(), ...found, to });
  else screen.printWhole(importLines(found, to, jobFlags, screen.look));
  return found.different > 0 ? 3 : 0;
}

function importLines(found: Imported, to: string, jobFlags: string, look: Look): string[] {
  const { ok, warn, dot } = symbols(look.ascii);
  const lines = found.notes.map((note) => `${dot} ${note}`);
  lines.push(
    `${look.style("green", ok)} ${count(found.imported)} of ${count(found.rows)} rows are new in ${to}; ${count(found.present)} were there already.`,
  );
  if (found.different > 0)
    lines.push(
      `${look.style("yellow", warn)} ${count(found.different)} ${found.different === 1 ? "row was" : "rows were"} not brought in, because another content is there under the same id; the first in line ${count(found.differentLine ?? 0)}. What was there is left as it is.`,
    );
  if (found.marked > 0)
    lines.push(
      `${look.style("yellow", warn)} ${count(found.marked)} of the new ones ${found.marked === 1 ? "carries" : "carry"} the mark of a processed document: no run reads them.`,
    );
  if (found.imported > 0) lines.push(`  ${asTyped(`querymill run --dry-run ${jobFlags}`.trimEnd())}`);
  return lines;
}
