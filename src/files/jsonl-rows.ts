import { type Encoding, utf8Chunks } from "./encoding.ts";
import type { FileBytes } from "./file-bytes.ts";
import { fileInvalid, RowFaults } from "./file-fault.ts";
import { type FileRow, LARGEST_ROW_BYTES } from "./row.ts";

/** One object a line; blank lines are passed by. Broken lines end the reading, once all of them are counted. */
export async function* jsonlRows(bytes: FileBytes, encoding: Encoding): AsyncGenerator<FileRow> {
  const faults = new RowFaults(bytes.path);
  let row = 0;
  for await (const { line, text } of lines(bytes, encoding)) {
    if (text === null) {
      const what = `longer than ${LARGEST_ROW_BYTES / 1024 / 1024} MB`;
      faults.add({ line, column: null, what }, "Write one object a line, and shorten what is longer.");
      continue;
    }
    if (text.trim() === "") continue;
    const value = parsed(text);
    if (value instanceof SyntaxError) {
      if (row === 0 && !faults.any && /^\s*[[{]\s*$/.test(text)) throw oneValue(bytes.path, text);
      faults.add({ line, column: columnOf(value, text), what: reasonOf(value) }, "Write one JSON object a line.");
    } else if (!isObject(value)) {
      if (row === 0 && !faults.any && Array.isArray(value)) throw oneValue(bytes.path, text);
      faults.add({ line, column: null, what: `${kindOf(value)}, not an object` }, "Write one JSON object a line.");
    }
    if (faults.any) continue;
    row += 1;
    yield { line, row, values: value as Record<string, unknown> };
  }
  if (faults.any) throw faults.error();
  if (row === 0) throw fileInvalid(bytes.path, "it has only blank lines", "Check what should have written it.");
}

/** @returns the value, or what is wrong */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

/** A JSON file that is one list, or one object over many lines. */
function oneValue(path: string, text: string): Error {
  const list = text.trim().startsWith("[");
  const filter = list ? ".[]" : ".";
  return fileInvalid(
    path,
    `it is JSON, but not one object a line (JSONL): it begins ${list ? "a list" : "an object over several lines"}`,
    `Rewrite it: jq -c '${filter}' ${path === "-" ? "" : `${path} `}> rows.jsonl`,
  );
}

/** V8 tells where, sometimes; never with the text around it, which is a customer's. */
function columnOf({ message }: Error, text: string): number | null {
  const at = /at position (\d+)/.exec(message)?.[1];
  if (at !== undefined) return Number(at) + 1;
  return /end of JSON input|Unterminated string/.test(message) ? text.length + 1 : null;
}

function reasonOf({ message }: Error): string {
  if (/end of JSON input|Unterminated/.test(message)) return "the JSON ends too early";
  return "broken JSON";
}

interface Line {
  readonly line: number;
  /** null for a line that is too long. */
  readonly text: string | null;
}

async function* lines(bytes: FileBytes, encoding: Encoding): AsyncGenerator<Line> {
  let line = 1;
  let pieces: Buffer[] = [];
  let length = 0;
  const take = (): Line => {
    const text = length > LARGEST_ROW_BYTES ? null : Buffer.concat(pieces).toString("utf8");
    pieces = [];
    length = 0;
    return { line, text };
  };
  const keep = (piece: Buffer): void => {
    length += piece.length;
    if (length > LARGEST_ROW_BYTES) pieces = [];
    else if (piece.length > 0) pieces.push(piece);
  };
  for await (const chunk of utf8Chunks(bytes, encoding)) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      keep(chunk.subarray(from, end));
      yield take();
      line += 1;
      from = end + 1;
    }
    keep(chunk.subarray(from));
  }
  if (length > 0) yield take();
}
