import { QuerymillError } from "../errors.ts";
import { sheetColumns } from "../evaluation/review-columns.ts";
import { type ReviewSheet, reviewSheet } from "../evaluation/review-export.ts";
import { openExistingStore } from "../jobs/existing-store.ts";
import { recallReading } from "../jobs/recall.ts";
import { count, type Look, symbols } from "./format.ts";
import { loadJob } from "./job-command.ts";
import { retype } from "./options.ts";
import { asTyped, shellWord } from "./program.ts";
import { openScreen } from "./screen.ts";
import { refuseUnwritableFile, writeWholeFile } from "./whole-file.ts";

const MOST_ROWS = 100_000;

/** `export --review N`: a sheet of the least certain records, and some at random, for people to fill in. */
export async function exportReview({
  review,
  output: file,
  format,
  overwrite,
  ...flags
}: Record<string, unknown>): Promise<number> {
  const size = Number(review);
  if (!Number.isInteger(size) || size < 1 || size > MOST_ROWS)
    throw refused(`--review: expected how many rows, an integer from 1 to 100,000; got "${String(review)}".`);
  if (format !== undefined && format !== "csv")
    throw refused("--review writes CSV, for a spreadsheet. Leave --format out.");
  const path = file === undefined ? "sheet.csv" : String(file);
  if (!/\.csv$/i.test(path)) throw refused(`--review writes CSV: name a file that ends in .csv; got ${path}.`);
  await refuseUnwritableFile("--output", path, overwrite === true);
  const { output, ...loaded } = await loadJob(flags, false);
  const jobFlags = `${loaded.jobFlags} ${retype(flags, ["taxonomy"])}`.trim();
  const settings = await recallReading(loaded.settings);
  const store = await openExistingStore(settings);
  try {
    const sheet = await reviewSheet(store, settings, size);
    if (sheet.rows.length === 0) throw nothing(sheet, `${settings.targetCollection} in ${store.address}`);
    await writeWholeFile(path, await csvOf(sheet, sheetColumns(settings.taxonomy)));
    const screen = openScreen();
    if (output.json) {
      const { rows, ...told } = sheet;
      screen.json({ event: "review:export", output: path, rows: rows.length, ...told });
    } else screen.printWhole(linesOf(sheet, path, jobFlags, screen.look));
    return 0;
  } finally {
    await store.close();
  }
}

/** With a byte order mark, so that Excel reads it as UTF-8; a cell that it would run as a formula gets a quote in front. */
async function csvOf({ rows }: ReviewSheet, columns: readonly string[]): Promise<string> {
  const { stringify } = await import("csv-stringify/sync");
  return stringify([columns, ...rows.map((row) => columns.map((name) => row[name] ?? null))], {
    bom: true,
    escape_formulas: true,
  });
}

function linesOf(sheet: ReviewSheet, path: string, jobFlags: string, look: Look): string[] {
  const { ok, dot } = symbols(look.ascii);
  const { rows, random, undecided, decided, withoutText } = sheet;
  const lines = [
    `${look.style("green", ok)} ${count(rows.length)} of ${count(undecided)} records are in ${path}, with customers' texts: the ${count(rows.length - random)} of which the model is least certain, and ${count(random)} drawn at random from the others.`,
    `  The random ones show how good the model is over all records; keep them in, also when they look fine.`,
  ];
  if (decided > 0) lines.push(`${dot} ${count(decided)} records were decided by people before and are left out.`);
  if (withoutText > 0)
    lines.push(`${dot} ${count(withoutText)} chosen records have no document with a text any more and are left out.`);
  lines.push(
    "",
    "  Fill in for each row: ok in verdict, or what is right in a right_… column. A row without either counts as not looked at.",
    `  Then:  ${asTyped(`querymill import --reviewed ${shellWord(path)} ${jobFlags}`.trimEnd())}`,
  );
  return lines;
}

function nothing({ decided, withoutText }: ReviewSheet, where: string): QuerymillError {
  const why =
    withoutText > 0
      ? `none of the chosen records has a document with a text any more`
      : decided > 0
        ? `people decided all ${decided} records`
        : "there are no records yet";
  return refused(`There is nothing to review in ${where}: ${why}. Another one: --target-collection NAME.`);
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
