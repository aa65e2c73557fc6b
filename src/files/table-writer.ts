import { once } from "node:events";
import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { fileInvalid } from "./file-fault.ts";

export type TableFormat = "csv" | "jsonl" | "parquet";

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
  const encode = options.format === "jsonl" ? jsonLines : await csvLines(options);
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
  stream.on("error", (error) => {
    failure.error = error;
  });
  let written = 0;
  let page: OutputValues[] = [];
  const put = async (): Promise<void> => {
    const text = encode(page, written === 0);
    written += page.length;
    page = [];
    if (failure.error === null && text !== "" && !stream.write(text))
      await Promise.race([once(stream, "drain"), once(stream, "close")]).catch(() => {});
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

function jsonLines(rows: readonly OutputValues[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/** A cell that a spreadsheet would run as a formula gets a quote in front. */
async function csvLines({
  columns,
  delimiter,
}: WriteOptions): Promise<(rows: readonly OutputValues[], first: boolean) => string> {
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
