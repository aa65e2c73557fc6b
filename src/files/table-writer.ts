import { once } from "node:events";
import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { fileInvalid } from "./file-fault.ts";

export type TableFormat = "csv" | "jsonl" | "parquet";

/** @returns the format that the ending of a path says; null when it says none */
export function formatOfEnding(path: string): TableFormat | null {
  if (/\.(csv|tsv|tab)$/i.test(path)) return "csv";
  if (/\.(jsonl|ndjson)$/i.test(path)) return "jsonl";
  return /\.parquet$/i.test(path) ? "parquet" : null;
}

/** A column that is written. */
export interface OutputColumn {
  readonly name: string;
  /** Of its values in Parquet. @default "text" */
  readonly type?: "text" | "number" | "boolean";
}

/** Values by column. In JSONL a value may be any that JSON has; elsewhere lists and objects are written as JSON. */
export type OutputValues = Readonly<Record<string, unknown>>;

export interface WriteOptions {
  /** Absolute, replaced when it is there; `-` for stdout. */
  readonly path: string;
  readonly format: TableFormat;
  /** Parts the cells of a CSV. */
  readonly delimiter: string;
  /** In order. In JSONL each row has its own, and this is not looked at. */
  readonly columns: readonly OutputColumn[];
  /** A row as JSON. @default JSON.stringify */
  readonly json?: (row: OutputValues) => string;
}

/** Rows whose text goes to the stream together. */
const ROWS_AT_ONCE = 200;

/**
 * Writes rows to a file, or to stdout.
 * @returns how many; null when nobody reads any more (`| head`)
 * @throws the error of the file system
 */
export async function writeTable(rows: AsyncIterable<OutputValues>, options: WriteOptions): Promise<number | null> {
  if (options.format === "parquet") return await writeParquet(rows, options);
  const encode = options.format === "jsonl" ? jsonLines(options) : await csvLines(options);
  if (options.path === "-") return await writeLines(rows, process.stdout, encode);
  const stream = createWriteStream(options.path, { flags: "w", mode: 0o600 });
  try {
    await once(stream, "open");
    const written = await writeLines(rows, stream, encode);
    stream.end();
    await finished(stream);
    return written;
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/** The text of a table, in pieces as its rows come. */
export async function* tableText(
  rows: AsyncIterable<OutputValues>,
  options: Omit<WriteOptions, "path" | "format"> & { readonly format: Exclude<TableFormat, "parquet"> },
): AsyncGenerator<string> {
  const encode = options.format === "jsonl" ? jsonLines(options) : await csvLines(options);
  let first = true;
  let page: OutputValues[] = [];
  for await (const row of rows) {
    if (page.push(row) < ROWS_AT_ONCE) continue;
    yield encode(page, first);
    [page, first] = [[], false];
  }
  if (page.length > 0 || first) yield encode(page, first);
}

/** @throws QuerymillError FILE_INVALID when Parquet cannot be written here */
export async function refuseUnwritable(path: string, format: TableFormat): Promise<void> {
  if (format !== "parquet") return;
  if (path === "-")
    throw fileInvalid("stdout", "Parquet is not written to it", "Name a file: --output results.parquet");
  await loadWriter(path);
}

async function loadWriter(path: string): Promise<typeof import("hyparquet-writer")> {
  try {
    return await import("hyparquet-writer");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw fileInvalid(path, "writing Parquet needs a package that is not installed", "Run: npm i hyparquet-writer");
  }
}

async function writeLines(
  rows: AsyncIterable<OutputValues>,
  stream: Writable,
  encode: (rows: readonly OutputValues[], first: boolean) => string,
): Promise<number | null> {
  const failure: { error: NodeJS.ErrnoException | null } = { error: null };
  const onError = (error: NodeJS.ErrnoException): void => {
    failure.error = error;
  };
  stream.on("error", onError);
  let written = 0;
  let page: OutputValues[] = [];
  const put = async (): Promise<void> => {
    const text = encode(page, written === 0);
    written += page.length;
    page = [];
    if (failure.error === null && text !== "" && !stream.write(text)) await drained(stream);
  };
  for await (const row of rows) {
    if (page.push(row) < ROWS_AT_ONCE) continue;
    await put();
    if (failure.error !== null) break;
  }
  if (page.length > 0 || written === 0) await put();
  if (failure.error === null) return written;
  if (failure.error.code === "EPIPE") return null;
  throw failure.error;
}

/** Resolves when the stream takes more, or is gone. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const name of ["drain", "close", "error"]) stream.off(name, done);
      resolve();
    };
    for (const name of ["drain", "close", "error"]) stream.once(name, done);
  });
}

function jsonLines({ json = JSON.stringify }: Pick<WriteOptions, "json">): (rows: readonly OutputValues[]) => string {
  return (rows) => rows.map((row) => `${json(row)}\n`).join("");
}

/** A cell that a spreadsheet would run as a formula gets a quote in front. */
async function csvLines({
  columns,
  delimiter,
}: Pick<WriteOptions, "columns" | "delimiter">): Promise<(rows: readonly OutputValues[], first: boolean) => string> {
  const { stringify } = await import("csv-stringify/sync");
  const names = columns.map(({ name }) => name);
  return (rows, first) => {
    const lines = rows.map((row) => names.map((name) => plain(row[name])));
    return stringify([...(first ? [names] : []), ...lines], {
      delimiter,
      escape_formulas: true,
      cast: { boolean: (value) => String(value) },
    });
  };
}

/** What fits in one cell. */
function plain(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null;
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? value
    : JSON.stringify(value);
}

async function writeParquet(rows: AsyncIterable<OutputValues>, { path, columns }: WriteOptions): Promise<number> {
  const { fileWriter, parquetWriteRows } = await loadWriter(path);
  const types = { text: "STRING", number: "DOUBLE", boolean: "BOOLEAN" } as const;
  let written = 0;
  const converted = async function* (): AsyncGenerator<Record<string, unknown>> {
    for await (const row of rows) {
      written += 1;
      yield Object.fromEntries(
        columns.map(({ name, type = "text" }) => {
          const value = plain(row[name]);
          return [name, value === null || type !== "text" ? value : String(value)];
        }),
      );
    }
  };
  await parquetWriteRows({
    writer: fileWriter(path),
    rows: converted(),
    columns: columns.map(({ name, type = "text" }) => ({ name, type: types[type], nullable: true })),
    rowGroupSize: 10_000,
  });
  return written;
}
