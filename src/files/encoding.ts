import { isAscii, isUtf8 } from "node:buffer";
import type { FileBytes } from "./file-bytes.ts";
import { fileInvalid } from "./file-fault.ts";

/** How the bytes of a file become text. */
export interface Encoding {
  /** WHATWG name: `utf-8`, `utf-16le`, `windows-1252`, … */
  readonly name: string;
  /** Bytes of a byte order mark, which is no text. */
  readonly bomBytes: number;
  /** True when nothing in the file says so. */
  readonly guessed: boolean;
}

const BOMS: readonly (readonly [string, readonly number[]])[] = [
  ["utf-8", [0xef, 0xbb, 0xbf]],
  ["utf-16le", [0xff, 0xfe]],
  ["utf-16be", [0xfe, 0xff]],
];
const HEAD_BYTES = 4_096;

/**
 * Finds out the encoding of a whole file: byte order mark, UTF-16 by its zero bytes, UTF-8 if all of it is, or nearly
 * all (so that a damaged place is found, not read as something else), else windows-1252.
 * @param label what the user said it is, which wins over everything but a byte order mark of that encoding
 * @throws QuerymillError FILE_INVALID for a label that is none, and for bytes that are no text
 */
export async function recogniseEncoding(bytes: FileBytes, label: string | null): Promise<Encoding> {
  const head = await bytes.read(0, HEAD_BYTES);
  const bom = BOMS.find(([, mark]) => mark.every((byte, at) => head[at] === byte));
  if (label !== null) {
    const name = encodingName(bytes.path, label);
    return { name, bomBytes: bom?.[0] === name ? bom[1].length : 0, guessed: false };
  }
  if (bom !== undefined) return { name: bom[0], bomBytes: bom[1].length, guessed: false };
  const wide = wideByZeros(head);
  if (wide !== null) return { name: wide, bomBytes: 0, guessed: true };
  const { wrong, right, zeros } = await countUtf8(bytes);
  if (zeros) throw fileInvalid(bytes.path, "it has zero bytes and is no text", "Export it as CSV or JSONL in UTF-8.");
  if (wrong === 0 || right > 2 * wrong) return { name: "utf-8", bomBytes: 0, guessed: false };
  return { name: "windows-1252", bomBytes: 0, guessed: true };
}

/**
 * The text behind the byte order mark in UTF-8, whatever the file is in; no piece ends within a character.
 * @throws QuerymillError FILE_INVALID with the line of the first byte that is not UTF-8 in a file that is
 */
export async function* utf8Chunks(bytes: FileBytes, { name, bomBytes }: Encoding): AsyncGenerator<Buffer> {
  if (name !== "utf-8") {
    const decoder = new TextDecoder(name, { ignoreBOM: true });
    for await (const chunk of bytes.chunks(bomBytes)) yield Buffer.from(decoder.decode(chunk, { stream: true }));
    yield Buffer.from(decoder.decode());
    return;
  }
  let line = 1;
  for await (const part of wholeParts(bytes, bomBytes)) {
    if (!isUtf8(part)) throw notUtf8(bytes.path, part, line);
    line += lineBreaks(part);
    yield part;
  }
}

/** @returns how many lines end in these bytes: `\n`, `\r\n` and a lone `\r` each end one */
function lineBreaks(bytes: Uint8Array): number {
  let found = 0;
  for (let at = 0; at < bytes.length; at += 1)
    if (bytes[at] === 10 || (bytes[at] === 13 && bytes[at + 1] !== 10)) found += 1;
  return found;
}

/** Pieces of the file of which none ends within a character, and none between `\r` and `\n`. */
async function* wholeParts(bytes: FileBytes, start: number): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes.chunks(start)) {
    const whole = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = wholeEnd(whole);
    rest = whole.subarray(end);
    yield whole.subarray(0, end);
  }
  if (rest.length > 0) yield rest;
}

function notUtf8(path: string, part: Buffer, firstLine: number): Error {
  let at = 0;
  for (let length = lengthAt(part, at); length > 0; length = lengthAt(part, at)) at += length;
  const line = firstLine + lineBreaks(part.subarray(0, at));
  const byte = part[at]!.toString(16).toUpperCase().padStart(2, "0");
  return fileInvalid(
    path,
    `line ${line.toLocaleString("en-US")}: the byte 0x${byte} is not UTF-8, which the rest of the file is`,
    "Repair the line, or say what the file is in: --encoding windows-1252.",
  );
}

function encodingName(path: string, label: string): string {
  try {
    return new TextDecoder(label).encoding;
  } catch {
    throw fileInvalid(
      path,
      `"${label}" is no encoding that can be read`,
      "Use a name such as utf-8, utf-16le, windows-1252, iso-8859-15, shift_jis, or leave it out.",
    );
  }
}

/** UTF-16 of mostly Latin letters has a zero in nearly every second byte. */
function wideByZeros(head: Buffer): string | null {
  const zeros = [0, 0];
  for (const [at, byte] of head.entries()) if (byte === 0) zeros[at % 2]! += 1;
  const half = Math.floor(head.length / 2);
  if (zeros[1]! > 0.4 * half && zeros[0]! < 0.05 * half) return "utf-16le";
  if (zeros[0]! > 0.4 * half && zeros[1]! < 0.05 * half) return "utf-16be";
  return null;
}

/** How many characters beyond ASCII are right UTF-8, and how many bytes are in no such character. */
async function countUtf8(bytes: FileBytes): Promise<{ wrong: number; right: number; zeros: boolean }> {
  let wrong = 0;
  let right = 0;
  let zeros = false;
  for await (const part of wholeParts(bytes, 0)) {
    zeros ||= part.includes(0);
    if (isUtf8(part)) right += isAscii(part) ? 0 : beyondAscii(part);
    else {
      const counted = countWrong(part);
      wrong += counted.wrong;
      right += counted.right;
    }
  }
  return { wrong, right, zeros };
}

function beyondAscii(part: Buffer): number {
  let found = 0;
  for (const byte of part) if (byte >= 0xc0) found += 1;
  return found;
}

function countWrong(part: Buffer): { wrong: number; right: number } {
  let wrong = 0;
  let right = 0;
  for (let at = 0; at < part.length; ) {
    const length = lengthAt(part, at);
    if (length === 0) wrong += 1;
    else if (length > 1) right += 1;
    at += length || 1;
  }
  return { wrong, right };
}

/** @returns the length of the right UTF-8 character at a place; 0 when there is none */
function lengthAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  return isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}

/** @returns where a last character or line break that may be cut off begins, or the length */
function wholeEnd(bytes: Buffer): number {
  if (bytes.at(-1) === 13) return bytes.length - 1;
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) break;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back ? bytes.length - back : bytes.length;
    }
  }
  return bytes.length;
}
