import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FileSystem, nodeFileSystem } from "../../src/state/files.ts";
import { encodeFrame } from "../../src/state/frame.ts";
import { Journal, type JournalRecord, readJournal } from "../../src/state/journal.ts";
import { faultyFiles, IDENTITY, settlementOf, stateWith, temporaryFolder } from "./made-up-state.ts";

const SEGMENT = 4 * 1024 * 1024;
const settled = (key: string, text = "") => ({ kind: "settled", settlement: settlementOf(key, text) }) as const;

async function scan(folder: string, identity = IDENTITY) {
  const records: JournalRecord[] = [];
  const found = await readJournal(nodeFileSystem, folder, identity, (record) => {
    records.push(record);
  });
  return {
    ...found,
    records,
    keys: records.map(({ entry }) => (entry.kind === "settled" ? entry.settlement.key : entry.kind)),
  };
}

async function openOn(folder: string, files: FileSystem = nodeFileSystem): Promise<Journal> {
  const { lastSeq, segments } = await scan(folder);
  return await Journal.open(files, folder, IDENTITY, () => stateWith(0), { seq: lastSeq, segments });
}

const first = (folder: string) => join(folder, "0000000001.journal");
const range = (count: number) => Array.from({ length: count }, (_, at) => at);

describe("a journal", () => {
  it("gives back what was appended, in order, over several openings", async () => {
    const folder = await temporaryFolder();
    for (const round of range(3)) {
      const journal = await openOn(folder);
      const seqs = await Promise.all(range(5).map((at) => journal.append(settled(`${round}-${at}`))));
      expect(seqs).toEqual(range(5).map((at) => round * 5 + at + 1));
      await journal.close();
    }
    const found = await scan(folder);
    expect(found.keys).toEqual(range(3).flatMap((round) => range(5).map((at) => `${round}-${at}`)));
    expect(found).toMatchObject({ lastSeq: 15, damaged: [] });
    expect([...found.segments]).toEqual([
      [1, 5],
      [2, 10],
      [3, 15],
    ]);
  });

  it("cut at any byte keeps every record before the cut, invents none, and can be continued", async () => {
    const folder = await temporaryFolder();
    const journal = await openOn(folder);
    const ends: number[] = [];
    for (const at of range(4)) {
      await journal.append(settled(`${at}`, "é".repeat(at * 10)));
      ends.push((await readFile(first(folder))).length);
    }
    await journal.close();
    const whole = await readFile(first(folder));
    for (let cut = whole.length; cut >= 0; cut -= 1) {
      await truncate(first(folder), cut);
      const { keys, damaged } = await scan(folder);
      const before = ends.filter((end) => end - 1 <= cut).length;
      expect([cut, keys, damaged]).toEqual([cut, range(before).map(String), []]);
      if (cut % 97 !== 0) continue;
      const next = await openOn(folder);
      await next.append(settled("after"));
      await next.close();
      expect((await scan(folder)).keys).toEqual([...range(before).map(String), "after"]);
      await nodeFileSystem.remove(join(folder, "0000000002.journal"));
    }
  });

  it("with a damaged place keeps all other records and reports the damage", async () => {
    const folder = await temporaryFolder();
    const journal = await openOn(folder);
    const starts = [(await readFile(first(folder))).length];
    for (const at of range(4)) {
      await journal.append(settled(`${at}`));
      starts.push((await readFile(first(folder))).length);
    }
    await journal.close();
    const whole = await readFile(first(folder));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(7), async (at, bit) => {
        const flipped = Buffer.from(whole);
        flipped[at]! ^= 1 << bit;
        await writeFile(first(folder), flipped);
        const owner = starts.findLastIndex((start) => start <= at);
        const found = await scan(folder);
        const others = range(4).filter((number) => number !== owner);
        expect(found.keys.filter((key) => key !== String(owner))).toEqual(others.map(String));
        if (owner >= 0 && owner < 3 && !found.keys.includes(String(owner))) expect(found.damaged).toHaveLength(1);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it("reads doubled records once", async () => {
    const folder = await temporaryFolder();
    const journal = await openOn(folder);
    for (const at of range(3)) await journal.append(settled(`${at}`));
    await journal.close();
    const content = await readFile(first(folder));
    await writeFile(first(folder), Buffer.concat([content, content]));
    expect((await scan(folder)).keys).toEqual(["0", "1", "2"]);
  });

  it("notices a whole segment that is missing, and a tail that was lost before a later segment", async () => {
    const folder = await temporaryFolder();
    for (const name of ["a", "b", "c"]) {
      const journal = await openOn(folder);
      await journal.append(settled(name));
      await journal.close();
    }
    const second = join(folder, "0000000002.journal");
    const content = await readFile(second);
    await truncate(second, content.length - 10);
    expect(await scan(folder)).toMatchObject({ keys: ["a", "c"], lastSeq: 3, damaged: [{ segment: 2 }] });
    await nodeFileSystem.remove(second);
    expect(await scan(folder)).toMatchObject({ keys: ["a", "c"], lastSeq: 3, damaged: [{ bytes: expect.anything() }] });
  });

  it.each([{ job: "other" }, { tenant: "other" }, { range: "7" }])("is refused under another %o", async (other) => {
    const folder = await temporaryFolder();
    await (await openOn(folder)).close();
    await expect(scan(folder, { ...IDENTITY, ...other })).rejects.toMatchObject({ code: "STATE_DAMAGED" });
  });

  it("of a newer format is refused", async () => {
    const folder = await temporaryFolder();
    const header = { kind: "header", format: 2, ...IDENTITY, segment: 1, previousSeq: 0, state: stateWith(0) };
    await writeFile(first(folder), encodeFrame(0, JSON.stringify(header)));
    await expect(scan(folder)).rejects.toMatchObject({
      code: "STATE_NEWER",
      message: expect.stringMatching(/format 2, this one reads 1/),
    });
  });
});

describe("segments", () => {
  it("are closed when they are full, begin with the state before them, and go only when all in them is stored", async () => {
    const folder = await temporaryFolder();
    let applied = 0;
    const journal = await Journal.open(nodeFileSystem, folder, IDENTITY, () => stateWith(applied), {
      seq: 0,
      segments: new Map(),
    });
    const text = "x".repeat(SEGMENT / 8);
    await Promise.all(
      range(40).map(async (at) => {
        await journal.append(settled(`${at}`, text));
        applied += 1;
      }),
    );
    await journal.append(settled("40"));
    const { keys, segments, base } = await scan(folder);
    expect(keys).toEqual(range(41).map(String));
    expect(base).toEqual({ state: stateWith(0), seq: 0 });
    expect(segments.size).toBeGreaterThan(1);
    const [[, lastOfFirst]] = [...segments] as [[number, number]];
    await journal.release(lastOfFirst - 1);
    expect(await readdir(folder)).toHaveLength(segments.size);
    await journal.release(lastOfFirst);
    expect(await readdir(folder)).toHaveLength(segments.size - 1);
    expect((await scan(folder)).base).toEqual({ state: stateWith(lastOfFirst), seq: lastOfFirst });
    await journal.release(1_000);
    expect(await readdir(folder)).toEqual([`000000000${segments.size}.journal`]);
    await journal.close();
    const again = await openOn(folder);
    expect(await again.append(settled("41"))).toBe(42);
    await again.close();
  });

  it("that could not be begun break the journal and lose nothing", async () => {
    const folder = await temporaryFolder();
    const { files, disk } = faultyFiles();
    const journal = await openOn(folder, files);
    const full = journal.append(settled("full", "x".repeat(SEGMENT)));
    disk.room = SEGMENT + 2_000;
    await full;
    disk.room = 20;
    await expect(journal.append(settled("next"))).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
    await journal.close();
    expect((await scan(folder)).keys).toEqual(["full"]);
    const again = await openOn(folder);
    await again.append(settled("next"));
    await again.close();
    expect((await scan(folder)).keys).toEqual(["full", "next"]);
  });
});

describe("group commit", () => {
  it("resolves in order and shares one sync among all that wait", async () => {
    const folder = await temporaryFolder();
    const { files, disk } = faultyFiles();
    const journal = await openOn(folder, files);
    disk.syncs = 0;
    const order: number[] = [];
    await Promise.all(range(200).map(async (at) => order.push(await journal.append(settled(`${at}`)))));
    expect(order).toEqual(range(200).map((at) => at + 1));
    expect(disk.syncs).toBe(1);
    await journal.close();
  });

  it("on a slow disk takes everything that came meanwhile with the next sync", async () => {
    const folder = await temporaryFolder();
    const { files, disk } = faultyFiles();
    const journal = await openOn(folder, files);
    let release = () => {};
    disk.slow = () => new Promise((resolve) => (release = resolve));
    disk.syncs = 0;
    let done = 0;
    const one = journal.append(settled("first")).then(() => (done += 1));
    while (disk.syncs === 0) await new Promise((resolve) => setImmediate(resolve));
    const rest = range(50).map((at) => journal.append(settled(`${at}`)).then(() => (done += 1)));
    await new Promise((resolve) => setImmediate(resolve));
    expect([done, journal.durableSeq]).toEqual([0, 0]);
    disk.slow = null;
    release();
    await Promise.all([one, ...rest]);
    expect([disk.syncs, journal.durableSeq]).toEqual([2, 51]);
    await journal.close();
  });

  it("does not sync for notes, which are there after a flush", async () => {
    const folder = await temporaryFolder();
    const { files, disk } = faultyFiles();
    const journal = await openOn(folder, files);
    disk.syncs = 0;
    journal.note({ kind: "start", key: "a" });
    while (disk.writes < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(disk.syncs).toBe(0);
    await journal.flush();
    expect([disk.syncs, journal.durableSeq]).toEqual([1, 1]);
    await journal.close();
    expect((await scan(folder)).keys).toEqual(["start"]);
  });
});

describe("a disk that refuses", () => {
  it("full after any number of bytes: what was acknowledged is there, all others are told, nothing more is taken", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 6_000 }), fc.integer({ min: 1, max: 4 }), async (room, atOnce) => {
        const folder = await temporaryFolder();
        const { files, disk } = faultyFiles();
        const journal = await openOn(folder, files);
        disk.room = room;
        const acknowledged: string[] = [];
        const refused: unknown[] = [];
        for (const round of range(4)) {
          const results = await Promise.allSettled(
            range(atOnce).map((at) => journal.append(settled(`${round}-${at}`)).then(() => `${round}-${at}`)),
          );
          for (const result of results)
            if (result.status === "fulfilled") acknowledged.push(result.value);
            else refused.push(result.reason);
        }
        expect(acknowledged.length + refused.length).toBe(4 * atOnce);
        for (const error of refused) expect(error).toMatchObject({ code: "STATE_UNWRITABLE" });
        if (refused.length > 0) {
          expect(journal.failure).not.toBeNull();
          disk.room = Number.POSITIVE_INFINITY;
          await expect(journal.append(settled("later"))).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
          expect(() => journal.note({ kind: "start", key: "later" })).toThrow(/cannot be written/);
          await expect(journal.flush()).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
        }
        await journal.close();
        expect((await scan(folder)).keys).toEqual(acknowledged);
      }),
      { seed: 7, numRuns: 40 },
    );
  });

  it("with a failed sync is never asked again: neither by append, nor by flush, nor by close", async () => {
    for (const ask of ["append", "flush", "close"] as const) {
      const folder = await temporaryFolder();
      const { files, disk } = faultyFiles();
      const journal = await openOn(folder, files);
      await journal.append(settled("good"));
      journal.note({ kind: "start", key: "a" });
      disk.syncError = "EIO: i/o error, fdatasync";
      const asked =
        ask === "append" ? journal.append(settled("bad")) : ask === "flush" ? journal.flush() : journal.close();
      await expect(asked).rejects.toMatchObject({ code: "STATE_UNWRITABLE", message: expect.stringContaining("EIO") });
      disk.syncError = null;
      await expect(journal.append(settled("later"))).rejects.toMatchObject({ code: "STATE_UNWRITABLE" });
      if (ask !== "close") await journal.close();
      expect((await scan(folder)).keys).not.toContain("later");
    }
  });
});

it("a flush acknowledges only what it synced, not what was noted while it did", async () => {
  const folder = await temporaryFolder();
  const { files, disk } = faultyFiles();
  const journal = await openOn(folder, files);
  journal.note({ kind: "start", key: "a" });
  let release = () => {};
  disk.slow = () => new Promise((resolve) => (release = resolve));
  disk.syncs = 0;
  const flushed = journal.flush();
  while (disk.syncs === 0) await new Promise((resolve) => setImmediate(resolve));
  journal.note({ kind: "start", key: "b" });
  release();
  await flushed;
  expect(journal.durableSeq).toBe(1);
  disk.slow = null;
  await journal.close();
  expect((await scan(folder)).lastSeq).toBe(2);
});
