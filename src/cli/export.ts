import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { access, rename, rm } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { Writable } from "node:stream";
import { EJSON } from "bson";
import { type Command, Option } from "commander";
import { messageOf, QuerymillError } from "../errors.ts";
import type { JobSettings } from "../job.ts";
import { openExistingStore } from "../jobs/existing-store.ts";
import { codeOf } from "../state/files.ts";
import type { SourceDocument, Store, Target } from "../store.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { csvColumns } from "./csv-columns.ts";
import { count, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { makeCommand } from "./options.ts";
import { openScreen } from "./screen.ts";

type Format = "jsonl" | "csv";

/** Records in memory at a time. */
const PAGE = 500;

/** `querymill export`: all records of the target in one file. */
export function exportCommand(): Command {
  const command = makeCommand(
    "export",
    "Writes all records of the target to a file: JSON lines, or CSV for a spreadsheet.",
    `querymill export --output results.csv
querymill export --output - --format jsonl | head -3`,
  );
  command.addOption(new Option("--output <file>", "where to; - is stdout"));
  command.addOption(new Option("--format <format>", "jsonl or csv; default: by the file's ending"));
  command.addOption(new Option("--overwrite", "replace an existing file"));
  command.addOption(
    new Option("--review <n>", "instead: a sheet of n records for people to check, least certain first"),
  );
  return addJobOptions(command, ["taxonomy"]).action(async (flags: Record<string, unknown>) => {
    const { exportReview } = await import("./export-review.ts");
    process.exitCode = await (flags.review === undefined ? exportRecords(flags) : exportReview(flags));
  });
}

async function exportRecords({ output: file, format, overwrite, ...flags }: Record<string, unknown>): Promise<number> {
  const kind = formatOf(file, format);
  const { settings, output } = await loadJob(flags, false);
  const toStdout = file === "-";
  if (toStdout && flags.json === true)
    throw refused("--json and --output - exclude each other: both write to stdout. Leave one out.");
  const path = resolve(String(file));
  if (!toStdout && overwrite !== true && (await exists(path)))
    throw refused(`${String(file)} exists already and is not replaced unasked. Add --overwrite, or name another file.`);
  const store = await openExistingStore(settings);
  try {
    const target = store.target(settings.targetCollection);
    // An empty target and one that does not exist look alike; the nearest names are told for the latter.
    if ((await target.count()) === 0) await existing(settings, store);
    const write = (stream: Writable): Promise<number | null> => writeAll(stream, target, kind, settings.taxonomy);
    const records = toStdout ? await write(process.stdout) : await throughTemporary(path, write);
    if (toStdout || records === null) return 0;
    const screen = openScreen();
    const from = `${settings.targetCollection} in ${store.address}`;
    if (output.json) screen.json({ event: "export:end", records, output: path, format: kind, from });
    else {
      const { ok, warn } = symbols(screen.look.ascii);
      const to = relative(process.cwd(), path);
      screen.print([
        records === 0
          ? `${warn} ${to} is empty: ${from} has no records. Another one: --target-collection NAME.`
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

function formatOf(file: unknown, format: unknown): Format {
  if (typeof file !== "string" || file === "")
    throw refused("--output is needed: --output results.csv, --output results.jsonl, or --output - for stdout.");
  if (format === "jsonl" || format === "csv") return format;
  if (format !== undefined) throw refused(`--format: expected jsonl, csv; got "${String(format)}".`);
  if (/\.csv$/i.test(file)) return "csv";
  if (/\.(jsonl|ndjson)$/i.test(file)) return "jsonl";
  throw refused(
    `${file === "-" ? "stdout" : file} has no ending that says the format. Add --format jsonl or --format csv.`,
  );
}

/** A reader sees the whole file or none: it gets its name when it is complete. */
async function throughTemporary(
  path: string,
  write: (stream: Writable) => Promise<number | null>,
): Promise<number | null> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  const stream = createWriteStream(temporary, { flags: "wx", mode: 0o600 });
  try {
    await once(stream, "open");
    const records = await write(stream);
    stream.end();
    await once(stream, "close");
    await rename(temporary, path);
    return records;
  } catch (error) {
    stream.destroy();
    await rm(temporary, { force: true });
    if (codeOf(error) === null) throw error;
    throw refused(`${path} cannot be written: ${messageOf(error)}. Name another file with --output.`);
  }
}

/** @returns how many records, or null when nobody reads any more (`| head`) */
async function writeAll(stream: Writable, target: Target, format: Format, taxonomy: Taxonomy): Promise<number | null> {
  const failure: { error: Error | null } = { error: null };
  stream.on("error", (error) => {
    failure.error = error;
  });
  const encode = format === "jsonl" ? jsonLines : await csvLines(taxonomy);
  let records = 0;
  let first = true;
  for (let after: string | null = null, last = false; !last; first = false) {
    const page = await target.readAll(after, PAGE);
    const text = encode(page.documents, first);
    if (failure.error === null && text !== "" && !stream.write(text))
      await Promise.race([once(stream, "drain"), once(stream, "close")]).catch(() => {});
    if (failure.error !== null) {
      if (codeOf(failure.error) === "EPIPE") return null;
      throw failure.error;
    }
    records += page.documents.length;
    after = page.cursor;
    last = page.last;
  }
  return records;
}

function jsonLines(documents: readonly SourceDocument[]): string {
  return documents.map((document) => `${EJSON.stringify(document, { relaxed: true })}\n`).join("");
}

/** A cell that a spreadsheet would run as a formula gets a quote in front. */
async function csvLines(taxonomy: Taxonomy): Promise<(documents: readonly SourceDocument[], first: boolean) => string> {
  const { stringify } = await import("csv-stringify/sync");
  const columns = csvColumns(taxonomy);
  const headers = columns.map(({ header }) => header);
  return (documents, first) => {
    const rows = documents.map((document) => columns.map(({ value }) => value(document)));
    return stringify([...(first ? [headers] : []), ...rows], {
      escape_formulas: true,
      cast: { boolean: (value) => String(value) },
    });
  };
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
