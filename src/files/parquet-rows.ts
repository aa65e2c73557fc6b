import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { AsyncBuffer, Compressors, FileMetaData } from "hyparquet";
import { messageOf, QuerymillError } from "../errors.ts";
import { columnNames } from "./columns.ts";
import type { FileBytes } from "./file-bytes.ts";
import { fileInvalid } from "./file-fault.ts";
import type { FileRow } from "./row.ts";

/** Rows in memory at a time, unless a row group has fewer. */
const SLICE_ROWS = 20_000;

const compressors: Compressors = {
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
  ZSTD: (input) => zstdDecompressSync(input),
};

/** A Parquet file whose schema has been read. */
export interface ParquetFile {
  readonly columns: readonly string[];
  rows(): AsyncGenerator<FileRow>;
}

/** @throws QuerymillError FILE_INVALID: hyparquet is not installed, or the file is damaged */
export async function openParquet(bytes: FileBytes): Promise<ParquetFile> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await loadReader(bytes.path);
  const file: AsyncBuffer = {
    byteLength: bytes.size,
    slice: async (start, end = bytes.size) => {
      const part = await bytes.read(start, end - start);
      return part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength) as ArrayBuffer;
    },
  };
  const metadata: FileMetaData = await guarded(bytes.path, () => parquetMetadataAsync(file));
  const columns = columnNames(
    bytes.path,
    1,
    parquetSchema(metadata).children.map(({ element }) => element.name),
  );
  return {
    columns,
    rows: async function* () {
      let row = 0;
      for (const [rowStart, rowEnd] of slices(metadata)) {
        const read = () => parquetReadObjects({ file, metadata, rowStart, rowEnd, compressors, useOffsetIndex: true });
        for (const values of await guarded(bytes.path, read)) {
          row += 1;
          yield { line: row, row, values: plain(values) as Record<string, unknown> };
        }
      }
    },
  };
}

async function loadReader(path: string): Promise<typeof import("hyparquet")> {
  try {
    return await import("hyparquet");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw fileInvalid(path, "it is Parquet, which needs a package that is not installed", "Run: npm i hyparquet");
  }
}

async function guarded<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof QuerymillError) throw error;
    throw fileInvalid(path, `it is damaged or not whole (${messageOf(error)})`, "Write it again.");
  }
}

function slices(metadata: FileMetaData): [number, number][] {
  const found: [number, number][] = [];
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    for (let at = start; at < end; at += SLICE_ROWS) found.push([at, Math.min(end, at + SLICE_ROWS)]);
    start = end;
  }
  return found;
}

/** As JSON has it: dates as text, large integers as numbers where they fit, else as text, bytes in base64. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value !== "object" || value === null) return value ?? null;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
}
