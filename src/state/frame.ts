import { crc32 } from "node:zlib";

/**
 * One framed record: `crc32 seq length json\n`. The checksum (8 hex digits) covers all behind it, so a torn, flipped or
 * doubled record is told from a good one; `length` is in bytes, so a damaged newline costs no neighbour.
 */
export function encodeFrame(seq: number, json: string): string {
  const body = `${seq} ${Buffer.byteLength(json)} ${json}`;
  return `${crc32(body).toString(16).padStart(8, "0")} ${body}\n`;
}

export type Frame =
  | {
      readonly kind: "record";
      readonly seq: number;
      readonly json: string;
      readonly offset: number;
      readonly length: number;
    }
  /** Bytes that are no record, with good records behind them. */
  | { readonly kind: "damage"; readonly offset: number; readonly length: number }
  /** The end of the file is no whole record: the write that was under way at a crash. */
  | { readonly kind: "torn"; readonly offset: number; readonly length: number };

/** Reads all records of a file; resynchronises at the next line behind damage. Never throws. */
export function* decodeFrames(data: Buffer): Generator<Frame> {
  let position = 0;
  let badFrom = -1;
  let recordEnd = -1;
  while (position < data.length) {
    const frame = frameAt(data, position);
    if (frame === null) {
      if (badFrom < 0) badFrom = position;
      const newline = data.indexOf(10, position);
      // Directly behind a record the damage may be its newline alone: the next record then begins one byte further.
      if (position === recordEnd) position += 1;
      else position = newline < 0 ? data.length : newline + 1;
      continue;
    }
    if (badFrom >= 0) yield { kind: "damage", offset: badFrom, length: position - badFrom };
    badFrom = -1;
    yield frame;
    position = recordEnd = frame.offset + frame.length;
  }
  if (badFrom >= 0) yield { kind: "torn", offset: badFrom, length: data.length - badFrom };
}

const HEAD = /^([0-9a-f]{8}) (\d{1,15}) (\d{1,10}) /;

function frameAt(data: Buffer, offset: number): (Frame & { kind: "record" }) | null {
  const head = HEAD.exec(data.toString("latin1", offset, Math.min(data.length, offset + 40)));
  if (head === null) return null;
  const from = offset + head[0].length;
  const to = from + Number(head[3]);
  if (to > data.length) return null;
  if (crc32(data.subarray(offset + 9, to)) !== Number.parseInt(head[1]!, 16)) return null;
  // A record whose newline was not written yet is whole all the same: its checksum says so.
  const end = data[to] === 10 ? to + 1 : to;
  return { kind: "record", seq: Number(head[2]), json: data.toString("utf8", from, to), offset, length: end - offset };
}
