/** One row of a file. */
export interface FileRow {
  /** 1-based line of the file where the row begins; the row's own number in Parquet. */
  readonly line: number;
  /** 1-based row, without the header. */
  readonly row: number;
  /** By column. CSV: texts. JSONL and Parquet: any JSON value. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** What is longer is no row: an unclosed quote, or a file without line ends. No store takes it either. */
export const LARGEST_ROW_BYTES = 16 * 1024 * 1024;
