import { csvColumns, csvRows } from "./csv-rows.ts";
import { declaredDelimiter, recogniseDelimiter } from "./delimiter.ts";
import { type Encoding, recogniseEncoding } from "./encoding.ts";
import { type FileBytes, openBytes } from "./file-bytes.ts";
import { fileInvalid } from "./file-fault.ts";
import { jsonlRows } from "./jsonl-rows.ts";
import { kindOfFile } from "./kind.ts";
import { openParquet } from "./parquet-rows.ts";
import type { FileRow } from "./row.ts";

export interface TableOptions {
  /** A path, or `-` for stdin. */
  readonly path: string;
  /** @default by the ending, else by the first bytes */
  readonly format?: "csv" | "jsonl" | "parquet";
  /** WHATWG label such as `windows-1252`. @default recognised: byte order mark, UTF-16, UTF-8, else windows-1252 with a note */
  readonly encoding?: string;
  /** CSV only. @default recognised among `, ; tab |` */
  readonly delimiter?: string;
}

/** One row of a table. */
export type TableRow = FileRow;

/** A file of rows that is open for reading. */
export interface Table {
  readonly path: string;
  readonly format: "csv" | "jsonl" | "parquet";
  /** WHATWG name; `binary` for Parquet. */
  readonly encoding: string;
  readonly delimiter: string | null;
  /** CSV and Parquet: in file order; JSONL: null, each row has its own. */
  readonly columns: readonly string[] | null;
  /** For the user: what was recognised or looks odd. */
  readonly notes: readonly string[];
  /**
   * Streams in constant memory, from the start each time it is called. The first broken row ends the rows; the error
   * comes when the rest was looked through, with the first faults and their count.
   * @throws QuerymillError FILE_INVALID with file, line, column and what to do
   */
  rows(): AsyncIterable<TableRow>;
  close(): Promise<void>;
}

/** Text at the beginning by which the delimiter is recognised. */
const HEAD_BYTES = 64 * 1024;

/**
 * Opens a CSV, JSONL or Parquet file, or stdin, and finds out how it is written.
 * @throws QuerymillError FILE_INVALID (not there, not readable, empty, binary, unknown format, no or doubled names of columns)
 */
export async function openTable(options: TableOptions): Promise<Table> {
  const bytes = await openBytes(options.path);
  try {
    return await openFormat(bytes, options);
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

async function openFormat(bytes: FileBytes, options: TableOptions): Promise<Table> {
  const { path } = bytes;
  const format = options.format ?? kindOfFile(path, await bytes.read(0, 512));
  const shared = { path, format, delimiter: null, columns: null, notes: [], close: () => bytes.close() };
  if (format === "parquet") {
    const { columns, rows } = await openParquet(bytes);
    return { ...shared, encoding: "binary", columns, rows };
  }
  const encoding = await recogniseEncoding(bytes, options.encoding ?? null);
  const notes = encoding.guessed
    ? [`${path} does not say its encoding; it is read as ${encoding.name}. If letters look wrong: --encoding NAME.`]
    : [];
  if (format === "jsonl") return { ...shared, encoding: encoding.name, notes, rows: () => jsonlRows(bytes, encoding) };
  return { ...shared, ...(await openCsv(bytes, encoding, options.delimiter)), encoding: encoding.name, notes };
}

async function openCsv(
  bytes: FileBytes,
  encoding: Encoding,
  given: string | undefined,
): Promise<Pick<Table, "columns" | "delimiter" | "rows">> {
  const head = new TextDecoder(encoding.name).decode(await bytes.read(encoding.bomBytes, HEAD_BYTES));
  const declared = declaredDelimiter(head);
  const skipped = declared?.line ?? "";
  const complete = bytes.size <= encoding.bomBytes + HEAD_BYTES;
  const delimiter = given ?? declared?.delimiter ?? recogniseDelimiter(head.slice(skipped.length), complete);
  const form = { encoding, delimiter, skipBytes: Buffer.byteLength(skipped) };
  const columns = await csvColumns(bytes, form);
  if (columns === null) throw fileInvalid(bytes.path, "it has only blank lines", "Check what should have written it.");
  return { columns, delimiter, rows: () => csvRows(bytes, form, columns) };
}
