import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFrames, encodeFrame } from "../../src/state/frame.ts";

const anyJson = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value));
const anyFile = fc
  .array(
    fc.oneof(
      anyJson,
      fc.string({ unit: "binary" }).map((text) => JSON.stringify(text.toWellFormed())),
    ),
    {
      minLength: 1,
      maxLength: 8,
    },
  )
  .map((values) => values.map((json, at) => ({ seq: at + 1, json, line: Buffer.from(encodeFrame(at + 1, json)) })));

const records = (data: Buffer) => {
  const found: { seq: number; json: string }[] = [];
  for (const frame of decodeFrames(data)) if (frame.kind === "record") found.push({ seq: frame.seq, json: frame.json });
  return found;
};
const kinds = (data: Buffer) => [...decodeFrames(data)].map(({ kind }) => kind);
const plain = ({ seq, json }: { seq: number; json: string }) => ({ seq, json });

describe("a framed file", () => {
  it("gives back exactly what was written", () => {
    fc.assert(
      fc.property(anyFile, (file) => {
        expect(records(Buffer.concat(file.map(({ line }) => line)))).toEqual(file.map(plain));
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it("cut at every byte gives all whole records before the cut, and invents none", () => {
    fc.assert(
      fc.property(anyFile, (file) => {
        const data = Buffer.concat(file.map(({ line }) => line));
        for (let cut = 0; cut <= data.length; cut += 1) {
          let end = 0;
          const whole = file.filter(({ line }) => {
            end += line.length;
            // Only the newline is missing: the record is whole.
            return end - 1 <= cut;
          });
          const part = data.subarray(0, cut);
          expect(records(part)).toEqual(whole.map(plain));
          expect(kinds(part)).not.toContain("damage");
        }
      }),
      { seed: 7, numRuns: 40 },
    );
  });

  it("with one bit flipped anywhere loses at most that record, and says so when records follow", () => {
    const file = ["one", { two: 2 }, ["thr\u00e9e"], "four"].map((value, at) => {
      const json = JSON.stringify(value);
      return { seq: at + 1, json, line: Buffer.from(encodeFrame(at + 1, json)) };
    });
    const data = Buffer.concat(file.map(({ line }) => line));
    const owner = file.flatMap(({ line }, index) => Array.from(line, () => index));
    for (let at = 0; at < data.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const flipped = Buffer.from(data);
        flipped[at]! ^= 1 << bit;
        const others = file.filter((_, index) => index !== owner[at]).map(plain);
        const found = records(flipped);
        const where = `bit ${bit} of byte ${at}`;
        expect(
          found.filter(({ seq }) => seq !== owner[at]! + 1),
          where,
        ).toEqual(others);
        for (const { seq, json } of found) expect(file[seq - 1]?.json, where).toBe(json);
        if (found.length < file.length) expect(kinds(flipped)).toContain(owner[at] === 3 ? "torn" : "damage");
      }
    }
  });

  it("survives any bytes put into its middle", () => {
    fc.assert(
      fc.property(anyFile, fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.nat(), (file, noise, place) => {
        const at = place % (file.length + 1);
        const lines = file.map(({ line }) => line);
        // A damaged disk block ends anywhere, but the next record begins behind a newline of the one before.
        const data = Buffer.concat([...lines.slice(0, at), noise, Buffer.from("\n"), ...lines.slice(at)]);
        expect(records(data)).toEqual(file.map(plain));
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
