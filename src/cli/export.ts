import { access, rename, rm } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { type Command, Option } from "commander";
import { messageOf, QuerymillError } from "../errors.ts";
import {
  formatOfEnding,
  type OutputValues,
  refuseUnwritable,
  type TableFormat,
  writeTable,
} from "../files/table-writer.ts";
import type { JobSettings } from "../job.ts";
import { openExistingTarget } from "../jobs/existing-store.ts";
import { recordsMatching, recordTable, refuseWithoutRecords } from "../results/matching-records.ts";
import { parseQuery } from "../results/query.ts";
import { zoneOf } from "../scheduling/zone.ts";
import { codeOf } from "../state/files.ts";
import type { Store } from "../store.ts";
import { count, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { makeCommand } from "./options.ts";
import { openScreen } from "./screen.ts";

/** `querymill export`: all records of the target in one file. */
export function exportCommand(): Command {
  const command = makeCommand(
    "export",
    "Writes all records of the target to a file: JSON lines, CSV for a spreadsheet, or Parquet.",
    `querymill export --output results.csv
querymill export --output - --format jsonl | head -3
querymill export --where 'category:refund_return confidence<0.6 since:7d' --output unsure.csv`,
  );
  command.addOption(new Option("--output <file>", "where to; - is stdout"));
  command.addOption(new Option("--format <format>", "jsonl, csv or parquet; default: by the file's ending"));
  command.addOption(new Option("--where <query>", "only records that meet a query, as querymill items lists them"));
  command.addOption(new Option("--overwrite", "replace an existing file"));
  command.addOption(
    new Option("--review <n>", "instead: a sheet of n records for people to check, least certain first"),
  );
  return addJobOptions(command, ["taxonomy", "timezone"]).action(async (flags: Record<string, unknown>) => {
    if (flags.review === undefined) process.exitCode = await exportRecords(flags);
    else process.exitCode = await (await import("./export-review.ts")).exportReview(flags);
  });
}

async function exportRecords({
  output: file,
  format,
  overwrite,
  where,
  ...flags
}: Record<string, unknown>): Promise<number> {
  const kind = formatOf(file, format);
  const { settings, output } = await loadJob(flags, false);
  const toStdout = file === "-";
  await refuseUnwritable(String(file), kind);
  if (toStdout && flags.json === true)
    throw refused("--json and --output - exclude each other: both write to stdout. Leave one out.");
  const path = resolve(String(file));
  const query = parseQuery(String(where ?? ""), {
    taxonomy: settings.taxonomy,
    nowMs: Date.now(),
    timezone: zoneOf(settings),
  });
  refuseWithoutRecords(query);
  if (!toStdout && overwrite !== true && (await exists(path)))
    throw refused(`${String(file)} exists already and is not replaced unasked. Add --overwrite, or name another file.`);
  const store = await openExistingTarget(settings);
  try {
    const target = store.target(settings.targetCollection);
    // An empty target and one that does not exist look alike; the nearest names are told for the latter.
    if ((await target.count()) === 0) await existing(settings, store);
    const { row, options } = recordTable(settings.taxonomy);
    const rows = async function* (): AsyncGenerator<OutputValues> {
      for await (const record of recordsMatching(target, query.selection)) yield row(record, kind);
    };
    const delimiter = /\.(tsv|tab)$/i.test(path) ? "\t" : ",";
    const write = (to: string): Promise<number | null> =>
      writeTable(rows(), { path: to, format: kind, delimiter, ...options });
    const records = toStdout ? await write("-") : await throughTemporary(path, write);
    if (toStdout || records === null) return 0;
    const screen = openScreen();
    const from = `${settings.targetCollection} in ${store.address}`;
    if (output.json) screen.json({ event: "export:end", records, output: path, format: kind, from });
    else {
      const { ok, warn } = symbols(screen.look.ascii);
      const to = relative(process.cwd(), path);
      screen.print([
        records === 0
          ? query.text === ""
            ? `${warn} ${to} is empty: ${from} has no records. Another one: --target-collection NAME.`
            : `${warn} ${to} is empty: no record of ${from} meets ${query.text}`
          : `${screen.look.style("green", ok)} ${count(records)} records of ${from} are in ${to}`,
      ]);
    }
    return 0;
  } finally {
    await store.close();
  }
}

/** @throws QuerymillError COLLECTION_MISSING with the nearest names */
async function existing({ targetCollection, mark }: JobSettings, store: Store): Promise<void> {
  await store.source({ collection: targetCollection, mark, filter: null, fields: [] }).inspect();
}

function formatOf(file: unknown, format: unknown): TableFormat {
  if (typeof file !== "string" || file === "")
    throw refused("--output is needed: --output results.csv, --output results.jsonl, or --output - for stdout.");
  if (format === "jsonl" || format === "csv" || format === "parquet") return format;
  if (format !== undefined) throw refused(`--format: expected jsonl, csv, parquet; got "${String(format)}".`);
  const said = formatOfEnding(file);
  if (said !== null) return said;
  throw refused(
    `${file === "-" ? "stdout" : file} has no ending that says the format. Add --format jsonl or --format csv.`,
  );
}

/** A reader sees the whole file or none: it gets its name when it is complete. */
async function throughTemporary(path: string, write: (path: string) => Promise<number | null>): Promise<number | null> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const records = await write(temporary);
    await rename(temporary, path);
    return records;
  } catch (error) {
    await rm(temporary, { force: true });
    if (codeOf(error) === null) throw error;
    throw refused(`${path} cannot be written: ${messageOf(error)}. Name another file with --output.`);
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
