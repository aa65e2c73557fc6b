import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { encodeFrame } from "../../src/state/frame.ts";
import { JournalFollower } from "../../src/state/journal-follower.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const frame = (seq: number): string => encodeFrame(seq, JSON.stringify({ kind: "start", key: `"q${seq}"` }));
const segment = (folder: string, number: number): string => join(folder, `${String(number).padStart(10, "0")}.journal`);

function follow() {
  const folder = mkdtempSync(join(tmpdir(), "querymill-follow-"));
  folders.push(folder);
  const follower = new JournalFollower(folder);
  return { folder, follower, seqs: async () => (await follower.next()).map(({ seq }) => seq) };
}

test("records come once each, also when a write is seen half done", async () => {
  const { folder, follower, seqs } = follow();
  expect(await seqs()).toEqual([]);
  const half = frame(3);
  writeFileSync(segment(folder, 1), frame(1) + frame(2) + half.slice(0, 20));
  expect(await seqs()).toEqual([1, 2]);
  expect(await seqs()).toEqual([]);
  appendFileSync(segment(folder, 1), half.slice(20));
  expect(await seqs()).toEqual([3]);
  expect(await seqs()).toEqual([]);
  await follower.close();
});

test("it goes over to newer segments, past damage and past one that was let go of", async () => {
  const { folder, follower, seqs } = follow();
  writeFileSync(segment(folder, 4), `${frame(7)}not a record\n${frame(8)}`);
  expect(await seqs()).toEqual([7, 8]);
  // The journal lets go of a segment while it is being read, and begins the next ones.
  appendFileSync(segment(folder, 4), frame(9));
  writeFileSync(segment(folder, 6), frame(11));
  rmSync(segment(folder, 4));
  expect(await seqs()).toEqual([9]);
  expect(await seqs()).toEqual([11]);
  await follower.close();
  expect(await new JournalFollower(join(folder, "nowhere")).next()).toEqual([]);
});
