import { constants } from "node:fs";
import { access, realpath, rename, stat } from "node:fs/promises";
import { dirname, relative } from "node:path";
import type { InputSettings, OutputFileSettings } from "../config/input.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import type { ExecutionEnd } from "../events.ts";
import {
  formatOfEnding,
  type OutputValues,
  refuseUnwritable,
  type TableFormat,
  writeTable,
} from "../files/table-writer.ts";
import type { OpenInput } from "../jobs/input.ts";
import { rowOutcomes } from "../jobs/row-outcomes.ts";
import { count } from "./format.ts";
import { type ResultColumn, resultColumns } from "./result-columns.ts";

/** What a run says of its output file. */
export interface Written {
  readonly notes: readonly string[];
  /** It could not be written: the results are in the store. */
  readonly failed: boolean;
}

/** Most columns of a CSV that is made of rows with fields of their own. */
const MOST_COLUMNS = 2_000;

/**
 * Finds out before anything is spent whether the output may and can be written.
 * @throws QuerymillError USAGE, FILE_INVALID
 */
export async function checkOutput(
  { path: file, overwrite }: OutputFileSettings,
  input: InputSettings,
  json: boolean,
): Promise<void> {
  const shown = shownPath(file);
  await refuseUnwritable(file, formatOfEnding(file) ?? "csv");
  if (file === "-") {
    if (json) throw refused("--json and --output - exclude each other: both write to stdout. Leave one out.");
    return;
  }
  if (formatOfEnding(file) === null)
    throw refused(`--output ${shown}: its ending says no format. Use .csv, .tsv, .jsonl, .ndjson or .parquet.`);
  const there = await stat(file).catch(() => null);
  if (there?.isDirectory()) throw refused(`--output ${shown} is a folder. Name a file in it.`);
  if (there !== null && (await sameFile(file, input.path)))
    throw refused(`--output ${shown} is the input itself, which would be lost. Name another file.`);
  if (there !== null && !overwrite)
    throw refused(
      `--output ${shown} exists already and is not replaced unasked. Add --overwrite, or name another file.`,
    );
  try {
    await access(dirname(file), constants.W_OK);
  } catch {
    throw refused(`--output ${shown}: its folder is not there or cannot be written. Make it, or name another file.`);
  }
}

/**
 * Writes the rows with what came of them. The file gets its name when the run came to its end; what a stopped run has is
 * in `FILE.partial`.
 */
export async function writeOutput(
  { path }: OutputFileSettings,
  input: OpenInput,
  end: Pick<ExecutionEnd, "status">,
): Promise<Written> {
  const { table, settings } = input;
  const format = formatOfEnding(path) ?? (table.format === "parquet" ? "csv" : table.format);
  const names = table.columns ?? (await namesOf(input, format));
  const added = resultColumns(settings.taxonomy, new Set(names));
  const partial = `${path}.partial`;
  const shown = shownPath(path);
  const columns = [...names.map((name) => ({ name })), ...added];
  const delimiter = /\.(tsv|tab)$/i.test(path) ? "\t" : (table.delimiter ?? ",");
  try {
    const rows = await writeTable(outputRows(input, added, format), {
      path: path === "-" ? path : partial,
      format,
      delimiter,
      columns,
    });
    const whole = end.status === "completed" || end.status === "completed_with_failures";
    if (path !== "-" && whole) await rename(partial, path);
    const clashes = added.filter(({ name, field }) => name !== field).map(({ name, field }) => `${field} is ${name}`);
    const place =
      path === "-" || whole
        ? shown
        : `${shown}.partial, since the run was stopped; when it went on to its end, they are in ${shown}`;
    return {
      notes: [
        ...(rows === null ? [] : [`${rows === 1 ? "1 row is" : `${count(rows)} rows are`} in ${place}.`]),
        ...(clashes.length === 0
          ? []
          : [`The input has columns of these names, so in the output ${clashes.join(", ")}.`]),
      ],
      failed: false,
    };
  } catch (error) {
    if (error instanceof QuerymillError || (error as NodeJS.ErrnoException).code !== undefined)
      return {
        notes: [
          `${shown} could not be written: ${messageOf(error)} The results are kept: run the same again, or with another --output; nothing is asked twice.`,
        ],
        failed: true,
      };
    throw error;
  }
}

async function* outputRows(
  input: OpenInput,
  added: readonly ResultColumn[],
  format: TableFormat,
): AsyncGenerator<OutputValues> {
  const raw = format === "jsonl";
  for await (const outcome of rowOutcomes(input)) {
    const results = added.map(({ name, value }) => [name, value(outcome, raw)] as const);
    yield Object.fromEntries([...Object.entries(outcome.row.values), ...results]);
  }
}

/** The names of the fields of all rows that have their own, in the order in which they come up. */
async function namesOf({ table }: OpenInput, format: TableFormat): Promise<string[]> {
  const names = new Set<string>();
  for await (const { values } of table.rows()) {
    for (const name of Object.keys(values)) names.add(name);
    if (format !== "jsonl" && names.size > MOST_COLUMNS)
      throw refused(`The input has more than ${MOST_COLUMNS} different fields, too many columns. Name a .jsonl file.`);
  }
  return [...names];
}

function shownPath(path: string): string {
  return path === "-" ? "stdout" : relative(process.cwd(), path);
}

async function sameFile(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([realpath(a), realpath(b)].map((path) => path.catch(() => null)));
  return one !== null && one === other;
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
