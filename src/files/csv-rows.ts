import { finished } from "node:stream/promises";
import { columnNames } from "./columns.ts";
import { type Encoding, utf8Chunks } from "./encoding.ts";
import type { FileBytes } from "./file-bytes.ts";
import { fileInvalid, RowFaults } from "./file-fault.ts";
import { type FileRow, LARGEST_ROW_BYTES } from "./row.ts";

/** How a CSV file is to be read. */
export interface CsvForm {
  readonly encoding: Encoding;
  readonly delimiter: string;
  /** Bytes of a line in front of the header that is none (`sep=;`), in UTF-8; 0 for none. */
  readonly skipBytes: number;
}

interface Cells {
  readonly line: number;
  readonly cells: readonly string[];
}

/** @returns the names of the columns, from the first row that is not blank; null when there is none */
export async function csvColumns(bytes: FileBytes, form: CsvForm): Promise<string[] | null> {
  for await (const { line, cells } of records(bytes, form, false)) return columnNames(bytes.path, line, cells);
  return null;
}

/** Rows by column. Those with another number of cells than the header end the reading, once all of them are counted. */
export async function* csvRows(bytes: FileBytes, form: CsvForm, columns: readonly string[]): AsyncGenerator<FileRow> {
  const faults = new RowFaults(bytes.path);
  let row = 0;
  for await (const { line, cells } of tolerantRecords(bytes, form)) {
    if (row++ === 0) continue;
    if (cells.length !== columns.length) {
      const what = `${cells.length.toLocaleString("en-US")} ${cells.length === 1 ? "cell" : "cells"}, and the header names ${columns.length.toLocaleString("en-US")} columns`;
      const remedy = `Quote cells that hold ${form.delimiter === "\t" ? "a tab" : form.delimiter} or a line break; another delimiter is told with --delimiter.`;
      faults.add({ line, column: null, what }, remedy);
    }
    if (faults.any) continue;
    const values = Object.fromEntries(columns.map((name, at) => [name, cells[at]!]));
    yield { line, row: row - 1, values };
  }
  if (faults.any) throw faults.error();
}

/** Reads strictly until a quote stands inside a cell that is not quoted (`5" screen`), and then takes such quotes as text. */
async function* tolerantRecords(bytes: FileBytes, form: CsvForm): AsyncGenerator<Cells> {
  let given = 0;
  try {
    for await (const record of records(bytes, form, false)) {
      given += 1;
      yield record;
    }
  } catch (error) {
    if (!(error instanceof QuoteInside)) throw error;
    let again = 0;
    for await (const record of records(bytes, form, true)) if (again++ >= given) yield record;
  }
}

class QuoteInside extends Error {}

/** The rows in order, the header first. Rows in front of a fault are given before it is thrown. */
async function* records(bytes: FileBytes, form: CsvForm, quotesInside: boolean): AsyncGenerator<Cells> {
  const { parse } = await import("csv-parse");
  // The parser's own count of lines takes \r\n inside quotes for two.
  let breaks = form.skipBytes > 0 ? 1 : 0;
  let given = 0;
  let ready: Cells[] = [];
  let fault: unknown = null;
  const lineOf = (blankLines: number): number => 1 + breaks + given + blankLines;
  const parser = parse({
    delimiter: form.delimiter,
    record_delimiter: ["\r\n", "\n", "\r"],
    relax_column_count: true,
    relax_quotes: quotesInside,
    raw: quotesInside,
    skip_empty_lines: true,
    max_record_size: LARGEST_ROW_BYTES,
    // Handed over here, not through the stream: a stream that fails drops what it holds.
    on_record: (record, { empty_lines, raw }) => {
      const cells: string[] = quotesInside ? (record as unknown as { record: string[] }).record : record;
      const line = lineOf(empty_lines);
      if (raw !== undefined) refuseSwallowed(bytes.path, { line, cells }, raw, form.delimiter);
      given += 1;
      for (const cell of cells) breaks += breaksIn(cell);
      ready.push({ line, cells });
      return null;
    },
  });
  parser.on("error", (error) => {
    fault = faultOf(bytes.path, error, lineOf);
  });
  const take = (): Cells[] => {
    const taken = ready;
    ready = [];
    return taken;
  };
  for await (const chunk of withoutFirst(bytes, form)) {
    await new Promise<void>((resolve) => parser.write(chunk, () => resolve()));
    yield* take();
    if (fault !== null) throw fault;
  }
  parser.resume();
  parser.end();
  await finished(parser).catch(() => {});
  yield* take();
  if (fault !== null) throw fault;
}

/** The parser's refusal in our words. */
function faultOf(path: string, error: unknown, lineOf: (blankLines: number) => number): unknown {
  const { code, column, empty_lines } = error as { code?: string; column?: number; empty_lines?: number };
  const line = lineOf(empty_lines ?? 0);
  const cell = Number(column ?? 0) + 1;
  switch (code) {
    case "INVALID_OPENING_QUOTE":
      return new QuoteInside();
    case "CSV_QUOTE_NOT_CLOSED":
      return unclosed(path, line, cell);
    case "CSV_INVALID_CLOSING_QUOTE":
      return fileInvalid(
        path,
        `line ${line.toLocaleString("en-US")}: in the row that begins here, cell ${cell} goes on behind its closing quote`,
        'A quote that is text is written twice: "a 5"" screen". Or a quote in front of it is not closed.',
      );
    case "CSV_MAX_RECORD_SIZE":
      return fileInvalid(
        path,
        `line ${line.toLocaleString("en-US")}: the row that begins here is longer than ${LARGEST_ROW_BYTES / 1024 / 1024} MB`,
        "Close its quote, or shorten it.",
      );
    default:
      return error;
  }
}

/** Where quotes inside cells are text, an unclosed one shows only in a cell that begins with it and goes on over others. */
function refuseSwallowed(path: string, { line, cells }: Cells, raw: string, delimiter: string): void {
  if (raw.includes('"""')) return;
  const at = cells.findIndex((cell) => cell.startsWith('"') && (/[\r\n]/.test(cell) || cell.includes(delimiter)));
  if (at >= 0) throw unclosed(path, line, at + 1);
}

function unclosed(path: string, line: number, cell: number): Error {
  return fileInvalid(
    path,
    `line ${line.toLocaleString("en-US")}: in the row that begins here, the quote of cell ${cell} is not closed`,
    "Close it, or write quotes that are text twice.",
  );
}

async function* withoutFirst(bytes: FileBytes, { encoding, skipBytes }: CsvForm): AsyncGenerator<Buffer> {
  let skip = skipBytes;
  for await (const chunk of utf8Chunks(bytes, encoding)) {
    if (skip < chunk.length) yield chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
  }
}

function breaksIn(cell: string): number {
  let found = 0;
  for (let at = 0; at < cell.length; at += 1) {
    const code = cell.charCodeAt(at);
    if (code === 10 || (code === 13 && cell.charCodeAt(at + 1) !== 10)) found += 1;
  }
  return found;
}
